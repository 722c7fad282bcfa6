/** Nova: whether machines can be asked for, with the flavor, the key pair and the zone that they are to have. */
import type { Config } from '../config/config.ts'
import type { ServiceClient } from '../drivers/openstack/session.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { found, mayAsk, NOBODY, REQUEST_TIMEOUT_MS } from './services.ts'

type Flavor = { id: string; name: string; ram: number; disk: number; vcpus: number }
type Zone = { zoneName: string; zoneState: { available: boolean } }
/** In MiB: HAProxy, keepalived and the agent, with room for connections. */
const LITTLE_MEMORY = 512

export async function checkCompute({ config, services }: Look): Promise<Said[]> {
  const { compute_driver } = config.controller_worker
  if (compute_driver !== 'compute_nova_driver') return [ok(`${compute_driver}: no machines of Nova`)]
  if (services === null) return [error('compute_nova_driver needs an OpenStack', '[service_auth] auth_url = ...')]
  const { nova } = services
  await nova.request('GET', '/servers', { query: { limit: '1' }, timeoutMs: REQUEST_TIMEOUT_MS })
  const parts = await Promise.all([flavor(config, nova), keyPair(config, nova), zone(config, nova)])
  return [ok('Nova answers, and lists the servers of the service project'), ...parts.flat()]
}

async function flavor({ controller_worker }: Config, nova: ServiceClient): Promise<Said[]> {
  const id = controller_worker.amp_flavor_id
  const create = 'openstack flavor create --private --ram 1024 --disk 4 --vcpus 1 amphora'
  if (id === null || id === '') {
    return [error('[controller_worker] amp_flavor_id is missing: amphorae have no flavor', `${create}; then amp_flavor_id = its id`)]
  }
  const body = await found<{ flavor: Flavor }>(nova, `/flavors/${encodeURIComponent(id)}`)
  if (body === null) {
    return [
      error(
        `[controller_worker] amp_flavor_id = ${id}: Nova has no such flavor (its id is asked for, not its name)`,
        'openstack flavor list --all',
      ),
    ]
  }
  const { name, ram, disk, vcpus } = body.flavor
  const said = [ok(`amphorae have the flavor ${name}: ${ram} MiB, ${vcpus} CPUs, ${disk} GiB`)]
  if (ram < LITTLE_MEMORY) said.push(warning(`the flavor ${name} has only ${ram} MiB of memory`, create))
  return [...said, ...(await mayCreate(nova, id))]
}

/** A server of an image that does not exist. */
async function mayCreate(nova: ServiceClient, flavorRef: string): Promise<Said[]> {
  const server = { name: 'ottavia-check', flavorRef, imageRef: NOBODY, networks: [{ uuid: NOBODY }] }
  const undo = (made: unknown) => nova.request('DELETE', `/servers/${(made as { server: { id: string } }).server.id}`)
  if (await mayAsk(nova, '/servers', { server }, undo)) return [ok('the service user may create servers')]
  return [error('Nova does not let the service user create servers', 'openstack role add --user octavia --project service admin')]
}

async function keyPair({ controller_worker }: Config, nova: ServiceClient): Promise<Said[]> {
  const name = controller_worker.amp_ssh_key_name
  if (name === null || name === '') return []
  if ((await found(nova, `/os-keypairs/${encodeURIComponent(name)}`)) !== null) return [ok(`the key pair ${name} is there`)]
  return [
    error(
      `[controller_worker] amp_ssh_key_name = ${name}: the service user has no such key pair`,
      `as the service user: openstack keypair create --public-key id_rsa.pub ${name}`,
    ),
  ]
}

async function zone({ nova: { availability_zone } }: Config, nova: ServiceClient): Promise<Said[]> {
  if (availability_zone === null) return []
  const body = await found<{ availabilityZoneInfo: Zone[] }>(nova, '/os-availability-zone')
  const zones = (body?.availabilityZoneInfo ?? []).filter(({ zoneState }) => zoneState.available).map(({ zoneName }) => zoneName)
  if (zones.includes(availability_zone)) return [ok(`amphorae are in the availability zone ${availability_zone}`)]
  return [
    error(
      `[nova] availability_zone = ${availability_zone}: not among those that are available (${zones.join(', ')})`,
      'openstack availability zone list --compute',
    ),
  ]
}
