import type { Kysely } from 'kysely'

/** Flows know by which request they were started, and in which trace. A controller that does not know the columns yet leaves them empty. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const name of ['request_id', 'global_request_id', 'traceparent']) {
    await db.schema.alterTable('flow').addColumn(name, 'text').execute()
  }
}
