import type { Kysely } from 'kysely'

/** What happened to load balancers, for their owners; which quotas lists show. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('event')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('load_balancer_id', 'text', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('object_type', 'text', (column) => column.notNull())
    .addColumn('object_id', 'text', (column) => column.notNull())
    .addColumn('object_name', 'text', (column) => column.notNull())
    .addColumn('operating_status', 'text')
    .addColumn('count', 'integer', (column) => column.notNull())
    .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('duration_ms', 'bigint')
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('message', 'text')
    .addColumn('details', 'text')
    .execute()
  await db.schema
    .createIndex('event_load_balancer_id_started_at_ms_id')
    .on('event')
    .columns(['load_balancer_id', 'started_at_ms', 'id'])
    .execute()
  await db.schema.createIndex('event_started_at_ms').on('event').columns(['started_at_ms']).execute()

  await db.schema
    .alterTable('quota')
    .addColumn('listed', 'boolean', (column) => column.notNull().defaultTo(false))
    .execute()
  await db.schema.alterTable('amphora').addColumn('fault', 'text').execute()
}
