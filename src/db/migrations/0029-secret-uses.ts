import type { Kysely } from 'kysely'

/** Which load balancers are noted, or are to be noted, in the secret store's lists of who uses a secret. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('secret_use')
    .addColumn('load_balancer_id', 'text', (column) => column.notNull())
    .addColumn('secret_id', 'text', (column) => column.notNull())
    .addColumn('reference', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('changed_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('secret_use_pkey', ['load_balancer_id', 'secret_id'])
    .execute()
  await db.schema.createIndex('secret_use_state').on('secret_use').columns(['state', 'changed_at_ms']).execute()
}
