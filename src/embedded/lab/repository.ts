import type { Db } from '../../db/connection.ts'
import type { EmbeddedLabHostRow } from '../compute/tables.ts'

export async function findLabHost(db: Db, name: string): Promise<EmbeddedLabHostRow | undefined> {
  return await db.selectFrom('embedded_lab_host').selectAll().where('name', '=', name).executeTakeFirst()
}

export async function listLabHosts(db: Db): Promise<EmbeddedLabHostRow[]> {
  return await db.selectFrom('embedded_lab_host').selectAll().orderBy('name').execute()
}

export async function insertLabHost(db: Db, row: EmbeddedLabHostRow): Promise<void> {
  await db.insertInto('embedded_lab_host').values(row).execute()
}

export async function updateLabHost(db: Db, id: string, changes: Partial<EmbeddedLabHostRow>): Promise<void> {
  await db.updateTable('embedded_lab_host').set(changes).where('id', '=', id).execute()
}

export async function removeLabHost(db: Db, id: string): Promise<void> {
  await db.deleteFrom('embedded_lab_host').where('id', '=', id).execute()
}

/** Those with that id or name. */
export async function findSubnets(db: Db, idOrName: string): Promise<{ id: string; network_id: string }[]> {
  return await db
    .selectFrom('embedded_subnet')
    .select(['id', 'network_id'])
    .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
    .execute()
}
