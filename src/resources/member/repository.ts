import { notFound, parentNotFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { MemberRow, PoolRow, ProvisioningStatus } from '../../db/tables.ts'
import { findPool } from '../pool/repository.ts'

export async function findMember(db: Db, id: string): Promise<MemberRow | undefined> {
  return db.selectFrom('member').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The pool in the path of a member, which upstream looks up while routing: hence the other shape of the fault. Throws 404. */
export async function findPoolInPath(db: Db, pool_id: string): Promise<PoolRow> {
  const pool = await findPool(db, pool_id)
  if (!pool) throw parentNotFound('Pool', pool_id)
  return pool
}

export async function listMembersOfPool(db: Db, pool_id: string): Promise<MemberRow[]> {
  return db.selectFrom('member').selectAll().where('pool_id', '=', pool_id).orderBy('created_at').orderBy('id').execute()
}

/** The member of the pool with that address and port, or undefined. */
export async function findMemberAt(
  db: Db,
  pool_id: string,
  address: string,
  protocol_port: number,
): Promise<Pick<MemberRow, 'id'> | undefined> {
  return db
    .selectFrom('member')
    .select('id')
    .where('pool_id', '=', pool_id)
    .where('address', '=', address)
    .where('protocol_port', '=', protocol_port)
    .executeTakeFirst()
}

export async function insertMembers(tx: Tx, rows: MemberRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += insertedAtOnce) {
    await tx
      .insertInto('member')
      .values(rows.slice(start, start + insertedAtOnce))
      .execute()
  }
}

/** Keeps a statement below SQLite's 32 766 and PostgreSQL's 65 535 parameters. */
const insertedAtOnce = 500

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updateMember(tx: Tx, id: string, changes: Partial<MemberRow>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('member').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('Member', id)
}

export async function setMembersProvisioningStatus(tx: Tx, ids: string[], provisioning_status: ProvisioningStatus): Promise<void> {
  if (ids.length === 0) return
  await tx.updateTable('member').set({ provisioning_status }).where('id', 'in', ids).execute()
}
