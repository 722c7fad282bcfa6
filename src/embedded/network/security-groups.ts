/** Security groups and their rules: Neutron's rules over the rows. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Db, Tx } from '../../db/connection.ts'
import { parseCidr, parseIp } from '../../lib/ip.ts'
import { formatCidr } from './addresses.ts'
import {
  cannotRemoveDefaultGroup,
  cannotRenameDefaultGroup,
  defaultGroupExists,
  invalidInput,
  invalidPortRange,
  invalidProtocol,
  portRangeNeedsProtocol,
  prefixOfOtherFamily,
  remoteTwice,
  securityGroupInUse,
  securityGroupNotFound,
  securityGroupRuleExists,
  securityGroupRuleNotFound,
} from './errors.ts'
import { type Filter, matching } from './filter.ts'
import { icmpProtocols, portProtocols, protocolNumber } from './protocols.ts'
import type { SecurityGroupRow, SecurityGroupRuleRow } from './tables.ts'

/** A group as it is shown. */
export type SecurityGroupView = SecurityGroupRow & { rules: SecurityGroupRuleRow[] }

export type SecurityGroupCreate = Pick<SecurityGroupRow, 'project_id' | 'name'> & Partial<Pick<SecurityGroupRow, 'description' | 'made_by'>>
export type SecurityGroupUpdate = Partial<Pick<SecurityGroupRow, 'name' | 'description'>>
export type RuleCreate = Pick<SecurityGroupRuleRow, 'security_group_id' | 'direction'> &
  Partial<
    Pick<
      SecurityGroupRuleRow,
      'project_id' | 'ethertype' | 'protocol' | 'port_range_min' | 'port_range_max' | 'remote_ip_prefix' | 'remote_group_id' | 'description'
    >
  >

export type IngressRule = Omit<RuleCreate, 'security_group_id' | 'direction'>

const DEFAULT_GROUP = 'default'
const MAX_PORT = 65_535

export async function listSecurityGroups(db: Db | Tx, filter: Filter<SecurityGroupRow> = {}): Promise<SecurityGroupView[]> {
  const groups = await db
    .selectFrom('embedded_security_group')
    .selectAll()
    .where(matching(filter))
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  const rules = await listRules(db, groups.length === 1 ? { security_group_id: groups[0]!.id } : {})
  const byGroup = Map.groupBy(rules, (rule) => rule.security_group_id)
  return groups.map((group) => ({ ...group, rules: byGroup.get(group.id) ?? [] }))
}

export async function getSecurityGroup(db: Db | Tx, id: string): Promise<SecurityGroupView> {
  const [group] = await listSecurityGroups(db, { id })
  if (group === undefined) throw securityGroupNotFound(id)
  return group
}

/** The project's own group, made when it is first needed: its members may talk to each other, and out. */
export async function ensureDefaultGroup(tx: Tx, project_id: string, now: string): Promise<string> {
  const find = () =>
    tx
      .selectFrom('embedded_security_group')
      .select('id')
      .where('project_id', '=', project_id)
      .where('is_default', '=', true)
      .executeTakeFirst()
  const known = await find()
  if (known !== undefined) return known.id
  const row = newGroup({ project_id, name: DEFAULT_GROUP, description: 'Default security group' }, true, now)
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('embedded_security_group')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  if (numInsertedOrUpdatedRows === 0n) return (await find())!.id // another one was faster
  await insertRules(tx, [
    ...openEgress(row, now),
    ...(['IPv4', 'IPv6'] as const).map((ethertype) =>
      newRule(row, { security_group_id: row.id, direction: 'ingress', ethertype, remote_group_id: row.id }, now),
    ),
  ])
  return row.id
}

/** With the two rules that let everything out, as Neutron makes it. With `made_by`, a group that a flow made under this name is returned. */
export async function createSecurityGroup(tx: Tx, wanted: SecurityGroupCreate, now: string): Promise<SecurityGroupView> {
  await ensureDefaultGroup(tx, wanted.project_id, now)
  if (wanted.name === DEFAULT_GROUP) throw defaultGroupExists()
  const row = newGroup(wanted, false, now)
  const insert = tx.insertInto('embedded_security_group').values(row)
  const { numInsertedOrUpdatedRows } = await insert.onConflict((conflict) => conflict.doNothing()).executeTakeFirstOrThrow()
  if (numInsertedOrUpdatedRows === 0n) return (await findMadeGroup(tx, wanted.name))!
  const rules = openEgress(row, now)
  await insertRules(tx, rules)
  return { ...row, rules }
}

