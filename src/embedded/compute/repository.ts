import type { Db, Tx } from '../../db/connection.ts'
import type { EmbeddedServerGroupRow, EmbeddedServerRow } from './tables.ts'

export async function findServer(db: Db | Tx, compute_id: string): Promise<EmbeddedServerRow | undefined> {
  return await db.selectFrom('embedded_server').selectAll().where('compute_id', '=', compute_id).executeTakeFirst()
}

export async function findServers(db: Db | Tx, compute_ids: readonly string[]): Promise<EmbeddedServerRow[]> {
  if (compute_ids.length === 0) return []
  return await db.selectFrom('embedded_server').selectAll().where('compute_id', 'in', compute_ids).execute()
}

export async function findServerByName(db: Db | Tx, name: string): Promise<EmbeddedServerRow | undefined> {
  return await db.selectFrom('embedded_server').selectAll().where('name', '=', name).executeTakeFirst()
}

/** In the order in which they were made. */
export async function listServers(db: Db | Tx): Promise<EmbeddedServerRow[]> {
  return await db.selectFrom('embedded_server').selectAll().orderBy('created_at').orderBy('compute_id').execute()
}

export async function insertServer(db: Db | Tx, row: EmbeddedServerRow): Promise<void> {
  await db.insertInto('embedded_server').values(row).execute()
}

export async function updateServer(db: Db | Tx, compute_id: string, changes: Partial<EmbeddedServerRow>): Promise<void> {
  await db.updateTable('embedded_server').set(changes).where('compute_id', '=', compute_id).execute()
}

export async function removeServer(db: Db | Tx, compute_id: string): Promise<void> {
  await db.deleteFrom('embedded_server').where('compute_id', '=', compute_id).execute()
}

export async function listServerGroups(db: Db | Tx): Promise<EmbeddedServerGroupRow[]> {
  return await db.selectFrom('embedded_server_group').selectAll().orderBy('created_at').orderBy('id').execute()
}

/** Stores the group unless one of that name is there; answers the stored one's id. */
export async function ensureServerGroup(db: Db | Tx, row: EmbeddedServerGroupRow): Promise<string> {
  await db
    .insertInto('embedded_server_group')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const { id } = await db.selectFrom('embedded_server_group').select('id').where('name', '=', row.name).executeTakeFirstOrThrow()
  return id
}

export async function removeServerGroup(db: Db | Tx, id: string): Promise<void> {
  await db.deleteFrom('embedded_server_group').where('id', '=', id).execute()
}
