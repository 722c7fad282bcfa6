import type { Kysely } from 'kysely'

/** Tags of the embedded network's objects. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('embedded_network_tags')
    .addColumn('resource_id', 'text', (column) => column.primaryKey())
    .addColumn('tags', 'text', (column) => column.notNull())
    .execute()
}
