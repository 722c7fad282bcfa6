/** Runs the periodic jobs, one after another, at the start and then every `[house_keeping] cleanup_interval`. */
import type { Context } from '../context.ts'
import { deleteExpiredAmphorae } from './delete-expired-amphorae.ts'
import { deleteExpiredLoadBalancers } from './delete-expired-load-balancers.ts'
import type { PeriodicJob } from './periodic-job.ts'
import { pruneEvents } from './prune-events.ts'
import { pruneFlowHistory } from './prune-flow-history.ts'
import { repairQuotas } from './repair-quotas.ts'
import { undoVipReservations } from './undo-vip-reservations.ts'

export const periodicJobs: readonly PeriodicJob[] = [
  undoVipReservations,
  deleteExpiredLoadBalancers,
  deleteExpiredAmphorae,
  pruneFlowHistory,
  pruneEvents,
  repairQuotas,
]

/** Does not wait for the first round; `stop` waits for the job that runs. */
export function startHousekeeping(context: Context, jobs: readonly PeriodicJob[] = periodicJobs): { stop(): Promise<void> } {
  let stopped = false
  let round: Promise<void> | undefined

  async function runAll(): Promise<void> {
    for (const job of jobs) {
      if (stopped) return
      try {
        const result = await job.run(context)
        if (Object.values(result).some((count) => count > 0)) context.log.info({ job: job.name, ...result }, 'periodic job')
      } catch (error) {
        context.log.error({ job: job.name, error: String(error) }, 'periodic job failed; it will be called again')
      }
    }
  }

  function begin(): void {
    round ??= runAll().finally(() => {
      round = undefined
    })
  }

  const timer = setInterval(begin, context.config.house_keeping.cleanup_interval * 1000)
  begin()
  return {
    async stop() {
      stopped = true
      clearInterval(timer)
      await round
    },
  }
}
