/**
 * What a failed flow could not take away, or give back, is tried again for a day: the driver that refused may be there again. Not where another flow was begun
 * about the same load balancer since, which has found another state than the failed one would.
 */
import { listDueReverts } from '../flow/history.ts'
import { revertFlowAgain } from '../resources/load-balancer/revert-again.ts'
import { periodicJob } from './periodic-job.ts'

/** In one run; each takes a place in a worker. */
const MAX_BEGUN = 5

export const revertFailedFlows = periodicJob('revert-failed-flows', async ({ db, config, clock, log }) => {
  let begun = 0
  const firstPauseMs = config.house_keeping.revert_retry_interval * 1_000
  for (const flow of await listDueReverts(db, { nowMs: clock.now(), firstPauseMs, limit: MAX_BEGUN })) {
    if (!(await db.transaction().execute((tx) => revertFlowAgain(tx, flow)))) continue
    log.info({ flow_id: flow.id, flow: flow.name, load_balancer_id: flow.subject }, 'what a flow could not revert is tried again')
    begun += 1
  }
  return { begun }
})
