/** Two tables of nft as data, and the script that brings the kernel from one state of them to the next in one transaction. */

export interface Chain {
  /** Of a base chain: its type, hook, priority and policy. */
  hook?: string
  rules: string[]
}

export interface Table {
  sets: Record<string, { type: string; interval?: boolean; elements: string[] }>
  maps: Record<string, { type: string; elements: Record<string, string> }>
  chains: Record<string, Chain>
}

export interface Ruleset {
  name: string
  tables: Record<'inet' | 'bridge', Table>
}

const families = ['inet', 'bridge'] as const
const nothing: Table = { sets: {}, maps: {}, chains: {} }

/**
 * Each script adds the next number to a set whose name is drawn anew with every rebuild. That fails, and the script with it, when another
 * process has been faster or has rebuilt: of two processes none builds on what the other has just replaced.
 */
export interface Stamp {
  epoch: string
  number: number
}

export const nextStamp = ({ epoch, number }: Stamp): Stamp => ({ epoch, number: number + 1 })

/** Everything anew, where `present` (null: no table) is what is there. */
export function fullScript(wanted: Ruleset, present: Stamp | null, next: Stamp): string {
  const host = `inet ${wanted.name}`
  return [
    present === null ? `create table ${host}` : claim(host, nextStamp(present)),
    ...families.flatMap((family) => {
      const table = `${family} ${wanted.name}`
      return [`add table ${table}`, `delete table ${table}`, `add table ${table}`, ...changes(table, nothing, wanted.tables[family])]
    }),
    `add set ${host} ${next.epoch} { type mark; }`,
    claim(host, next),
  ].join('\n')
}

/** Only what differs; empty when nothing does. What is there afterwards has the stamp after `stamp`. */
export function changeScript(present: Ruleset, wanted: Ruleset, stamp: Stamp): string {
  const lines = families.flatMap((family) => changes(`${family} ${wanted.name}`, present.tables[family], wanted.tables[family]))
  return lines.length === 0 ? '' : [claim(`inet ${wanted.name}`, nextStamp(stamp)), ...lines].join('\n')
}

const claim = (table: string, { epoch, number }: Stamp) => `create element ${table} ${epoch} { ${number} }`

/** Ordered so that nothing is named before it is there, nor removed while something names it. */
function changes(table: string, present: Table, wanted: Table): string[] {
  return [
    ...added(present.chains, wanted.chains).map(
      ([name, { hook }]) => `add chain ${table} ${name}${hook === undefined ? '' : ` { ${hook} }`}`,
    ),
    ...added(present.sets, wanted.sets).map(
      ([name, { type, interval }]) => `add set ${table} ${name} { type ${type};${interval ? ' flags interval; auto-merge;' : ''} }`,
    ),
    ...added(present.maps, wanted.maps).map(([name, { type }]) => `add map ${table} ${name} { type ${type}; }`),
    ...Object.entries(wanted.chains).flatMap(([name, { rules }]) => {
      const before = present.chains[name]?.rules ?? []
      if (sameList(before, rules)) return []
      return [...(before.length > 0 ? [`flush chain ${table} ${name}`] : []), ...rules.map((rule) => `add rule ${table} ${name} ${rule}`)]
    }),
    ...Object.entries(wanted.sets).flatMap(([name, set]) => setChanges(`${table} ${name}`, present.sets[name]?.elements ?? [], set)),
    ...Object.entries(wanted.maps).flatMap(([name, map]) =>
      mapChanges(`${table} ${name}`, present.maps[name]?.elements ?? {}, map.elements),
    ),
    // A chain may jump to another that goes too.
    ...added(wanted.chains, present.chains).map(([name]) => `flush chain ${table} ${name}`),
    ...added(wanted.chains, present.chains).map(([name]) => `delete chain ${table} ${name}`),
    ...added(wanted.sets, present.sets).map(([name]) => `delete set ${table} ${name}`),
    ...added(wanted.maps, present.maps).map(([name]) => `delete map ${table} ${name}`),
  ]
}

function setChanges(set: string, before: string[], { elements, interval }: Table['sets'][string]): string[] {
  const gone = before.filter((element) => !elements.includes(element))
  // Ranges that overlap are merged by nft, so single ones can't be taken out again.
  if (interval && gone.length > 0) return [`flush set ${set}`, ...listed('add', set, elements)]
  const fresh = elements.filter((element) => !before.includes(element))
  return [...listed('delete', set, gone), ...listed('add', set, fresh)]
}

function mapChanges(map: string, before: Record<string, string>, after: Record<string, string>): string[] {
  const differs = (a: Record<string, string>, b: Record<string, string>) => Object.entries(a).filter(([key, value]) => b[key] !== value)
  return [
    ...listed(
      'delete',
      map,
      differs(before, after).map(([key]) => key),
    ),
    ...listed(
      'add',
      map,
      differs(after, before).map(([key, value]) => `${key} : ${value}`),
    ),
  ]
}

const listed = (verb: 'add' | 'delete', set: string, elements: string[]) =>
  elements.length === 0 ? [] : [`${verb} element ${set} { ${elements.join(', ')} }`]

const added = <T>(before: Record<string, T>, after: Record<string, T>): [string, T][] =>
  Object.entries(after).filter(([name]) => before[name] === undefined)

const sameList = (a: string[], b: string[]) => a.length === b.length && a.every((element, i) => element === b[i])
