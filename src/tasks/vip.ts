/** The load balancer's security group and what its VIP's ports let through. */
import { type Context, task } from '../context.ts'
import type { LoadBalancerRow } from '../db/tables.ts'
import { ifThere } from '../drivers/errors.ts'
import type { Fence, NetworkDriver, SecurityGroupRule } from '../drivers/network/driver.ts'
import type { StepContext } from '../flow/define.ts'
import { parseIp } from '../lib/ip.ts'
import { PEER_PORT } from '../render/haproxy-peers.ts'
import { isWanted, type LoadBalancerTree, requireTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'

/** IP's number of VRRP. */
const VRRP_PROTOCOL = '112'

export function securityGroupName(load_balancer_id: string): string {
  return `lb-${load_balancer_id}`
}

export type VipOfLoadBalancer = { load_balancer_id: string; port_id: string; vip_port_owned: boolean; vip_sg_ids: string[] }

/** The VIP's port, which has all VIPs' addresses, and what guards it; small enough for the journal. */
export function vipOf({ id, vip_port_id, vip_port_owned, vip_sg_ids }: LoadBalancerRow): VipOfLoadBalancer {
  return { load_balancer_id: id, port_id: vip_port_id, vip_port_owned, vip_sg_ids }
}

/** Makes the load balancer's security group with its rules and puts it on the VIP's port. Answers the group's id, if there are groups. */
export const guardVip = task('guard-vip', {
  async execute(context, vip: VipOfLoadBalancer) {
    return guard(context, vip)
  },
  async revert({ network, ...step }, vip) {
    const group = await network.findSecurityGroup(securityGroupName(vip.load_balancer_id))
    if (group === null) return
    await takeGroupFrom(network, vip.port_id, group)
    await network.deleteSecurityGroup(group, { made_by: step.flow_id })
  },
})

/** For a load balancer that should have its group already: nothing of it is taken back. */
export const guardVipAgain = task('guard-vip-again', {
  async execute(context, vip: VipOfLoadBalancer) {
    return guard(context, vip)
  },
})

async function guard({ db, network, ...step }: Context & StepContext, vip: VipOfLoadBalancer): Promise<string | null> {
  const group = await setRules(network, await requireTree(db, vip.load_balancer_id), step)
  if (group !== null) await putGroupsOnVip(network, vip, group, [], fenceOf(step))
  return group
}

/** What guards a port of the VIP: the load balancer's own group, null where the network has none, and the user's. */
export function groupsOf(group: string | null, vip_sg_ids: string[]): string[] {
  return group === null ? vip_sg_ids : [group, ...vip_sg_ids]
}

/** A user's own port keeps the groups he gave it; `former` are those of the load balancer that are to go. */
export async function putGroupsOnVip(
  network: NetworkDriver,
  { port_id, vip_port_owned, vip_sg_ids }: VipOfLoadBalancer,
  group: string | null,
  former: string[],
  fence: Fence,
): Promise<void> {
  const kept = vip_port_owned ? [] : (await network.getPort(port_id)).security_group_ids.filter((id) => !former.includes(id))
  await network.updatePort(port_id, { security_group_ids: [...new Set([...groupsOf(group, vip_sg_ids), ...kept])] }, fence)
}

/** Content when the port is gone. */
export async function takeGroupFrom(network: NetworkDriver, port_id: string, group: string): Promise<void> {
  const port = await ifThere(network.getPort(port_id))
  if (port?.security_group_ids.includes(group)) {
    await network.updatePort(port_id, { security_group_ids: port.security_group_ids.filter((id) => id !== group) })
  }
}

/** Lets in exactly what the listeners and, of a pair, the peers need. Answers the group's id. */
export const openVip = task('open-vip', {
  async execute({ db, network, ...step }, load_balancer_id: string) {
    return setRules(network, await requireTree(db, load_balancer_id), step)
  },
})

/** Answers the id of the load balancer's group, which is made where it is missing; null where the network has no such thing. */
async function setRules(network: NetworkDriver, loadBalancer: LoadBalancerTree, step: StepContext): Promise<string | null> {
  const fence = fenceOf(step)
  const group = await network.ensureSecurityGroup({ name: securityGroupName(loadBalancer.id), made_by: step.flow_id }, fence)
  if (group !== null) await network.setSecurityGroupRules(group, rulesFor(loadBalancer), fence)
  return group
}

/**
 * For each family of the VIPs and each listener, its port, from `allowed_cidrs` alone where it has them; for a pair, VRRP and the peers' port between the amphorae alone.
 * Where the user guards the VIP by groups of his own (`vip_sg_ids`), those say who may reach the listeners.
 */
export function rulesFor(loadBalancer: LoadBalancerTree): SecurityGroupRule[] {
  const listeners = loadBalancer.vip_sg_ids.length > 0 ? [] : loadBalancer.listeners.filter(isWanted)
  const addresses = [loadBalancer.vip_address, ...loadBalancer.additional_vips.map((vip) => vip.ip_address)]
  const families = [...new Set(addresses.map(etherTypeOf))]
  const ports = new Map(listeners.map((listener) => [`${protocolOf(listener.protocol)}/${listener.protocol_port}`, listener]))
  const forListeners = [...ports.values()].flatMap(({ protocol, protocol_port, allowed_cidrs }) => {
    const sources = allowed_cidrs?.map((cidr) => [etherTypeOf(cidr.split('/')[0]!), cidr] as const)
    return (sources ?? families.map((ethertype) => [ethertype, null] as const)).map(([ethertype, cidr]) =>
      ingress(ethertype, protocolOf(protocol), protocol_port, cidr),
    )
  })
  const peers = loadBalancer.topology === 'ACTIVE_STANDBY' ? addressesOfAmphorae(loadBalancer) : []
  const forPeers = peers.flatMap((address) => {
    const prefix = `${address}/${etherTypeOf(address) === 'IPv4' ? 32 : 128}`
    return [ingress(etherTypeOf(address), VRRP_PROTOCOL, null, prefix), ingress(etherTypeOf(address), 'tcp', PEER_PORT, prefix)]
  })
  return [...forListeners, ...forPeers]
}

/** While one replaces the other, both may have the same. */
function addressesOfAmphorae({ amphorae }: LoadBalancerTree): string[] {
  return [...new Set(amphorae.flatMap(({ vrrp_ip }) => vrrp_ip ?? []))]
}

function ingress(
  ethertype: SecurityGroupRule['ethertype'],
  protocol: string,
  port: number | null,
  remote_ip_prefix: string | null,
): SecurityGroupRule {
  return { direction: 'ingress', ethertype, protocol, port, remote_ip_prefix }
}

function etherTypeOf(address: string): SecurityGroupRule['ethertype'] {
  return parseIp(address)?.version === 6 ? 'IPv6' : 'IPv4'
}

function protocolOf(protocol: LoadBalancerTree['listeners'][number]['protocol']): string {
  return protocol === 'UDP' || protocol === 'SCTP' ? protocol.toLowerCase() : 'tcp'
}
