import type { Kysely } from 'kysely'

/** What controllers made for themselves and agents to know each other by, how it is exchanged, and what each agent was given. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('trust_material')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('certificate', 'text')
    .addColumn('sealed_key', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('trust_material_kind_state', ['kind', 'state'])
    .execute()
  await db.schema
    .createTable('rotation')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('what', 'text', (column) => column.notNull())
    .addColumn('slot', 'integer', (column) => column.unique())
    .addColumn('stage', 'text', (column) => column.notNull())
    .addColumn('stage_since_ms', 'bigint', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .execute()
  await db.schema
    .createTable('amphora_agent')
    .addColumn('amphora_id', 'text', (column) => column.primaryKey())
    .addColumn('server_ca', 'text', (column) => column.notNull())
    .addColumn('client_cas', 'text', (column) => column.notNull())
    .addColumn('heartbeat_key', 'text', (column) => column.notNull())
    .addColumn('takes_client_cas', 'boolean', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('retry_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('problem', 'text')
    .execute()
}
