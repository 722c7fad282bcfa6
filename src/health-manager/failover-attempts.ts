/**
 * What all health managers know of the failovers that they began, in the table `amphora_failover`: which are under way, which failed and wait, and how
 * many were begun lately.
 */
import { type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../db/connection.ts'
import type { AmphoraFailoverRow } from '../db/tables.ts'

/** After the first failed attempt; each further pause is twice as long as the one before. */
export const FIRST_PAUSE_MS = 30_000
export const LONGEST_PAUSE_MS = 900_000
/** `[health_manager] failovers_per_minute` counts so far back. */
export const MINUTE_MS = 60_000
/** Whoever was not dead any more when it could be tried again, and so long after that, begins anew when it dies. */
const FORGOTTEN_AFTER_MS = 3_600_000
/** Settled in one round; the next takes the next ones. */
const MAX_SETTLED = 1_000

export function pauseAfter(attempts: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS)
}

/** Whether a round has anything to settle. */
export async function hasAttempts(db: Db): Promise<boolean> {
  return (await db.selectFrom('amphora_failover').select('amphora_id').limit(1).executeTakeFirst()) !== undefined
}

export type FailedAttempt = { amphora_id: string; attempts: number; retry_at_ms: number }

/** Notes which attempts have ended: the amphora is replaced, or it is to be tried again later. Answers the latter. */
export async function settleAttempts(tx: Tx, nowMs: number): Promise<FailedAttempt[]> {
  const rows = await tx
    .selectFrom('amphora_failover')
    .leftJoin('amphora', 'amphora.id', 'amphora_failover.amphora_id')
    .leftJoin('load_balancer', 'load_balancer.id', 'amphora.loadbalancer_id')
    .selectAll('amphora_failover')
    .select(['amphora.status', 'load_balancer.provisioning_status'])
    .orderBy('amphora_failover.started_at_ms')
    .limit(MAX_SETTLED)
    .execute()
  const past: string[] = []
  const failed: FailedAttempt[] = []
  for (const { amphora_id, attempts, started_at_ms, retry_at_ms, status, provisioning_status } of rows) {
    const isReplaced = status === null || status === 'DELETED' || provisioning_status === null
    if (isReplaced ? started_at_ms <= nowMs - MINUTE_MS : retry_at_ms !== null && retry_at_ms <= nowMs - FORGOTTEN_AFTER_MS) {
      past.push(amphora_id)
    } else if (!isReplaced && retry_at_ms === null && !provisioning_status.startsWith('PENDING_')) {
      failed.push({ amphora_id, attempts, retry_at_ms: nowMs + pauseAfter(attempts) })
    }
  }
  if (past.length > 0) await tx.deleteFrom('amphora_failover').where('amphora_id', 'in', past).execute()
  for (const { amphora_id, retry_at_ms } of failed) {
    await tx.updateTable('amphora_failover').set({ retry_at_ms }).where('amphora_id', '=', amphora_id).execute()
    await tx.updateTable('amphora_health').set({ busy: false }).where('amphora_id', '=', amphora_id).execute()
  }
  return failed
}

/** By amphora, those of `amphora_ids` that have been tried. */
export async function listAttempts(tx: Tx, amphora_ids: readonly string[]): Promise<Map<string, AmphoraFailoverRow>> {
  if (amphora_ids.length === 0) return new Map()
  const rows = await tx.selectFrom('amphora_failover').selectAll().where('amphora_id', 'in', amphora_ids).execute()
  return new Map(rows.map((row) => [row.amphora_id, row]))
}

export async function countAttempts(tx: Tx, nowMs: number): Promise<{ lately: number; underWay: number }> {
  const underWay = sql<SqlBool>`retry_at_ms is null and amphora_id in (select id from amphora where status <> 'DELETED')`
  const { lately, under_way } = await tx
    .selectFrom('amphora_failover')
    .select(({ fn }) => [
      fn
        .countAll<number>()
        .filterWhere('started_at_ms', '>', nowMs - MINUTE_MS)
        .as('lately'),
      fn.countAll<number>().filterWhere(underWay).as('under_way'),
    ])
    .executeTakeFirstOrThrow()
  return { lately, underWay: under_way }
}

/** One more attempt is under way. `isLost`: from now on it counts as silent, whatever was heard of it. Answers its number. */
export async function noteAttempt(tx: Tx, amphora_id: string, nowMs: number, { isLost }: { isLost: boolean }): Promise<number> {
  const { attempts } = await tx
    .insertInto('amphora_failover')
    .values({ amphora_id, attempts: 1, started_at_ms: nowMs, retry_at_ms: null })
    .onConflict((conflict) =>
      conflict.column('amphora_id').doUpdateSet((expression) => ({
        attempts: expression('amphora_failover.attempts', '+', 1),
        started_at_ms: nowMs,
        retry_at_ms: null,
      })),
    )
    .returning('attempts')
    .executeTakeFirstOrThrow()
  await tx
    .insertInto('amphora_health')
    .values({ amphora_id, last_update_ms: 0, busy: true })
    .onConflict((conflict) => conflict.column('amphora_id').doUpdateSet({ busy: true, ...(isLost ? { last_update_ms: 0 } : {}) }))
    .execute()
  return attempts
}
