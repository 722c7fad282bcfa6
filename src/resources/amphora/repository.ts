import type { Db } from '../../db/connection.ts'
import type { AmphoraRow, ListenerStatisticsRow } from '../../db/tables.ts'

/** A deleted amphora's row is kept for a while, but nobody sees it. */
export async function findAmphora(db: Db, id: string): Promise<AmphoraRow | undefined> {
  return db.selectFrom('amphora').selectAll().where('id', '=', id).where('status', '!=', 'DELETED').executeTakeFirst()
}

/** One row for each listener it ever served. */
export async function listStatisticsOfAmphora(db: Db, amphora_id: string): Promise<ListenerStatisticsRow[]> {
  return db.selectFrom('listener_statistics').selectAll().where('amphora_id', '=', amphora_id).orderBy('listener_id').execute()
}
