import type { Kysely } from 'kysely'

/** Agents with a key of their own number their heartbeats, for each controller; such an amphora is known by its rows. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('heartbeat_number')
    .addColumn('amphora_id', 'text', (column) => column.notNull())
    .addColumn('controller', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('heartbeat_number_key', ['amphora_id', 'controller'])
    .execute()
  // An amphora whose agent names no amphora is known by where its heartbeats come from.
  await db.schema.createIndex('amphora_lb_network_ip').on('amphora').column('lb_network_ip').execute()
}
