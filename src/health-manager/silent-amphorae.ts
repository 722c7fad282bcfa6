/**
 * How it is shown that amphorae have not been heard of for `heartbeat_timeout`, until they are replaced: the load balancer is ERROR when all its amphorae
 * are silent, DEGRADED when the other one of a pair still speaks. The next heartbeat puts that right again (`statuses.ts`).
 */
import type { Db } from '../db/connection.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import type { StatusChange } from './statuses.ts'
import { changeStatuses } from './store.ts'

/** Load balancers looked at in one round; the next round takes the next ones, since these no longer need a change. */
const MAX_LOAD_BALANCERS = 1_000

/** Returns the ids of all silent amphorae that were looked at. An amphora that never sent a heartbeat is not silent: it is being made, or has no agent. */
export async function showSilentAmphorae(db: Db, options: { nowMs: number; silentBefore: number }): Promise<string[]> {
  const silent = await db
    .selectFrom('amphora')
    .innerJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .innerJoin('load_balancer', 'load_balancer.id', 'amphora.loadbalancer_id')
    .select(['amphora.id', 'load_balancer.id as load_balancer_id', 'load_balancer.operating_status'])
    .where('amphora.status', 'in', servingStatuses)
    .where('amphora_health.last_update_ms', '<', options.silentBefore)
    .where('load_balancer.admin_state_up', '=', true)
    .where('load_balancer.provisioning_status', 'in', ['ACTIVE', 'ERROR'])
    .orderBy('amphora_health.last_update_ms')
    .limit(MAX_LOAD_BALANCERS)
    .execute()
  if (silent.length === 0) return []
  const all = await db
    .selectFrom('amphora')
    .select(['id', 'loadbalancer_id'])
    .where('status', 'in', servingStatuses)
    .where('loadbalancer_id', 'in', [...new Set(silent.map(({ load_balancer_id }) => load_balancer_id))])
    .execute()
  const changes: StatusChange[] = []
  for (const [id, ofLoadBalancer] of Map.groupBy(silent, ({ load_balancer_id }) => load_balancer_id)) {
    const from = ofLoadBalancer[0]!.operating_status
    const total = all.filter(({ loadbalancer_id }) => loadbalancer_id === id).length
    const to = ofLoadBalancer.length >= total ? 'ERROR' : 'DEGRADED'
    // What the one that still speaks says of its members may be worse.
    if (from !== to && from !== 'ERROR') changes.push({ table: 'load_balancer', id, load_balancer_id: id, from, to })
  }
  if (changes.length > 0) await db.transaction().execute((tx) => changeStatuses(tx, changes, options.nowMs))
  return silent.map(({ id }) => id)
}
