import { deleteEventsBefore, deleteOldestEvents, listLoadBalancersWithMoreEvents } from '../resources/event/repository.ts'
import { periodicJob } from './periodic-job.ts'

const MAX_EVENTS = 5_000
const MAX_LOAD_BALANCERS = 100
/** Who had no event for so long has no more of them than before. Longer than this job ever waits for its turn. */
const RECENT_MS = 600_000

/** Events are kept for a while, and so many of each load balancer. */
export const pruneEvents = periodicJob('prune-events', async ({ db, config, clock }) => {
  const { event_expiry_age, max_events_per_load_balancer: bound } = config.house_keeping
  let deleted = await deleteEventsBefore(db, clock.now() - event_expiry_age * 1000, MAX_EVENTS)
  const talkative = await listLoadBalancersWithMoreEvents(db, { sinceMs: clock.now() - RECENT_MS, bound, limit: MAX_LOAD_BALANCERS })
  for (const id of talkative) deleted += await deleteOldestEvents(db, id, bound, MAX_EVENTS)
  return { deleted }
})
