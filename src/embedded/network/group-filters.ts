/** Security group rules as nft rules. Stateless: for each rule there is one that passes what answers it, told by ports and TCP flags. */
import { protocolNumber } from './protocols.ts'
import type { SecurityGroupRuleRow } from './tables.ts'

type Side = SecurityGroupRuleRow['direction']

const ICMP = 1
const TCP = 6
const UDP = 17
const ICMPV6 = 58
const SCTP = 132
const UDPLITE = 136
const DCCP = 33
const namesOfPorts: Record<number, string> = { [TCP]: 'tcp', [UDP]: 'udp', [SCTP]: 'sctp', [UDPLITE]: 'udplite', [DCCP]: 'dccp' }
/** Answers without TCP's flags go to ports that clients use, never to the well-known ones (RFC 6335). */
const CLIENT_PORTS = '1024-65535'

export const groupChain = (group: string, side: Side): string => `${side}_${group.replaceAll('-', '')}`
export const remoteSet = (group: string, version: 4 | 6): string => `members${version}_${group.replaceAll('-', '')}`

/** The rule itself, for the chain of its direction. */
export function directMatch(rule: SecurityGroupRuleRow): string {
  const number = numberOf(rule)
  const words = [...family(rule), ...remote(rule, rule.direction === 'ingress' ? 'saddr' : 'daddr')]
  if (number !== null) words.push(...protocolMatch(number), ...portMatch(rule, number, 'dport'))
  return [...words, 'accept'].join(' ')
}

/**
 * What passes in the other direction so that the rule is of use. Ports that the group's own rules name for datagrams are those of services: what
 * goes there is no answer.
 */
export function answersTo(rule: SecurityGroupRuleRow, ofGroup: readonly SecurityGroupRuleRow[]): string[] {
  const number = numberOf(rule)
  const base = [...family(rule), ...remote(rule, rule.direction === 'ingress' ? 'daddr' : 'saddr')]
  const answer = (...words: string[]) => [...base, ...words, 'accept'].join(' ')
  const echo = rule.ethertype === 'IPv4' ? answer('icmp', 'type', 'echo-reply') : answer('icmpv6', 'type', 'echo-reply')
  // Everything but the segment that opens a connection carries ACK or RST.
  const tcp = answer(...protocolMatch(TCP), ...portMatch(rule, number ?? TCP, 'sport'), 'tcp', 'flags', '&', '(syn|ack)', '!=', 'syn')
  const datagrams = (protocol: number) => {
    const dport = [namesOfPorts[protocol]!, 'dport']
    const served = servicePorts(rule, protocol, ofGroup)
    const butServed = served.length === 0 ? [] : [...dport, '!=', `{ ${served.join(', ')} }`]
    return answer(...protocolMatch(protocol), ...portMatch(rule, protocol, 'sport'), ...dport, CLIENT_PORTS, ...butServed)
  }
  if (number === null) return [tcp, datagrams(UDP), datagrams(SCTP), echo]
  if (number === TCP) return [tcp]
  if (number === ICMP || number === ICMPV6) return [echo]
  if (namesOfPorts[number] !== undefined) return [datagrams(number)]
  return [answer(...protocolMatch(number))]
}

/** Ranges of the ports that rules of the other direction name, which don't overlap, as nft wants them. */
function servicePorts(rule: SecurityGroupRuleRow, protocol: number, ofGroup: readonly SecurityGroupRuleRow[]): string[] {
  const ranges = ofGroup
    .filter((one) => one.direction !== rule.direction && one.ethertype === rule.ethertype && numberOf(one) === protocol)
    .flatMap(({ port_range_min: min, port_range_max: max }) => (min === null ? [] : [{ min, max: max ?? min }]))
    .sort((a, b) => a.min - b.min)
  const merged: typeof ranges = []
  for (const range of ranges) {
    const last = merged.at(-1)
    if (last !== undefined && range.min <= last.max) last.max = Math.max(last.max, range.max)
    else merged.push({ ...range })
  }
  return merged.map(({ min, max }) => (min === max ? String(min) : `${min}-${max}`))
}

const family = ({ ethertype }: SecurityGroupRuleRow) => ['ether', 'type', ethertype === 'IPv4' ? 'ip' : 'ip6']

function remote(rule: SecurityGroupRuleRow, field: 'saddr' | 'daddr'): string[] {
  const ip = rule.ethertype === 'IPv4' ? 'ip' : 'ip6'
  if (rule.remote_group_id !== null) return [ip, field, `@${remoteSet(rule.remote_group_id, rule.ethertype === 'IPv4' ? 4 : 6)}`]
  if (rule.remote_ip_prefix === null || rule.remote_ip_prefix.endsWith('/0')) return []
  return [ip, field, rule.remote_ip_prefix]
}

const protocolMatch = (number: number) => ['meta', 'l4proto', String(number)]

function portMatch(rule: SecurityGroupRuleRow, number: number, side: 'dport' | 'sport'): string[] {
  const { port_range_min: min, port_range_max: max } = rule
  if (min === null) return []
  if (number === ICMP || number === ICMPV6) {
    const icmp = number === ICMP ? 'icmp' : 'icmpv6'
    return [icmp, 'type', String(min), ...(max === null ? [] : [icmp, 'code', String(max)])]
  }
  return [namesOfPorts[number]!, side, min === max ? String(min) : `${min}-${max}`]
}

const numberOf = (rule: SecurityGroupRuleRow): number | null =>
  rule.protocol === null ? null : protocolNumber(rule.protocol, rule.ethertype)!
