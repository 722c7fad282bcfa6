/**
 * The table of metrics. To count something, give it a line here and say `metrics.flows_total.add({ flow, outcome })` where it happens; `metrics` is in
 * every context. Labels are words from short lists, never ids or names that users choose. `npm run generate` prints the table as a page.
 */
import { counter, gauge, histogram, Metric, type MetricDefinition, type MetricOf } from '../lib/metrics.ts'

/** From an answer out of memory to a client that gives up. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** From a change of rows to a machine that boots in a cloud. */
const FLOW_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Shown as `ottavia_NAME`; those that begin with `process_` or `nodejs_` as they are. */
export const metricTable = {
  api_requests_total: counter('Requests to the API that were answered.', ['method', 'route', 'status']),
  api_request_duration_seconds: histogram('From the first byte of a request to the last of its answer.', REQUEST_SECONDS, [
    'method',
    'route',
  ]),

  flows_total: counter(
    'Flows that ended, by outcome: done, reverted, revert_failure (an operator must look), interrupted (given back, goes on later).',
    ['flow', 'outcome'],
  ),
  flow_duration_seconds: histogram('How long flows ran on this controller.', FLOW_SECONDS, ['flow', 'outcome']),
  flow_wait_seconds: histogram('From the request that started a flow to its first step.', FLOW_SECONDS, ['flow']),
  flows_running: gauge('Flows that this controller runs now.'),
  flows_unfinished: gauge('Flows in the database that have not ended, by state (READY waits for a worker).', ['state']),
  flows_oldest_unfinished_seconds: gauge('The age of the oldest flow that has not ended.'),
  flows_revert_failure: gauge('Flows whose steps could not be undone and which wait for an operator: see `ottavia status`.'),

  heartbeats_received_total: counter('Packets of heartbeats that came in.'),
  heartbeats_applied_total: counter('Heartbeats whose content is in the database.'),
  heartbeats_refused_total: counter('Heartbeats of which nothing was kept, by reason.', ['reason']),
  heartbeat_batch_duration_seconds: histogram('How long a batch of heartbeats took to be stored.', REQUEST_SECONDS),
  heartbeat_rows_total: counter('Rows that heartbeats changed.', ['table']),
  heartbeats_waiting: gauge('Amphorae whose newest heartbeat is not stored yet.'),
  heartbeat_lag_seconds: gauge('How long the oldest heartbeat of the last batch had waited to be stored.'),
  amphorae_silent: gauge('Amphorae that were not heard of for heartbeat_timeout, as this health manager sees it.'),

  failovers_total: counter('Failovers that a health manager began, by why the amphora seemed dead; how they ended is in flows_total.', [
    'cause',
  ]),
  failovers_held_back_total: counter('Failovers that were not begun although an amphora seems dead, by reason.', ['reason']),

  periodic_jobs_total: counter('Runs of periodic jobs, by outcome.', ['job', 'outcome']),
  periodic_job_duration_seconds: histogram('How long they took.', FLOW_SECONDS, ['job']),
  periodic_job_last_success_timestamp_seconds: gauge('When a periodic job last ended well.', ['job']),

  driver_calls_total: counter(
    'Calls to drivers, by outcome: ok, not_found, refused, unreachable, fenced (a frozen worker that woke), error.',
    ['driver', 'operation', 'outcome'],
  ),
  driver_call_duration_seconds: histogram('How long calls to drivers took, their own retries included.', FLOW_SECONDS, [
    'driver',
    'operation',
  ]),

  openstack_requests_total: counter("Requests to OpenStack's services, by the status of the answer; 0: none.", [
    'service',
    'method',
    'status',
  ]),
  openstack_request_duration_seconds: histogram("How long OpenStack's services took to answer.", FLOW_SECONDS, ['service', 'method']),

  database_up: gauge('1 when the database answered while these metrics were collected.'),
  database_query_errors_total: counter('Statements that failed, by kind: unavailable, busy, other.', ['kind']),

  database_retries_total: counter(
    'What was begun again because the database had gone away before a commit, or was busy: requests, steps of flows.',
    ['work'],
  ),
  database_connections: gauge(
    'Connections of the pool to PostgreSQL: busy, idle; waiting: how many wait for one because [database] max_pool_size are busy.',
    ['state'],
  ),

  load_balancers: gauge('Load balancers in the database.', ['provisioning_status', 'operating_status']),
  amphorae: gauge('Amphorae in the database, by status.', ['status']),
  orphans: gauge('Machines, ports, security groups and server groups that no row knows, as housekeeping saw them last.', ['kind']),
  certificate_expiry_timestamp_seconds: gauge(
    'When the first certificate of each kind ends: user (of listeners and pools), amphora (server certificates of agents).',
    ['kind'],
  ),

  trace_spans_dropped_total: counter('Spans that the collector of traces did not take, or that were too many.'),

  process_cpu_seconds_total: counter('User and system CPU time.'),
  process_resident_memory_bytes: gauge('Resident memory.'),
  process_start_time_seconds: gauge('When the process began, in seconds since 1970.'),
  nodejs_heap_size_used_bytes: gauge("What JavaScript's objects take."),
  nodejs_eventloop_active_seconds_total: counter('Time in which the event loop did something: near 1 per second, everything waits.'),
} as const

type MetricTable = typeof metricTable

/** `metrics.flows_total.add({ flow: 'create-member', outcome: 'done' })` */
export type Metrics = { readonly [N in keyof MetricTable]: MetricOf<MetricTable[N]> }

/** What is shown besides: looks something up and sets gauges, each time the metrics are read. Must not throw. */
type Collector = () => void | Promise<void>

interface Registry {
  readonly metrics: ReadonlyMap<string, Metric>
  readonly collectors: Set<Collector>
}

const registries = new WeakMap<Metrics, Registry>()

/** All metrics at zero, for one controller; a process may have several. */
export function createMetrics(): Metrics {
  const made = new Map(
    Object.entries(metricTable).map(([name, definition]) => [name, new Metric(shownName(name), definition as MetricDefinition)]),
  )
  // Each metric is what its definition asks for: the class can do what all three kinds do.
  const metrics = Object.fromEntries(made) as unknown as Metrics
  registries.set(metrics, { metrics: made, collectors: new Set() })
  return metrics
}

/** Calls `collector` whenever the metrics are read, before they are shown. Answers how to end that. */
export function whenRead(metrics: Metrics, collector: Collector): () => void {
  const { collectors } = registryOf(metrics)
  collectors.add(collector)
  return () => collectors.delete(collector)
}

/** All of them in Prometheus's text format. */
export async function exposeMetrics(metrics: Metrics): Promise<string> {
  const registry = registryOf(metrics)
  await Promise.all([...registry.collectors].map((collector) => collector()))
  return [...registry.metrics.values()].map((metric) => metric.expose()).join('')
}

export const shownName = (name: string): string => (/^(process|nodejs)_/.test(name) ? name : `ottavia_${name}`)

function registryOf(metrics: Metrics): Registry {
  const registry = registries.get(metrics)
  if (registry === undefined) throw new Error('not made by createMetrics')
  return registry
}
