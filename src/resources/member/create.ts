import { duplicateMember } from '../../api/faults.ts'
import type { Tx } from '../../db/connection.ts'
import type { MemberRow } from '../../db/tables.ts'
import { findMemberAt, insertMembers } from './repository.ts'

/** Under the load balancer's lock, whether the member comes alone or within a tree. Throws 409 where the pool has one there already. */
export async function storeNewMember(tx: Tx, member: MemberRow): Promise<void> {
  const { pool_id, address, protocol_port } = member
  if (await findMemberAt(tx, pool_id, address, protocol_port)) throw duplicateMember(address, protocol_port)
  await insertMembers(tx, [member])
}
