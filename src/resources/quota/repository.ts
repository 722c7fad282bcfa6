import { noQuota, type QuotaLimits } from '../../api/quota.ts'
import type { Db } from '../../db/connection.ts'
import type { QuotaRow } from '../../db/tables.ts'

export async function findQuota(db: Db, project_id: string): Promise<QuotaRow | undefined> {
  return db.selectFrom('quota').selectAll().where('project_id', '=', project_id).executeTakeFirst()
}

/** One statement, since a project may get its row from a create of its own meanwhile. Returns what then holds. */
export async function setQuota(db: Db, project_id: string, limits: Partial<QuotaLimits>): Promise<QuotaRow> {
  return db
    .insertInto('quota')
    .values({ ...noQuota(project_id), ...limits, listed: true })
    .onConflict((conflict) => conflict.column('project_id').doUpdateSet({ ...limits, listed: true }))
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Back to the configured defaults; what is in use stays counted. False where nothing was ever set. */
export async function resetQuota(db: Db, project_id: string): Promise<boolean> {
  const unset: QuotaLimits = {
    load_balancer: null,
    listener: null,
    pool: null,
    member: null,
    health_monitor: null,
    l7policy: null,
    l7rule: null,
  }
  const { numUpdatedRows } = await db
    .updateTable('quota')
    .set(unset)
    .where('project_id', '=', project_id)
    .where('listed', '=', true)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
