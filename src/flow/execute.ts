/**
 * Runs one claimed flow to its end: forward through its steps, or backward through their reverts. The flow's function is called from its start each time;
 * steps that the journal knows as done answer what they answered.
 */
import { setTimeout as realSleep } from 'node:timers/promises'
import { isBusy } from '../db/busy.ts'
import { isUnavailable } from '../db/unavailable.ts'
import { inSpan } from '../lib/activity.ts'
import type { Json } from '../lib/json.ts'
import { retry, type Sleep } from '../lib/retry.ts'
import {
  type Flow,
  type FlowEnd,
  GENERAL_MESSAGE,
  type Reason,
  type Run,
  type StepContext,
  type Task,
  type TaskRetry,
  VisibleError,
} from './define.ts'
import { type Claim, type FlowChange, Interrupted, type Journal } from './journal.ts'
import type { FlowStepRow } from './tables.ts'

export type Outcome = 'DONE' | 'REVERTED' | 'REVERT_FAILURE' | 'INTERRUPTED'

/**
 * What a flow does when, told to a test, which may throw there: Interrupted stands for the death of the worker, anything else for the
 * failure of the step. `executed` and `undone`: the task has run, the journal does not know it yet.
 */
export type Moment = 'started' | 'executed' | 'finished' | 'reverting' | 'undone' | 'reverted' | 'ending' | 'ended'
export type Probe = (moment: Moment, step: string) => void

export interface ExecuteOptions<C> {
  context: C
  journal: Journal
  /** Aborted when the worker stops or the lease is lost. */
  signal: AbortSignal
  /** What takes longer, a step or its revert, is taken for something that was asked and never answers. Default: no limit. */
  stepTimeoutMs?: number
  /** Told of each time that a step is begun again because of the database. */
  onDatabaseRetry?(): void
  probe?: Probe
  sleep?: Sleep
}

/** A task that sets no other bound for it: what a revert needs is often only away for a moment. */
const REVERT_RETRY: TaskRetry = { attempts: 4, firstWaitMs: 100, longestWaitMs: 1_000 }
const ONCE: TaskRetry = { attempts: 1, firstWaitMs: 0, longestWaitMs: 0 }
/** After the reverts an object only needs its status; giving up would leave it pending, so this is tried for about half a minute. */
const AFTER_REVERT_RETRY: TaskRetry = { attempts: 10, firstWaitMs: 100, longestWaitMs: 5_000 }
/** A flow whose steps take the worker down with them must not do so for ever: it is reverted. */
const MAX_FORWARD_CLAIMS = 50
const MAX_ERROR_LENGTH = 4_000
/** Before a step is begun again whose database went away, or was busy. */
const UNAVAILABLE_PAUSE_MS = 100
/** So often a step finds the database busy; each time it has waited for seconds already. */
const MAX_BUSY = 5

/** Never throws but for a bug of this room; errors of tasks end in the journal. */
export function execute<C>(flow: Flow<C, never>, claim: Claim, options: ExecuteOptions<C>): Promise<Outcome> {
  return new Execution(flow, claim, options).end()
}

/** Ends a branch that must not go on; what is the matter is known already. */
class Halt extends Error {}

/** What was asked may still be done, at any time. */
class NoAnswer extends Error {
  constructor(timeoutMs: number) {
    super(`it did not end within ${timeoutMs / 1_000} s`)
    this.name = 'NoAnswer'
  }
}

type AnyTask<C> = Task<C, Json | undefined, Json | void>

class Execution<C> {
  readonly #flow: Flow<C, never>
  readonly #claim: Claim
  readonly #params: never
  readonly #options: ExecuteOptions<C>
  readonly #context: C & StepContext
  readonly #rows = new Map<string, FlowStepRow>()
  readonly #tasks = new Map<string, AnyTask<C>>()
  readonly #inFlight = new Set<Promise<unknown>>()
  readonly #unwritten = new Set<Promise<void>>()
  #order = 0
  #forward: boolean
  #failure: { error: unknown } | undefined
  /** A step did not answer, and may go on while it is reverted. */
  #mayGoOn = false
  #interruption: Interrupted | undefined

