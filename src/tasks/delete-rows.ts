/** Deletes rows with all that hang on them, and lowers the counters by what was really deleted, so that doing it twice counts once. */
import { type QuotaResource, releaseQuota } from '../api/quota.ts'
import type { Tx } from '../db/connection.ts'
import { renumberL7Policies } from '../resources/l7policy/repository.ts'
import { deleteTlsCertificates } from '../resources/tls-certificates.ts'

type Counted = Exclude<QuotaResource, 'load_balancer'>

export async function deleteListenerRows(tx: Tx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await deletePolicies(tx, await idsWhere(tx, 'l7policy', 'listener_id', ids))
  await tx.deleteFrom('listener_statistics').where('listener_id', 'in', ids).execute()
  await deleteTlsCertificates(tx, ids)
  await deleteCounted(tx, 'listener', ids)
}

/** Their members and health monitors too; a listener that had one as its default has none then. */
export async function deletePoolRows(tx: Tx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await deleteMemberRows(tx, await idsWhere(tx, 'member', 'pool_id', ids))
  await deleteCounted(tx, 'health_monitor', await idsWhere(tx, 'health_monitor', 'pool_id', ids))
  await tx.updateTable('listener').set({ default_pool_id: null }).where('default_pool_id', 'in', ids).execute()
  await deleteTlsCertificates(tx, ids)
  await deleteCounted(tx, 'pool', ids)
}

export async function deleteMemberRows(tx: Tx, ids: string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += DELETED_AT_ONCE) {
    const some = ids.slice(start, start + DELETED_AT_ONCE)
    await tx.deleteFrom('member_statistics').where('member_id', 'in', some).execute()
    await deleteCounted(tx, 'member', some)
  }
}

/** Keeps a statement below SQLite's 32 766 parameters. */
const DELETED_AT_ONCE = 10_000

/** The members of its pool are then watched by nobody. */
export async function deleteHealthMonitorRow(tx: Tx, id: string, pool_id: string): Promise<void> {
  await deleteCounted(tx, 'health_monitor', [id])
  await tx.updateTable('member').set({ operating_status: 'NO_MONITOR' }).where('pool_id', '=', pool_id).execute()
}

export async function deleteL7PolicyRow(tx: Tx, id: string, listener_id: string): Promise<void> {
  await deletePolicies(tx, [id])
  await renumberL7Policies(tx, listener_id)
}

export async function deleteL7RuleRow(tx: Tx, id: string): Promise<void> {
  await deleteCounted(tx, 'l7rule', [id])
}

async function deletePolicies(tx: Tx, ids: string[]): Promise<void> {
  await deleteCounted(tx, 'l7rule', await idsWhere(tx, 'l7rule', 'l7policy_id', ids))
  await deleteCounted(tx, 'l7policy', ids)
}

async function deleteCounted(tx: Tx, table: Counted, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  const deleted = await tx.deleteFrom(table).where('id', 'in', ids).returning('project_id').execute()
  for (const [project_id, rows] of Map.groupBy(deleted, (row) => row.project_id)) {
    await releaseQuota(tx, table, project_id, rows.length)
  }
}

type ParentColumn = { l7policy: 'listener_id'; l7rule: 'l7policy_id'; member: 'pool_id'; health_monitor: 'pool_id' }

async function idsWhere<T extends keyof ParentColumn>(tx: Tx, table: T, column: ParentColumn[T], parents: string[]): Promise<string[]> {
  if (parents.length === 0) return []
  const rows = await tx
    .selectFrom(table as 'member')
    .select('id')
    .where(column as 'pool_id', 'in', parents)
    .execute()
  return rows.map(({ id }) => id)
}
