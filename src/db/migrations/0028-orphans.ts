import type { Kysely } from 'kysely'

/** What was found that no row knows. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('orphan')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('made_by', 'text', (column) => column.notNull())
    .addColumn('is_ours', 'boolean', (column) => column.notNull())
    .addColumn('first_seen_ms', 'bigint', (column) => column.notNull())
    .execute()
}
