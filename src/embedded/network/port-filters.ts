/** The chains of one port: what its machine may send (its own MAC and IP addresses, its groups' egress) and what may reach it. */
import { type Cidr, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { formatCidr } from './addresses.ts'
import { groupChain } from './group-filters.ts'
import { linkLocalOf } from './link-local.ts'
import type { Chain } from './ruleset.ts'
import type { PortRow } from './tables.ts'

/** Chains that all ports share. Both end without a verdict for what the groups are to judge. */
export const portFiltering: Record<string, Chain> = {
  // What hosts need of each other before and beside any connection.
  always: {
    rules: [
      'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
      'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, nd-neighbor-solicit, nd-neighbor-advert } accept',
      // Only the first fragment has ports to judge; without it the others come to nothing.
      'ip frag-off & 0x1fff != 0 accept',
      'frag frag-off != 0 accept',
    ],
  },
  // Nobody but the cloud is a router or gives out addresses.
  never_from_machines: {
    rules: ['icmpv6 type { nd-router-advert, nd-redirect } drop', 'udp sport 67 udp dport 68 drop', 'udp sport 547 udp dport 546 drop'],
  },
}

/** `hostMac`: the address of the host's own side, which no machine may claim. */
export function fromPort(port: PortRow, hostMac: string | null): string[] {
  if (!port.port_security_enabled) return ['accept']
  const byMac = ownAddresses(port)
  const rules = ['ether type != { arp, ip, ip6 } drop']
  if (hostMac !== null) rules.push(`ether saddr ${hostMac} drop`)
  rules.push(`ether saddr != { ${[...byMac.keys()].join(', ')} } drop`)
  for (const [mac, addresses] of byMac) {
    const from = `ether saddr ${mac}`
    const ip = withoutContained(addresses.filter(({ version }) => version === 4))
    const ip6 = withoutContained([...addresses.filter(({ version }) => version === 6), cidrOf(linkLocalOf(mac))])
    // An address that is only asked about (RFC 5227) has no sender yet.
    const askedAbout = withoutContained([...ip, cidrOf('0.0.0.0')])
    rules.push(`${from} arp saddr ether ${mac} arp saddr ip { ${askedAbout.map(nft).join(', ')} } accept`)
    rules.push(ip.length > 0 ? `${from} ip saddr != { ${ip.map(nft).join(', ')} } drop` : `${from} ether type ip drop`)
    rules.push(`${from} ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept`)
    rules.push(`${from} ip6 saddr != { ${ip6.map(nft).join(', ')} } drop`)
    rules.push(...ip6.map((range) => `${from} icmpv6 type nd-neighbor-advert ${targetIn(range)} accept`))
  }
  rules.push('ether type arp drop', 'icmpv6 type nd-neighbor-advert drop', 'jump never_from_machines', 'jump always')
  return [...rules, ...judgedByGroups(port, 'egress')]
}

export function toPort(port: PortRow): string[] {
  if (!port.port_security_enabled) return ['accept']
  return ['ether type != { arp, ip, ip6 } drop', 'ether type arp accept', 'jump always', ...judgedByGroups(port, 'ingress')]
}

/** A port without a group is not filtered, only kept from spoofing. */
function judgedByGroups(port: PortRow, side: 'ingress' | 'egress'): string[] {
  if (port.security_group_ids.length === 0) return ['accept']
  return [...new Set(port.security_group_ids)].map((group) => `jump ${groupChain(group, side)}`).concat('drop')
}

/** The ranges a machine may send from, by the MAC address they go with. */
function ownAddresses(port: PortRow): Map<string, Cidr[]> {
  const own = new Map<string, Cidr[]>([[port.mac_address, port.fixed_ips.map(({ ip_address }) => cidrOf(ip_address))]])
  for (const { ip_address, mac_address } of port.allowed_address_pairs) {
    const mac = mac_address?.toLowerCase() ?? port.mac_address
    own.set(mac, [...(own.get(mac) ?? []), cidrOf(ip_address)])
  }
  return own
}

/** A single address is a range of one. */
function cidrOf(text: string): Cidr {
  const ip = parseIp(text)
  return parseCidr(ip === null ? text : `${text}/${ip.version === 4 ? 32 : 128}`)!
}

/** nft refuses a set whose elements overlap; of two ranges that do, one holds the other. */
function withoutContained(ranges: Cidr[]): Cidr[] {
  const holds = (a: Cidr, b: Cidr) => a.first <= b.first && b.last <= a.last
  return ranges.filter((range, i) => !ranges.some((other, j) => i !== j && holds(other, range) && (!holds(range, other) || j < i)))
}

const nft = (range: Cidr): string =>
  range.first === range.last ? formatIp({ version: range.version, value: range.first }) : formatCidr(range)

/** The target address of a neighbour advertisement (RFC 4861, 4.4), which nft of Debian 12 has no name for. */
function targetIn({ first, last, prefix }: Cidr): string {
  if (first === last) return `@th,64,128 ${hex(first)}`
  return `@th,64,128 & ${hex(((1n << BigInt(prefix)) - 1n) << BigInt(128 - prefix))} == ${hex(first)}`
}

const hex = (value: bigint) => `0x${value.toString(16).padStart(32, '0')}`
