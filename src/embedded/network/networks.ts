/** Networks and subnets: Neutron's rules over the rows. Functions that change take the caller's transaction. */
import { randomUUID } from 'node:crypto'
import type { Db, Tx } from '../../db/connection.ts'
import { cidrContains, formatIp, type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { checkPools, cidrsOverlap, defaultPools, formatCidr } from './addresses.ts'
import { invalidInput, invalidMtu, networkInUse, networkNotFound, overlappingSubnet, subnetInUse, subnetNotFound } from './errors.ts'
import { type Filter, matching } from './filter.ts'
import type { NetworkRow, SubnetRow } from './tables.ts'

/** A network as it is shown. */
export type EmbeddedNetworkView = NetworkRow & { subnet_ids: string[] }

type Optional<T, K extends keyof T> = Partial<Pick<T, K>>
type Labels = 'name' | 'description' | 'made_by'

export type NetworkCreate = Pick<NetworkRow, 'project_id'> &
  Optional<NetworkRow, Labels | 'mtu' | 'shared' | 'external' | 'admin_state_up' | 'port_security_enabled' | 'role'>
export type NetworkUpdate = Optional<
  NetworkRow,
  'name' | 'description' | 'mtu' | 'shared' | 'external' | 'admin_state_up' | 'port_security_enabled'
>
export type SubnetCreate = Pick<SubnetRow, 'project_id' | 'network_id' | 'cidr'> &
  Optional<
    SubnetRow,
    | Labels
    | 'ip_version'
    | 'allocation_pools'
    | 'host_routes'
    | 'dns_nameservers'
    | 'enable_dhcp'
    | 'ipv6_ra_mode'
    | 'ipv6_address_mode'
    /** Undefined: the first address; null: none. */
    | 'gateway_ip'
  >
export type SubnetUpdate = Optional<
  SubnetRow,
  'name' | 'description' | 'gateway_ip' | 'allocation_pools' | 'host_routes' | 'dns_nameservers' | 'enable_dhcp'
>

const DEFAULT_MTU = 1500
const MIN_MTU = 68
const MAX_MTU = 65_535

export async function listNetworks(db: Db | Tx, filter: Filter<NetworkRow> = {}): Promise<EmbeddedNetworkView[]> {
  const rows = await db.selectFrom('embedded_network').selectAll().where(matching(filter)).orderBy('created_at').orderBy('id').execute()
  const subnets = await db.selectFrom('embedded_subnet').select(['id', 'network_id']).orderBy('created_at').orderBy('id').execute()
  return rows.map((row) => ({
    ...row,
    subnet_ids: subnets.filter((subnet) => subnet.network_id === row.id).map((subnet) => subnet.id),
  }))
}

export async function getNetwork(db: Db | Tx, id: string): Promise<EmbeddedNetworkView> {
  const [network] = await listNetworks(db, { id })
  if (network === undefined) throw networkNotFound(id)
  return network
}

export async function createNetwork(tx: Tx, wanted: NetworkCreate, now: string): Promise<EmbeddedNetworkView> {
  const row: NetworkRow = {
    id: randomUUID(),
    name: '',
    description: '',
    made_by: null,
    shared: false,
    external: false,
    admin_state_up: true,
    port_security_enabled: true,
    role: null,
    ...wanted,
    mtu: checkedMtu(wanted.mtu),
    status: 'ACTIVE',
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('embedded_network').values(row).execute()
  return { ...row, subnet_ids: [] }
}

export async function updateNetwork(tx: Tx, id: string, changes: NetworkUpdate, now: string): Promise<EmbeddedNetworkView> {
  await lockNetwork(tx, id)
  const mtu = changes.mtu === undefined ? {} : { mtu: checkedMtu(changes.mtu) }
  await tx
    .updateTable('embedded_network')
    .set({ ...changes, ...mtu, updated_at: now })
    .where('id', '=', id)
    .execute()
  return getNetwork(tx, id)
}

/** With its subnets, as Neutron does; refused while ports are on it. */
export async function deleteNetwork(tx: Tx, id: string): Promise<void> {
  await lockNetwork(tx, id)
  const ports = await tx.selectFrom('embedded_port').select('id').where('network_id', '=', id).execute()
  if (ports.length > 0)
    throw networkInUse(
      id,
      ports.map((port) => port.id),
    )
  await tx.deleteFrom('embedded_subnet').where('network_id', '=', id).execute()
  await tx.deleteFrom('embedded_network').where('id', '=', id).execute()
}

/** Whoever changes what is on a network holds this until his transaction ends, so two can't take the same address. */
export async function lockNetwork(tx: Tx, id: string): Promise<NetworkRow> {
  const row = await tx
    .updateTable('embedded_network')
    .set((eb) => ({ updated_at: eb.ref('updated_at') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  if (row === undefined) throw networkNotFound(id)
  return row
}

export const listSubnets = (db: Db | Tx, filter: Filter<SubnetRow> = {}): Promise<SubnetRow[]> =>
  db.selectFrom('embedded_subnet').selectAll().where(matching(filter)).orderBy('created_at').orderBy('id').execute()

export async function getSubnet(db: Db | Tx, id: string): Promise<SubnetRow> {
  const [subnet] = await listSubnets(db, { id })
  if (subnet === undefined) throw subnetNotFound(id)
  return subnet
}

export async function createSubnet(tx: Tx, wanted: SubnetCreate, now: string): Promise<SubnetRow> {
  await lockNetwork(tx, wanted.network_id)
  const cidr = parseCidr(wanted.cidr)
  if (cidr === null) throw invalidInput(`'${wanted.cidr}' is not a valid IP subnet`)
  const ip_version = wanted.ip_version ?? cidr.version
  if (ip_version !== cidr.version) throw invalidInput(`ip_version ${ip_version} does not match cidr ${wanted.cidr}`)
  if (cidr.prefix === 0) throw invalidInput(`Requested subnet with prefixlen 0 is not allowed`)
  for (const other of await listSubnets(tx, { network_id: wanted.network_id })) {
    if (cidrsOverlap(parseCidr(other.cidr)!, cidr)) throw overlappingSubnet(formatCidr(cidr), wanted.network_id)
  }
  if (cidr.version === 4 && (wanted.ipv6_ra_mode || wanted.ipv6_address_mode)) {
    throw invalidInput('ipv6_ra_mode and ipv6_address_mode are for subnets of IP version 6')
  }
  const gateway =
    wanted.gateway_ip === undefined
      ? { version: cidr.version, value: cidr.first + (cidr.first === cidr.last ? 0n : 1n) }
      : checkedGateway(wanted.gateway_ip, cidr.version)
  const pools = wanted.allocation_pools ?? defaultPools(cidr, gateway)
  checkPools(pools, cidr, gateway)
  checkRoutesAndServers(wanted)
  const row: SubnetRow = {
    id: randomUUID(),
    name: '',
    description: '',
    made_by: null,
    host_routes: [],
    dns_nameservers: [],
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    ...wanted,
    ip_version,
    cidr: formatCidr(cidr),
    gateway_ip: gateway === null ? null : formatIp(gateway),
    allocation_pools: pools,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('embedded_subnet').values(row).execute()
  return row
}

export async function updateSubnet(tx: Tx, id: string, changes: SubnetUpdate, now: string): Promise<SubnetRow> {
  const { network_id } = await getSubnet(tx, id)
  await lockNetwork(tx, network_id)
  const subnet = await getSubnet(tx, id)
  const cidr = parseCidr(subnet.cidr)!
  const gateway = checkedGateway(changes.gateway_ip === undefined ? subnet.gateway_ip : changes.gateway_ip, cidr.version)
  checkPools(changes.allocation_pools ?? subnet.allocation_pools, cidr, gateway)
  checkRoutesAndServers(changes)
  await tx
    .updateTable('embedded_subnet')
    .set({ ...changes, gateway_ip: gateway === null ? null : formatIp(gateway), updated_at: now })
    .where('id', '=', id)
    .execute()
  return getSubnet(tx, id)
}

/** Returns the network it was on. */
export async function deleteSubnet(tx: Tx, id: string): Promise<string> {
  const { network_id } = await getSubnet(tx, id)
  await lockNetwork(tx, network_id)
  const ports = await tx.selectFrom('embedded_port').select('fixed_ips').where('network_id', '=', network_id).execute()
  if (ports.some((port) => port.fixed_ips.some((fixed) => fixed.subnet_id === id))) throw subnetInUse(id)
  await tx.deleteFrom('embedded_subnet').where('id', '=', id).execute()
  return network_id
}

function checkedMtu(mtu: number | undefined): number {
  if (mtu === undefined || mtu === 0) return DEFAULT_MTU
  if (!Number.isInteger(mtu) || mtu < MIN_MTU || mtu > MAX_MTU) throw invalidMtu()
  return mtu
}

function checkedGateway(text: string | null, version: 4 | 6): Ip | null {
  if (text === null) return null
  const gateway = parseIp(text)
  if (gateway === null || gateway.version !== version) throw invalidInput(`gateway_ip '${text}' is not a valid IPv${version} address`)
  return gateway
}

function checkRoutesAndServers({ host_routes, dns_nameservers }: Pick<SubnetUpdate, 'host_routes' | 'dns_nameservers'>): void {
  for (const { destination, nexthop } of host_routes ?? []) {
    if (parseCidr(destination) === null) throw invalidInput(`host route destination '${destination}' is not a valid IP subnet`)
    if (parseIp(nexthop) === null) throw invalidInput(`host route nexthop '${nexthop}' is not a valid IP address`)
  }
  for (const server of dns_nameservers ?? []) {
    if (parseIp(server) === null) throw invalidInput(`dns nameserver '${server}' is not a valid IP address`)
  }
}

/** Whether the address lies in the subnet's range. */
export function subnetHolds(subnet: SubnetRow, text: string): boolean {
  const ip = parseIp(text)
  return ip !== null && cidrContains(parseCidr(subnet.cidr)!, ip)
}
