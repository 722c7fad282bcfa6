/**
 * The fully populated create: everything below a new load balancer, in the transaction that stores it, in upstream's order
 * (`_graph_create` in `octavia/api/v2/controllers/{load_balancer,pool,listener,l7policy}.py`), each part with the checks it has alone.
 */
import { duplicateMember, singleCreateDetailsMissing, tooManyL7Rules, validationFailure } from '../../api/faults.ts'
import { takeQuota } from '../../api/quota.ts'
import type { ApiContext } from '../../api/route.ts'
import type { Tx } from '../../db/connection.ts'
import type { HealthMonitorRow, L7PolicyRow, L7RuleRow, ListenerRow, LoadBalancerRow, MemberRow, PoolRow } from '../../db/tables.ts'
import { checkHealthMonitorAndPool, checkPingAllowed } from '../health-monitor/checks.ts'
import { storeNewHealthMonitor } from '../health-monitor/create.ts'
import { newHealthMonitor, showHealthMonitorInTree } from '../health-monitor/row.ts'
import { storeNewL7Policy } from '../l7policy/create.ts'
import { newL7Policy, showL7PolicyInTree } from '../l7policy/row.ts'
import type { L7PolicyInTree } from '../l7policy/schema.ts'
import { maxRulesPerPolicy } from '../l7rule/checks.ts'
import { insertL7Rule } from '../l7rule/repository.ts'
import { newL7Rule, showL7Rule } from '../l7rule/row.ts'
import { checkListenerAndPool, referencesOfListener } from '../listener/checks.ts'
import { storeNewListener } from '../listener/create.ts'
import { newListener, showListenerInTree } from '../listener/row.ts'
import type { ListenerInTree, ListenerTree } from '../listener/schema.ts'
import { checkAddressNotReserved } from '../member/checks.ts'
import { checkSriovAllowed } from '../member/create.ts'
import { insertMembers } from '../member/repository.ts'
import { newMember, showMember } from '../member/row.ts'
import { referencesOfPool } from '../pool/checks.ts'
import { storeNewPool } from '../pool/create.ts'
import { newPool, showPoolInTree } from '../pool/row.ts'
import type { PoolInTree, PoolTree } from '../pool/schema.ts'
import { checkL7RuleServable } from '../servable.ts'
import type { Named, ReferenceChecks } from '../tls-references.ts'
import { checkMembersSupported, type Provider } from '../unsupported.ts'
import type { LoadBalancerCreate } from './schema.ts'

type NewPool = { row: PoolRow; members: MemberRow[]; healthMonitor: HealthMonitorRow | null }
type NewL7Policy = { row: L7PolicyRow; rules: L7RuleRow[] }
type NewListener = { row: ListenerRow; l7policies: NewL7Policy[] }

/** What was stored, as the answer to the create shows it. */
export interface Populated {
  listeners: ListenerTree[]
  pools: PoolTree[]
}

export async function populate(
  tx: Tx,
  context: Pick<ApiContext, 'config' | 'clock' | 'amphora'>,
  loadBalancer: LoadBalancerRow,
  body: Tree,
  references: ReferenceChecks,
): Promise<Populated> {
  if (body.listeners.length === 0 && body.pools.length === 0) return { listeners: [], pools: [] }
  const { config, clock } = context
  const { id: load_balancer_id, project_id } = loadBalancer
  const definitions = definePools(body)

  await takeQuota(tx, config, 'pool', project_id, definitions.length)
  const pools: NewPool[] = []
  for (const definition of definitions) pools.push(await storePool(definition))
  const poolByName = new Map(pools.map((pool) => [pool.row.name, pool.row]))

  await takeQuota(tx, config, 'listener', project_id, body.listeners.length)
  const listeners: NewListener[] = []
  for (const listener of body.listeners) listeners.push(await storeListener(listener))
  return show(listeners, pools)

  async function storePool(definition: PoolInTree): Promise<NewPool> {
    const { name, protocol, lb_algorithm, healthmonitor } = definition
    if (protocol === null) throw attributeMissing(name, 'protocol')
    if (lb_algorithm === null) throw attributeMissing(name, 'lb_algorithm')
    const row = newPool({ ...definition, protocol, lb_algorithm }, { project_id, load_balancer_id }, config, clock)
    await storeNewPool(tx, context, row, loadBalancer, references)
    let healthMonitor: HealthMonitorRow | null = null
    if (healthmonitor !== null) {
      await takeQuota(tx, config, 'health_monitor', project_id)
      checkHealthMonitorAndPool(healthmonitor, row, config)
      checkPingAllowed(healthmonitor.type, config)
      healthMonitor = newHealthMonitor(healthmonitor, { project_id, pool_id: row.id }, clock)
      await storeNewHealthMonitor(tx, context, healthMonitor, loadBalancer)
    }
    await takeQuota(tx, config, 'member', project_id, definition.members.length)
    await checkSriovAllowed(tx, config, load_balancer_id, definition.members)
    const members = definition.members.map((member) => {
      checkAddressNotReserved(member.address, config)
      return newMember(member, { project_id, pool_id: row.id }, healthMonitor !== null, clock)
    })
    checkNoneTwice(members)
    checkMembersSupported(context, loadBalancer, row, members)
    await insertMembers(tx, members)
    return { row, members, healthMonitor }
  }

  async function storeListener(asked: ListenerInTree): Promise<NewListener> {
    const pool = asked.default_pool === null ? null : namedPool(asked.default_pool.name)
    const row = newListener(asked, { project_id, load_balancer_id, default_pool_id: pool?.id ?? null }, config, clock)
    if (pool !== null) checkListenerAndPool(row, pool.id, pool)
    // The load balancer is new, so no id is that of a pool of its.
    else if (asked.default_pool_id !== null) checkListenerAndPool(row, asked.default_pool_id, undefined)
    await storeNewListener(tx, context, row, loadBalancer, references)
    await takeQuota(tx, config, 'l7policy', project_id, asked.l7policies.length)
    const l7policies: NewL7Policy[] = []
    for (const policy of asked.l7policies) l7policies.push(await storeL7Policy(row, policy))
    // Each one that came before the others has moved those on.
    l7policies.sort((a, b) => a.row.position - b.row.position)
    return { row, l7policies }
  }

  async function storeL7Policy(listener: ListenerRow, asked: L7PolicyInTree): Promise<NewL7Policy> {
    const pool = asked.redirect_pool === null ? null : namedPool(asked.redirect_pool.name)
    if (pool !== null) checkListenerAndPool(listener, pool.id, pool)
    const wanted = newL7Policy(asked, { project_id, listener_id: listener.id, redirect_pool_id: pool?.id ?? null }, clock)
    const row = await storeNewL7Policy(tx, context, wanted, listener, loadBalancer)
    if (asked.rules.length > maxRulesPerPolicy) throw tooManyL7Rules(row.id)
    await takeQuota(tx, config, 'l7rule', project_id, asked.rules.length)
    const rules: L7RuleRow[] = []
    for (const rule of asked.rules) {
      const ruleRow = newL7Rule(rule, { project_id, l7policy_id: row.id }, clock)
      checkL7RuleServable(context, ruleRow)
      await insertL7Rule(tx, ruleRow)
      rules.push(ruleRow)
    }
    return { row, rules }
  }

  function namedPool(name: string): PoolRow {
    const pool = poolByName.get(name)
    if (pool === undefined) throw singleCreateDetailsMissing('Pool', name)
    return pool
  }
}

