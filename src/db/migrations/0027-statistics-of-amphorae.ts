import type { Kysely } from 'kysely'

/** By which the members' statistics of an amphora that is gone are found, as the listeners' are. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.createIndex('member_statistics_amphora_id').on('member_statistics').columns(['amphora_id']).execute()
}
