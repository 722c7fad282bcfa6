/** Spare amphorae that are dead are of no use to anybody: they are removed, and housekeeping makes others. */
import type { Db } from '../db/connection.ts'
import { beginRemovalOfSpare } from '../resources/amphora/delete-flow.ts'
import type { Judgement } from './begin-failovers.ts'
import type { WatchContext } from './context.ts'

/** In one round. */
const MAX_REMOVED = 10

/** Answers their ids. */
export async function removeDeadSpares({ db }: WatchContext, judgement: Judgement): Promise<string[]> {
  const removed: string[] = []
  for (const id of await listDeadSpares(db, judgement)) {
    // Where another health manager was quicker, nothing begins.
    if (await db.transaction().execute((tx) => beginRemovalOfSpare(tx, id, judgement.nowMs))) removed.push(id)
  }
  return removed
}

async function listDeadSpares(db: Db, { silentBefore, lost }: Judgement): Promise<string[]> {
  const rows = await db
    .selectFrom('amphora')
    .leftJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .select(['amphora.id', 'amphora_health.last_update_ms'])
    .where('amphora.status', '=', 'READY')
    .execute()
  const isSilent = (heardMs: number | null) => silentBefore !== null && heardMs !== null && heardMs < silentBefore
  return rows.flatMap(({ id, last_update_ms }) => (lost.has(id) || isSilent(last_update_ms) ? [id] : [])).slice(0, MAX_REMOVED)
}
