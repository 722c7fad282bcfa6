import { pruneFlows } from '../flow/history.ts'
import { periodicJob } from './periodic-job.ts'

const MAX_FLOWS = 1_000
const DAY_MS = 86_400_000

export const pruneFlowHistory = periodicJob('prune-flow-history', async ({ db, config, clock }) => {
  const beforeMs = clock.now() - config.task_flow.history_days * DAY_MS
  return { deleted: await pruneFlows(db, { beforeMs, limit: MAX_FLOWS }) }
})
