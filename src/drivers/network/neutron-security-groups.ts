/** Security groups of Neutron: one by name, and as few changes of its rules as lead to what is wanted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { formatIp, parseCidr } from '../../lib/ip.ts'
import { RefusedError } from '../errors.ts'
import type { SecurityGroupRule } from './driver.ts'
import { descriptionOf, isFault, makerIn, type NeutronApi, oldestFirst } from './neutron-api.ts'

/** As Neutron shows it. */
export type GroupRow = {
  id: string
  name: string
  project_id?: string
  tenant_id?: string
  description?: string | null
  created_at?: string
  security_group_rules?: RuleRow[]
}

type RuleRow = {
  id: string
  direction: string
  ethertype: string | null
  protocol: string | null
  port_range_min: number | null
  port_range_max: number | null
  remote_ip_prefix: string | null
  remote_group_id?: string | null
  remote_address_group_id?: string | null
}

/** Of that exact name in the service's project, the one to take first. */
export async function groupsNamed(api: NeutronApi, name: string): Promise<GroupRow[]> {
  return oldestFirst(await api.list<GroupRow>('security-groups', { name, [await api.projectKey()]: await api.serviceProject() }))
}

/** Answers the group's id. */
export async function ensureGroup(api: NeutronApi, { name, made_by }: { name: string; made_by: string }): Promise<string> {
  const known = await onlyGroup(api, await groupsNamed(api, name))
  if (known !== null) return known
  const project = { [await api.projectKey()]: await api.serviceProject() }
  const { id } = await api.create<GroupRow>('security-groups', {
    security_group: { name, description: descriptionOf(made_by), ...project },
  })
  return (await onlyGroup(api, await groupsNamed(api, name))) ?? id
}

/**
 * Two callers side by side, or an answer that was lost, make two groups of a name: the one stays that a port has, else the oldest. Neutron deletes none that
 * is used, so nobody loses his; one that nobody uses yet is missed by whoever made it.
 */
export async function onlyGroup(api: NeutronApi, groups: readonly GroupRow[]): Promise<string | null> {
  let [kept, ...others] = groups
  if (kept === undefined) return null
  for (const other of others) {
    if (!(await isDeleted(api, other.id)) && (await isDeleted(api, kept.id))) kept = other
  }
  return kept.id
}

/** False where it is used. */
async function isDeleted(api: NeutronApi, id: string): Promise<boolean> {
  try {
    await api.delete('security-groups', id)
    return true
  } catch (error) {
    if (isFault(error, 'SecurityGroupInUse')) return false
    throw error
  }
}

/** Afterwards the group has exactly these ingress rules. What is new comes first, so that nothing that stays allowed is refused meanwhile. */
export async function setRules(api: NeutronApi, id: string, wanted: readonly SecurityGroupRule[]): Promise<void> {
  const group = await api.get<GroupRow>('security-groups', 'security_group', { what: 'Security Group', id })
  const present = (group.security_group_rules ?? []).filter(({ direction }) => direction === 'ingress')
  const wantedByKey = new Map(wanted.map((rule) => [keyOf(asRow(rule)), rule]))
  const missing = [...wantedByKey].filter(([key]) => !present.some((row) => keyOf(row) === key)).map(([, rule]) => rule)
  await addRules(api, group, missing)
  for (const row of present.filter((row) => !wantedByKey.has(keyOf(row)))) await api.delete('security-group-rules', row.id)
}

async function addRules(api: NeutronApi, group: GroupRow, rules: readonly SecurityGroupRule[]): Promise<void> {
  if (rules.length === 0) return
  const project = { [await api.projectKey()]: group.project_id ?? group.tenant_id }
  const bodies = rules.map((rule) => ({ ...asRow(rule), security_group_id: group.id, ...project }))
  try {
    await api.create('security-group-rules', { security_group_rules: bodies })
  } catch (error) {
    // All or none are made at once: somebody makes the same, or has, and his answer was lost.
    if (!isFault(error, 'SecurityGroupRuleExists')) throw error
    for (const body of bodies) {
      await api.create('security-group-rules', { security_group_rule: body }).catch((failure: unknown) => {
        if (!isFault(failure, 'SecurityGroupRuleExists')) throw failure
      })
    }
  }
}

function asRow({ direction, ethertype, protocol, port, remote_ip_prefix }: SecurityGroupRule): Omit<RuleRow, 'id'> {
  return { direction, ethertype, protocol, port_range_min: port, port_range_max: port, remote_ip_prefix }
}

/** Neutron keeps a protocol by its name or by its number. */
const PROTOCOL_NUMBERS: Readonly<Record<string, string>> = { tcp: '6', udp: '17', ah: '51', vrrp: '112', sctp: '132' }

/** The same for rules that let in the same. */
function keyOf(rule: Omit<RuleRow, 'id'>): string {
  const protocol = rule.protocol === null ? null : (PROTOCOL_NUMBERS[rule.protocol.toLowerCase()] ?? rule.protocol)
  const remote = [rangeOf(rule.remote_ip_prefix), rule.remote_group_id ?? null, rule.remote_address_group_id ?? null]
  return JSON.stringify([rule.ethertype, protocol, rule.port_range_min, rule.port_range_max, ...remote])
}

/** Null for all addresses of the family, which may be said in two ways. */
function rangeOf(prefix: string | null): string | null {
  const cidr = prefix === null ? null : parseCidr(prefix)
  if (cidr === null) return prefix
  return cidr.prefix === 0 ? null : `${formatIp({ version: cidr.version, value: cidr.first })}/${cidr.prefix}`
}

/**
 * A port that is being deleted has its group a moment longer, so Neutron is asked again (`[networking] max_retries, retry_interval`, as upstream). Content when
 * the group is gone, or another's where `made_by` is said.
 */
export async function deleteGroup(
  api: NeutronApi,
  id: string,
  { made_by, max_retries, retry_interval }: { made_by?: string; max_retries: number; retry_interval: number },
): Promise<void> {
  if (made_by !== undefined) {
    const group = await api.get<GroupRow>('security-groups', 'security_group', { what: 'Security Group', id })
    if (makerIn(group.description) !== made_by) return
  }
  for (let attempt = 0; !(await isDeleted(api, id)); attempt++) {
    if (attempt >= max_retries) throw new RefusedError(`Security Group ${id} in use.`)
    await sleep(retry_interval * 1_000)
  }
}
