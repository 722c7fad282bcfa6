import type { Kysely } from 'kysely'

/** What the secrets were, when amphorae were last given them, that listeners and pools name: without anything that is secret. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('tls_certificate')
    .addColumn('object_id', 'text', (column) => column.notNull())
    .addColumn('field', 'text', (column) => column.notNull())
    .addColumn('reference', 'text', (column) => column.notNull())
    .addColumn('object_type', 'text', (column) => column.notNull())
    .addColumn('load_balancer_id', 'text', (column) => column.notNull())
    .addColumn('digest', 'text')
    .addColumn('fingerprint', 'text')
    .addColumn('subject', 'text')
    .addColumn('issuer', 'text')
    .addColumn('not_before', 'text')
    .addColumn('not_after', 'text')
    .addColumn('problem', 'text')
    .addColumn('told_days', 'integer')
    .addColumn('renewal_failed_at_ms', 'bigint', (column) => column.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('tls_certificate_pkey', ['object_id', 'field', 'reference'])
    .execute()
  await db.schema.createIndex('tls_certificate_load_balancer_id').on('tls_certificate').columns(['load_balancer_id']).execute()
  await db.schema.createIndex('tls_certificate_not_after').on('tls_certificate').columns(['not_after']).execute()
}