/** The group that a flow made under this name. */
export async function findMadeGroup(db: Db | Tx, name: string): Promise<SecurityGroupView | undefined> {
  const made = await db
    .selectFrom('embedded_security_group')
    .select('id')
    .where('name', '=', name)
    .where('made_by', 'is not', null)
    .executeTakeFirst()
  return made === undefined ? undefined : getSecurityGroup(db, made.id)
}

export async function updateSecurityGroup(tx: Tx, id: string, changes: SecurityGroupUpdate, now: string): Promise<SecurityGroupView> {
  const group = await getSecurityGroup(tx, id)
  if (group.is_default && changes.name !== undefined && changes.name !== group.name) throw cannotRenameDefaultGroup()
  if (!group.is_default && changes.name === DEFAULT_GROUP) throw defaultGroupExists()
  await tx
    .updateTable('embedded_security_group')
    .set({ ...changes, updated_at: now })
    .where('id', '=', id)
    .execute()
  return getSecurityGroup(tx, id)
}

/** Rules of other groups that name it as their remote go with it. With `made_by`, a group that another flow made stays. */
export async function deleteSecurityGroup(tx: Tx, id: string, made_by?: string): Promise<void> {
  const group = await lockSecurityGroup(tx, id)
  if (made_by !== undefined && group.made_by !== made_by) return
  if (group.is_default) throw cannotRemoveDefaultGroup()
  const used = await tx
    .selectFrom('embedded_port')
    .select('id')
    .where('security_group_ids', 'like', sql<string[]>`${`%"${id}"%`}`)
    .executeTakeFirst()
  if (used !== undefined) throw securityGroupInUse(id)
  const rules = tx.deleteFrom('embedded_security_group_rule')
  await rules.where((eb) => eb.or([eb('security_group_id', '=', id), eb('remote_group_id', '=', id)])).execute()
  await tx.deleteFrom('embedded_security_group').where('id', '=', id).execute()
}

