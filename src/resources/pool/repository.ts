import { immutable, notFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { PoolRow } from '../../db/tables.ts'
import { setListenersProvisioningStatus } from '../listener/repository.ts'
import { lockLoadBalancer } from '../load-balancer/repository.ts'

export async function findPool(db: Db, id: string): Promise<PoolRow | undefined> {
  return db.selectFrom('pool').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function insertPool(tx: Tx, row: PoolRow): Promise<void> {
  await tx.insertInto('pool').values(row).execute()
}

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updatePool(tx: Tx, id: string, changes: Partial<PoolRow>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('pool').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('Pool', id)
}

/**
 * For a change of its members or its health monitor: the pool, the listeners that use it and the load balancer become PENDING_UPDATE.
 * Throws 409 unless pool and load balancer are ACTIVE, the pool first.
 */
export async function lockPool(tx: Tx, pool: PoolRow): Promise<void> {
  if (pool.provisioning_status !== 'ACTIVE') throw immutable('Pool', pool.id)
  await lockLoadBalancer(tx, pool.load_balancer_id)
  const { numUpdatedRows } = await tx
    .updateTable('pool')
    .set({ provisioning_status: 'PENDING_UPDATE' })
    .where('id', '=', pool.id)
    .where('provisioning_status', '=', 'ACTIVE')
    .executeTakeFirst()
  // Only now, under the load balancer's lock, is its state certain.
  if (numUpdatedRows === 0n) throw immutable('Pool', pool.id)
  await lockListenersOfPool(tx, pool.id)
}

/** The listeners that use the pool become PENDING_UPDATE. The caller holds the lock of the load balancer. */
export async function lockListenersOfPool(tx: Tx, pool_id: string): Promise<void> {
  await setListenersProvisioningStatus(tx, await listListenerIdsOfPool(tx, pool_id), 'PENDING_UPDATE')
}

/**
 * The listeners that send traffic to each pool: those whose default pool it is, then those with an enabled l7policy that redirects to it
 * and has at least one rule (upstream: `Pool.listeners` in `octavia/db/models.py`).
 */
export async function listListenerIdsOfPools(db: Db, pool_ids: string[]): Promise<Map<string, string[]>> {
  const listenerIds = new Map<string, string[]>(pool_ids.map((id) => [id, []]))
  if (pool_ids.length === 0) return listenerIds
  const byDefault = await db
    .selectFrom('listener')
    .select(['id', 'default_pool_id as pool_id'])
    .where('default_pool_id', 'in', pool_ids)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  const byPolicy = await db
    .selectFrom('l7policy')
    .select(['listener_id as id', 'redirect_pool_id as pool_id'])
    .where('redirect_pool_id', 'in', pool_ids)
    .where('admin_state_up', '=', true)
    .where(({ exists, selectFrom }) => exists(selectFrom('l7rule').select('l7rule.id').whereRef('l7rule.l7policy_id', '=', 'l7policy.id')))
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  for (const { id, pool_id } of [...byDefault, ...byPolicy]) {
    const ids = listenerIds.get(pool_id!)
    if (ids && !ids.includes(id)) ids.push(id)
  }
  return listenerIds
}

export async function listListenerIdsOfPool(db: Db, pool_id: string): Promise<string[]> {
  return (await listListenerIdsOfPools(db, [pool_id])).get(pool_id) ?? []
}

/** What a pool's answer shows besides its row. */
export type PoolReferences = { listener_ids: string[]; member_ids: string[]; health_monitor_id: string | null }

/** Three queries, however many pools. */
export async function loadPoolReferences(db: Db, pool_ids: string[]): Promise<Map<string, PoolReferences>> {
  const listenerIds = await listListenerIdsOfPools(db, pool_ids)
  const references = new Map(
    pool_ids.map((id): [string, PoolReferences] => [
      id,
      { listener_ids: listenerIds.get(id) ?? [], member_ids: [], health_monitor_id: null },
    ]),
  )
  if (pool_ids.length === 0) return references
  const members = await db
    .selectFrom('member')
    .select(['id', 'pool_id'])
    .where('pool_id', 'in', pool_ids)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  for (const { id, pool_id } of members) references.get(pool_id)?.member_ids.push(id)
  const healthMonitors = await db.selectFrom('health_monitor').select(['id', 'pool_id']).where('pool_id', 'in', pool_ids).execute()
  for (const { id, pool_id } of healthMonitors) references.get(pool_id)!.health_monitor_id = id
  return references
}

/** An l7policy that redirects to the pool, or undefined. */
export async function findL7PolicyRedirectingTo(db: Db, pool_id: string): Promise<{ id: string } | undefined> {
  return db
    .selectFrom('l7policy')
    .select('id')
    .where('redirect_pool_id', '=', pool_id)
    .orderBy('created_at')
    .orderBy('id')
    .executeTakeFirst()
}
