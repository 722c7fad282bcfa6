import { immutable, notFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { L7PolicyRow } from '../../db/tables.ts'
import { setListenersProvisioningStatus } from '../listener/repository.ts'
import { lockLoadBalancer } from '../load-balancer/repository.ts'

export async function findL7Policy(db: Db, id: string): Promise<L7PolicyRow | undefined> {
  return db.selectFrom('l7policy').selectAll().where('id', '=', id).executeTakeFirst()
}

/** In the order in which they are evaluated. */
export async function listL7PoliciesOfListener(db: Db, listener_id: string): Promise<L7PolicyRow[]> {
  return db.selectFrom('l7policy').selectAll().where('listener_id', '=', listener_id).orderBy('position').orderBy('id').execute()
}

/** The ids of each listener's l7policies, by position. */
export async function listL7PolicyIdsOfListeners(db: Db, listener_ids: string[]): Promise<Map<string, string[]>> {
  const policyIds = new Map<string, string[]>(listener_ids.map((id) => [id, []]))
  if (listener_ids.length === 0) return policyIds
  const policies = await db
    .selectFrom('l7policy')
    .select(['id', 'listener_id'])
    .where('listener_id', 'in', listener_ids)
    .orderBy('position')
    .orderBy('id')
    .execute()
  for (const { id, listener_id } of policies) policyIds.get(listener_id)?.push(id)
  return policyIds
}

/**
 * Stores a policy at the wanted position and renumbers the others, so that positions stay 1..n without gaps; a position beyond the end
 * means the end. Answers the position it got.
 */
export async function insertL7Policy(tx: Tx, row: L7PolicyRow): Promise<number> {
  const others = await listL7PoliciesOfListener(tx, row.listener_id)
  const position = Math.min(row.position, others.length + 1)
  await tx
    .insertInto('l7policy')
    .values({ ...row, position })
    .execute()
  await storePositions(tx, others.toSpliced(position - 1, 0, { ...row, position }))
  return position
}

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updateL7Policy(tx: Tx, id: string, changes: Partial<Omit<L7PolicyRow, 'position'>>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('l7policy').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('L7 Policy', id)
}

/** Moves a policy to the wanted position, or to the end where that lies beyond it, and renumbers the others. */
export async function moveL7Policy(tx: Tx, row: L7PolicyRow, position: number): Promise<void> {
  const others = (await listL7PoliciesOfListener(tx, row.listener_id)).filter(({ id }) => id !== row.id)
  await storePositions(tx, others.toSpliced(position - 1, 0, row))
}

/** Closes the gaps that a deleted policy left. */
export async function renumberL7Policies(tx: Tx, listener_id: string): Promise<void> {
  await storePositions(tx, await listL7PoliciesOfListener(tx, listener_id))
}

async function storePositions(tx: Tx, ordered: Pick<L7PolicyRow, 'id' | 'position'>[]): Promise<void> {
  for (const [index, { id, position }] of ordered.entries()) {
    if (position === index + 1) continue
    await tx
      .updateTable('l7policy')
      .set({ position: index + 1 })
      .where('id', '=', id)
      .execute()
  }
}

/**
 * For a change of its rules: the policy, its listener and the load balancer become PENDING_UPDATE. Throws 409 unless policy and load
 * balancer are ACTIVE, the policy first.
 */
export async function lockL7Policy(tx: Tx, policy: L7PolicyRow, load_balancer_id: string): Promise<void> {
  if (policy.provisioning_status !== 'ACTIVE') throw immutable('L7Policy', policy.id)
  await lockLoadBalancer(tx, load_balancer_id)
  const { numUpdatedRows } = await tx
    .updateTable('l7policy')
    .set({ provisioning_status: 'PENDING_UPDATE' })
    .where('id', '=', policy.id)
    .where('provisioning_status', '=', 'ACTIVE')
    .executeTakeFirst()
  // Only now, under the load balancer's lock, is its state certain.
  if (numUpdatedRows === 0n) throw immutable('L7Policy', policy.id)
  await setListenersProvisioningStatus(tx, [policy.listener_id], 'PENDING_UPDATE')
}
