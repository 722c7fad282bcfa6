/**
 * Ports of Neutron, made once by name. Names are not unique there, but a MAC address is on its network, by Neutron's database: a port's is derived from
 * its name, so that of two requests, side by side or sent again after a lost answer, one makes the port and the other is told that it is there.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { RefusedError, ServiceError } from '../errors.ts'
import type { FixedIp, Port, WantedPort } from './driver.ts'
import { descriptionOf, isFault, type NeutronApi, oldestFirst } from './neutron-api.ts'

/** As Neutron's own (`base_mac`). */
const MAC_PREFIX = 'fa:16:3e'
/** Another's port may have one of the 16 million by chance. */
const MAX_MACS = 5
/** A Neutron that says that an address is used and does not show by whom reads from a database that lags. */
const MAX_LOOKS = 5
const BETWEEN_LOOKS_MS = 500

/** As Neutron shows it. */
export type PortRow = {
  id: string
  name: string
  project_id?: string
  tenant_id?: string
  network_id: string
  mac_address: string
  fixed_ips: FixedIp[]
  device_owner: string
  device_id: string
  admin_state_up: boolean
  status: string
  security_groups?: string[]
  allowed_address_pairs?: { ip_address: string; mac_address?: string }[]
  qos_policy_id?: string | null
  description?: string | null
  created_at?: string
}

export function shownPort(row: PortRow): Port {
  return {
    id: row.id,
    name: row.name,
    project_id: row.project_id ?? row.tenant_id ?? '',
    network_id: row.network_id,
    mac_address: row.mac_address,
    fixed_ips: row.fixed_ips.map(({ subnet_id, ip_address }) => ({ subnet_id, ip_address })),
    device_owner: row.device_owner,
    device_id: row.device_id,
    admin_state_up: row.admin_state_up,
    status: row.status,
    security_group_ids: row.security_groups ?? [],
    allowed_address_pairs: row.allowed_address_pairs ?? [],
    qos_policy_id: row.qos_policy_id ?? null,
  }
}

/** The port of that exact name in a project. */
export async function portNamed(api: NeutronApi, name: string, project_id: string): Promise<PortRow | undefined> {
  const found = await api.list<PortRow>('ports', { name, [await api.projectKey()]: project_id })
  return oldestFirst(found)[0]
}

/** One that may have its name from another's, in a failover, is looked for first; others are asked for at once: mostly they are not there yet. */
export async function ensurePort(api: NeutronApi, wanted: WantedPort): Promise<PortRow> {
  const project_id = wanted.project_id ?? (await api.serviceProject())
  const renamed = wanted.never_renamed ? undefined : await portNamed(api, wanted.name, project_id)
  if (renamed !== undefined) return renamed
  const body = await bodyOf(api, wanted, project_id)
  const isWanted = (port: PortRow) => port.name === wanted.name && (port.project_id ?? port.tenant_id) === project_id
  for (let mac = 0, look = 1; ; ) {
    const mac_address = macOf(wanted.name, project_id, mac)
    try {
      return await createPort(api, { ...body, mac_address }, wanted)
    } catch (error) {
      // Its address may be taken, or the quota used up, by the very port that is wanted: an earlier call has made it.
      if (!(error instanceof ServiceError) || error.isFailure) throw error
      const known = await portNamed(api, wanted.name, project_id)
      if (known !== undefined) return known
      if (!isFault(error, 'MacAddressInUse')) throw error
      const [holder] = await api.list<PortRow>('ports', { network_id: wanted.network_id, mac_address })
      if (holder !== undefined && isWanted(holder)) return holder
      if (holder !== undefined) {
        // Somebody else's: the next address.
        if (++mac === MAX_MACS) throw new RefusedError(`No MAC address for a port ${wanted.name} is free on network ${wanted.network_id}.`)
      } else {
        if (look++ === MAX_LOOKS) throw error
        await sleep(BETWEEN_LOOKS_MS)
      }
    }
  }
}

type PortBody = Record<string, unknown> & { mac_address: string }

async function createPort(api: NeutronApi, body: PortBody, wanted: WantedPort): Promise<PortRow> {
  try {
    return await api.create<PortRow>('ports', { port: body })
  } catch (error) {
    if (!isFault(error, 'AllocationOnAutoAddressSubnet')) throw error
    return createWithDerivedAddresses(api, body, wanted, error)
  }
}

/**
 * On a subnet where addresses come of MAC addresses (SLAAC) none can be asked for; but a port that is made again under its name has its MAC address
 * again, and so its former addresses.
 */
async function createWithDerivedAddresses(api: NeutronApi, body: PortBody, { fixed_ips }: WantedPort, refusal: ServiceError) {
  const places = fixed_ips.map(({ subnet_id, ip_address }) =>
    refusal.words.includes(subnet_id) || ip_address === undefined ? { subnet_id } : { subnet_id, ip_address },
  )
  const port = await api.create<PortRow>('ports', { port: { ...body, fixed_ips: places } })
  const hasAll = fixed_ips.every(
    ({ subnet_id, ip_address }) =>
      ip_address === undefined || port.fixed_ips.some((fixed) => fixed.subnet_id === subnet_id && fixed.ip_address === ip_address),
  )
  if (hasAll) return port
  await api.delete('ports', port.id)
  throw refusal
}

async function bodyOf(api: NeutronApi, wanted: WantedPort, project_id: string): Promise<Record<string, unknown>> {
  const { security_group_ids, allowed_address_pairs, qos_policy_id, vnic_type = 'normal' } = wanted
  if (allowed_address_pairs.length > 0 && !(await api.has('allowed-address-pairs'))) {
    throw new Error('Neutron has no extension allowed-address-pairs, without which an amphora cannot have the VIP')
  }
  const groups = (await api.has('security-group')) ? security_group_ids : []
  // Also where the network is without: else whoever reaches it reaches every port of the amphora, whatever allowed_cidrs say.
  const isGuarded = (groups.length > 0 || allowed_address_pairs.length > 0) && (await api.has('port-security'))
  return {
    name: wanted.name,
    description: descriptionOf(wanted.made_by),
    network_id: wanted.network_id,
    [await api.projectKey()]: project_id,
    device_owner: wanted.device_owner,
    device_id: wanted.device_id,
    admin_state_up: wanted.admin_state_up,
    ...(wanted.fixed_ips.length > 0 ? { fixed_ips: wanted.fixed_ips } : {}),
    ...(isGuarded ? { port_security_enabled: true } : {}),
    ...(groups.length > 0 ? { security_groups: groups } : {}),
    ...(allowed_address_pairs.length > 0 ? { allowed_address_pairs } : {}),
    ...(qos_policy_id ? { qos_policy_id } : {}),
    ...(vnic_type === 'normal' ? {} : { 'binding:vnic_type': vnic_type }),
  }
}

/** The `i`th MAC address of a name. */
function macOf(name: string, project_id: string, i: number): string {
  const digest = createHash('sha256').update(`${project_id} ${name} ${i}`).digest('hex')
  return `${MAC_PREFIX}:${digest.slice(0, 6).match(/../g)!.join(':')}`
}
