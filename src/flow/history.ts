/** What flows did, for operators: lists, one flow with its steps, and the end of both. */
import { type ExpressionBuilder, sql } from 'kysely'
import type { Db, Tx } from '../db/connection.ts'
import type { Tables } from '../db/tables.ts'
import type { Json } from '../lib/json.ts'
import { wakeAfterCommit } from './start.ts'
import type { FlowRow, FlowState, StepState } from './tables.ts'

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50

export interface FlowSummary {
  id: string
  name: string
  subject: string | null
  state: FlowState
  reason: { message: string; details: string } | null
  worker: string | null
  /** How often it was begun: more than once after a crash or a takeover. */
  generation: number
  created_at_ms: number
  ended_at_ms: number | null
  /** Of the API request that started it. */
  request_id: string | null
  global_request_id: string | null
}

export interface StepSummary {
  step: string
  task: string
  state: StepState
  input: Json | undefined
  output: Json | undefined
  error: string | null
  started_at_ms: number
  ended_at_ms: number | null
}

export interface FlowDetails extends FlowSummary {
  params: Json
  /** In the order in which they were begun. */
  steps: StepSummary[]
}

/** The latest first. `marker` is the id of the last flow of the page before; one that is gone gives the first page. */
export async function listFlows(
  db: Db,
  options: { limit?: number; marker?: string; subject?: string; state?: FlowState; request_id?: string } = {},
): Promise<FlowSummary[]> {
  let query = db
    .selectFrom('flow')
    .selectAll()
    .orderBy('created_at_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(Math.min(options.limit ?? DEFAULT_PAGE, MAX_PAGE))
  const { subject, state, request_id, marker } = options
  if (subject !== undefined) query = query.where('subject', '=', subject)
  if (state !== undefined) query = query.where('state', '=', state)
  if (request_id !== undefined)
    query = query.where(({ eb, or }) => or([eb('request_id', '=', request_id), eb('global_request_id', '=', request_id)]))
  if (marker !== undefined) {
    const last = await db.selectFrom('flow').select(['created_at_ms', 'id']).where('id', '=', marker).executeTakeFirst()
    if (last !== undefined) {
      query = query.where(({ eb, and, or }) =>
        or([eb('created_at_ms', '<', last.created_at_ms), and([eb('created_at_ms', '=', last.created_at_ms), eb('id', '<', last.id)])]),
      )
    }
  }
  return (await query.execute()).map(summary)
}

export async function showFlow(db: Db, id: string): Promise<FlowDetails | null> {
  const row = await db.selectFrom('flow').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return null
  const steps = await db.selectFrom('flow_step').selectAll().where('flow_id', '=', id).orderBy('started_order').execute()
  return {
    ...summary(row),
    params: JSON.parse(row.params),
    steps: steps.map(({ step, task, state, input, output, error, started_at_ms, ended_at_ms }) => ({
      step,
      task,
      state,
      input: input === null ? undefined : JSON.parse(input),
      output: output === null ? undefined : JSON.parse(output),
      error,
      started_at_ms,
      ended_at_ms,
    })),
  }
}

/** Lets a flow that ended as REVERT_FAILURE try again what it could not revert. Answers false if it is not such a flow. */
export async function revertAgain(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('flow')
    .set({ state: 'REVERTING', ended_at_ms: null, worker: null, lease_until_ms: 0 })
    .where('id', '=', id)
    .where('state', '=', 'REVERT_FAILURE')
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return false
  await wakeAfterCommit(tx)
  return true
}

/** Flows that ended as REVERT_FAILURE count as reverted from now on, since nothing is left that their reverts should take away or give back. `why` is added to their reasons. */
export async function settleReverts(tx: Tx, flows: { id: string } | { subject: string }, why: string): Promise<void> {
  const settled = tx
    .updateTable('flow')
    .set({ state: 'REVERTED', reason_details: sql<string>`coalesce(reason_details, '') || ${`\n${why}`}` })
    .where('state', '=', 'REVERT_FAILURE')
  await ('id' in flows ? settled.where('id', '=', flows.id) : settled.where('subject', '=', flows.subject)).execute()
}

/** Whether another flow was begun about the same subject since, which found the state that this one left, and built upon it. */
export async function isFollowed(db: Db, id: string): Promise<boolean> {
  return (await db.selectFrom('flow').select('id').where('id', '=', id).where(isFollowedHere).executeTakeFirst()) !== undefined
}

function isFollowedHere({ exists, selectFrom, ref }: ExpressionBuilder<Tables, 'flow'>) {
  const later = selectFrom('flow as later').select('later.id').whereRef('later.subject', '=', 'flow.subject')
  return exists(later.where('later.created_at_ms', '>', ref('flow.created_at_ms')))
}

/** The pauses between reverts grow up to this. */
const LONGEST_PAUSE_MS = 3_600_000
/** A flow whose revert still failed so long after it was started is left to an operator. */
const TRIED_FOR_MS = 86_400_000

export type FailedRevert = { id: string; name: string; subject: string | null }

/**
 * Of the flows that ended as REVERT_FAILURE those whose pause is over, the longest waiting first. The first pause is `firstPauseMs`, each next about as
 * long as the flow is old by then.
 */
export function listDueReverts(db: Db, options: { nowMs: number; firstPauseMs: number; limit: number }): Promise<FailedRevert[]> {
  const { nowMs, firstPauseMs, limit } = options
  return retriedReverts(db)
    .where('ended_at_ms', '<=', nowMs - firstPauseMs)
    .where(({ or, eb }) =>
      or([eb('ended_at_ms', '<=', nowMs - LONGEST_PAUSE_MS), eb(sql`ended_at_ms - created_at_ms`, '<=', sql`${nowMs} - ended_at_ms`)]),
    )
    .orderBy('ended_at_ms')
    .limit(limit)
    .execute()
}

/** Whether a flow about one of these is under way, or will be when it is reverted once more. */
export async function isAtWork(db: Db, subjects: readonly string[]): Promise<boolean> {
  const unended = db.selectFrom('flow').select('id').where('subject', 'in', subjects).where('ended_at_ms', 'is', null).limit(1)
  if ((await unended.executeTakeFirst()) !== undefined) return true
  return (await retriedReverts(db).where('subject', 'in', subjects).limit(1).executeTakeFirst()) !== undefined
}

/** Nothing was begun about the same subject since: what they have left over is as they left it. */
function retriedReverts(db: Db) {
  return db
    .selectFrom('flow')
    .select(['id', 'name', 'subject'])
    .where('state', '=', 'REVERT_FAILURE')
    .where(sql`ended_at_ms - created_at_ms`, '<=', TRIED_FOR_MS)
    .where((eb) => eb.not(isFollowedHere(eb)))
}

/** Forgets up to `limit` flows that ended before `beforeMs`; a REVERT_FAILURE is kept until somebody has dealt with it, or what it worked on is deleted. Returns how many. */
export async function pruneFlows(db: Db, options: { beforeMs: number; limit: number }): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const rows = await tx
      .selectFrom('flow')
      .select('id')
      .where('ended_at_ms', '<', options.beforeMs)
      .where('state', '!=', 'REVERT_FAILURE')
      .orderBy('ended_at_ms')
      .limit(options.limit)
      .execute()
    const ids = rows.map(({ id }) => id)
    if (ids.length === 0) return 0
    await tx.deleteFrom('flow_step').where('flow_id', 'in', ids).execute()
    await tx.deleteFrom('flow').where('id', 'in', ids).execute()
    return ids.length
  })
}

function summary(row: FlowRow): FlowSummary {
  const { id, name, subject, state, worker, generation, created_at_ms, ended_at_ms, request_id, global_request_id } = row
  const reason = row.reason_message === null ? null : { message: row.reason_message, details: row.reason_details ?? '' }
  return { id, name, subject, state, reason, worker, generation, created_at_ms, ended_at_ms, request_id, global_request_id }
}
