import type { Tx } from '../db/connection.ts'
import type { Json } from '../lib/json.ts'

/** What every task gets besides the application's context. */
export interface StepContext {
  /** What a task makes carries this id, so that a revert deletes only what its own flow made. */
  readonly flow_id: string
  /** Rises with each claim of the flow; drivers refuse a lower one (the fencing token). */
  readonly generation: number
  /** Aborted when the worker's lease is lost or the worker stops. */
  readonly signal: AbortSignal
}

/** Further attempts at a task's execute or revert; waits double from the first to the longest. */
export interface TaskRetry {
  attempts: number
  firstWaitMs: number
  longestWaitMs: number
  /** False: trying again is pointless. */
  when?(error: unknown): boolean
}

/** One journaled step. Both halves may run more than once (at-least-once delivery), so both are idempotent. */
export interface Task<C, I extends Json | undefined, O extends Json | void> {
  readonly name: string
  execute(context: C & StepContext, input: I): Promise<O>
  /** Runs also when execute failed or was interrupted half-way; then `output` is undefined. */
  revert?(context: C & StepContext, input: I, output: O | undefined): Promise<void>
  readonly retry?: TaskRetry
}

export interface Run<C> {
  /** Runs a task once in the life of the flow; later runs of the flow get the journaled result. `key` tells apart several steps of one task. */
  <I extends Json | undefined, O extends Json | void>(task: Task<C, I, O>, input: I, options?: { key?: string }): Promise<O>
  /** One branch per item, side by side. When one fails, the others are awaited before anything is reverted. Answers in the order of the items. */
  parallel<T, R>(items: readonly T[], keyOf: (item: T) => string, branch: (run: Run<C>, item: T) => Promise<R>): Promise<R[]>
}

/** Why a flow was reverted: `message` may be shown to the object's owner, `details` (driver texts, hosts) only to admins. */
export interface Reason {
  message: string
  details: string
}

export interface FlowStart<P extends Json> {
  readonly flow_id: string
  readonly params: P
  readonly started_at_ms: number
}

export interface FlowEnd {
  readonly flow_id: string
  readonly outcome: 'DONE' | 'REVERTED' | 'REVERT_FAILURE'
  /** Why it was reverted; null when it is done. */
  readonly reason: Reason | null
  readonly duration_ms: number
}

export interface Flow<C, P extends Json> {
  readonly name: string
  /** Decisions hang on params and results alone: clock, dice, files and SQL are inside tasks. */
  steps(run: Run<C>, params: P): Promise<void>
  /** Runs when every step is reverted, journaled and retried like a task: here objects get their ERROR and its reason. */
  afterRevert?(context: C & StepContext, params: P, reason: Reason): Promise<void>
  /** What else is written in the transaction that stores the flow. */
  onStart?(tx: Tx, start: FlowStart<P>): Promise<void>
  /** What else is written in the transaction that ends it, which is done once, however many workers died before. SQL only: other flows wait for it. */
  onEnd?(tx: Tx, end: FlowEnd): Promise<void>
}

/** What the owner is told of an error that says nothing fit for him. */
export const GENERAL_MESSAGE = 'The operation failed; what it had done was undone. An administrator can see the details.'

/** An error whose message may be shown to the object's owner. Any other error is shown as a general text, its own words go to `details`. */
export class VisibleError extends Error {
  readonly details: string
  constructor(message: string, details = '') {
    super(message)
    this.name = 'VisibleError'
    this.details = details
  }
}

/** `flow` and `task` typed for one application's context. */
export function flowKit<C>() {
  return {
    flow<P extends Json>(name: string, body: Omit<Flow<C, P>, 'name'>): Flow<C, P> {
      return { name, ...body }
    },
    task<I extends Json | undefined, O extends Json | void>(name: string, body: Omit<Task<C, I, O>, 'name'>): Task<C, I, O> {
      return { name, ...body }
    },
  }
}
