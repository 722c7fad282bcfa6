/**
 * Where a new load balancer's VIP shall be, from what the client says of it: port before network before subnet. Checks and texts are
 * upstream's (`octavia/api/v2/controllers/load_balancer.py`, `octavia/common/validate.py`).
 */
import { invalidSubresource, validationFailure, vipMissing } from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import type { LoadBalancerRow } from '../../db/tables.ts'
import { ifThere } from '../../drivers/errors.ts'
import type { Network, NetworkDriver, Port, Subnet } from '../../drivers/network/driver.ts'
import { cidrContains, parseCidr, parseIp } from '../../lib/ip.ts'
import type { ZoneEffects } from '../availability-zone/effects.ts'
import {
  everything,
  type Requester,
  viewerFor,
  visibleNetwork,
  visiblePort,
  visibleQosPolicy,
  visibleSecurityGroup,
  visibleSubnet,
} from '../visible-networks.ts'
import type { LoadBalancerCreate } from './schema.ts'

export type VipPlace = {
  network_id: string
  subnet_id: string
  /** Null: any of the subnet. */
  address: string | null
  /** The user's own port, or null where one is to be made. */
  port: Port | null
  qos_policy_id: string | null
  additional: AddressPlace[]
}

/** A null address: any of the subnet. */
type AddressPlace = { subnet_id: string; address: string | null }

export const vipPortName = (load_balancer_id: string): string => `octavia-lb-${load_balancer_id}`

type Asked = Pick<
  LoadBalancerCreate,
  'vip_address' | 'vip_port_id' | 'vip_network_id' | 'vip_subnet_id' | 'vip_qos_policy_id' | 'vip_sg_ids' | 'additional_vips'
>

/** Throws 400. Asks the network service, so no transaction may be open. */
export async function placeVip(asked: Asked, network: NetworkDriver, config: Config, requester: Requester): Promise<VipPlace> {
  checkAllowedByConfig(asked, config)
  const place = await findPlace(asked, network, config, requester)
  if (place.qos_policy_id !== null) {
    // One that the user's port has already need not be his.
    await visibleQosPolicy(network, place.qos_policy_id, asked.vip_qos_policy_id === place.qos_policy_id ? requester : everything)
  }
  const additional = await placeAdditionalVips(asked.additional_vips, place, network, requester)
  for (const id of asked.vip_sg_ids ?? []) await visibleSecurityGroup(network, id, requester)
  return { ...place, additional }
}

/** Each on another subnet of the VIP's network; all are addresses of one port. */
async function placeAdditionalVips(
  asked: Asked['additional_vips'],
  { network_id, subnet_id, port }: MainPlace,
  network: NetworkDriver,
  requester: Requester,
): Promise<AddressPlace[]> {
  const subnet_ids = [subnet_id, ...asked.map((vip) => vip.subnet_id)]
  if (new Set(subnet_ids).size < subnet_ids.length) {
    throw validationFailure('Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.')
  }
  const subnets: Subnet[] = []
  for (const { subnet_id } of asked) {
    const subnet = await ifThere(network.getSubnet(subnet_id, viewerFor(network, requester)))
    if (subnet === null) throw validationFailure(`Subnet ${subnet_id} not found`)
    subnets.push(subnet)
  }
  if (subnets.some((subnet) => !subnet.anywhere && subnet.network_id !== network_id)) {
    throw validationFailure('All VIP subnets must belong to the same network.')
  }
  return asked.map(({ subnet_id, ip_address }, i) => {
    checkAddressInSubnet(ip_address, subnets[i]!)
    if (port === null || subnets[i]!.anywhere) return { subnet_id, address: ip_address }
    const fixed = port.fixed_ips.find(
      (fixed) => fixed.subnet_id === subnet_id && (ip_address === null || isSameAddress(fixed.ip_address, ip_address)),
    )
    if (fixed === undefined) throw validationFailure('No VIP address found on the specified VIP port within the specified subnet.')
    return { subnet_id, address: fixed.ip_address }
  })
}

/** The zone's valid networks and `[networking] denylist_vip_networks`, which upstream asks after the provider. */
export function checkVipNetwork(network_id: string, { valid_vip_networks }: ZoneEffects, { networking }: Config): void {
  const isListed = (list: string[]) => list.some((id) => id.toLowerCase() === network_id.toLowerCase())
  const isMissing = valid_vip_networks.length > 0 && !isListed(valid_vip_networks)
  if (isMissing || isListed(networking.denylist_vip_networks)) {
    throw validationFailure('Supplied VIP network_id is not allowed by the configuration of this deployment.')
  }
}

/** A VIP on a device of its own passes by what enforces security groups. Throws 400. */
export function checkVnicType(vip_vnic_type: LoadBalancerRow['vip_vnic_type'], vip_sg_ids: string[] | null | undefined): void {
  if (vip_vnic_type === 'direct' && vip_sg_ids?.length) throw validationFailure('VIP Security Groups are not allowed with VNIC direct type')
}

