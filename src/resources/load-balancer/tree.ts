import type { Db } from '../../db/connection.ts'
import type {
  AmphoraRow,
  HealthMonitorRow,
  L7PolicyRow,
  L7RuleRow,
  ListenerRow,
  LoadBalancerRow,
  MemberRow,
  PoolRow,
  ProvisioningStatus,
} from '../../db/tables.ts'
import { failure } from '../failures.ts'

export type L7PolicyTree = L7PolicyRow & { rules: L7RuleRow[] }
/** Its l7policies by position. */
export type ListenerTree = ListenerRow & { l7policies: L7PolicyTree[] }
export type PoolTree = PoolRow & { members: MemberRow[]; health_monitor: HealthMonitorRow | null }
/** Without the certificate: a tree is rendered, shown and compared, and none of it needs a key. */
export type AmphoraOfTree = Omit<AmphoraRow, 'server_certificate'>
/** A load balancer with all its rows; deleted amphorae are left out. Lists are oldest first. */
export type LoadBalancerTree = LoadBalancerRow & { listeners: ListenerTree[]; pools: PoolTree[]; amphorae: AmphoraOfTree[] }

/** One query for each table, whatever the size, and none for tables that cannot have rows. Undefined when there is no load balancer. */
export async function loadTree(db: Db, load_balancer_id: string): Promise<LoadBalancerTree | undefined> {
  const [loadBalancer, listeners, pools, amphorae] = await Promise.all([
    findRow(db, load_balancer_id),
    db.selectFrom('listener').selectAll().where('load_balancer_id', '=', load_balancer_id).orderBy('created_at').orderBy('id').execute(),
    db.selectFrom('pool').selectAll().where('load_balancer_id', '=', load_balancer_id).orderBy('created_at').orderBy('id').execute(),
    db
      .selectFrom('amphora')
      .selectAll()
      .where('loadbalancer_id', '=', load_balancer_id)
      .where('status', '!=', 'DELETED')
      .orderBy('created_at')
      .orderBy('id')
      .execute(),
  ])
  if (loadBalancer === undefined) return undefined
  const poolIds = db.selectFrom('pool').select('pool.id').where('pool.load_balancer_id', '=', load_balancer_id)
  const listenerIds = db.selectFrom('listener').select('listener.id').where('listener.load_balancer_id', '=', load_balancer_id)
  const [members, healthMonitors, policies] = await Promise.all([
    pools.length === 0
      ? []
      : db.selectFrom('member').selectAll().where('pool_id', 'in', poolIds).orderBy('created_at').orderBy('id').execute(),
    pools.length === 0 ? [] : db.selectFrom('health_monitor').selectAll().where('pool_id', 'in', poolIds).execute(),
    listeners.length === 0
      ? []
      : db.selectFrom('l7policy').selectAll().where('listener_id', 'in', listenerIds).orderBy('position').orderBy('id').execute(),
  ])
  const policyIds = db.selectFrom('l7policy').select('l7policy.id').where('l7policy.listener_id', 'in', listenerIds)
  const rules =
    policies.length === 0
      ? []
      : await db.selectFrom('l7rule').selectAll().where('l7policy_id', 'in', policyIds).orderBy('created_at').orderBy('id').execute()
  const membersOf = Map.groupBy(members, (member) => member.pool_id)
  const healthMonitorOf = new Map(healthMonitors.map((healthMonitor) => [healthMonitor.pool_id, healthMonitor]))
  const rulesOf = Map.groupBy(rules, (rule) => rule.l7policy_id)
  const policiesOf = Map.groupBy(
    policies.map((policy) => ({ ...policy, rules: rulesOf.get(policy.id) ?? [] })),
    (policy) => policy.listener_id,
  )
  return {
    ...loadBalancer,
    listeners: listeners.map((listener) => ({ ...listener, l7policies: policiesOf.get(listener.id) ?? [] })),
    pools: pools.map((pool) => ({
      ...pool,
      members: membersOf.get(pool.id) ?? [],
      health_monitor: healthMonitorOf.get(pool.id) ?? null,
    })),
    amphorae: amphorae.map(({ server_certificate: _, ...amphora }) => amphora),
  }
}

function findRow(db: Db, id: string): Promise<LoadBalancerRow | undefined> {
  return db.selectFrom('load_balancer').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The load balancer alone, for a step that needs no more. Throws VisibleError when it is gone. */
export async function requireLoadBalancer(db: Db, id: string): Promise<LoadBalancerRow> {
  return orGone(await findRow(db, id), id)
}

/** Throws VisibleError where loadTree finds nothing. */
export async function requireTree(db: Db, load_balancer_id: string): Promise<LoadBalancerTree> {
  return orGone(await loadTree(db, load_balancer_id), load_balancer_id)
}

function orGone<T>(found: T | undefined, id: string): T {
  if (found === undefined) throw failure('load_balancer_gone', { id })
  return found
}

/** What is being deleted is no longer rendered, opened or reached. */
export function isWanted({ provisioning_status }: { provisioning_status: ProvisioningStatus }): boolean {
  return provisioning_status !== 'PENDING_DELETE' && provisioning_status !== 'DELETED'
}
