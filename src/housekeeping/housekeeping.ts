/** Runs the periodic jobs at the start and then at their intervals; those of the same interval one after another. */
import type { Context } from '../context.ts'
import { advanceRotation } from './advance-rotation.ts'
import { deleteExpiredAmphorae } from './delete-expired-amphorae.ts'
import { deleteExpiredLoadBalancers } from './delete-expired-load-balancers.ts'
import { huntOrphans } from './hunt-orphans.ts'
import type { PeriodicJob } from './periodic-job.ts'
import { pruneEvents } from './prune-events.ts'
import { pruneFlowHistory } from './prune-flow-history.ts'
import { refillSpareAmphorae } from './refill-spare-amphorae.ts'
import { renewCertificates } from './renew-certificates.ts'
import { renewServerCertificates } from './renew-server-certificates.ts'
import { repairQuotas } from './repair-quotas.ts'
import { revertFailedFlows } from './revert-failed-flows.ts'
import { rollUpStatistics } from './roll-up-statistics.ts'
import { settleUnfinishedAmphorae } from './settle-unfinished-amphorae.ts'
import { tellExpiringCertificates } from './tell-expiring-certificates.ts'
import { tellSecretUses } from './tell-secret-uses.ts'
import { undoVipReservations } from './undo-vip-reservations.ts'
import { updateAgents } from './update-agents.ts'

export const periodicJobs: readonly PeriodicJob[] = [
  undoVipReservations,
  deleteExpiredLoadBalancers,
  deleteExpiredAmphorae,
  revertFailedFlows,
  settleUnfinishedAmphorae,
  pruneFlowHistory,
  pruneEvents,
  renewCertificates,
  tellExpiringCertificates,
  tellSecretUses,
  repairQuotas,
  renewServerCertificates,
  updateAgents,
  refillSpareAmphorae,
  advanceRotation,
  rollUpStatistics,
  huntOrphans,
]

/** Does not wait for the first round; `stop` waits for the jobs that run. */
export function startHousekeeping(context: Context, jobs: readonly PeriodicJob[] = periodicJobs): { stop(): Promise<void> } {
  const rounds = [...Map.groupBy(jobs, ({ intervalOf }) => intervalOf(context.config))].map(([seconds, ofInterval]) =>
    startRounds(context, ofInterval, seconds * 1000),
  )
  return {
    async stop() {
      await Promise.all(rounds.map((round) => round.stop()))
    },
  }
}

/** A round that lasts longer than the interval is not overtaken by the next. */
function startRounds(context: Context, jobs: readonly PeriodicJob[], intervalMs: number): { stop(): Promise<void> } {
  let stopped = false
  let round: Promise<void> | undefined

  async function runAll(): Promise<void> {
    for (const job of jobs) {
      if (stopped) return
      const beganAt = context.clock.monotonic()
      const end = (outcome: string) => {
        context.metrics.periodic_jobs_total.add({ job: job.name, outcome })
        context.metrics.periodic_job_duration_seconds.observe({ job: job.name }, (context.clock.monotonic() - beganAt) / 1_000)
      }
      try {
        const result = await job.run(context)
        if (Object.values(result).some((count) => count > 0)) context.log.info({ job: job.name, ...result }, 'periodic job')
        end('ok')
        context.metrics.periodic_job_last_success_timestamp_seconds.set({ job: job.name }, context.clock.now() / 1_000)
      } catch (error) {
        context.log.error({ job: job.name, error: String(error) }, 'periodic job failed; it will be called again')
        end('error')
      }
    }
  }

  function begin(): void {
    round ??= runAll().finally(() => {
      round = undefined
    })
  }

  const timer = setInterval(begin, intervalMs)
  begin()
  return {
    async stop() {
      stopped = true
      clearInterval(timer)
      await round
    },
  }
}
