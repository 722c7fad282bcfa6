/** What an operator prepares in a real OpenStack before he starts a controller, the octavia.conf that fits, and the controller. */
import { randomBytes, randomInt } from 'node:crypto'
import { exec } from '../../src/lib/exec.ts'
import { Controller } from './controller.ts'
import { type NeutronPort, unwire, wire } from './neutron-places.ts'
import { machineHost, type Servers } from './openstack.ts'
import { type CloudUser, type RealCloud, type ServiceType, services, uniqueName } from './openstack-cloud.ts'

/** Of `--port-base`. */
const HEARTBEATS = 5

export interface OctaviaPlace {
  /** As whom the controller asks the services. */
  user: CloudUser
  flavor_id: string
  image_id: string
  image_tag: string
  network_id: string
  security_group_id: string
  /** The controller's own address on the management network. */
  address: string
  /** Takes all of it away. */
  remove(): Promise<void>
}

/** All of it in the project of the service user. `range`: the management network's, a /24 without `/24`. `servers`: what amphorae will be. */
export async function prepareOctavia(
  cloud: RealCloud,
  { range = `10.252.${randomInt(256)}.0`, servers = 'namespaces' }: { range?: string; servers?: Servers } = {},
): Promise<OctaviaPlace> {
  const as = cloud.octavia
  const name = uniqueName('octavia')
  const make = async <T extends { id: string }>(service: ServiceType, path: string, key: string, wanted: object, by = as) =>
    (await cloud.ask<Record<string, T>>(service, 'POST', path, { body: { [key]: wanted }, as: by }))[key]!
  const flavor = await make('compute', '/flavors', 'flavor', { name, ram: 1024, vcpus: 1, disk: 2 }, cloud.admin)
  const image_id = await anImage(cloud, { name, tags: [name] })
  const network = await make('network', '/networks', 'network', { name })
  const subnet = await make('network', '/subnets', 'subnet', {
    name,
    network_id: network.id,
    ip_version: 4,
    cidr: `${range}/24`,
    gateway_ip: null,
  })
  const aGroup = async (group: string, rules: object[]) => {
    const { id } = await make('network', '/security-groups', 'security_group', { name: group })
    for (const rule of rules)
      await make('network', '/security-group-rules', 'security_group_rule', { security_group_id: id, direction: 'ingress', ...rule })
    return id
  }
  const ofAmphorae = await aGroup(name, [{ protocol: 'tcp', port_range_min: 9443, port_range_max: 9443 }, { protocol: 'icmp' }])
  const ofHealthManager = await aGroup(`${name}-health-manager`, [{ protocol: 'udp' }])
  const own = await make<NeutronPort>('network', '/ports', 'port', {
    ...{ name, network_id: network.id, device_owner: 'Octavia:health-mgr', security_groups: [ofHealthManager] },
    ...(servers === 'namespaces' ? {} : { 'binding:host_id': machineHost.name }),
  })
  const disconnect = servers === 'namespaces' ? await joinBridge(own) : await joinPort(cloud, own)
  return {
    user: as,
    flavor_id: flavor.id,
    image_id,
    image_tag: name,
    network_id: network.id,
    security_group_id: ofAmphorae,
    address: own.fixed_ips[0]!.ip_address,
    async remove() {
      await disconnect()
      for (const path of [`/ports/${own.id}`, `/subnets/${subnet.id}`, `/networks/${network.id}`])
        await cloud.ask('network', 'DELETE', path, { as })
      for (const id of [ofAmphorae, ofHealthManager]) await cloud.ask('network', 'DELETE', `/security-groups/${id}`, { as })
      await cloud.ask('image', 'DELETE', `/images/${image_id}`, { as })
      await cloud.ask('compute', 'DELETE', `/flavors/${flavor.id}`)
    },
  }
}

/** Where nothing of Neutron's wires ports: the controller is on the bridge, which the first server there would make; it has its address before it boots any. */
async function joinBridge({ network_id, fixed_ips }: NeutronPort): Promise<() => Promise<unknown>> {
  const bridge = `brq${network_id.slice(0, 11)}`
  await exec('ip', ['link', 'add', bridge, 'type', 'bridge'])
  await exec('ip', ['address', 'add', `${fixed_ips[0]!.ip_address}/24`, 'dev', bridge])
  await exec('ip', ['link', 'set', bridge, 'up'])
  return () => exec('ip', ['link', 'delete', bridge])
}

