import { immutable } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { AmphoraRow, ListenerStatisticsRow } from '../../db/tables.ts'
import { timestamp } from '../../lib/clock.ts'

/** A deleted amphora's row is kept for a while, but nobody sees it. */
export async function findAmphora(db: Db, id: string): Promise<AmphoraRow | undefined> {
  return db.selectFrom('amphora').selectAll().where('id', '=', id).where('status', '!=', 'DELETED').executeTakeFirst()
}

/** Only one in ERROR or a spare one may be deleted. Throws 409. */
export async function lockAmphoraForDelete(tx: Tx, id: string, nowMs: number): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('amphora')
    .set({ status: 'PENDING_DELETE', updated_at: timestamp(nowMs) })
    .where('id', '=', id)
    .where('status', 'in', ['ERROR', 'READY'])
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw immutable('amphora', id)
}

/** One row for each listener it ever served. */
export async function listStatisticsOfAmphora(db: Db, amphora_id: string): Promise<ListenerStatisticsRow[]> {
  return db.selectFrom('listener_statistics').selectAll().where('amphora_id', '=', amphora_id).orderBy('listener_id').execute()
}

/** Those of a load balancer that can be asked. */
export async function listServingAmphorae(db: Db, load_balancer_id: string): Promise<{ id: string; lb_network_ip: string }[]> {
  const rows = await db
    .selectFrom('amphora')
    .select(['id', 'lb_network_ip'])
    .where('loadbalancer_id', '=', load_balancer_id)
    .where('status', '=', 'ALLOCATED')
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.flatMap(({ id, lb_network_ip }) => (lb_network_ip === null ? [] : [{ id, lb_network_ip }]))
}
