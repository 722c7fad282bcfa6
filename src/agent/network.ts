/**
 * The inner namespace, where tenants' traffic is, and the interfaces plugged into it: found by their MAC address in the agent's own namespace,
 * moved, renamed and configured. The VIP's interface is always eth1.
 *
 * Addresses are announced to the neighbours (gratuitous ARP, unsolicited neighbour advertisements) by the kernel itself: with
 * arp_notify and ndisc_notify it does so whenever an interface comes up or is given a link-layer address, also the one it has.
 */
import { rmSync } from 'node:fs'
import { exec } from '../lib/exec.ts'
import { formatIp, parseIp } from '../lib/ip.ts'
import { type Paths, readIfThere, writeAtomically } from './files.ts'
import {
  bringUp,
  handOverToKeepalived,
  type InterfaceFile,
  memberInterface,
  type SubnetInformation,
  takeAway,
  vipInterface,
} from './interfaces.ts'
import { type IpCommand, ipBatch, ipJson } from './ip-command.ts'
import type { AgentLog } from './log.ts'
import { HttpError } from './router.ts'
import { Serial } from './serial.ts'

const VIP_INTERFACE = 'eth1'
/** A kernel with this module gets it for UDP and SCTP listeners; where there are no modules, no process is spent on it. */
const LOAD_IPVS =
  'read -r release < /proc/sys/kernel/osrelease; [ -e /proc/net/ip_vs ] || [ ! -d "/lib/modules/$release" ] || modprobe -q ip_vs || :'
/**
 * Below /proc/sys/net. Packets of UDP listeners leave by the interface they came by, which is no reason to tell their senders of a shorter way. HAProxy binds the VIP before keepalived gives it to the backup; router advertisements are nobody's business there;
 * HAProxy's user may ping, since PING monitors run as it and no program can gain a capability here. Connections to members have more ports than
 * Linux gives them by itself, for each that has ended keeps its own for a minute.
 */
const INNER_SETTINGS = {
  'ipv4/ip_nonlocal_bind': 1,
  'ipv6/ip_nonlocal_bind': 1,
  'ipv4/ping_group_range': '0 2147483647',
  'ipv4/ip_forward': 1,
  'ipv4/ip_local_port_range': '10240 65535',
  'ipv4/tcp_tw_reuse': 1,
  'ipv4/conf/all/send_redirects': 0,
  'ipv4/conf/default/send_redirects': 0,
  'ipv6/conf/all/forwarding': 1,
  'ipv6/conf/default/accept_ra': 0,
  'ipv4/conf/default/arp_notify': 1,
  'ipv6/conf/default/ndisc_notify': 1,
}

export interface VipPlug {
  vips: SubnetInformation[]
  mac_address: string
  vrrp_ip: string | undefined
  mtu: number | undefined
}

export interface NetworkPlug {
  mac_address: string
  mtu: number | undefined
  fixed_ips: SubnetInformation[]
  /** The interface is the VIP's, and these are its VIPs. */
  vips: SubnetInformation[] | undefined
  vrrp_ip: string | undefined
}

interface Link {
  ifname: string
  address?: string
  addr_info?: { local: string; prefixlen: number }[]
  stats64?: { rx: { bytes: number }; tx: { bytes: number } }
}

export class InnerNetwork {
  private readonly serial = new Serial()
  private readonly namespace: string
  private readonly paths: Paths
  private readonly log: AgentLog
  /** Keepalived owns the VIPs. */
  private readonly isShared: () => boolean

  constructor(namespace: string, paths: Paths, log: AgentLog, isShared: () => boolean) {
    this.namespace = namespace
    this.paths = paths
    this.log = log
    this.isShared = isShared
  }

