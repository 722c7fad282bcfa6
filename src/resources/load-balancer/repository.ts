import { sql } from 'kysely'
import { type Fault, immutable, invalidState } from '../../api/faults.ts'
import { type Db, isPostgresql, type Tx } from '../../db/connection.ts'
import type { LoadBalancerRow, ProvisioningStatus } from '../../db/tables.ts'

/** A deleted load balancer's row is kept for a while, but nobody sees it. */
export async function findLoadBalancer(db: Db, id: string): Promise<LoadBalancerRow | undefined> {
  return db.selectFrom('load_balancer').selectAll().where('id', '=', id).where('provisioning_status', '!=', 'DELETED').executeTakeFirst()
}

export async function insertLoadBalancer(tx: Tx, row: LoadBalancerRow): Promise<void> {
  await tx.insertInto('load_balancer').values(row).execute()
}

export async function updateLoadBalancer(tx: Db, id: string, changes: Partial<LoadBalancerRow>): Promise<void> {
  await tx.updateTable('load_balancer').set(changes).where('id', '=', id).execute()
}

/**
 * For an operation on one of its children. At most one flow works on a load balancer: whoever moves it to PENDING_UPDATE owns it until
 * the flow ends. Throws 409.
 */
export async function lockLoadBalancer(tx: Tx, id: string): Promise<void> {
  if (!(await move(tx, id, ['ACTIVE'], 'PENDING_UPDATE'))) throw immutable('Load Balancer', id)
}

/** For an update of the load balancer itself. Throws 409, otherwise worded. */
export async function lockLoadBalancerForUpdate(tx: Tx, id: string): Promise<void> {
  if (!(await move(tx, id, ['ACTIVE'], 'PENDING_UPDATE'))) throw await inItsState(tx, id)
}

/** Also one in ERROR may be deleted. Throws 409. */
export async function lockLoadBalancerForDelete(tx: Tx, id: string): Promise<void> {
  if (!(await move(tx, id, ['ACTIVE', 'ERROR'], 'PENDING_DELETE'))) throw await inItsState(tx, id)
}

/** One in ERROR, too, may be made anew. Throws 409. */
export async function lockLoadBalancerForFailover(tx: Tx, id: string): Promise<void> {
  if (!(await move(tx, id, ['ACTIVE', 'ERROR'], 'PENDING_UPDATE'))) throw await inItsState(tx, id)
}

/** For who has no client to throw 409 at. False when it is in none of these statuses; then nothing has changed. */
export async function tryLockLoadBalancer(tx: Tx, id: string, from: ProvisioningStatus[]): Promise<boolean> {
  return move(tx, id, from, 'PENDING_UPDATE')
}

/**
 * Waits until nobody else changes them. Whoever changes what is below a load balancer has this lock first, so that no two transactions wait for
 * each other (`lockQuota` comes before it).
 */
export async function lockLoadBalancers(tx: Tx, ids: string[]): Promise<void> {
  // SQLite has one writer, which the transaction is already.
  if (!isPostgresql(tx)) return
  await tx.selectFrom('load_balancer').select('id').where('id', 'in', ids).orderBy('id').forUpdate().execute()
}

async function move(tx: Tx, id: string, from: ProvisioningStatus[], to: ProvisioningStatus): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('load_balancer')
    .set({ provisioning_status: to })
    .where('id', '=', id)
    .where('provisioning_status', 'in', from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

async function inItsState(db: Db, id: string): Promise<Fault> {
  const row = await db.selectFrom('load_balancer').select('provisioning_status').where('id', '=', id).executeTakeFirst()
  return invalidState(row?.provisioning_status ?? 'DELETED', id)
}

/** What an answer shows of a load balancer besides its row; texts with commas, as the query that fetches both in one go gives them. */
export type ChildIds = { listener_ids: string | null; pool_ids: string | null }

/** Sorted before they are joined, which on both databases keeps the order and costs half of what sorting in the aggregate does. */
const idsOf = (table: 'listener' | 'pool') => {
  const sorted = sql`select id from ${sql.table(table)} where load_balancer_id = load_balancer.id order by created_at, id`
  return sql<string | null>`(select string_agg(id, ',') from (${sorted}) as children)`
}

/** For a query on the table load_balancer. One query instead of three makes a GET half as dear. */
export const childIds = [idsOf('listener').as('listener_ids'), idsOf('pool').as('pool_ids')] as const

export async function findLoadBalancerWithChildIds(db: Db, id: string): Promise<(LoadBalancerRow & ChildIds) | undefined> {
  return db
    .selectFrom('load_balancer')
    .selectAll()
    .select(childIds)
    .where('id', '=', id)
    .where('provisioning_status', '!=', 'DELETED')
    .executeTakeFirst()
}

/** A load balancer whose VIP is on that port, or undefined. */
export async function findLoadBalancerOnPort(db: Db, vip_port_id: string): Promise<{ id: string } | undefined> {
  return db
    .selectFrom('load_balancer')
    .select('id')
    .where('vip_port_id', '=', vip_port_id)
    .where('provisioning_status', '!=', 'DELETED')
    .executeTakeFirst()
}
