/** Ports and their addresses: Neutron's rules over the rows. Functions that change take the caller's transaction. */
import { randomUUID } from 'node:crypto'
import type { Db, Tx } from '../../db/connection.ts'
import { formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { checkAddress, chooseAddress, randomMac } from './addresses.ts'
import {
  addressInUse,
  addressNotInNetwork,
  addressNotInSubnet,
  invalidInput,
  macAddressInUse,
  macAddressPlugged,
  noAddressLeft,
  pairsNeedPortSecurity,
  portHasSecurityGroup,
  portNotFound,
  qosPolicyNotFound,
  subnetNotFound,
} from './errors.ts'
import { type Filter, matching } from './filter.ts'
import { linkLocalOf } from './link-local.ts'
import { listSubnets, lockNetwork, subnetHolds } from './networks.ts'
import { ensureDefaultGroup, lockSecurityGroup } from './security-groups.ts'
import type { AddressPair, PortRow, SubnetRow } from './tables.ts'

export type WantedAddress = { subnet_id?: string; ip_address?: string }

type Settable =
  | 'name'
  | 'description'
  | 'admin_state_up'
  | 'mac_address'
  | 'device_owner'
  | 'device_id'
  | 'security_group_ids'
  | 'allowed_address_pairs'
  | 'port_security_enabled'
  | 'qos_policy_id'

/** `fixed_ips` undefined: an address of each family the network has; empty: none. `security_group_ids` undefined: the project's default group. */
export type PortCreate = Pick<PortRow, 'project_id' | 'network_id'> &
  Partial<Pick<PortRow, Settable | 'made_by'>> & { fixed_ips?: WantedAddress[] }
export type PortUpdate = Partial<Pick<PortRow, Settable>> & { fixed_ips?: WantedAddress[] }

const MAX_MAC_ATTEMPTS = 16
const MAX_ADDRESSES = 64
/** The address a bridge's own side has, and a multicast address is none of a machine. */
const unicastMac = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/

export const listPorts = (db: Db | Tx, filter: Filter<PortRow> = {}): Promise<PortRow[]> =>
  db.selectFrom('embedded_port').selectAll().where(matching(filter)).orderBy('created_at').orderBy('id').execute()

export async function getPort(db: Db | Tx, id: string): Promise<PortRow> {
  const [port] = await listPorts(db, { id })
  if (port === undefined) throw portNotFound(id)
  return port
}

/** The port that a flow made under this name: a user's port of the same name is never taken for it. */
export const findMadePort = (db: Db | Tx, name: string): Promise<PortRow | undefined> =>
  db.selectFrom('embedded_port').selectAll().where('name', '=', name).where('made_by', 'is not', null).executeTakeFirst()

/** With `made_by`, a port that was made under this name before is returned as it is. */
export async function createPort(tx: Tx, wanted: PortCreate, now: string): Promise<PortRow> {
  const network = await lockNetwork(tx, wanted.network_id)
  if (wanted.made_by && wanted.name) {
    const made = await findMadePort(tx, wanted.name)
    if (made !== undefined) return made
  }
  const port_security_enabled = wanted.port_security_enabled ?? network.port_security_enabled
  const onNetwork = await listPorts(tx, { network_id: network.id })
  const mac_address = chooseMac(wanted, onNetwork)
  const row: PortRow = {
    id: randomUUID(),
    project_id: wanted.project_id,
    network_id: network.id,
    name: wanted.name ?? '',
    description: wanted.description ?? '',
    made_by: wanted.made_by ?? null,
    mac_address,
    fixed_ips: await takeAddresses(tx, { network_id: network.id, mac_address }, wanted.fixed_ips, onNetwork),
    device_owner: wanted.device_owner ?? '',
    device_id: wanted.device_id ?? '',
    admin_state_up: wanted.admin_state_up ?? true,
    port_security_enabled,
    security_group_ids:
      wanted.security_group_ids ??
      (port_security_enabled && !wanted.device_owner?.startsWith('network:') ? [await ensureDefaultGroup(tx, wanted.project_id, now)] : []),
    allowed_address_pairs: wanted.allowed_address_pairs ?? [],
    qos_policy_id: wanted.qos_policy_id ?? null,
    status: 'DOWN',
    created_at: now,
    updated_at: now,
  }
  await checkWalls(tx, row)
  await tx.insertInto('embedded_port').values(row).execute()
  return row
}

export async function updatePort(tx: Tx, id: string, changes: PortUpdate, plugged: boolean, now: string): Promise<PortRow> {
  const { network_id } = await getPort(tx, id)
  await lockNetwork(tx, network_id)
  const port = await getPort(tx, id)
  const others = (await listPorts(tx, { network_id })).filter((other) => other.id !== id)
  const mac_address = changes.mac_address === undefined ? port.mac_address : chooseMac({ ...changes, network_id }, others)
  if (plugged && mac_address !== port.mac_address) throw macAddressPlugged(id, mac_address)
  const { fixed_ips, ...plain } = changes
  const row: PortRow = { ...port, ...plain, mac_address, updated_at: now }
  if (fixed_ips !== undefined) row.fixed_ips = await takeAddresses(tx, row, fixed_ips, others)
  row.status = plugged && row.admin_state_up ? 'ACTIVE' : 'DOWN'
  await checkWalls(tx, row)
  await tx.updateTable('embedded_port').set(row).where('id', '=', id).execute()
  return row
}

/** Returns the row that was removed, undefined if it was none, or (with `made_by`) another flow's. */
export async function deletePort(tx: Tx, id: string, made_by?: string): Promise<PortRow | undefined> {
  const deletion = tx.deleteFrom('embedded_port').where('id', '=', id).returningAll()
  return (made_by === undefined ? deletion : deletion.where('made_by', '=', made_by)).executeTakeFirst()
}

/** All addresses of the subnet that are somebody's, its gateway's included. */
export function usedAddresses(subnet: SubnetRow, ports: Pick<PortRow, 'fixed_ips'>[]): Set<string> {
  const used = ports.flatMap((port) => port.fixed_ips.filter((fixed) => fixed.subnet_id === subnet.id).map((fixed) => fixed.ip_address))
  return new Set(subnet.gateway_ip === null ? used : [...used, subnet.gateway_ip])
}

function chooseMac(wanted: { network_id: string; mac_address?: string }, others: PortRow[]): string {
  const used = new Set(others.map((port) => port.mac_address))
  if (wanted.mac_address !== undefined) {
    const mac = wanted.mac_address.toLowerCase()
    if (!unicastMac.test(mac) || mac === '00:00:00:00:00:00') throw invalidInput(`'${wanted.mac_address}' is not a valid MAC address`)
    if (used.has(mac)) throw macAddressInUse(wanted.network_id, mac)
    return mac
  }
  for (let attempt = 0; attempt < MAX_MAC_ATTEMPTS; attempt++) {
    const mac = randomMac()
    if (!used.has(mac)) return mac
  }
  throw invalidInput(`Unable to generate unique mac on network ${wanted.network_id}`)
}

async function takeAddresses(
  tx: Tx,
  port: { network_id: string; mac_address: string },
  wanted: WantedAddress[] | undefined,
  others: PortRow[],
): Promise<PortRow['fixed_ips']> {
  const subnets = await listSubnets(tx, { network_id: port.network_id })
  const taken: PortRow['fixed_ips'] = []
  const take = (candidates: SubnetRow[]): boolean => {
    for (const subnet of candidates) {
      const used = usedAddresses(subnet, [...others, { fixed_ips: taken }])
      const ip_address = autoAddress(subnet, port.mac_address) ?? chooseAddress(subnet, used)
      if (ip_address === null) continue
      if (used.has(ip_address)) throw addressInUse(ip_address, subnet.id)
      taken.push({ subnet_id: subnet.id, ip_address })
      return true
    }
    return false
  }
  if (wanted === undefined) {
    for (const version of [4, 6]) {
      const candidates = subnets.filter((subnet) => subnet.ip_version === version)
      if (candidates.length > 0 && !take(candidates)) throw noAddressLeft(port.network_id)
    }
    return taken
  }
  if (wanted.length > MAX_ADDRESSES) throw invalidInput('Exceeded maximum amount of fixed ips per port')
  // Addresses that are asked for come first, so that no chosen one takes them away.
  for (const { subnet_id, ip_address } of [...wanted].sort(
    (a, b) => Number(b.ip_address !== undefined) - Number(a.ip_address !== undefined),
  )) {
    const candidates = subnet_id === undefined ? subnets : [await subnetOnNetwork(tx, subnets, subnet_id, port.network_id)]
    if (ip_address === undefined) {
      if (!take(candidates)) throw noAddressLeft(port.network_id)
      continue
    }
    const subnet = candidates.find((candidate) => subnetHolds(candidate, ip_address))
    if (subnet === undefined) throw subnet_id === undefined ? addressNotInNetwork(ip_address) : addressNotInSubnet(ip_address)
    const address = checkAddress(ip_address, subnet)
    if (usedAddresses(subnet, [...others, { fixed_ips: taken }]).has(address)) throw addressInUse(address, subnet.id)
    taken.push({ subnet_id: subnet.id, ip_address: address })
  }
  return taken
}

async function subnetOnNetwork(tx: Tx, subnets: SubnetRow[], id: string, network_id: string): Promise<SubnetRow> {
  const subnet = subnets.find((candidate) => candidate.id === id)
  if (subnet !== undefined) return subnet
  if ((await listSubnets(tx, { id })).length === 0) throw subnetNotFound(id)
  throw invalidInput(`Failed to create port on network ${network_id}, because fixed_ips included invalid subnet ${id}`)
}

/** On a subnet with stateless autoconfiguration the address follows from the MAC address (RFC 4862). */
function autoAddress(subnet: SubnetRow, mac: string): string | null {
  if (subnet.ipv6_address_mode !== 'slaac' && subnet.ipv6_address_mode !== 'dhcpv6-stateless') return null
  const interfaceId = parseIp(linkLocalOf(mac))!.value & 0xffff_ffff_ffff_ffffn
  return formatIp({ version: 6, value: parseCidr(subnet.cidr)!.first | interfaceId })
}

async function checkWalls(tx: Tx, port: PortRow): Promise<void> {
  if (port.qos_policy_id !== null) throw qosPolicyNotFound(port.qos_policy_id) // there are none yet
  if (!port.port_security_enabled) {
    if (port.security_group_ids.length > 0) throw portHasSecurityGroup()
    if (port.allowed_address_pairs.length > 0) throw pairsNeedPortSecurity()
  }
  for (const pair of port.allowed_address_pairs) checkPair(pair)
  // In one order for everybody, so that two transactions never wait for each other.
  for (const id of [...new Set(port.security_group_ids)].sort()) await lockSecurityGroup(tx, id)
}

function checkPair({ ip_address, mac_address }: AddressPair): void {
  if (parseIp(ip_address) === null && parseCidr(ip_address) === null) throw invalidInput(`'${ip_address}' is not a valid IP address`)
  if (mac_address !== undefined && !unicastMac.test(mac_address.toLowerCase())) {
    throw invalidInput(`'${mac_address}' is not a valid MAC address`)
  }
}
