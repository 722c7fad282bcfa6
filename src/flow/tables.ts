/** The rows of the journal; only `src/flow/` reads and writes them. */

/**
 * READY: never claimed. RUNNING: forward. REVERTING: a step failed. DONE, REVERTED: ended. REVERT_FAILURE: ended, and what its steps
 * made may be left over; an operator must look.
 */
export type FlowState = 'READY' | 'RUNNING' | 'REVERTING' | 'DONE' | 'REVERTED' | 'REVERT_FAILURE'

export interface FlowRow {
  id: string
  name: string
  /** What the flow works on, for those who look for it. */
  subject: string | null
  /** JSON. */
  params: string
  state: FlowState
  reason_message: string | null
  reason_details: string | null
  /** Rises with each claim: the fencing token. */
  generation: number
  /** Who runs it now (`worker-identity.ts`). */
  worker: string | null
  /** By the database's clock, or the host's on SQLite. */
  lease_until_ms: number
  created_at_ms: number
  ended_at_ms: number | null
  /** The API request that started it; null where none did, such as for the health manager's failovers. */
  request_id: string | null
  global_request_id: string | null
  /** W3C's header of the trace it belongs to. */
  traceparent: string | null
}

/** STARTED: may have been done in part. REVERTED also for a step that has nothing to revert. */
export type StepState = 'STARTED' | 'DONE' | 'FAILED' | 'REVERTED' | 'REVERT_FAILURE'

export interface FlowStepRow {
  flow_id: string
  /** Branch, task and key; unique within the flow. */
  step: string
  task: string
  state: StepState
  /** JSON; null for undefined. */
  input: string | null
  output: string | null
  error: string | null
  started_order: number
  /** Null while a step is not finished; reverting goes by it, backwards. */
  finished_order: number | null
  started_at_ms: number
  ended_at_ms: number | null
}
