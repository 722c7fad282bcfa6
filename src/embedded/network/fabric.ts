/**
 * Bridges and veth pairs: brings this host's links to what the rows say. A network is a bridge; a port is a veth pair, one side in the
 * bridge, the other in a machine's namespace. Every change may be repeated.
 */
import { parseCidr } from '../../lib/ip.ts'
import { formatCidr } from './addresses.ts'
import {
  type AddressOfLink,
  ipBatch,
  ipBatchAsFarAsPossible,
  type Link,
  linkNames,
  nftScript,
  readAddresses,
  readLinks,
  readRoutes,
  setSysctl,
} from './kernel.ts'
import { bridgeMac, type NetworkNames } from './names.ts'
import type { NetworkRow, PortRow } from './tables.ts'

/** A network and the host's own addresses on it, such as 198.18.0.1/24. Without any the bridge is isolated. */
export interface BridgeSpec {
  network: NetworkRow
  hostAddresses: string[]
}

export class Fabric {
  readonly #names: NetworkNames

  constructor(names: NetworkNames) {
    this.#names = names
  }

  /** Makes or corrects a network's bridge. */
  async ensureBridge(spec: BridgeSpec): Promise<void> {
    const [links, addresses] = await Promise.all([readLinks(), readAddresses()])
    await this.#bringTo(spec, links, addresses)
  }

  async removeBridge(network_id: string): Promise<void> {
    await this.#remove([this.#names.bridge(network_id)])
  }