  constructor(flow: Flow<C, never>, claim: Claim, options: ExecuteOptions<C>) {
    this.#flow = flow
    this.#claim = claim
    // The flow's own type, erased in the list of flows; startFlow took it.
    this.#params = JSON.parse(claim.params) as never
    this.#options = options
    this.#context = { ...options.context, flow_id: claim.flow_id, generation: claim.generation, signal: options.signal }
    this.#forward = claim.state !== 'REVERTING'
  }

  async end(): Promise<Outcome> {
    try {
      for (const row of await this.#options.journal.steps(this.#claim.flow_id)) {
        this.#rows.set(row.step, row)
        this.#order = Math.max(this.#order, row.started_order, row.finished_order ?? 0)
      }
      if (this.#forward && this.#claim.generation > MAX_FORWARD_CLAIMS) {
        this.#failure = { error: new Error(`begun ${MAX_FORWARD_CLAIMS} times and interrupted each time`) }
      }
      await this.#walk()
      if (this.#forward && this.#failure === undefined) return await this.#finish('DONE')
      return await this.#revert()
    } catch (error) {
      if (error instanceof Interrupted) return 'INTERRUPTED'
      throw error
    } finally {
      // Nothing of this flow is under way any more when the caller hears of its end.
      await Promise.all(this.#unwritten)
    }
  }

  /** Calls the flow's function: to do its steps or, when it reverts, to learn which tasks the journal's steps are. */
  async #walk(): Promise<void> {
    try {
      await this.#flow.steps(this.#run(''), this.#params)
    } catch (error) {
      if (this.#forward && !(error instanceof Halt)) this.#failure ??= { error }
    }
    // A flow may be left by one step's error while another still runs; nothing is reverted under its feet.
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight)
    this.#throwIfInterrupted()
  }

  #run(branch: string): Run<C> {
    const run = (async (task: AnyTask<C>, input: Json | undefined, options?: { key?: string }) => {
      const step = `${branch}${task.name}${options?.key === undefined ? '' : `[${options.key}]`}`
      const work = this.#step(step, task, input)
      this.#inFlight.add(work)
      try {
        return await work
      } finally {
        this.#inFlight.delete(work)
      }
    }) as Run<C>
    run.parallel = async (items, keyOf, body) => {
      const settled = await Promise.allSettled(items.map(async (item) => body(this.#run(`${branch}${keyOf(item)}/`), item)))
      this.#throwIfInterrupted()
      const failed = settled.filter((result) => result.status === 'rejected')
      const cause = failed.find(({ reason }) => !(reason instanceof Halt)) ?? failed[0]
      if (cause !== undefined) throw cause.reason
      return settled.map((result) => (result as PromiseFulfilledResult<Awaited<ReturnType<typeof body>>>).value)
    }
    return run
  }

  async #step(step: string, task: AnyTask<C>, input: Json | undefined): Promise<Json | undefined> {
    if (this.#tasks.has(step)) throw new Error(`the step ${step} comes twice; give it a key`)
    this.#tasks.set(step, task)
    const known = this.#rows.get(step)
    // Set also on a finished step that is reverted by now.
    if (known !== undefined && known.finished_order !== null) return fromText(known.output)
    if (!this.#forward || this.#failure !== undefined) throw new Halt()
    this.#throwIfInterrupted()
    return this.#perform(step, task, input, known)
  }

  async #perform(step: string, task: AnyTask<C>, input: Json | undefined, known: FlowStepRow | undefined): Promise<Json | undefined> {
    const row: FlowStepRow = {
      flow_id: this.#claim.flow_id,
      step,
      task: task.name,
      state: 'STARTED',
      input: toText(input),
      output: null,
      error: null,
      started_order: known?.started_order ?? ++this.#order,
      finished_order: null,
      started_at_ms: Date.now(),
      ended_at_ms: null,
    }
    this.#rows.set(step, row)
    await this.#write([row])
    let output: Json | undefined
    try {
      this.#probe('started', step)
      output = await inSpan(task.name, { attributes: { 'ottavia.step': step } }, () =>
        this.#attempt(task.retry ?? ONCE, async (context) => {
          const result = await task.execute(context, input)
          return result === undefined ? undefined : (result as Json)
        }),
      )
      this.#probe('executed', step)
    } catch (error) {
      this.#throwIfInterrupted(error)
      this.#failure ??= { error }
      this.#mayGoOn ||= error instanceof NoAnswer
      Object.assign(row, { state: 'FAILED', error: describe(error), ended_at_ms: Date.now() })
      this.#writeLater([row])
      throw error
    }
    // As it will be after a crash, so that no flow depends on what JSON does not keep.
    row.output = toText(output)
    Object.assign(row, { state: 'DONE', finished_order: ++this.#order, ended_at_ms: Date.now() })
    const written = this.#writeLater([row])
    if (this.#options.probe !== undefined) {
      await written
      this.#throwIfInterrupted()
      this.#probe('finished', step)
    }
    return fromText(row.output)
  }

  async #revert(): Promise<Outcome> {
    let reason = this.#claim.reason
    if (this.#forward) {
      this.#forward = false
      reason = reasonOf(this.#failure?.error)
      await this.#write([], { state: 'REVERTING', reason_message: reason.message, reason_details: reason.details })
      if (this.#mayGoOn) await this.#leaveToSuccessor()
    }
    const undone = await this.#revertSteps()
    // Also where a revert failed: its object must not stay pending, and its reason tells of both.
    const told = undone === undefined ? reason : { ...reason, details: `${reason.details}\n${undone}`.trim() }
    try {
      this.#probe('ending', '')
      if (this.#flow.afterRevert !== undefined) {
        await this.#attempt(AFTER_REVERT_RETRY, (context) => this.#flow.afterRevert!(context, this.#params, told))
      }
    } catch (error) {
      this.#throwIfInterrupted(error)
      return this.#finish('REVERT_FAILURE', { ...told, details: `${told.details}\nafterwards: ${describe(error)}`.trim() })
    }
    return this.#finish(undone === undefined ? 'REVERTED' : 'REVERT_FAILURE', told)
  }

  /** Reverting needs a higher generation than what may still go on: the drivers and the database then refuse that. */
  async #leaveToSuccessor(): Promise<never> {
    await this.#options.journal.release(this.#claim)
    throw new Interrupted(`flow ${this.#claim.flow_id} goes on with a higher generation`)
  }

  /** Backwards: first what was interrupted, then what was finished, the latest first. Answers what could not be reverted, if anything. */
  async #revertSteps(): Promise<string | undefined> {
    const latestFirst = [...this.#rows.values()]
      .filter(({ state }) => state !== 'REVERTED')
      .sort(
        (a, b) =>
          (b.finished_order ?? Number.POSITIVE_INFINITY) - (a.finished_order ?? Number.POSITIVE_INFINITY) ||
          b.started_order - a.started_order,
      )
    for (const row of latestFirst) {
      const task = this.#tasks.get(row.step)
      try {
        if (task === undefined) throw new Error('the flow has no such step any more')
        if (task.revert === undefined) {
          row.state = 'REVERTED'
          this.#writeLater([row])
          continue
        }
        this.#probe('reverting', row.step)
        const output = row.finished_order === null ? undefined : fromText(row.output)
        await inSpan(`revert ${task.name}`, { attributes: { 'ottavia.step': row.step } }, () =>
          this.#attempt(task.retry ?? REVERT_RETRY, (context) => task.revert!(context, fromText(row.input), output)),
        )
        this.#probe('undone', row.step)
      } catch (error) {
        this.#throwIfInterrupted(error)
        // What came before may be what knows of the thing that is left over, so the earlier steps stay as they are.
        Object.assign(row, { state: 'REVERT_FAILURE', error: [row.error, `revert: ${describe(error)}`].filter(Boolean).join('\n') })
        await this.#write([row])
        return `step ${row.step} could not be reverted: ${describe(error)}`
      }
      row.state = 'REVERTED'
      await this.#write([row])
      this.#probe('reverted', row.step)
    }
    return undefined
  }

  async #finish(outcome: FlowEnd['outcome'], reason: Reason | null = null): Promise<Outcome> {
    this.#probe('ended', '')
    const { flow_id, created_at_ms } = this.#claim
    const end: FlowEnd = { flow_id, outcome, reason, duration_ms: Math.max(0, Date.now() - created_at_ms) }
    await this.#write([], {
      state: outcome,
      ended: true,
      ...(reason === null ? {} : { reason_details: reason.details }),
      also: async (tx) => this.#flow.onEnd?.(tx, end),
    })
    return outcome
  }

