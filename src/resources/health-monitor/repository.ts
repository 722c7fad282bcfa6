import { notFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { HealthMonitorRow } from '../../db/tables.ts'

export async function findHealthMonitor(db: Db, id: string): Promise<HealthMonitorRow | undefined> {
  return db.selectFrom('health_monitor').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function findHealthMonitorOfPool(db: Db, pool_id: string): Promise<HealthMonitorRow | undefined> {
  return db.selectFrom('health_monitor').selectAll().where('pool_id', '=', pool_id).executeTakeFirst()
}

export async function insertHealthMonitor(tx: Tx, row: HealthMonitorRow): Promise<void> {
  await tx.insertInto('health_monitor').values(row).execute()
}

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updateHealthMonitor(tx: Tx, id: string, changes: Partial<HealthMonitorRow>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('health_monitor').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('Health Monitor', id)
}