  /** Makes the namespace if it is not there, and after a restart of the machine gives it back its interfaces. */
  async prepare(): Promise<void> {
    const settings = Object.entries(INNER_SETTINGS).map(
      ([name, value]) => `[ ! -e /proc/sys/net/${name} ] || echo ${value} > /proc/sys/net/${name}`,
    )
    // One shell for all: the agent's start is what a new load balancer waits for.
    const outside = '[ -e "/run/netns/$0" ] || ip netns add "$0" || exit; exec nsenter "--net=/run/netns/$0" sh -c "$1"'
    await exec('sh', ['-c', outside, this.namespace, ['set -e', 'ip link set lo up', ...settings, LOAD_IPVS].join('\n')])
    await this.restore()
  }

  /** Throws HttpError: 404 when the interface is not there (yet), 409 when it is plugged already. Returns the VIPs' spelling. */
  plugVip(plug: VipPlug): Promise<string> {
    return this.serial.run(async () => {
      const file = vipInterface(VIP_INTERFACE, { ...plug, fixed_ips: [] }, this.isShared())
      const { inner, outer } = await this.find(plug.mac_address)
      if (inner !== undefined && this.isPlugged(plug.mac_address)) throw new HttpError(409, { message: 'Interface already exists' })
      if (inner === undefined) await this.moveIn(outer, file.name)
      await this.complete(plug.mac_address, file, [])
      return plug.vips.map(({ ip_address }) => formatIp(parseIp(ip_address)!)).join(', ')
    })
  }

  /** Plugs an interface or, where it is plugged, changes its addresses. Returns its name and whether it was there. */
  plugNetwork(plug: NetworkPlug): Promise<{ name: string; existed: boolean }> {
    return this.serial.run(async () => {
      const { inner, outer, innerNames } = await this.find(plug.mac_address)
      if (inner === undefined) {
        let index = 2
        while (innerNames.includes(`eth${index}`)) index++
        const file = memberInterface(`eth${index}`, plug.fixed_ips, plug.mtu)
        await this.moveIn(outer, file.name)
        await this.complete(plug.mac_address, file, [])
        return { name: file.name, existed: false }
      }
      const before = this.readFile(inner)
      const file = this.changed(inner, before, plug)
      await this.complete(plug.mac_address, file, before === null ? [] : takeAway(before, file))
      return { name: inner, existed: true }
    })
  }

  /** Before keepalived starts, what it owns is taken from the VIP's interface. */
  handOverVips(): Promise<void> {
    return this.serial.run(async () => {
      const before = this.readFile(VIP_INTERFACE)
      if (before === null || !before.addresses.some(({ octavia_owned }) => octavia_owned === true)) return
      const { file, commands } = handOverToKeepalived(before)
      await ipBatch(this.namespace, commands)
      this.writeFile(file)
    })
  }

  /** Tells the VIPs' neighbours that they are here, by giving the interface the link-layer address it has. */
  announceVips(): Promise<void> {
    return this.serial.run(async () => {
      const mac = this.plugged().find(([, name]) => name === VIP_INTERFACE)?.[0]
      if (mac !== undefined) await ipBatch(this.namespace, [{ line: `link set ${VIP_INTERFACE} address ${mac}` }])
    })
  }

  /** The interface with this address. Throws HttpError 400 and 404. */
  async interfaceOf(address: string): Promise<string> {
    const wanted = parseIp(address)
    if (wanted === null) throw new HttpError(400, { message: 'Invalid IP address' })
    const links = await ipJson<Link[]>(this.namespace, ['address', 'show'])
    const found = links.find(({ addr_info }) => addr_info?.some(({ local }) => local === formatIp(wanted)))
    if (found === undefined) throw new HttpError(404, { message: 'Error interface not found for IP address' })
    return found.ifname
  }

  /** Bytes sent and received, by interface. */
  async traffic(): Promise<Record<string, { network_tx: number; network_rx: number }>> {
    const links = await ipJson<Link[]>(this.namespace, ['-statistics', 'link', 'show'])
    return Object.fromEntries(
      links
        .filter(({ ifname }) => ifname.startsWith('eth'))
        .map(({ ifname, stats64 }) => [ifname, { network_tx: stats64?.tx.bytes ?? 0, network_rx: stats64?.rx.bytes ?? 0 }]),
    )
  }

