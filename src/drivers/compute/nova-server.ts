/** A server as Nova shows it, and what of that load balancing needs to know (upstream: `_translate_amphora` in `octavia/compute/drivers/nova_driver.py`). */
import type { Server } from './driver.ts'

/**
 * 2.16 shows whether the host of a server is up, to whom that is shown at all. Nova has `personality` (the files of a config drive) below 2.57 only, and
 * tells the id of a server's flavor below 2.47 only.
 */
export const MICROVERSION = '2.16'

/** In the metadata of what this driver makes. */
export const metadataKeys = {
  /** The flow, as `Made.made_by`. */
  madeBy: 'ottavia_made_by',
  /** The name that was asked for; another than the server's own with `[nova] random_amphora_name_length`. */
  name: 'ottavia_name',
  managementNetwork: 'ottavia_management_network',
} as const

export interface NovaServer {
  id: string
  name: string
  status: string
  created: string
  metadata: Record<string, string | undefined>
  /** Empty where it boots from a volume. */
  image: { id?: string } | ''
  flavor: { id?: string }
  /** By the name of the network. */
  addresses: Record<string, NovaAddress[]>
  fault?: { message?: string }
  host_status?: string
  'OS-EXT-AZ:availability_zone'?: string
  'OS-EXT-STS:task_state'?: string | null
}

interface NovaAddress {
  addr: string
  'OS-EXT-IPS:type': string
  'OS-EXT-IPS-MAC:mac_addr': string
}

export interface NovaInterface {
  port_id: string
  net_id: string
  fixed_ips?: { ip_address: string }[] | null
}

/** Those that have ended or been taken from their host. A server that somebody only restarts, moves or resizes is none of them. */
const GONE = new Set(['DELETED', 'SOFT_DELETED', 'SHUTOFF', 'SHELVED', 'SHELVED_OFFLOADED'])
/** It runs, whatever else is done with it. */
const RUNNING = new Set(['ACTIVE', 'MIGRATING', 'PASSWORD', 'VERIFY_RESIZE'])

export function statusOf({ status }: Pick<NovaServer, 'status'>): Server['status'] {
  if (GONE.has(status)) return 'GONE'
  if (RUNNING.has(status)) return 'ACTIVE'
  return status === 'ERROR' ? 'ERROR' : 'BOOTING'
}

export function serverOf(found: NovaServer, lb_network_ip: string | null): Server {
  return {
    compute_id: found.id,
    status: statusOf(found),
    fault: found.fault?.message ?? null,
    lb_network_ip,
    image_id: found.image === '' ? null : (found.image.id ?? null),
    compute_flavor: found.flavor.id ?? null,
    availability_zone: found['OS-EXT-AZ:availability_zone'] || null,
  }
}

export function serverThatIsGone(compute_id: string): Server {
  const nothing = { fault: null, lb_network_ip: null, image_id: null, compute_flavor: null, availability_zone: null }
  return { compute_id, status: 'GONE', ...nothing }
}

/**
 * The first address of a server that has one interface: then it is the management port's, for a server boots with that. Null where it has several, among
 * which only the network decides, or none yet.
 */
export function onlyAddress({ addresses }: NovaServer): string | null {
  const fixed = Object.values(addresses)
    .flat()
    .filter((address) => address['OS-EXT-IPS:type'] === 'fixed')
  const macs = new Set(fixed.map((address) => address['OS-EXT-IPS-MAC:mac_addr']))
  return macs.size === 1 ? fixed[0]!.addr : null
}

/** In: all interfaces of a server. `networks`: where its management port may be; empty: anywhere. */
export function managementAddress(interfaces: readonly NovaInterface[], networks: readonly string[]): string | null {
  const management = interfaces.find(({ net_id }) => networks.length === 0 || networks.includes(net_id))
  return management?.fixed_ips?.[0]?.ip_address ?? null
}
