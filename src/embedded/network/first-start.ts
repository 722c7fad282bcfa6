/** The networks every embedded cloud begins with. */
import type { Db, Tx } from '../../db/connection.ts'
import { createNetwork, createSubnet, listNetworks, listSubnets } from './networks.ts'
import type { Ranges } from './ranges.ts'

/** Who owns the first networks. */
export interface FirstStart {
  admin_project_id: string
  service_project_id: string
}

export interface FoundNetworks {
  management_network_id: string
  private_network_id: string
  /** Null once somebody has deleted it. */
  management_subnet_id: string | null
  private_subnet_id: string | null
  private_ipv6_subnet_id: string | null
}

/** Marks, as `made_by`, the subnets on which this host has an address: their ranges were checked against its own. */
export const HOST_REACHES = 'first-start'

/** Null before the first start has stored them. */
export async function findFirstNetworks(db: Db | Tx): Promise<FoundNetworks | null> {
  const found = await listNetworks(db, { role: ['private', 'management'] })
  const management = found.find((network) => network.role === 'management')
  const private_ = found.find((network) => network.role === 'private')
  if (management === undefined || private_ === undefined) return null
  const subnets = await listSubnets(db, { made_by: HOST_REACHES })
  const subnet = (network_id: string, version: 4 | 6) =>
    subnets.find((row) => row.network_id === network_id && row.ip_version === version)?.id ?? null
  return {
    management_network_id: management.id,
    private_network_id: private_.id,
    management_subnet_id: subnet(management.id, 4),
    private_subnet_id: subnet(private_.id, 4),
    private_ipv6_subnet_id: subnet(private_.id, 6),
  }
}

export async function makeFirstNetworks(tx: Tx, owners: FirstStart, ranges: Ranges, now: string): Promise<FoundNetworks> {
  const management = await createNetwork(tx, { project_id: owners.service_project_id, name: 'lb-mgmt-net', role: 'management' }, now)
  const private_ = await createNetwork(tx, { project_id: owners.admin_project_id, name: 'private', role: 'private', shared: true }, now)
  const subnet = async (network: typeof management, name: string, cidr: string) => {
    // There is no DHCP server and no router: machines are told their addresses.
    const wanted = { project_id: network.project_id, network_id: network.id, name, cidr, enable_dhcp: false, made_by: HOST_REACHES }
    return (await createSubnet(tx, wanted, now)).id
  }
  return {
    management_network_id: management.id,
    private_network_id: private_.id,
    management_subnet_id: await subnet(management, 'lb-mgmt-subnet', ranges.management),
    private_subnet_id: await subnet(private_, 'private-subnet', ranges.private),
    private_ipv6_subnet_id: await subnet(private_, 'ipv6-private-subnet', ranges.privateIpv6),
  }
}