  #attempt<T>(bounds: TaskRetry, work: (context: C & StepContext) => Promise<T>): Promise<T> {
    const { signal, sleep } = this.#options
    const when = (error: unknown) => {
      // Forwards, two that do the same thing at the same time would not know of each other.
      if (signal.aborted || error instanceof Interrupted || (error instanceof NoAnswer && this.#forward)) return false
      return bounds.when?.(error) !== false
    }
    return retry({ ...bounds, signal, when, ...(sleep && { sleep }) }, () => this.#onceDatabaseIsBack(() => this.#untilTimeout(work)))
  }

  /**
   * A step may run twice, so a database that goes away in the middle is no failure of it; while it is away the lease ends. Nor is one that is busy for longer
   * than it lets anybody wait.
   */
  async #onceDatabaseIsBack<T>(work: () => Promise<T>): Promise<T> {
    for (let busy = 0; ; ) {
      this.#options.journal.checkLease(this.#claim)
      try {
        return await work()
      } catch (error) {
        if (isBusy(error)) busy += 1
        else if (!isUnavailable(error)) throw error
        if (busy > MAX_BUSY) throw error
        this.#options.onDatabaseRetry?.()
        await realSleep(UNAVAILABLE_PAUSE_MS, undefined, { signal: this.#options.signal })
      }
    }
  }

  async #untilTimeout<T>(work: (context: C & StepContext) => Promise<T>): Promise<T> {
    const { stepTimeoutMs, signal, sleep = realSleep } = this.#options
    if (stepTimeoutMs === undefined) return work(this.#context)
    const ended = new AbortController()
    const tooLong = sleep(stepTimeoutMs, undefined, { signal: ended.signal }).then(() => {
      throw new NoAnswer(stepTimeoutMs)
    })
    const working = work({ ...this.#context, signal: AbortSignal.any([signal, ended.signal]) })
    // The one that comes later is heard by nobody.
    tooLong.catch(() => {})
    working.catch(() => {})
    try {
      return await Promise.race([working, tooLong])
    } finally {
      ended.abort()
    }
  }

  async #write(steps: readonly FlowStepRow[], change?: FlowChange): Promise<void> {
    this.#throwIfInterrupted()
    try {
      await this.#options.journal.write(this.#claim, steps, change)
    } catch (error) {
      this.#throwIfInterrupted(error)
      throw error
    }
    this.#throwIfInterrupted()
  }

  /** Not waited for: the next write, which is waited for, is in the same transaction or in a later one. */
  #writeLater(steps: readonly FlowStepRow[]): Promise<void> {
    const written = this.#write(steps).then(
      () => {},
      (error) => {
        if (!(error instanceof Interrupted)) this.#failure ??= { error }
      },
    )
    this.#unwritten.add(written)
    written.finally(() => this.#unwritten.delete(written))
    return written
  }

  /** Remembers the first interruption: whatever the flow's function makes of the error, nothing goes on. */
  #throwIfInterrupted(error?: unknown): void {
    if (this.#interruption === undefined) {
      if (error instanceof Interrupted) this.#interruption = error
      // What a task says when it is torn away is not its failure.
      else if (this.#options.signal.aborted)
        this.#interruption = new Interrupted(`flow ${this.#claim.flow_id} was stopped`, { cause: error })
    }
    if (this.#interruption !== undefined) throw this.#interruption
  }

  #probe(moment: Moment, step: string): void {
    try {
      this.#options.probe?.(moment, step)
    } catch (error) {
      if (error instanceof Interrupted) this.#interruption ??= error
      throw error
    }
  }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof VisibleError) return { message: error.message, details: cut(error.details) }
  return { message: GENERAL_MESSAGE, details: describe(error) }
}

/** An error's words and those of its causes. */
function describe(error: unknown): string {
  const words: string[] = []
  for (let cause = error, depth = 0; cause !== undefined && depth < 5; depth++) {
    if (!(cause instanceof Error)) {
      words.push(String(cause))
      break
    }
    words.push(
      cause instanceof VisibleError && cause.details !== '' ? `${cause.message} (${cause.details})` : `${cause.name}: ${cause.message}`,
    )
    cause = cause.cause
  }
  return cut(words.join('; because of '))
}

function cut(text: string): string {
  return text.length <= MAX_ERROR_LENGTH ? text : `${text.slice(0, MAX_ERROR_LENGTH)}...`
}

function toText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

function fromText(text: string | null): Json | undefined {
  return text === null ? undefined : (JSON.parse(text) as Json)
}
