/** The embedded compute's and the lab's side of the embedded network: ports become interfaces in a sandbox. */
import type { NetworkDriver, Port } from '../../drivers/network/driver.ts'
import { exec } from '../../lib/exec.ts'
import { parseCidr } from '../../lib/ip.ts'

/** What the embedded network does for sandboxes, besides what it does for everybody. */
export interface SandboxNetwork
  extends Pick<NetworkDriver, 'getPort' | 'getSubnet' | 'ensurePort' | 'updatePort' | 'deletePort' | 'listPortsOfDevice'> {
  /** Puts the port's interface, with its MAC address, into a network namespace of the host. Repeating it does nothing, wherever the interface was moved since. */
  attachPort(port_id: string, place: { netnsPath: string; ifname: string }): Promise<void>
  /** The interface is gone afterwards; not an error if it already was. */
  detachPort(port_id: string): Promise<void>
}

/** Loopback up, and the ports as eth0, eth1, ... with their addresses. No route is added: a sandbox reaches its own subnets only. */
export async function plugWithAddresses(network: SandboxNetwork, netns: string, ports: readonly Port[]): Promise<void> {
  const batch = ['link set lo up']
  await Promise.all(ports.map((port, index) => network.attachPort(port.id, { netnsPath: netnsPath(netns), ifname: `eth${index}` })))
  for (const [index, port] of ports.entries()) {
    batch.push(`link set eth${index} up`)
    for (const { subnet_id, ip_address } of port.fixed_ips) {
      const { cidr, ip_version } = await network.getSubnet(subnet_id)
      // The address is ours by the network's own book-keeping, so nothing waits for duplicate address detection.
      batch.push(`address replace ${ip_address}/${parseCidr(cidr)!.prefix} dev eth${index}${ip_version === 6 ? ' nodad' : ''}`)
    }
  }
  await exec('ip', ['-n', netns, '-batch', '-'], { input: `${batch.join('\n')}\n` })
}

/** As a new network card appears in a running machine: with its MAC address, down, to be found by whoever runs in there. */
export async function plugBare(network: SandboxNetwork, netns: string, port_id: string): Promise<void> {
  await network.attachPort(port_id, { netnsPath: netnsPath(netns), ifname: `nic-${port_id.replaceAll('-', '').slice(0, 11)}` })
}

const netnsPath = (netns: string) => `/run/netns/${netns}`
