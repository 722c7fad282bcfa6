import type { Kysely } from 'kysely'

/** Our agents count for each member, too. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('member_statistics')
    .addColumn('member_id', 'text', (column) => column.notNull())
    .addColumn('amphora_id', 'text', (column) => column.notNull())
    .addColumn('load_balancer_id', 'text', (column) => column.notNull())
    .addColumn('bytes_in', 'bigint', (column) => column.notNull())
    .addColumn('bytes_out', 'bigint', (column) => column.notNull())
    .addColumn('active_connections', 'bigint', (column) => column.notNull())
    .addColumn('total_connections', 'bigint', (column) => column.notNull())
    .addColumn('request_errors', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('member_statistics_key', ['member_id', 'amphora_id'])
    .execute()
}
