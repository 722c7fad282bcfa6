/**
 * Which traffic the VIP's interface takes, for interfaces that no security group protects (SR-IOV): an nftables table in the inner namespace,
 * replaced as a whole (`octavia/amphorae/backends/utils/nftable_utils.py`).
 */
import { exec } from '../lib/exec.ts'
import { parseCidr } from '../lib/ip.ts'
import { type Paths, writeAtomically } from './files.ts'
import { inNamespaceArguments } from './ip-command.ts'
import { frameworkError } from './router.ts'

export interface VipRule {
  protocol: 'TCP' | 'UDP' | 'SCTP' | 'VRRP'
  cidr: string | null
  port: number
}

const TABLE = 'inet amphora_table'

/** Throws a 400 for what is no list of rules. */
export function parseVipRules(value: unknown): VipRule[] {
  if (!Array.isArray(value) || !value.every(isVipRule)) throw frameworkError(400, 'Invalid rules information')
  return value
}

export async function applyVipRules(namespace: string, paths: Paths, device: string, rules: readonly VipRule[]): Promise<void> {
  const text = renderVipRules(device, rules)
  writeAtomically(paths.vipRules, text, { mode: 0o600, sync: true })
  const [command, args] = inNamespaceArguments(namespace, 'nft', ['-f', '-'])
  await exec(command, args, { input: text })
}

/** Other interfaces than the VIP's take answers only, and what neighbours need to be found. */
export function renderVipRules(device: string, rules: readonly VipRule[]): string {
  return `table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  chain amphora_chain {
    type filter hook input priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iif lo accept
    ip saddr 127.0.0.0/8 drop
    ip6 saddr ::1 drop
    icmp type destination-unreachable accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, packet-too-big, destination-unreachable } accept
    udp sport 67 udp dport 68 accept
    udp sport 547 udp dport 546 accept
    iifname ${device} goto amphora_vip_chain
  }
  chain amphora_vip_chain {
${rules.map((rule) => `    ${ruleText(rule)}\n`).join('')}  }
}
`
}

function ruleText({ protocol, cidr, port }: VipRule): string {
  const range = cidr === null ? null : parseCidr(cidr)
  const source = range === null || cidr === '0.0.0.0/0' ? '' : `${range.version === 4 ? 'ip' : 'ip6'} saddr ${cidr} `
  return protocol === 'VRRP' ? `${source}ip protocol 112 accept` : `${source}${protocol.toLowerCase()} dport ${port} accept`
}

function isVipRule(value: unknown): value is VipRule {
  if (typeof value !== 'object' || value === null) return false
  const { protocol, cidr, port, ...others } = value as Record<string, unknown>
  const isRange = cidr === null || (typeof cidr === 'string' && parseCidr(cidr) !== null)
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535
  return ['TCP', 'UDP', 'SCTP', 'VRRP'].includes(protocol as string) && isRange && isPort && Object.keys(others).length === 0
}
