/** The chains of one port: what its machine may send (its own MAC and IP addresses, its groups' egress) and what may reach it. */
import { parseCidr, parseIp } from '../../lib/ip.ts'
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
  const rules = hostMac === null ? [] : [`ether saddr ${hostMac} drop`]
  const byMac = Map.groupBy(ownAddresses(port), ({ mac }) => mac)
  rules.push(`ether saddr != { ${[...byMac.keys()].join(', ')} } drop`)
  for (const [mac, addresses] of byMac) {
    const ip = addresses.map(({ address }) => address).filter((address) => !address.includes(':'))
    const ip6 = addresses.map(({ address }) => address).filter((address) => address.includes(':'))
    // An address that is only asked about (RFC 5227) has no sender yet.
    rules.push(`ether saddr ${mac} arp saddr ether ${mac} arp saddr ip { ${['0.0.0.0', ...new Set(ip)].join(', ')} } accept`)
    if (ip.length > 0) rules.push(`ether saddr ${mac} ip saddr != { ${[...new Set(ip)].join(', ')} } drop`)
    else rules.push(`ether saddr ${mac} ether type ip drop`)
    rules.push(`ether saddr ${mac} ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept`)
    rules.push(`ether saddr ${mac} ip6 saddr != { ${[...new Set(ip6)].join(', ')} } drop`)
    rules.push(...[...new Set(ip6)].map((address) => `ether saddr ${mac} icmpv6 type nd-neighbor-advert ${targetIs(address)} accept`))
  }
  rules.push('icmpv6 type nd-neighbor-advert drop', 'ether type != { ip, ip6 } drop', 'jump never_from_machines', 'jump always')
  return [...rules, ...judgedByGroups(port, 'egress')]
}

export function toPort(port: PortRow): string[] {
  if (!port.port_security_enabled) return ['accept']
  return ['ether type arp accept', 'ether type != { ip, ip6 } drop', 'jump always', ...judgedByGroups(port, 'ingress')]
}

/** A port without a group is not filtered, only kept from spoofing. */
function judgedByGroups(port: PortRow, side: 'ingress' | 'egress'): string[] {
  if (port.security_group_ids.length === 0) return ['accept']
  return [...new Set(port.security_group_ids)].map((group) => `jump ${groupChain(group, side)}`).concat('drop')
}

/** The addresses a machine may send from, each with the MAC address it goes with. */
function ownAddresses(port: PortRow): { mac: string; address: string }[] {
  const given = [...port.fixed_ips, ...port.allowed_address_pairs].map((entry) => ({
    mac: ('mac_address' in entry && entry.mac_address?.toLowerCase()) || port.mac_address,
    address: entry.ip_address,
  }))
  const macs = new Set([port.mac_address, ...given.map(({ mac }) => mac)])
  return [...given, ...[...macs].map((mac) => ({ mac, address: linkLocalOf(mac) }))]
}

/** The target address of a neighbour advertisement (RFC 4861, 4.4), which nft of Debian 12 has no name for. */
function targetIs(address: string): string {
  const cidr = parseCidr(address)
  if (cidr === null) return `@th,64,128 ${hex(parseIp(address)!.value)}`
  return `@th,64,128 & ${hex(((1n << BigInt(cidr.prefix)) - 1n) << BigInt(128 - cidr.prefix))} == ${hex(cidr.first)}`
}

const hex = (value: bigint) => `0x${value.toString(16).padStart(32, '0')}`
