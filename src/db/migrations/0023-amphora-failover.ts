import type { Kysely } from 'kysely'

/** Which dead amphorae the health managers have begun to replace, how often, and when each may be tried again: all of them share it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('amphora_failover')
    .addColumn('amphora_id', 'text', (column) => column.primaryKey())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('retry_at_ms', 'bigint')
    .execute()
}
