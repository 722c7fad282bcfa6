/** The network in memory, with bridges and veth pairs for its ports: what the embedded compute needs, without the walls and rules of the real one. */
import type { Network, Subnet } from '../../../src/drivers/network/driver.ts'
import { MemoryNetwork } from '../../../src/drivers/network/memory.ts'
import type { SandboxNetwork } from '../../../src/embedded/compute/plug.ts'
import { exec } from '../../../src/lib/exec.ts'
import { parseCidr } from '../../../src/lib/ip.ts'

export class BridgedNetwork extends MemoryNetwork implements SandboxNetwork {
  /** A bridge on which the host has the subnet's first address. */
  async addBridge(name: string, cidr: string): Promise<{ network: Network; subnet: Subnet }> {
    const network = this.addNetwork({ name })
    const subnet = this.addSubnet({ name: `${name}-subnet`, network_id: network.id, cidr })
    const address = `${subnet.gateway_ip}/${parseCidr(cidr)!.prefix}`
    await batch([
      `link add ${bridgeOf(network.id)} type bridge`,
      `address add ${address} dev ${bridgeOf(network.id)}`,
      `link set ${bridgeOf(network.id)} up`,
    ])
    return { network, subnet }
  }

  async attachPort(port_id: string, { netnsPath, ifname }: { netnsPath: string; ifname: string }): Promise<void> {
    const host = `v${port_id.slice(0, 8)}`
    const known = await exec('ip', ['link', 'show', host], { anyStatus: true })
    if (known.code === 0) return
    const { mac_address, network_id } = await this.getPort(port_id)
    await batch([
      `link add ${host} type veth peer name ${ifname} address ${mac_address} netns ${netnsPath}`,
      `link set ${host} master ${bridgeOf(network_id)} up`,
    ])
  }

  async detachPort(port_id: string): Promise<void> {
    await exec('ip', ['link', 'del', `v${port_id.slice(0, 8)}`], { anyStatus: true })
  }

  async removeBridges(): Promise<void> {
    for (const { id } of this.networks) await exec('ip', ['link', 'del', bridgeOf(id)])
  }

  override async deletePort(id: string, options: { made_by?: string } = {}): Promise<void> {
    await this.detachPort(id)
    await super.deletePort(id, options)
  }
}

function bridgeOf(network_id: string): string {
  return `b${network_id.slice(0, 8)}`
}

async function batch(lines: string[]): Promise<void> {
  await exec('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` })
}
