import type { Kysely } from 'kysely'

/** What each agent was given to know controllers by, and to be known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('amphora_agent')
    .addColumn('amphora_id', 'text', (column) => column.primaryKey())
    .addColumn('server_ca', 'text', (column) => column.notNull())
    .addColumn('client_cas', 'text', (column) => column.notNull())
    .addColumn('takes_client_cas', 'boolean', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('retry_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('problem', 'text')
    .execute()
}