  async hasBridge(network_id: string): Promise<boolean> {
    return (await linkNames()).has(this.#names.bridge(network_id))
  }

  async isPlugged(port_id: string): Promise<boolean> {
    return (await linkNames()).has(this.#names.port(port_id))
  }

  /** Those of the given ports whose host side is there. */
  async pluggedAmong(ports: { id: string }[]): Promise<Set<string>> {
    const links = await linkNames()
    return new Set(ports.filter((port) => links.has(this.#names.port(port.id))).map((port) => port.id))
  }

  /**
   * `netnsPath` is a file such as /proc/PID/ns/net; without `ifname` the kernel numbers it (eth0, eth1, ...). The pair is there as a
   * whole or not at all: when a later line fails, it is taken away.
   */
  async plug(port: PortRow, network: NetworkRow, options: { netnsPath: string; ifname?: string }): Promise<void> {
    const name = this.#names.port(port.id)
    const { netnsPath, ifname = 'eth%d' } = options
    for (const word of [netnsPath, ifname]) {
      if (/[\s"'\\#]/.test(word)) throw new Error(`'${word}' does not fit into a line for ip`)
    }
    try {
      await ipBatch([
        `link add ${name} mtu ${network.mtu} type veth peer name ${ifname} netns ${netnsPath} address ${port.mac_address} mtu ${network.mtu}`,
        // Without a link-local address the host says nothing on this side.
        `link set dev ${name} addrgenmode none master ${this.#names.bridge(network.id)}`,
        ...(isolatesPorts(network) ? [`link set dev ${name} type bridge_slave isolated on`] : []),
        ...(port.admin_state_up ? [`link set dev ${name} up`] : []),
        ...this.#neighbours(port, network),
      ])
    } catch (error) {
      await this.unplug(port.id)
      throw error
    }
  }

  /** Takes the machine's side with it; content when there is none. */
  async unplug(port_id: string): Promise<void> {
    await this.#remove([this.#names.port(port_id)])
  }

  /** The host side of a disabled port is down. */
  async setUp(port_id: string, up: boolean): Promise<void> {
    await ipBatch([`link set dev ${this.#names.port(port_id)} ${up ? 'up' : 'down'}`])
  }

  /** Brings all links to what the rows say; links of this state that no row knows are removed. */
  async reconcile(bridges: BridgeSpec[], ports: PortRow[]): Promise<void> {
    const [links, addresses] = await Promise.all([readLinks(), readAddresses()])
    const present = new Map(links.map((link) => [link.ifname, link]))
    const networks = new Map(bridges.map(({ network }) => [network.id, network]))
    const wantedPorts = new Map(ports.map((port) => [this.#names.port(port.id), port]))
    const wantedBridges = new Set(bridges.map(({ network }) => this.#names.bridge(network.id)))
    const isLeftover = ({ ifname }: Link) =>
      (this.#names.isPort(ifname) && !wantedPorts.has(ifname)) || (this.#names.isBridge(ifname) && !wantedBridges.has(ifname))
    await this.#remove(links.filter(isLeftover).map((link) => link.ifname))
    for (const bridge of bridges) await this.#bringTo(bridge, links, addresses)
    await this.sweepBlackholes(bridges)
    const commands = [...wantedPorts].flatMap(([name, port]) => {
      const link = present.get(name)
      return link === undefined ? [] : this.#correctPort(link, port, networks.get(port.network_id)!)
    })
    await ipBatch(commands)
  }

  /** Removes every link, route and table of this state, by name alone. */
  async teardown(): Promise<void> {
    const links = await readLinks()
    const ours = links.filter(({ ifname }) => this.#names.isPort(ifname) || this.#names.isBridge(ifname))
    await this.#remove(ours.map((link) => link.ifname))
    await this.sweepBlackholes([])
    await nftScript(
      ['inet', 'bridge']
        .flatMap((family) => [`add table ${family} ${this.#names.table}`, `delete table ${family} ${this.#names.table}`])
        .join('\n'),
    )
  }

  /** Those of this state under no range of these; after the bridges they lay under are gone. */
  async sweepBlackholes(bridges: BridgeSpec[]): Promise<void> {
    const metric = this.#names.blackholeMetric
    const wanted = new Set(bridges.flatMap(({ hostAddresses }) => hostAddresses.map(rangeOf)))
    const stale = (await readRoutes()).filter((route) => route.type === 'blackhole' && route.metric === metric && !wanted.has(route.dst))
    await ipBatch(stale.map(({ dst }) => `route del blackhole ${dst} metric ${metric}`))
  }

  async #bringTo({ network, hostAddresses }: BridgeSpec, links: Link[], addresses: AddressOfLink[]): Promise<void> {
    const name = this.#names.bridge(network.id)
    const link = links.find(({ ifname }) => ifname === name)
    const mac = bridgeMac(network.id)
    const preparation: string[] = []
    if (link === undefined) {
      // Without spanning tree a bridge forwards at once; without snooping it passes multicast on as a plain switch does.
      preparation.push(`link add ${name} address ${mac} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`)
      preparation.push(`link set dev ${name} addrgenmode none`)
    } else if (link.address !== mac) preparation.push(`link set dev ${name} address ${mac}`)
    if (link?.mtu !== network.mtu) preparation.push(`link set dev ${name} mtu ${network.mtu}`)
    const present = addresses.find(({ ifname }) => ifname === name)?.addr_info ?? []
    const gone = present.filter((info) => !hostAddresses.includes(`${info.local}/${info.prefixlen}`))
    preparation.push(...gone.map((info) => `addr del ${info.local}/${info.prefixlen} dev ${name}`))
    // It counts only when nothing else does: should the bridge go, no packet for it leaves by the default route.
    preparation.push(...hostAddresses.map((address) => `route replace blackhole ${rangeOf(address)} metric ${this.#names.blackholeMetric}`))
    await ipBatch(preparation)
    if (link === undefined) await quietBridge(name, hostAddresses.length > 0)
    await ipBatch([
      `link set dev ${name} ${network.admin_state_up ? 'up' : 'down'}`,
      ...hostAddresses
        .filter((address) => !present.some((info) => `${info.local}/${info.prefixlen}` === address))
        .map((address) => `addr replace ${address} dev ${name}${address.includes(':') ? ' nodad' : ' brd +'}`),
    ])
  }

  #correctPort(link: Link, port: PortRow, network: NetworkRow): string[] {
    const { ifname } = link
    const bridge = this.#names.bridge(network.id)
    const isolated = isolatesPorts(network)
    const commands: string[] = []
    const moved = link.master !== bridge
    if (moved) commands.push(`link set dev ${ifname} master ${bridge}`)
    if (moved ? isolated : (link.linkinfo?.info_slave_data?.isolated ?? false) !== isolated) {
      commands.push(`link set dev ${ifname} type bridge_slave isolated ${isolated ? 'on' : 'off'}`)
    }
    if (link.mtu !== network.mtu) commands.push(`link set dev ${ifname} mtu ${network.mtu}`)
    if (link.flags.includes('UP') !== port.admin_state_up) commands.push(`link set dev ${ifname} ${port.admin_state_up ? 'up' : 'down'}`)
    return commands
  }

  /** Where the host itself speaks to ports, it learns at once who has an address, should it remember an earlier owner. */
  #neighbours(port: PortRow, network: NetworkRow): string[] {
    if (network.role === null) return []
    return port.fixed_ips.map(
      ({ ip_address }) => `neigh replace ${ip_address} lladdr ${port.mac_address} dev ${this.#names.bridge(network.id)} nud reachable`,
    )
  }

  async #remove(names: string[]): Promise<void> {
    const present = await linkNames()
    const there = names.filter((name) => present.has(name))
    if (there.length === 0) return
    const { doomedGroup } = this.#names
    await ipBatchAsFarAsPossible([...there.map((name) => `link set dev ${name} group ${doomedGroup}`), `link del group ${doomedGroup}`])
    // A pair goes by itself when its machine's namespace does, so only what is left counts.
    const left = await linkNames()
    const stubborn = there.filter((name) => left.has(name))
    if (stubborn.length > 0) throw new Error(`could not delete the links ${stubborn.join(', ')}`)
  }
}

/** Machines on the management network speak to the host only. */
const isolatesPorts = (network: NetworkRow) => network.role === 'management'

const rangeOf = (address: string): string => formatCidr(parseCidr(address)!)

/** No router is believed, and no address of another link is answered for; an isolated bridge has no IPv6 of its own at all. */
async function quietBridge(name: string, hasHost: boolean): Promise<void> {
  await setSysctl(`ipv6/conf/${name}/accept_ra`, '0')
  await setSysctl(`ipv6/conf/${name}/autoconf`, '0')
  await setSysctl(`ipv6/conf/${name}/disable_ipv6`, hasHost ? '0' : '1')
  await setSysctl(`ipv4/conf/${name}/arp_ignore`, '1')
}
