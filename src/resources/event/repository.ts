import { sql } from 'kysely'
import type { Db, Tx } from '../../db/connection.ts'
import type { EventRow } from '../../db/tables.ts'

/** Keeps a statement below SQLite's 32 766 parameters. */
const INSERTED_AT_ONCE = 1_000

export async function insertEvent(tx: Tx, row: EventRow): Promise<void> {
  await tx.insertInto('event').values(row).execute()
}

/** What happens again within the time that its id stands for is counted with the first. */
export async function insertOrCountEvents(tx: Tx, rows: EventRow[]): Promise<void> {
  // Always in the same order, so that two health managers do not wait for each other.
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  for (let start = 0; start < sorted.length; start += INSERTED_AT_ONCE) {
    await tx
      .insertInto('event')
      .values(sorted.slice(start, start + INSERTED_AT_ONCE))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet(({ ref }) => ({
          count: sql<number>`${ref('event.count')} + ${ref('excluded.count')}`,
          duration_ms: sql<number>`${ref('excluded.started_at_ms')} - ${ref('event.started_at_ms')}`,
        })),
      )
      .execute()
  }
}

export async function endEvent(tx: Tx, id: string, end: Pick<EventRow, 'duration_ms' | 'outcome' | 'message' | 'details'>): Promise<void> {
  await tx.updateTable('event').set(end).where('id', '=', id).execute()
}

/** Returns how many it deleted. */
export async function deleteEventsBefore(db: Db, beforeMs: number, limit: number): Promise<number> {
  const old = db.selectFrom('event').select('id').where('started_at_ms', '<', beforeMs).orderBy('started_at_ms').limit(limit)
  const { numDeletedRows } = await db.deleteFrom('event').where('id', 'in', old).executeTakeFirst()
  return Number(numDeletedRows)
}

/** Load balancers that had an event since then and have more than `bound` of them. */
export async function listLoadBalancersWithMoreEvents(
  db: Db,
  { sinceMs, bound, limit }: { sinceMs: number; bound: number; limit: number },
): Promise<string[]> {
  const lately = db.selectFrom('event').select('load_balancer_id').where('started_at_ms', '>=', sinceMs)
  const rows = await db
    .selectFrom('event')
    .select('load_balancer_id')
    .where('load_balancer_id', 'in', lately)
    .groupBy('load_balancer_id')
    .having(({ fn }) => fn.countAll(), '>', bound)
    .limit(limit)
    .execute()
  return rows.map(({ load_balancer_id }) => load_balancer_id)
}

/** Leaves the newest `bound`. Returns how many it deleted, at most `limit`. */
export async function deleteOldestEvents(db: Db, load_balancer_id: string, bound: number, limit: number): Promise<number> {
  const oldest = db
    .selectFrom('event')
    .select('id')
    .where('load_balancer_id', '=', load_balancer_id)
    .orderBy('started_at_ms', 'desc')
    .orderBy('id', 'desc')
    .offset(bound)
    .limit(limit)
  const { numDeletedRows } = await db.deleteFrom('event').where('id', 'in', oldest).executeTakeFirst()
  return Number(numDeletedRows)
}