/** Held by whoever gives the group to a port, so that it can't be deleted meanwhile. */
export async function lockSecurityGroup(tx: Tx, id: string): Promise<SecurityGroupRow> {
  const row = await tx
    .updateTable('embedded_security_group')
    .set((eb) => ({ updated_at: eb.ref('updated_at') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  if (row === undefined) throw securityGroupNotFound(id)
  return row
}

export const listRules = (db: Db | Tx, filter: Filter<SecurityGroupRuleRow> = {}): Promise<SecurityGroupRuleRow[]> =>
  db.selectFrom('embedded_security_group_rule').selectAll().where(matching(filter)).orderBy('created_at').orderBy('id').execute()

export async function getRule(db: Db | Tx, id: string): Promise<SecurityGroupRuleRow> {
  const [rule] = await listRules(db, { id })
  if (rule === undefined) throw securityGroupRuleNotFound(id)
  return rule
}

export async function createRule(tx: Tx, wanted: RuleCreate, now: string): Promise<SecurityGroupRuleRow> {
  const group = await lockSecurityGroup(tx, wanted.security_group_id)
  if (wanted.remote_group_id) await lockSecurityGroup(tx, wanted.remote_group_id)
  const rule = newRule(group, wanted, now)
  const same = (await listRules(tx, { security_group_id: group.id })).find((other) => sameRule(other, rule))
  if (same !== undefined) throw securityGroupRuleExists(same.id)
  await insertRules(tx, [rule])
  return rule
}

export async function deleteRule(tx: Tx, id: string): Promise<void> {
  const { numDeletedRows } = await tx.deleteFrom('embedded_security_group_rule').where('id', '=', id).executeTakeFirst()
  if (numDeletedRows === 0n) throw securityGroupRuleNotFound(id)
}

/** Afterwards the group has exactly these ingress rules; those that stay keep their ids. Returns whether anything changed. */
export async function replaceIngressRules(tx: Tx, id: string, wanted: IngressRule[], now: string): Promise<boolean> {
  const group = await lockSecurityGroup(tx, id)
  const present = await listRules(tx, { security_group_id: id, direction: 'ingress' })
  const rules = wanted.map((rule) => newRule(group, { ...rule, security_group_id: id, direction: 'ingress' }, now))
  const gone = present.filter((rule) => !rules.some((other) => sameRule(rule, other)))
  const added = rules.filter((rule, i) => ![...present, ...rules.slice(0, i)].some((other) => sameRule(rule, other)))
  for (const rule of gone) await deleteRule(tx, rule.id)
  await insertRules(tx, added)
  return gone.length + added.length > 0
}

function newGroup(wanted: SecurityGroupCreate, is_default: boolean, now: string): SecurityGroupRow {
  return { id: randomUUID(), description: '', made_by: null, ...wanted, is_default, created_at: now, updated_at: now }
}

/** Checked as Neutron checks it; the range of one port is written once. */
function newRule(group: Pick<SecurityGroupRow, 'id' | 'project_id'>, wanted: RuleCreate, now: string): SecurityGroupRuleRow {
  const ethertype = wanted.ethertype ?? 'IPv4'
  const protocol = wanted.protocol === 'any' ? null : (wanted.protocol?.toLowerCase() ?? null)
  if (protocol !== null && protocolNumber(protocol, ethertype) === undefined) throw invalidProtocol(protocol)
  if (wanted.remote_ip_prefix && wanted.remote_group_id) throw remoteTwice()
  return {
    id: randomUUID(),
    project_id: group.project_id,
    security_group_id: group.id,
    direction: wanted.direction,
    ethertype,
    protocol,
    ...portRange(protocol, wanted.port_range_min ?? null, wanted.port_range_max ?? null),
    remote_ip_prefix: wanted.remote_ip_prefix ? checkedPrefix(wanted.remote_ip_prefix, ethertype) : null,
    remote_group_id: wanted.remote_group_id ?? null,
    description: wanted.description ?? '',
    created_at: now,
    updated_at: now,
  }
}

function portRange(protocol: string | null, min: number | null, max: number | null) {
  if (min === null && max === null) return { port_range_min: null, port_range_max: null }
  if (protocol === null) throw portRangeNeedsProtocol()
  if (icmpProtocols.has(protocol)) {
    if (min === null || min < 0 || min > 255 || (max !== null && (max < 0 || max > 255))) {
      throw invalidInput('ICMP type and code should be between 0 and 255, and a code needs a type')
    }
    return { port_range_min: min, port_range_max: max }
  }
  if (!portProtocols.has(protocol)) throw invalidInput(`port_range_min and port_range_max are not for protocol ${protocol}`)
  if (min === null || max === null || min < 1 || max > MAX_PORT || min > max) throw invalidPortRange()
  return { port_range_min: min, port_range_max: max }
}

function checkedPrefix(prefix: string, ethertype: 'IPv4' | 'IPv6'): string {
  const ip = parseIp(prefix)
  const cidr = parseCidr(ip === null ? prefix : `${prefix}/${ip.version === 4 ? 32 : 128}`)
  if (cidr === null) throw invalidInput(`'${prefix}' is not a valid IP subnet`)
  if (cidr.version !== (ethertype === 'IPv4' ? 4 : 6)) throw prefixOfOtherFamily(ethertype, prefix)
  return formatCidr(cidr)
}

const openEgress = (group: SecurityGroupRow, now: string) =>
  (['IPv4', 'IPv6'] as const).map((ethertype) => newRule(group, { security_group_id: group.id, direction: 'egress', ethertype }, now))

async function insertRules(tx: Tx, rules: SecurityGroupRuleRow[]): Promise<void> {
  if (rules.length > 0) await tx.insertInto('embedded_security_group_rule').values(rules).execute()
}

const meaningful = [
  'direction',
  'ethertype',
  'protocol',
  'port_range_min',
  'port_range_max',
  'remote_ip_prefix',
  'remote_group_id',
] as const satisfies (keyof SecurityGroupRuleRow)[]

const sameRule = (a: SecurityGroupRuleRow, b: SecurityGroupRuleRow) => meaningful.every((key) => a[key] === b[key])