/** As Octavia's guides have it. On the bridge itself the answers of machines would be strangers to the connection tracking of Neutron's security groups. */
async function joinPort(cloud: RealCloud, port: NeutronPort): Promise<() => Promise<unknown>> {
  await wire(cloud, port, { device: 'o-hm0' })
  return () => unwire(port)
}

/** One byte: servers that are namespaces do not look into it. Of the service user, for him alone; or of the administrator, for everybody. */
export async function anImage(
  cloud: RealCloud,
  { name, tags, forAll = false }: { name: string; tags: string[]; forAll?: boolean },
): Promise<string> {
  const as = forAll ? cloud.admin : cloud.octavia
  const visibility = forAll ? 'public' : 'private'
  const body = { name, tags, visibility, disk_format: 'raw', container_format: 'bare' }
  const { id } = await cloud.ask<{ id: string }>('image', 'POST', '/images', { body, as })
  const response = await fetch(`${services.image}/images/${id}/file`, {
    method: 'PUT',
    headers: { 'x-auth-token': as.token, 'content-type': 'application/octet-stream' },
    body: 'x',
  })
  if (!response.ok) throw new Error(`image ${id}: ${response.status} ${await response.text()}`)
  return id
}

export interface Wanted {
  portBase: number
  topology?: 'SINGLE' | 'ACTIVE_STANDBY'
  /** Where each service is asked instead of where it is, such as a proxy; a URL without its version. */
  instead?: Partial<Record<ServiceType, string>>
  /** Lines of `[service_auth]` instead of a user and his password. */
  login?: string[]
  /** More lines, by section. */
  more?: Record<string, string[]>
}

/** As an operator would write it for this cloud. */
export function octaviaConf(place: OctaviaPlace, { portBase, topology = 'SINGLE', instead = {}, login, more = {} }: Wanted): string {
  const byPassword = [
    `auth_url = ${instead.identity ?? services.identity.replace('/v3', '')}`,
    'auth_type = password',
    `username = ${place.user.name}`,
    `password = ${place.user.password}`,
    'user_domain_name = Default',
    `project_name = ${place.user.project.name}`,
    'project_domain_name = Default',
  ]
  const override = (service: ServiceType, version = '') =>
    instead[service] === undefined ? [] : [`endpoint_override = ${instead[service]}${version}`]
  const sections: Record<string, string[]> = {
    api_settings: ['healthcheck_enabled = true'],
    keystone_authtoken: [`www_authenticate_uri = ${services.identity}`, ...byPassword, 'service_token_roles_required = true'],
    service_auth: login ?? byPassword,
    controller_worker: [
      `loadbalancer_topology = ${topology}`,
      `amp_flavor_id = ${place.flavor_id}`,
      `amp_image_tag = ${place.image_tag}`,
      `amp_boot_network_list = ${place.network_id}`,
      `amp_secgroup_list = ${place.security_group_id}`,
    ],
    nova: ['enable_anti_affinity = true', ...override('compute', '/v2.1')],
    neutron: override('network'),
    glance: override('image'),
    certificates: override('key-manager'),
    health_manager: [
      `bind_ip = ${place.address}`,
      `bind_port = ${portBase + HEARTBEATS}`,
      `controller_ip_port_list = ${place.address}:${portBase + HEARTBEATS}`,
      `heartbeat_key = ${randomBytes(16).toString('hex')}`,
      'heartbeat_interval = 1',
      'heartbeat_timeout = 20',
      'health_check_interval = 1',
    ],
  }
  for (const [section, lines] of Object.entries(more)) sections[section] = [...(sections[section] ?? []), ...lines]
  return Object.entries(sections)
    .map(([section, lines]) => [`[${section}]`, ...lines, ''].join('\n'))
    .join('\n')
}

/** A controller of this cloud, running. */
export function startOctavia(place: OctaviaPlace, wanted: Wanted): Promise<Controller> {
  return new Controller({ portBase: wanted.portBase, config: octaviaConf(place, wanted) }).start()
}
