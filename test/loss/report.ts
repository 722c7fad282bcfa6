/** A load test's result in lines for people. */
import { printTable, quantile } from '../../bench/table.ts'
import { lostOf } from './load.ts'
import type { LossReport } from './loss.ts'
import { lossKinds } from './outcomes.ts'

export const lostRequests = ({ load }: LossReport): number => lostOf(load)

/** Reloads after changes that HAProxy can be told of while it runs. */
export function needlessReloads({ kinds }: LossReport): number {
  return Object.values(kinds).reduce((sum, { atRunTime, reloads }) => sum + (atRunTime ? reloads : 0), 0)
}

/** Of the whole seconds: the first and the last are parts. */
const wholeSeconds = ({ load }: LossReport) => load.perSecond.slice(1, -1)

/** Requests in the median second. */
export const usualRate = (report: LossReport): number => quantile(wholeSeconds(report), 0.5)

export function printReport(report: LossReport): void {
  const { load, kinds, oldWorkers, lostDuring } = report
  const rows = Object.entries(kinds).sort(([a], [b]) => a.localeCompare(b))
  if (rows.length > 0)
    printTable(
      ['change', 'times', 'reloads', 'ms to ACTIVE: median', 'p90'],
      rows.map(([kind, { changes, reloads, ms }]) => [
        kind,
        String(changes),
        String(reloads),
        quantile(ms, 0.5).toFixed(0),
        quantile(ms, 0.9).toFixed(0),
      ]),
    )
  const { fresh, kept } = load.requests
  const slowest = Math.min(...wholeSeconds(report))
  console.log(`\n${fresh} requests on new connections, ${kept} on kept ones; ${usualRate(report)} a second (slowest second ${slowest})`)
  console.log(`answers: p50 ${load.p50} ms, p99 ${load.p99} ms, longest ${load.longest.toFixed(0)} ms`)
  console.log(`lost: ${lostRequests(report)} (${lossKinds.map((kind) => `${kind} ${load.lost[kind]}`).join(', ')})`)
  console.log(`idle kept connections closed under a request, whose one retry succeeded: ${load.retried}`)
  console.log(`reloads after changes of members' weights and states, certificates, and members without cookies: ${needlessReloads(report)}`)
  console.log(
    `old workers: ${oldWorkers.workers}, the longest lived ${(oldWorkers.longestMs / 1_000).toFixed(1)} s, ${oldWorkers.left} left`,
  )
  for (const line of lostDuring.slice(0, 10)) console.log(`  ${line}`)
}
