/** Whether two answers say the same: ids by which object they name, times by whether there is one. */
import type { Answer } from './http.ts'
import { uuid } from './requests.ts'

/** Whose id of ours stands for which of theirs; one to one. */
export class Ids {
  readonly #ours = new Map<string, string>()
  readonly #theirs = new Map<string, string>()

  /** The id itself, where nobody gave it. */
  ourIdOf(theirs: string): string {
    return this.#ours.get(theirs) ?? theirs
  }

  /** Whether they stand for the same; the first time they meet they do. */
  isSame(theirs: string, ours: string): boolean {
    if (!this.#ours.has(theirs) && !this.#theirs.has(ours)) {
      this.#ours.set(theirs, ours)
      this.#theirs.set(ours, theirs)
    }
    return this.#ours.get(theirs) === ours
  }
}

export interface Mismatch {
  /** Where in the answer: `status`, `headers.content-type`, `body.pool.name`. */
  at: string
  theirs: unknown
  ours: unknown
}

const wholeUuid = new RegExp(`^${uuid.source}$`)
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/
const requestId = /^req-[0-9a-f-]{36}$/
/** Of a port, or network, that a no-op driver made up; upstream's makes none up for the network of a subnet. */
const inventedIds = new Set(['vip_port_id', 'vip_network_id', 'vip_subnet_id', 'port_id'])
const server = /http:\/\/127\.0\.0\.1:\d+/g

export function compareAnswers(theirs: Answer, ours: Answer, ids: Ids): Mismatch[] {
  const found: Mismatch[] = []
  const differs = (at: string, one: unknown, other: unknown) => found.push({ at, theirs: one, ours: other })
  if (theirs.status !== ours.status) differs('status', theirs.status, ours.status)
  for (const name of ['content-type', 'allow', 'location']) {
    if (theirs.headers[name] !== ours.headers[name]) differs(`headers.${name}`, theirs.headers[name], ours.headers[name])
  }
  const [theirId, ourId] = [theirs, ours].map(({ headers }) => requestId.test(String(headers['x-openstack-request-id'])))
  if (theirId !== ourId) differs('headers.x-openstack-request-id', theirId, ourId)
  if (theirs.body === undefined || ours.body === undefined) {
    if (!sameText(theirs.text, ours.text)) differs('body', theirs.text, ours.text)
  } else {
    walk(theirs.body, ours.body, 'body', undefined)
  }
  return found

  function walk(one: unknown, other: unknown, at: string, key: string | undefined): void {
    if (Array.isArray(one) && Array.isArray(other)) {
      if (one.length !== other.length) return void differs(at, one, other)
      // Within an object, lists of others are in no order, nor are tags and ranges anywhere.
      const isNested = at.split('.').length > 2 || withoutTime.has(at)
      const others = isNested && haveIds(one) && haveIds(other) ? inOrderOf(one, other) : other
      if (at === 'body.quotas') walk(byProject(one), byProject(other), at, key)
      else if (key === 'tags' || key === 'allowed_cidrs') walk(one.toSorted().join('\n'), other.toSorted().join('\n'), at, undefined)
      else for (const [index, item] of one.entries()) walk(item, others[index], `${at}.${index}`, key)
    } else if (isObject(one) && isObject(other)) {
      for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
        if (!Object.hasOwn(one, name) || !Object.hasOwn(other, name)) differs(`${at}.${name}`, shown(one, name), shown(other, name))
        else walk(one[name], other[name], `${at}.${name}`, name)
      }
    } else if (typeof one === 'string' && typeof other === 'string') {
      if (key !== undefined && inventedIds.has(key) && wholeUuid.test(one) && wholeUuid.test(other)) return
      if (!sameText(one, other)) differs(at, one, other)
    } else if (one !== other && !(key === 'vip_network_id' && one === null)) {
      differs(at, one, other)
    }
  }

  /** In the order of `one`; those that nobody has met yet by what they are. */
  function inOrderOf(one: Child[], other: Child[]): Child[] {
    const rest = [...other]
    const take = (isWanted: (item: Child) => boolean) => rest.splice(Math.max(rest.findIndex(isWanted), 0), 1)[0]!
    const known = new Map(one.map((item) => [item, other.find(({ id }) => id === ids.ourIdOf(item.id))]))
    for (const item of known.values()) if (item !== undefined) take((candidate) => candidate === item)
    return one.map((item) => known.get(item) ?? take((candidate) => natureOf(candidate) === natureOf(item)))
  }

  function sameText(theirs: string, ours: string): boolean {
    const [one, other] = [theirs, ours].map((text) => inOneOrder(text.replace(server, 'http://server'))) as [string, string]
    if (one === other || (time.test(one) && time.test(other))) return true
    const [theirIds, ourIds] = [one.match(uuid) ?? [], other.match(uuid) ?? []]
    if (theirIds.length !== ourIds.length || one.replace(uuid, '') !== other.replace(uuid, '')) return false
    return theirIds.every((theirId, index) => ids.isSame(theirId, ourIds[index]!))
  }
}

/** Upstream lists quotas in no order. */
function byProject(quotas: { project_id?: string }[]): Record<string, unknown> {
  return Object.fromEntries(quotas.map((quota, index) => [quota.project_id ?? String(index), quota]))
}

/** Upstream lists the members of a set in any order. */
function inOneOrder(text: string): string {
  const [, head, choices] = /^(.*Value should be one of: |Unknown attributes for argument [^:]*: )(.*)$/.exec(text) ?? []
  return choices === undefined ? text : `${head}${choices.split(', ').toSorted().join(', ')}`
}

/** Lists of what keeps no time of its creation are by id. */
const withoutTime = new Set(['body.flavors', 'body.flavorprofiles', 'body.availability_zone_profiles'])

const absent = Symbol.for('absent')

function shown(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : absent
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Child = { id: string; [key: string]: unknown }

/** By which a person tells children of one object apart. */
function natureOf(child: Child): string {
  const told = ['name', 'protocol', 'protocol_port', 'address', 'action', 'position', 'type', 'compare_type', 'value', 'key']
  return JSON.stringify(told.map((name) => child[name]))
}

function haveIds(value: unknown[]): value is Child[] {
  return value.every((item) => isObject(item) && typeof item.id === 'string')
}
