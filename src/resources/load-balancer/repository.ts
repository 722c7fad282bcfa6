import { type Fault, immutable, invalidState } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { LoadBalancerRow, ProvisioningStatus } from '../../db/tables.ts'

/** A deleted load balancer's row is kept for a while, but nobody sees it. */
export async function findLoadBalancer(db: Db, id: string): Promise<LoadBalancerRow | undefined> {
  return db.selectFrom('load_balancer').selectAll().where('id', '=', id).where('provisioning_status', '!=', 'DELETED').executeTakeFirst()
}

export async function insertLoadBalancer(tx: Tx, row: LoadBalancerRow): Promise<void> {
  await tx.insertInto('load_balancer').values(row).execute()
}

export async function updateLoadBalancer(tx: Tx, id: string, changes: Partial<LoadBalancerRow>): Promise<void> {
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

/** Throws 409 with the state it is in. */
export async function checkMayFailOver(db: Db, id: string): Promise<void> {
  const row = await db.selectFrom('load_balancer').select('provisioning_status').where('id', '=', id).executeTakeFirst()
  if (row?.provisioning_status !== 'ACTIVE' && row?.provisioning_status !== 'ERROR') throw await inItsState(db, id)
}

/** What an answer shows of a load balancer besides its row. */
export type ChildIds = { listener_ids: string[]; pool_ids: string[] }

/** Two queries, however many load balancers. */
export async function listChildIds(db: Db, load_balancer_ids: string[]): Promise<Map<string, ChildIds>> {
  const children = new Map(load_balancer_ids.map((id): [string, ChildIds] => [id, { listener_ids: [], pool_ids: [] }]))
  if (load_balancer_ids.length === 0) return children
  const [listeners, pools] = await Promise.all([childrenOf(db, 'listener', load_balancer_ids), childrenOf(db, 'pool', load_balancer_ids)])
  for (const { id, load_balancer_id } of listeners) children.get(load_balancer_id)!.listener_ids.push(id)
  for (const { id, load_balancer_id } of pools) children.get(load_balancer_id)!.pool_ids.push(id)
  return children
}

function childrenOf(db: Db, table: 'listener' | 'pool', load_balancer_ids: string[]) {
  return db
    .selectFrom(table as 'listener')
    .select(['id', 'load_balancer_id'])
    .where('load_balancer_id', 'in', load_balancer_ids)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

export async function hasChildren(db: Db, id: string): Promise<boolean> {
  const { listener_ids, pool_ids } = (await listChildIds(db, [id])).get(id)!
  return listener_ids.length > 0 || pool_ids.length > 0
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
