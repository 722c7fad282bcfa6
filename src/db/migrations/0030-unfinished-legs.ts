import type { Kysely } from 'kysely'

/** Legs of amphorae that may be there in part: their ports are found by name. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('unfinished_leg')
    .addColumn('amphora_id', 'text', (column) => column.notNull())
    .addColumn('subnet_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('unfinished_leg_pkey', ['amphora_id', 'subnet_id'])
    .execute()
}