  private changed(name: string, before: InterfaceFile | null, plug: NetworkPlug): InterfaceFile {
    const mtu = plug.mtu ?? before?.mtu
    if (plug.vips !== undefined)
      return vipInterface(name, { vips: plug.vips, vrrp_ip: plug.vrrp_ip, fixed_ips: plug.fixed_ips, mtu }, this.isShared())
    const added = memberInterface(name, plug.fixed_ips, mtu)
    if (before?.if_type !== 'vip') return added
    // A member's subnet on the VIP's own interface: the VIPs stay.
    const known = new Set(before.addresses.map(({ address }) => address))
    const routes = new Set(before.routes.map((route) => JSON.stringify(route)))
    return {
      ...before,
      mtu,
      addresses: [...before.addresses, ...added.addresses.filter(({ address }) => !known.has(address))],
      routes: [...before.routes, ...added.routes.filter((route) => !routes.has(JSON.stringify(route)))],
    }
  }

  private async find(mac: string): Promise<{ inner: string | undefined; outer: string | undefined; innerNames: string[] }> {
    const wanted = mac.toLowerCase()
    const [inside, outside] = await Promise.all([ipJson<Link[]>(this.namespace, ['link', 'show']), ipJson<Link[]>(null, ['link', 'show'])])
    const named = (links: Link[]) => links.find(({ address }) => address?.toLowerCase() === wanted)?.ifname
    return { inner: named(inside), outer: named(outside), innerNames: inside.map(({ ifname }) => ifname) }
  }

  private async moveIn(outer: string | undefined, name: string): Promise<void> {
    // Controllers ask again: a machine may see its new interface a while after its port was attached.
    if (outer === undefined) throw new HttpError(404, { details: 'No suitable network interface found' })
    await ipBatch(null, [{ line: `link set dev ${outer} netns ${this.namespace} name ${name}` }])
  }

  /** Configures an interface and records it. Recorded last: what failed half-way is not plugged, and the next attempt completes it. */
  private async complete(mac: string, file: InterfaceFile, first: IpCommand[]): Promise<void> {
    await ipBatch(this.namespace, [...first, ...bringUp(file)])
    this.writeFile(file)
    const others = this.plugged().filter(([known, name]) => known !== mac && name !== file.name)
    this.writePlugged([...others, [mac, file.name]])
    this.log.info(`${mac} plugged as ${file.name}`)
  }

  private async restore(): Promise<void> {
    for (const [mac, name] of this.plugged()) {
      const file = this.readFile(name)
      if (file === null) continue
      const { inner, outer } = await this.find(mac)
      if (inner === undefined && outer === undefined) {
        this.log.info(`${name} (${mac}) is gone`)
        this.forget(mac, name)
        continue
      }
      if (inner === undefined) await ipBatch(null, [{ line: `link set dev ${outer} netns ${this.namespace} name ${name}` }])
      await ipBatch(this.namespace, bringUp(file))
    }
  }

  private forget(mac: string, name: string): void {
    this.writePlugged(this.plugged().filter(([known]) => known !== mac))
    rmSync(this.paths.interface(name), { force: true })
  }

  private isPlugged(mac: string): boolean {
    return this.plugged().some(([known]) => known === mac)
  }

  private writePlugged(interfaces: [string, string][]): void {
    writeAtomically(this.paths.plugged, interfaces.map((words) => `${words.join(' ')}\n`).join(''), { sync: true })
  }

  /** MAC address and name of each interface that was plugged. */
  private plugged(): [string, string][] {
    const lines = (readIfThere(this.paths.plugged) ?? '').split('\n')
    return lines.flatMap((line) => {
      const [mac, name] = line.split(' ')
      return mac && name ? [[mac, name]] : []
    })
  }

  private readFile(name: string): InterfaceFile | null {
    const text = readIfThere(this.paths.interface(name))
    return text === null ? null : (JSON.parse(text) as InterfaceFile)
  }

  private writeFile(file: InterfaceFile): void {
    writeAtomically(this.paths.interface(file.name), JSON.stringify(file), { sync: true })
  }
}
