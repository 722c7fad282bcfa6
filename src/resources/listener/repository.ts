import { notFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { ListenerRow, ProvisioningStatus, StatisticsRow } from '../../db/tables.ts'

export async function findListener(db: Db, id: string): Promise<ListenerRow | undefined> {
  return db.selectFrom('listener').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The listeners of a load balancer that listen on the port, whatever their protocol. */
export async function listListenersOnPort(db: Db, load_balancer_id: string, protocol_port: number): Promise<ListenerRow[]> {
  return db
    .selectFrom('listener')
    .selectAll()
    .where('load_balancer_id', '=', load_balancer_id)
    .where('protocol_port', '=', protocol_port)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

export async function insertListener(tx: Tx, row: ListenerRow): Promise<void> {
  await tx.insertInto('listener').values(row).execute()
}

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updateListener(tx: Tx, id: string, changes: Partial<ListenerRow>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('listener').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('Listener', id)
}

/** The caller holds the lock of their load balancer. Listeners in ERROR are moved too: the flow that follows gives them a new chance. */
export async function setListenersProvisioningStatus(tx: Tx, ids: string[], provisioning_status: ProvisioningStatus): Promise<void> {
  if (ids.length === 0) return
  await tx.updateTable('listener').set({ provisioning_status }).where('id', 'in', ids).execute()
}

export function sumListenerStatistics(db: Db, listener_id: string): Promise<Statistics> {
  return sumStatistics(db, 'listener_statistics', 'listener_id', listener_id)
}

export type Statistics = Omit<StatisticsRow, 'amphora_id' | 'load_balancer_id'>

/** Summed over all amphorae there ever were, replaced ones included. */
export async function sumStatistics<T extends 'listener_statistics' | 'member_statistics'>(
  db: Db,
  table: T,
  of: T extends 'listener_statistics' ? 'listener_id' | 'load_balancer_id' : 'member_id',
  id: string,
): Promise<Statistics> {
  const sum = await db
    .selectFrom(table as 'listener_statistics')
    .select(({ fn }) => [
      fn.sum('bytes_in').as('bytes_in'),
      fn.sum('bytes_out').as('bytes_out'),
      fn.sum('active_connections').as('active_connections'),
      fn.sum('total_connections').as('total_connections'),
      fn.sum('request_errors').as('request_errors'),
    ])
    .where(of as 'listener_id', '=', id)
    .executeTakeFirstOrThrow()
  // Without rows a sum is null; PostgreSQL gives sums of bigints as text.
  return {
    bytes_in: Number(sum.bytes_in ?? 0),
    bytes_out: Number(sum.bytes_out ?? 0),
    active_connections: Number(sum.active_connections ?? 0),
    total_connections: Number(sum.total_connections ?? 0),
    request_errors: Number(sum.request_errors ?? 0),
  }
}
