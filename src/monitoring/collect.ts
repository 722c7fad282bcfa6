/** Gauges that are looked up when somebody reads them: what is in the database, and how the process does. */
import { connectionsOf, type Db } from '../db/connection.ts'
import type { Clock } from '../lib/clock.ts'
import { within } from '../lib/within.ts'
import { type Metrics, whenRead } from './metrics.ts'

/** A database that is away must not keep the other metrics from whoever wants to know why. */
const DATABASE_TIMEOUT_MS = 2_000

export interface CollectContext {
  readonly db: Db
  readonly clock: Clock
  readonly metrics: Metrics
}

/** From now on the metrics show them. Answers how to end that. */
export function collectGauges({ db, clock, metrics }: CollectContext): () => void {
  let looking: Promise<void> | undefined
  const ends = [
    whenRead(metrics, () => showProcess(metrics)),
    whenRead(metrics, () => {
      for (const [state, count] of Object.entries(connectionsOf(db) ?? {})) metrics.database_connections.set({ state }, count)
    }),
    whenRead(metrics, () => {
      // One look serves all who ask at the same time.
      looking ??= showDatabase(db, clock, metrics).finally(() => {
        looking = undefined
      })
      return looking
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}

async function showDatabase(db: Db, clock: Clock, metrics: Metrics): Promise<void> {
  try {
    // The old values stay only where the database answers: those of yesterday would look like today's.
    const found = await within(DATABASE_TIMEOUT_MS, lookUp(db))
    metrics.database_up.set({}, 1)
    showFound(found, clock, metrics)
  } catch {
    metrics.database_up.set({}, 0)
    clearLookedUp(metrics)
  }
}

type Found = Awaited<ReturnType<typeof lookUp>>

async function lookUp(db: Db) {
  const [loadBalancers, amphorae, flows, failedFlows, userCertificate, amphoraCertificate] = await Promise.all([
    db
      .selectFrom('load_balancer')
      .select(({ fn }) => ['provisioning_status', 'operating_status', fn.countAll<number>().as('count')])
      .where('provisioning_status', '!=', 'DELETED')
      .groupBy(['provisioning_status', 'operating_status'])
      .execute(),
    db
      .selectFrom('amphora')
      .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
      .where('status', '!=', 'DELETED')
      .groupBy('status')
      .execute(),
    db
      .selectFrom('flow')
      .select(({ fn }) => ['state', fn.countAll<number>().as('count'), fn.min('created_at_ms').as('oldest_ms')])
      .where('ended_at_ms', 'is', null)
      .groupBy('state')
      .execute(),
    db
      .selectFrom('flow')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('state', '=', 'REVERT_FAILURE')
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('tls_certificate')
      .select(({ fn }) => fn.min('not_after').as('first'))
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('amphora')
      .select(({ fn }) => fn.min('cert_expiration').as('first'))
      .where('status', '!=', 'DELETED')
      .executeTakeFirstOrThrow(),
  ])
  return { loadBalancers, amphorae, flows, failedFlows: failedFlows.count, ends: { user: userCertificate, amphora: amphoraCertificate } }
}

function showFound(found: Found, clock: Clock, metrics: Metrics): void {
  clearLookedUp(metrics)
  for (const { provisioning_status, operating_status, count } of found.loadBalancers)
    metrics.load_balancers.set({ provisioning_status, operating_status }, count)
  for (const { status, count } of found.amphorae) metrics.amphorae.set({ status }, count)
  for (const state of ['READY', 'RUNNING', 'REVERTING']) metrics.flows_unfinished.set({ state }, 0)
  for (const { state, count } of found.flows) metrics.flows_unfinished.set({ state }, count)
  const oldest = Math.min(...found.flows.map(({ oldest_ms }) => oldest_ms))
  metrics.flows_oldest_unfinished_seconds.set({}, found.flows.length === 0 ? 0 : Math.max(0, (clock.now() - oldest) / 1000))
  metrics.flows_revert_failure.set({}, found.failedFlows)
  for (const [kind, { first }] of Object.entries(found.ends))
    if (first !== null) metrics.certificate_expiry_timestamp_seconds.set({ kind }, Date.parse(`${first.slice(0, 19)}Z`) / 1000)
}

function clearLookedUp(metrics: Metrics): void {
  metrics.load_balancers.clear()
  metrics.amphorae.clear()
  metrics.flows_unfinished.clear()
  metrics.flows_oldest_unfinished_seconds.clear()
  metrics.flows_revert_failure.clear()
  metrics.certificate_expiry_timestamp_seconds.clear()
}

/** What was added to counters of the process up to now, since they can only grow. */
const shown = new WeakMap<Metrics, { cpu: number; active: number }>()

function showProcess(metrics: Metrics): void {
  const { user, system } = process.cpuUsage()
  const now = { cpu: (user + system) / 1e6, active: performance.eventLoopUtilization().active / 1000 }
  const before = shown.get(metrics) ?? { cpu: 0, active: 0 }
  metrics.process_cpu_seconds_total.add({}, now.cpu - before.cpu)
  metrics.nodejs_eventloop_active_seconds_total.add({}, now.active - before.active)
  shown.set(metrics, now)
  const { rss, heapUsed } = process.memoryUsage()
  metrics.process_resident_memory_bytes.set({}, rss)
  metrics.nodejs_heap_size_used_bytes.set({}, heapUsed)
  metrics.process_start_time_seconds.set({}, Math.round(performance.timeOrigin) / 1000)
}
