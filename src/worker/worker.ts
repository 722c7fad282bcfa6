/** Takes flows from the journal and runs them, several side by side, until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, unhurried } from '../db/connection.ts'
import type { Flow } from '../flow/define.ts'
import { execute } from '../flow/execute.ts'
import { type Claim, type Claimable, Journal } from '../flow/journal.ts'
import { onFlowsStarted } from '../flow/start.ts'
import { currentActivity, during } from '../lib/activity.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Metrics, whenRead } from '../monitoring/metrics.ts'
import { noTracer, type Tracer } from '../tracing/tracer.ts'

const DEFAULT_LEASE_MS = 5_000
const DEFAULT_PLACES = 50
/** How long a flow may lie unseen when no word of it came: that of a dead worker, or one whose NOTIFY was lost. */
const POLL_MS = 1_000
/** At a stop, flows that are almost done may end; then their tasks are told to stop, and get a moment to obey. */
const FINISH_MS = 1_000
const OBEY_MS = 3_000

export interface WorkerOptions<C> {
  context: C
  /** Flows that the journal names; a flow of another name is left to newer controllers. */
  flows: readonly Flow<C, never>[]
  /** How many flows run side by side at most; more wait in the journal. Each flow has to belong to a kind of them. Default: one kind, of 50 places. */
  places?: readonly Places[]
  leaseMs?: number
  /** A step that takes longer has failed; its flow is reverted. Default: no limit. */
  stepTimeoutMs?: number
  /** Members of the context that act on the world. Whatever a flow asks of them, its lease is looked at first. */
  drivers?: readonly (keyof C)[]
  tracer?: Tracer
}

/** Places for a kind of flow. What hangs there, for as long as a step may take, holds up nobody of another kind. */
export interface Places {
  names: readonly string[]
  /** True: for those that a request asked for; false: for those that a controller began of itself; undefined: for both. */
  asked?: boolean
  most: number
}

export interface Worker {
  /** Gives back what it has not finished; flows that are under way go on elsewhere, or at the next start. */
  stop(): Promise<void>
  /** Resolves when no flow is left that could be run here. */
  idle(): Promise<void>
}

