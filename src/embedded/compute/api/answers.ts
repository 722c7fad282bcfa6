/** Servers, groups and flavors as Nova shows them at microversion 2.1. */
import { hostname } from 'node:os'
import type { Config } from '../../../config/config.ts'
import type { DirectoryServer, DirectoryServerGroup } from './directory.ts'

/** What is listed has an id to page by. */
export type Wire = { id: string; name: string; status?: string; links: object[] } & Record<string, unknown>

/** Nova's three views of a machine's state: status, vm_state, power_state (1 running, 0 none, 4 shut down). */
const states = {
  BOOTING: { status: 'BUILD', vm_state: 'building', power_state: 0 },
  ACTIVE: { status: 'ACTIVE', vm_state: 'active', power_state: 1 },
  ERROR: { status: 'ERROR', vm_state: 'error', power_state: 0 },
  GONE: { status: 'SHUTOFF', vm_state: 'stopped', power_state: 4 },
} as const

export function serverAnswer(server: DirectoryServer, project_id: string, base: string): Wire {
  const { compute_id, name, fault, compute_flavor, availability_zone, created_at } = server
  const { status, vm_state, power_state } = states[server.status]
  const created = `${created_at.slice(0, 19)}Z`
  const flavor = compute_flavor ?? amphoraFlavorId
  return {
    id: compute_id,
    name,
    status,
    tenant_id: project_id,
    user_id: project_id,
    metadata: {},
    hostId: '',
    // Nothing boots from an image; an empty one keeps clients from asking an image service.
    image: '',
    flavor: { id: flavor, links: [{ rel: 'bookmark', href: `${base}/flavors/${flavor}` }] },
    created,
    updated: created,
    addresses: addressesOf(server),
    accessIPv4: '',
    accessIPv6: '',
    links: [
      { rel: 'self', href: `${base}/v2.1/servers/${compute_id}` },
      { rel: 'bookmark', href: `${base}/servers/${compute_id}` },
    ],
    progress: status === 'ACTIVE' ? 100 : 0,
    config_drive: 'True',
    key_name: null,
    'OS-DCF:diskConfig': 'MANUAL',
    'OS-EXT-AZ:availability_zone': availability_zone ?? 'nova',
    'OS-EXT-SRV-ATTR:host': hostname(),
    'OS-EXT-SRV-ATTR:hypervisor_hostname': hostname(),
    'OS-EXT-SRV-ATTR:instance_name': name,
    'OS-EXT-STS:task_state': null,
    'OS-EXT-STS:vm_state': vm_state,
    'OS-EXT-STS:power_state': power_state,
    'OS-SRV-USG:launched_at': status === 'ACTIVE' ? created_at : null,
    'OS-SRV-USG:terminated_at': null,
    'os-extended-volumes:volumes_attached': [],
    ...(fault === null ? {} : { fault: { code: 500, message: fault, created } }),
  }
}

function addressesOf({ addresses }: DirectoryServer): Record<string, object[]> {
  const byNetwork: Record<string, object[]> = {}
  for (const { network_name, ip_address, mac_address } of addresses) {
    byNetwork[network_name] ??= []
    byNetwork[network_name].push({
      version: ip_address.includes(':') ? 6 : 4,
      addr: ip_address,
      'OS-EXT-IPS:type': 'fixed',
      'OS-EXT-IPS-MAC:mac_addr': mac_address,
    })
  }
  return byNetwork
}

export function serverGroupAnswer({ id, name, policy, members }: DirectoryServerGroup, project_id: string): object {
  return { id, name, policies: [policy], members, metadata: {}, project_id, user_id: project_id }
}

export type Flavor = { id: string; name: string; ram: number; vcpus: number }

const amphoraFlavorId = 'amphora'

/** The limits that every amphora has, as the only flavor. */
export function amphoraFlavor({ embedded, controller_worker }: Config): Flavor {
  return {
    id: controller_worker.amp_flavor_id ?? amphoraFlavorId,
    name: 'amphora',
    ram: embedded.amphora_memory_mb,
    // Nova counts whole processors.
    vcpus: Math.ceil(embedded.amphora_cpus),
  }
}

export function flavorAnswer({ id, name, ram, vcpus }: Flavor, base: string): Wire {
  return {
    id,
    name,
    ram,
    vcpus,
    disk: 0,
    swap: '',
    rxtx_factor: 1,
    'OS-FLV-EXT-DATA:ephemeral': 0,
    'OS-FLV-DISABLED:disabled': false,
    'os-flavor-access:is_public': true,
    links: [
      { rel: 'self', href: `${base}/v2.1/flavors/${id}` },
      { rel: 'bookmark', href: `${base}/flavors/${id}` },
    ],
  }
}
