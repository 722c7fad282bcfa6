import { timestamp } from '../lib/clock.ts'
import { periodicJob } from './periodic-job.ts'

const MAX_ROWS = 1_000

/** Rows of deleted load balancers are kept for a while, for those who look for them; then they go, with the statistics of their replaced amphorae. */
export const deleteExpiredLoadBalancers = periodicJob('delete-expired-load-balancers', async ({ db, config, clock }) => {
  const before = timestamp(clock.now() - config.house_keeping.load_balancer_expiry_age * 1000)
  const rows = await db
    .selectFrom('load_balancer')
    .select('id')
    .where('provisioning_status', '=', 'DELETED')
    .where('updated_at', '<', before)
    .limit(MAX_ROWS)
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return { deleted: 0 }
  await db.transaction().execute(async (tx) => {
    await tx.deleteFrom('listener_statistics').where('load_balancer_id', 'in', ids).execute()
    await tx.deleteFrom('load_balancer').where('id', 'in', ids).execute()
  })
  return { deleted: ids.length }
})
