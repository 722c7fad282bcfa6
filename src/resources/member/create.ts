import { duplicateMember } from '../../api/faults.ts'
import type { Tx } from '../../db/connection.ts'
import type { MemberRow, PoolRow } from '../../db/tables.ts'
import { findLoadBalancer } from '../load-balancer/repository.ts'
import { checkMembersSupported, type Provider } from '../unsupported.ts'
import { findMemberAt, insertMembers } from './repository.ts'

/** Under the load balancer's lock. Throws 409 where the pool has one there already, then 501. */
export async function storeNewMember(tx: Tx, provider: Provider, pool: PoolRow, member: MemberRow): Promise<void> {
  const { pool_id, address, protocol_port } = member
  if (await findMemberAt(tx, pool_id, address, protocol_port)) throw duplicateMember(address, protocol_port)
  await checkFamilies(tx, provider, pool, [member])
  await insertMembers(tx, [member])
}

/** Throws 501 where the provider cannot forward from the VIPs' families to that of a new member. */
export async function checkFamilies(tx: Tx, provider: Provider, pool: PoolRow, members: MemberRow[]): Promise<void> {
  if (provider.amphora.capabilities.mixed_families) return
  const loadBalancer = await findLoadBalancer(tx, pool.load_balancer_id)
  if (loadBalancer) checkMembersSupported(provider, loadBalancer, pool, members)
}