function checkAllowedByConfig(asked: Asked, { networking }: Config): void {
  const kinds = ['vip_port_id', 'vip_network_id', 'vip_subnet_id'] as const
  for (const kind of kinds) {
    if (asked[kind] !== null && !networking[`allow_${kind}`]) {
      throw validationFailure(`use of ${kind} is disallowed by this deployment's configuration.`)
    }
  }
  if (kinds.every((kind) => asked[kind] === null)) throw vipMissing(kinds.filter((kind) => networking[`allow_${kind}`]))
}

type MainPlace = Omit<VipPlace, 'additional'>

async function findPlace(asked: Asked, network: NetworkDriver, config: Config, requester: Requester): Promise<MainPlace> {
  const { vip_port_id, vip_network_id, vip_subnet_id } = asked
  const common = { address: asked.vip_address, port: null, qos_policy_id: asked.vip_qos_policy_id }
  if (vip_port_id !== null) {
    const port = await visiblePort(network, vip_port_id, requester)
    return { ...(await onPort(asked, port, network, requester)), qos_policy_id: asked.vip_qos_policy_id ?? port.qos_policy_id }
  }
  if (vip_network_id !== null) {
    const wanted = await visibleNetwork(network, vip_network_id, requester)
    const subnet =
      vip_subnet_id === null
        ? await chooseSubnet(asked.vip_address, wanted, network, config)
        : await visibleSubnet(network, vip_subnet_id, requester)
    if (!subnet.anywhere && !wanted.subnet_ids.includes(subnet.id)) throw invalidSubresource('Subnet', subnet.id)
    checkAddressInSubnet(asked.vip_address, subnet)
    return { ...common, network_id: wanted.id, subnet_id: subnet.id }
  }
  const subnet = await visibleSubnet(network, vip_subnet_id!, requester)
  checkAddressInSubnet(asked.vip_address, subnet)
  return { ...common, network_id: subnet.network_id, subnet_id: subnet.id }
}

async function onPort(asked: Asked, port: Port, network: NetworkDriver, requester: Requester) {
  const { vip_subnet_id, vip_address } = asked
  const place = { network_id: port.network_id, port }
  if (port.device_id !== '') throw validationFailure(`Port ${port.id} is already used by device ${port.device_id} `)
  if (vip_subnet_id !== null) {
    await visibleSubnet(network, vip_subnet_id, requester)
    const fixed = port.fixed_ips.find(({ subnet_id }) => subnet_id === vip_subnet_id)
    if (fixed === undefined) throw validationFailure('No VIP address found on the specified VIP port within the specified subnet.')
    return { ...place, subnet_id: vip_subnet_id, address: fixed.ip_address }
  }
  if (vip_address !== null) {
    const fixed = port.fixed_ips.find(({ ip_address }) => isSameAddress(ip_address, vip_address))
    if (fixed === undefined) throw validationFailure('Specified VIP address not found on the specified VIP port.')
    return { ...place, subnet_id: fixed.subnet_id, address: fixed.ip_address }
  }
  const [fixed, ...others] = port.fixed_ips
  if (fixed === undefined || others.length > 0) {
    throw validationFailure("VIP port's subnet could not be determined. Please specify either a VIP subnet or address.")
  }
  return { ...place, subnet_id: fixed.subnet_id, address: fixed.ip_address }
}

/** Addresses a load balancer needs on its VIP's subnet: the VIP's and one of each amphora. */
const addressesNeeded = { SINGLE: 2, ACTIVE_STANDBY: 3 } as const

/** The subnet with the address; without one the first with room for VIP and amphorae, IPv4 before IPv6. */
async function chooseSubnet(address: string | null, wanted: Network, network: NetworkDriver, config: Config): Promise<Subnet> {
  const subnets = await network.listSubnets(wanted.id)
  if (address !== null) {
    const subnet = subnets.find((candidate) => contains(candidate, address))
    if (subnet === undefined) throw validationFailure('Supplied network does not contain a subnet for VIP address specified.')
    return subnet
  }
  if (subnets.length === 0) throw validationFailure('Supplied network does not contain a subnet.')
  const needed = addressesNeeded[config.controller_worker.loadbalancer_topology]
  const roomy = subnets.filter(({ free_addresses }) => free_addresses === undefined || free_addresses >= needed)
  const chosen = roomy.find(({ ip_version }) => ip_version === 4) ?? roomy[0]
  if (chosen === undefined) throw validationFailure('Subnet(s) in the supplied network do not contain enough available IPs.')
  return chosen
}

/** Neutron refuses such a port itself; asking before spares it one. */
function checkAddressInSubnet(address: string | null, subnet: Subnet): void {
  if (address !== null && !contains(subnet, address)) {
    throw validationFailure(`IP address ${address} is not a valid IP for the specified subnet.`)
  }
}

function contains(subnet: Subnet, address: string): boolean {
  if (subnet.anywhere) return true
  const ip = parseIp(address)
  const cidr = parseCidr(subnet.cidr)
  return ip !== null && cidr !== null && cidrContains(cidr, ip)
}

function isSameAddress(left: string, right: string): boolean {
  const [a, b] = [parseIp(left), parseIp(right)]
  return a !== null && b !== null && a.version === b.version && a.value === b.value
}
