import { timestamp } from '../lib/clock.ts'
import { periodicJob } from './periodic-job.ts'

const MAX_ROWS = 1_000

/** Rows of deleted amphorae are kept for a while. Their statistics are rolled up before. */
export const deleteExpiredAmphorae = periodicJob('delete-expired-amphorae', async ({ db, config, clock }) => {
  const before = timestamp(clock.now() - config.house_keeping.amphora_expiry_age * 1000)
  const rows = await db
    .selectFrom('amphora')
    .select('id')
    .where('status', '=', 'DELETED')
    .where('updated_at', '<', before)
    .limit(MAX_ROWS)
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return { deleted: 0 }
  await db.transaction().execute(async (tx) => {
    await tx.deleteFrom('amphora_health').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('amphora_agent').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('heartbeat_number').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('spare_amphora').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('amphora_member_port').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('unfinished_leg').where('amphora_id', 'in', ids).execute()
    await tx.deleteFrom('amphora').where('id', 'in', ids).execute()
  })
  return { deleted: ids.length }
})
