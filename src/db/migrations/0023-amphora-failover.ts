import type { Kysely } from 'kysely'

/** What health managers share about dead amphorae that are being replaced, and the pool of spare ones. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('amphora_failover')
    .addColumn('amphora_id', 'text', (column) => column.primaryKey())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('retry_at_ms', 'bigint')
    .execute()
  await db.schema
    .createTable('spare_amphora')
    .addColumn('amphora_id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('taken_by', 'text')
    .execute()
  await db.schema.createIndex('spare_amphora_taken').on('spare_amphora').column('taken_by').execute()
}
