import { duplicateMember, memberSriovDisabled } from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import type { Tx } from '../../db/connection.ts'
import type { MemberRow, PoolRow } from '../../db/tables.ts'
import { flavorEffects } from '../flavor/effects.ts'
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

/** Throws 400 where a new member asks for an SR-IOV port and the load balancer's flavor does not allow it. */
export async function checkSriovAllowed(
  tx: Tx,
  config: Config,
  load_balancer_id: string,
  asked: { request_sriov: boolean }[],
): Promise<void> {
  if (!asked.some(({ request_sriov }) => request_sriov)) return
  const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
  const { allow_member_sriov } = await flavorEffects(tx, config, loadBalancer ?? { flavor_id: null })
  if (!allow_member_sriov) throw memberSriovDisabled()
}
