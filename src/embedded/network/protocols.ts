/** The names of IP protocols that Neutron takes in a security group rule, and their numbers (IANA). */
const numbers: Record<string, number> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  icmp: 1,
  icmpv6: 58,
  igmp: 2,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  sctp: 132,
  tcp: 6,
  udp: 17,
  udplite: 136,
  vrrp: 112,
}

/** Those whose port range is a type and a code. */
export const icmpProtocols: ReadonlySet<string> = new Set(['icmp', 'icmpv6', 'ipv6-icmp', '1', '58'])

/** Those that have ports. */
export const portProtocols: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp', 'udplite', 'dccp', '6', '17', '132', '136', '33'])

/** Undefined for what is no protocol. `icmp` means ICMPv6 in a rule for IPv6. */
export function protocolNumber(protocol: string, ethertype: 'IPv4' | 'IPv6'): number | undefined {
  const number = /^\d{1,3}$/.test(protocol) ? Number(protocol) : numbers[protocol]
  if (number === undefined || number > 255) return undefined
  return number === numbers.icmp && ethertype === 'IPv6' ? numbers.icmpv6 : number
}
