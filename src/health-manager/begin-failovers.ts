/**
 * Which dead amphorae are replaced now. One transaction decides for all health managers: what one of them begins no other begins again, and the limits
 * hold for all of them together, so that neither a switch that fails nor a fault of ours becomes a wave of failovers.
 */
import { type Db, isPostgresql, type Tx } from '../db/connection.ts'
import { isOnlyOne } from '../db/only-one.ts'
import type { ProvisioningStatus } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { beginFailover } from '../resources/amphora/begin-failover.ts'
import type { FailoverCause } from '../resources/amphora/failover-flow.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import { failure, faultOf } from '../resources/failures.ts'
import type { WatchContext } from './context.ts'
import { countAttempts, type FailedAttempt, hasAttempts, listAttempts, noteAttempt, settleAttempts } from './failover-attempts.ts'
import type { Waiting } from './held-back.ts'

/** Dead amphorae that one round knows of; the longest silent ones. */
const MAX_DEAD = 10_000

export interface Judgement {
  nowMs: number
  /** Who was last heard before that is dead; null while we may have missed heartbeats ourselves. */
  silentBefore: number | null
  /** Known to be dead for another reason. */
  lost: ReadonlyMap<string, FailoverCause>
}

export type Limit = 'failover_threshold' | 'failovers_per_minute' | 'failover_threads'

export interface Decision {
  begun: { amphora_id: string; load_balancer_id: string; cause: FailoverCause; attempt: number; flow_id: string }[]
  failed: FailedAttempt[]
  /** Why not all that are dead are being replaced, and how many wait. */
  heldBack: { limit: Limit; waiting: number } | null
  /** Those that wait because of it. */
  waiting: Waiting[]
  /** How many were moved to FAILOVER_STOPPED, and back from it. */
  stopped: number
  resumed: number
}

const nothing: Decision = { begun: [], failed: [], heldBack: null, waiting: [], stopped: 0, resumed: 0 }

export async function beginFailovers(context: WatchContext, judgement: Judgement): Promise<Decision> {
  const { db, amphora } = context
  if (!amphora.capabilities.failover) return nothing
  const isCalm = (await listDead(db, judgement)).length === 0 && !(await hasAttempts(db)) && !(await hasStopped(db))
  if (isCalm) return nothing
  return db.transaction().execute(async (tx) => ((await isOnlyOne(tx, 'failovers')) ? decide(tx, context, judgement) : nothing))
}

async function decide(tx: Tx, context: WatchContext, judgement: Judgement): Promise<Decision> {
  const { nowMs } = judgement
  const { failover_threshold, failover_threads, failovers_per_minute } = context.config.health_manager
  const failed = await settleAttempts(tx, nowMs)
  const dead = await listDead(tx, judgement)
  const resumed = await resume(tx, judgement, dead)
  const attempts = await listAttempts(
    tx,
    dead.map(({ id }) => id),
  )
  // What was tried already is a trouble of its own, which must not stop the others for ever.
  const untried = dead.filter(({ id }) => !attempts.has(id))
  if (failover_threshold !== null && untried.length >= failover_threshold) {
    const stopped = await stop(tx, untried, nowMs)
    return { ...nothing, failed, resumed, stopped, ...heldBackBy('failover_threshold', untried) }
  }

  const due = dead.filter(({ id, provisioning_status }) => {
    const attempt = attempts.get(id)
    const isDue = attempt === undefined || (attempt.retry_at_ms !== null && attempt.retry_at_ms <= nowMs)
    return isDue && (provisioning_status === 'ACTIVE' || provisioning_status === 'ERROR')
  })
  const { lately, underWay } = await countAttempts(tx, nowMs)
  const rooms = { failovers_per_minute: failovers_per_minute - lately, failover_threads: failover_threads - underWay }
  const limit = rooms.failovers_per_minute <= rooms.failover_threads ? 'failovers_per_minute' : 'failover_threads'
  const begun: Decision['begun'] = []
  // Those that never were tried come first.
  const ordered = due.toSorted((a, b) => (attempts.get(a.id)?.attempts ?? 0) - (attempts.get(b.id)?.attempts ?? 0))
  for (const [index, { id, load_balancer_id, cause }] of ordered.entries()) {
    if (begun.length >= rooms[limit]) return { ...nothing, begun, failed, resumed, ...heldBackBy(limit, ordered.slice(index)) }
    if (!(await isFree(tx, load_balancer_id))) continue
    const { flow_id } = await beginFailover(tx, context, id, cause)
    if (flow_id === null) continue
    const attempt = await noteAttempt(tx, id, nowMs, { isLost: cause !== 'no_heartbeat' })
    begun.push({ amphora_id: id, load_balancer_id, cause, attempt, flow_id })
  }
  return { ...nothing, begun, failed, resumed }
}