/** The subnets of all members, each once. */
export function memberSubnetsIn(body: Tree): Set<string> {
  const ids = poolsIn(body).flatMap(({ members }) => members.map(({ subnet_id }) => subnet_id))
  return new Set(ids.filter((id) => id !== null))
}

/** What the certificate store must be asked. */
export function referencesIn(body: Tree, { amphora: { capabilities } }: Provider): Named[] {
  return [
    ...(capabilities.listener_tls ? body.listeners.map(referencesOfListener) : []),
    ...(capabilities.pool_tls ? poolsIn(body).map(referencesOfPool) : []),
  ]
}

type Tree = Pick<LoadBalancerCreate, 'listeners' | 'pools'>

/** Definitions and references alike. */
function poolsIn({ listeners, pools }: Tree): PoolInTree[] {
  const inListeners = listeners.flatMap(({ default_pool, l7policies }) => [
    default_pool,
    ...l7policies.map(({ redirect_pool }) => redirect_pool),
  ])
  return [...pools, ...inListeners.filter((pool) => pool !== null)]
}

/** All pools that are defined, wherever they stand in the body: those of the load balancer first, then those within its listeners. */
function definePools(body: Tree): PoolInTree[] {
  const definitions = [...body.pools]
  const references = new Set<string>()
  for (const pool of poolsIn({ ...body, pools: [] })) {
    if (pool.name === '') throw validationFailure('Pools must be named when creating a fully populated loadbalancer.')
    if (isReference(pool)) references.add(pool.name)
    else definitions.push(pool)
  }
  const names = new Set(definitions.map(({ name }) => name))
  if (names.size < definitions.length) {
    throw validationFailure('Pool names must be unique when creating a fully populated loadbalancer.')
  }
  for (const name of references) {
    if (!names.has(name)) throw validationFailure(`Pool '${name}' was referenced but no full definition was found.`)
  }
  return definitions
}

/** Says nothing but a name. */
function isReference({ name: _, ...rest }: PoolInTree): boolean {
  const { admin_state_up, tls_enabled, ...others } = rest
  return Object.values(others).every((value) => value === null || value === '' || (Array.isArray(value) && value.length === 0))
}

const attributeMissing = (name: string, attribute: string) =>
  validationFailure(`Pool definition for '${name}' missing required attribute: ${attribute}`)

function checkNoneTwice(members: MemberRow[]): void {
  const seen = new Set<string>()
  for (const { address, protocol_port } of members) {
    const key = `${address} ${protocol_port}`
    if (seen.has(key)) throw duplicateMember(address, protocol_port)
    seen.add(key)
  }
}

function show(listeners: NewListener[], pools: NewPool[]): Populated {
  return {
    listeners: listeners.map(({ row, l7policies }) =>
      showListenerInTree(
        row,
        l7policies.map((policy) => showL7PolicyInTree(policy.row, policy.rules.map(showL7Rule))),
      ),
    ),
    pools: pools.map(({ row, members, healthMonitor }) =>
      showPoolInTree(row, {
        listener_ids: listeners.filter((listener) => usesPool(listener, row.id)).map((listener) => listener.row.id),
        members: members.map(showMember),
        healthmonitor: healthMonitor === null ? null : showHealthMonitorInTree(healthMonitor),
      }),
    ),
  }
}

/** As `listListenerIdsOfPools` finds it in the database. */
function usesPool({ row, l7policies }: NewListener, pool_id: string): boolean {
  if (row.default_pool_id === pool_id) return true
  return l7policies.some((policy) => policy.row.redirect_pool_id === pool_id && policy.row.admin_state_up && policy.rules.length > 0)
}
