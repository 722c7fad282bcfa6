/** Tags of Neutron's objects: the network itself has no use for them, so they are kept apart from its rows. */
import type { Db } from '../../../db/connection.ts'

export interface NetworkTagsRow {
  resource_id: string
  tags: string[]
}

export interface NetworkTagsTables {
  embedded_network_tags: NetworkTagsRow
}

export async function loadTags(db: Db): Promise<Map<string, string[]>> {
  const rows = await db.selectFrom('embedded_network_tags').selectAll().execute()
  return new Map(rows.map((row) => [row.resource_id, row.tags]))
}

/** Replaces the object's tags; what deleted objects left behind goes too, since not all are deleted through this API. */
export async function storeTags(db: Db, resource_id: string, tags: string[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('embedded_network_tags')
      .values({ resource_id, tags })
      .onConflict((conflict) => conflict.column('resource_id').doUpdateSet({ tags }))
      .execute()
    const objects = tx
      .selectFrom('embedded_network')
      .select('id')
      .unionAll(tx.selectFrom('embedded_subnet').select('id'))
      .unionAll(tx.selectFrom('embedded_port').select('id'))
      .unionAll(tx.selectFrom('embedded_security_group').select('id'))
      .unionAll(tx.selectFrom('embedded_security_group_rule').select('id'))
    await tx.deleteFrom('embedded_network_tags').where('resource_id', 'not in', objects).execute()
  })
}

export async function deleteTags(db: Db, resource_id: string): Promise<void> {
  await db.deleteFrom('embedded_network_tags').where('resource_id', '=', resource_id).execute()
}