function heldBackBy(limit: Limit, dead: readonly Dead[]): Pick<Decision, 'heldBack' | 'waiting'> {
  const waiting = dead.map(({ id, load_balancer_id }) => ({ amphora_id: id, load_balancer_id }))
  return { heldBack: { limit, waiting: waiting.length }, waiting }
}

type Dead = { id: string; load_balancer_id: string; provisioning_status: ProvisioningStatus; cause: FailoverCause }

/** Without those that are being replaced. */
async function listDead(db: Db, { silentBefore, lost }: Judgement): Promise<Dead[]> {
  const amphorae = db
    .selectFrom('amphora')
    .innerJoin('load_balancer', 'load_balancer.id', 'amphora.loadbalancer_id')
    .leftJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .select(['amphora.id', 'load_balancer.id as load_balancer_id', 'load_balancer.provisioning_status'])
    .where('amphora.status', 'in', servingStatuses)
    .where(({ or, eb }) => or([eb('amphora_health.busy', 'is', null), eb('amphora_health.busy', '=', false)]))
    .orderBy('amphora_health.last_update_ms')
    .orderBy('amphora.id')
    .limit(MAX_DEAD)
  const lostIds = [...lost.keys()].slice(0, MAX_DEAD)
  const gone = lostIds.length === 0 ? [] : await amphorae.where('amphora.id', 'in', lostIds).execute()
  // An amphora that never sent a heartbeat is not silent: it is being made, or has no agent.
  const silent = silentBefore === null ? [] : await amphorae.where('amphora_health.last_update_ms', '<', silentBefore).execute()
  return [
    ...gone.map((row) => ({ ...row, cause: lost.get(row.id)! })),
    ...silent.filter(({ id }) => !lost.has(id)).map((row): Dead => ({ ...row, cause: 'no_heartbeat' })),
  ]
}

/** Upstream's FAILOVER_STOPPED: dead, and to be left so for the time being. */
async function stop(tx: Tx, dead: readonly Dead[], nowMs: number): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('amphora')
    .set({ status: 'FAILOVER_STOPPED', fault: faultOf(failure('failovers_stopped'), nowMs), updated_at: timestamp(nowMs) })
    .where(
      'id',
      'in',
      dead.map(({ id }) => id),
    )
    .where('status', '=', 'ALLOCATED')
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Those that are heard again. */
async function resume(tx: Tx, { nowMs, silentBefore }: Judgement, dead: readonly Dead[]): Promise<number> {
  if (silentBefore === null) return 0
  const heard = tx.selectFrom('amphora_health').select('amphora_id').where('busy', '=', false).where('last_update_ms', '>=', silentBefore)
  let stopped = tx
    .updateTable('amphora')
    .set({ status: 'ALLOCATED', fault: null, updated_at: timestamp(nowMs) })
    .where('status', '=', 'FAILOVER_STOPPED')
    .where('id', 'in', heard)
  const ids = dead.map(({ id }) => id)
  if (ids.length > 0) stopped = stopped.where('id', 'not in', ids)
  return Number((await stopped.executeTakeFirst()).numUpdatedRows)
}

async function hasStopped(db: Db): Promise<boolean> {
  return (await db.selectFrom('amphora').select('id').where('status', '=', 'FAILOVER_STOPPED').limit(1).executeTakeFirst()) !== undefined
}

/** Nobody waits here for a lock that a request, or a controller that stands still, has on the load balancer. */
async function isFree(tx: Tx, load_balancer_id: string): Promise<boolean> {
  if (!isPostgresql(tx)) return true
  const row = await tx
    .selectFrom('load_balancer')
    .select('id')
    .where('id', '=', load_balancer_id)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst()
  return row !== undefined
}
