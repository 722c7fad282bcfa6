import type { Kysely } from 'kysely'

/** What an amphora's agent said of its version when it was first reached. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('amphora').addColumn('agent_version', 'text').execute()
}
