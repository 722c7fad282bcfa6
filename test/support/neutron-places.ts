/**
 * Places on networks of Neutron without a machine: interfaces of this host that an agent of Neutron wires and guards as it does servers' (`machineHost` of
 * `openstack.ts`). By its own rules it takes each interface that is called `tap` and the beginning of a port's id.
 */
import { exec } from '../../src/lib/exec.ts'
import { eventually } from './eventually.ts'
import { machineHost } from './openstack.ts'
import type { CloudUser, RealCloud } from './openstack-cloud.ts'

/** The agent looks every two seconds, on a machine that emulates others. */
const WIRED_WITHIN_MS = 60_000

export interface NeutronPort {
  id: string
  mac_address: string
  network_id: string
  fixed_ips: { ip_address: string; subnet_id: string }[]
}

export interface Place {
  namespace: string
  address: string
  remove(): Promise<void>
}

/** A namespace with an address on that network, in a user's project and with his default security group. */
export async function aPlace(
  cloud: RealCloud,
  user: CloudUser,
  { name, network_id }: { name: string; network_id: string },
): Promise<Place> {
  const wanted = { name, network_id, project_id: user.project.id, 'binding:host_id': machineHost.name }
  const { port } = await cloud.ask<{ port: NeutronPort }>('network', 'POST', '/ports', { body: { port: wanted } })
  await exec('ip', ['netns', 'add', name])
  await exec('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  await wire(cloud, port, { device: 'eth0', namespace: name })
  return {
    namespace: name,
    address: port.fixed_ips[0]!.ip_address,
    async remove() {
      await unwire(port)
      await exec('ip', ['netns', 'delete', name])
      await cloud.ask('network', 'DELETE', `/ports/${port.id}`)
    },
  }
}

/** Gives this host, or a namespace of it, an interface that is the port, with its addresses. The port has to be bound to `machineHost`. */
export async function wire(
  cloud: RealCloud,
  port: NeutronPort,
  { device, namespace }: { device: string; namespace?: string },
): Promise<void> {
  const { network } = await cloud.ask<{ network: { mtu: number } }>('network', 'GET', `/networks/${port.network_id}`)
  const mtu = ['mtu', String(network.mtu)]
  const peer = ['type', 'veth', 'peer', 'name', device, 'address', port.mac_address, ...mtu]
  await exec('ip', ['link', 'add', tapOf(port), ...mtu, ...peer, ...(namespace === undefined ? [] : ['netns', namespace])])
  const ip = (...args: string[]) => exec('ip', [...(namespace === undefined ? [] : ['-n', namespace]), ...args])
  for (const { ip_address, subnet_id } of port.fixed_ips) {
    const { subnet } = await cloud.ask<{ subnet: { cidr: string } }>('network', 'GET', `/subnets/${subnet_id}`)
    await ip('address', 'add', `${ip_address}/${subnet.cidr.split('/')[1]}`, 'dev', device)
  }
  await ip('link', 'set', device, 'up')
  await exec('ip', ['link', 'set', tapOf(port), 'up'])
  await eventually(async () => {
    const now = await cloud.ask<{ port: { status: string } }>('network', 'GET', `/ports/${port.id}`)
    return now.port.status === 'ACTIVE'
  }, WIRED_WITHIN_MS)
}

export async function unwire(port: NeutronPort): Promise<void> {
  await exec('ip', ['link', 'delete', tapOf(port)])
}

function tapOf({ id }: NeutronPort): string {
  return `tap${id.slice(0, 11)}`
}