export function startWorker<C extends { db: Db; clock: Clock; log: Log; metrics: Metrics }>(options: WorkerOptions<C>): Worker {
  const { db, clock, log, metrics } = options.context
  const { stepTimeoutMs } = options
  const tracer = options.tracer ?? noTracer
  const flows = new Map(options.flows.map((flow) => [flow.name, flow]))
  const places = options.places ?? [{ names: [...flows.keys()], most: DEFAULT_PLACES }]
  const journal = new Journal({ db, clock, leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS })
  const running = new Map<string, { claim: Claim; abort: AbortController; ended: Promise<void> }>()
  const waitingForIdle: (() => void)[] = []
  let stopping = false
  let woken = true
  let wakeUp = () => {}

  function wake(): void {
    woken = true
    wakeUp()
  }

  async function loop(): Promise<void> {
    let lastPoll = Number.NEGATIVE_INFINITY
    while (!stopping) {
      woken = false
      let found = 0
      try {
        if (clock.monotonic() - lastPoll >= POLL_MS) {
          await journal.expireDeadWorkers()
          lastPoll = clock.monotonic()
        }
        const claims = stopping ? [] : await journal.claim(places.map(withRoom), [...running.keys()])
        for (const claim of claims) run(claim)
        found = claims.length
        if (found === 0 && running.size === 0 && !woken) for (const resolve of waitingForIdle.splice(0)) resolve()
      } catch (error) {
        log.error({ error: String(error) }, 'cannot look for flows; trying again')
      }
      if (!woken && !stopping && found === 0) await pause()
    }
  }

  function withRoom(kind: Places): Claimable {
    const taken = [...running.values()].filter(({ claim }) => isOf(kind, claim)).length
    return { ...kind, room: kind.most - taken }
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS)
      wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function run(claim: Claim): void {
    const abort = new AbortController()
    const ended = onBehalfOf(claim, () => perform(claim, abort.signal)).finally(() => {
      running.delete(claim.flow_id)
      wake()
    })
    running.set(claim.flow_id, { claim, abort, ended })
  }

  /** What the tasks of a flow are given: a worker that stood still and has a successor meanwhile does nothing with it. */
  function contextOf(claim: Claim): C {
    // What a task writes needs the disk no sooner than the journal's word that the task was done.
    const context = { ...options.context, db: journal.guardedDb(unhurried(db), claim) }
    for (const name of options.drivers ?? []) {
      context[name] = checkedFirst(context[name] as object, () => journal.checkLease(claim)) as C[keyof C]
    }
    return context
  }

  /** Log lines, spans and requests to agents tell by what request a flow was started. */
  function onBehalfOf(claim: Claim, work: () => Promise<void>): Promise<void> {
    const { flow_id, name, generation } = claim
    const [request_id, global_request_id, load_balancer_id, traceparent] = [
      claim.request_id ?? undefined,
      claim.global_request_id ?? undefined,
      claim.subject ?? undefined,
      claim.traceparent ?? undefined,
    ]
    const attributes = { 'ottavia.flow_id': flow_id, 'ottavia.load_balancer_id': claim.subject ?? '', 'ottavia.generation': generation }
    const span = tracer.begin(name, { kind: 'consumer', attributes, traceparent })
    return during({ request_id, global_request_id, load_balancer_id, flow_id, traceparent, span }, work)
  }

  async function perform(claim: Claim, signal: AbortSignal): Promise<void> {
    const about = { flow: claim.name }
    const span = currentActivity()?.span
    const startedAt = clock.monotonic()
    if (claim.generation === 1)
      metrics.flow_wait_seconds.observe({ flow: claim.name }, Math.max(0, clock.now() - claim.created_at_ms) / 1_000)
    try {
      const onDatabaseRetry = () => metrics.database_retries_total.add({ work: 'step' })
      const options = { context: contextOf(claim), journal, signal, stepTimeoutMs, onDatabaseRetry }
      const outcome = await execute(flows.get(claim.name)!, claim, options)
      const ms = Math.round(clock.monotonic() - startedAt)
      const counted = { flow: claim.name, outcome: outcome.toLowerCase() }
      metrics.flows_total.add(counted)
      metrics.flow_duration_seconds.observe(counted, ms / 1_000)
      span?.set({ 'ottavia.outcome': outcome })
      span?.end(outcome === 'DONE' ? undefined : outcome)
      if (outcome === 'DONE') log.info({ ...about, ms }, 'flow done')
      else log.warn({ ...about, ms, outcome }, 'flow ended otherwise')
      if (outcome === 'INTERRUPTED' && stopping) await journal.release(claim)
    } catch (error) {
      // The lease ends, and another attempt is made; nothing is known about the flow's state that the journal does not know.
      log.error({ ...about, error: String(error) }, 'flow left unfinished')
      span?.end(error)
    }
  }

  async function renew(): Promise<void> {
    const held = [...running.values()].map(({ claim }) => claim)
    const lost = await journal.renew(held).catch((error) => {
      log.error({ error: String(error) }, 'cannot renew leases')
      return []
    })
    for (const { flow_id } of lost) running.get(flow_id)?.abort.abort()
  }

  let renewing = false
  const renewal = setInterval(() => {
    // Also while the database does not answer.
    for (const { claim, abort } of running.values()) if (clock.monotonic() >= claim.leaseEndsAt) abort.abort()
    if (renewing || running.size === 0) return
    renewing = true
    renew().finally(() => {
      renewing = false
    })
  }, journal.leaseMs / 4)
  const uncollect = whenRead(metrics, () => metrics.flows_running.set({}, running.size))
  const notifications = onFlowsStarted(db, wake)
  const looping = loop()

  return {
    async stop() {
      stopping = true
      wake()
      await looping
      const all = Promise.allSettled([...running.values()].map(({ ended }) => ended))
      await Promise.race([all, sleep(FINISH_MS, undefined, { ref: false })])
      for (const { abort } of running.values()) abort.abort()
      await Promise.race([all, sleep(OBEY_MS, undefined, { ref: false })])
      clearInterval(renewal)
      await notifications.stop()
      journal.close()
      uncollect()
      for (const resolve of waitingForIdle.splice(0)) resolve()
    },
    idle() {
      return new Promise((resolve) => {
        waitingForIdle.push(resolve)
        wake()
      })
    },
  }
}

function isOf({ names, asked }: Places, { name, request_id }: Claim): boolean {
  return names.includes(name) && (asked === undefined || asked === (request_id !== null))
}

/** The driver, each of whose calls `check` may refuse by throwing. */
function checkedFirst<T extends object>(driver: T, check: () => void): T {
  return new Proxy(driver, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        check()
        return member.apply(target, args)
      }
    },
  })
}
