/**
 * The nftables table of one UDP listener, as a script that is one transaction: who asks sees the rules of before or those of after. Counters
 * and, while the limit is the same, the connections counted for it outlive it; the rules are all laid anew.
 *
 * A packet goes through: `refuse` (no member: the sender is told so), `choose` (the first of a connection gets its member), `pass` (limits and
 * counters), `back` (members see the amphora's address, so that their answers come back through it).
 */
import type { Endpoint, ForwardedService } from './lvs-file.ts'

/** Fixed: with a new seed all sources would move at each change, and a pair's amphorae would not agree. */
const SEED = '0x0c7a71a'
/** Members of one listener whose connections are counted. */
const MOST_LIMITED_MEMBERS = 4096

export interface PlannedService {
  family: 4 | 6
  vips: Endpoint[]
  choice: ForwardedService['choice']
  mask: string | null
  /** The members of the turns or of the buckets, in order; empty where nobody takes connections. */
  members: readonly Endpoint[]
  /** Connections that one member may have at once. */
  limit: number | null
}

export function tableOf(listener_id: string): string {
  return `inet udp-${listener_id}`
}

/** `stale`: limits of before, whose sets go. All texts in it come from the model, which holds only addresses and numbers. */
export function renderRuleset(listener_id: string, services: readonly PlannedService[], stale: readonly Limit[]): string {
  const table = tableOf(listener_id)
  const chain = (name: string, head: string, rules: string[]) =>
    `  chain ${name} {\n    ${head}\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`
  const [open, closed] = [services.filter(({ members }) => members.length > 0), services.filter(({ members }) => members.length === 0)]
  return [
    `add table ${table}\n`,
    `flush table ${table}\n`,
    // Made, where they are gone already, to be deleted without a complaint.
    ...stale.map((limit) => `table ${table} {\n${limitSet(limit)}}\ndelete set ${table} ${limitSetName(limit)}\n`),
    `table ${table} {\n`,
    ...['sent', 'answered', 'connections'].map((counter) => `  counter ${counter} {\n  }\n`),
    ...services.flatMap((service) => limitsOf(service).map(limitSet)),
    chain(
      'refuse',
      'type filter hook prerouting priority -110',
      closed.map((service) => `${toVip(service)} ct status & dnat == 0 ${REJECT}`),
    ),
    chain('choose', 'type nat hook prerouting priority dstnat', open.map(chooseRule)),
    chain('pass', 'type filter hook forward priority filter', services.flatMap(passRules)),
    chain(
      'back',
      'type nat hook postrouting priority srcnat',
      services.map((service) => `${ofConnection(service)} masquerade`),
    ),
    '}\n',
  ].join('')
}

export interface Limit {
  family: 4 | 6
  limit: number
}

/** One, or none. */
export function limitsOf({ family, limit }: Pick<PlannedService, 'family' | 'limit'>): Limit[] {
  return limit === null ? [] : [{ family, limit }]
}

/** Named after the limit, since the kernel keeps a set's limit for as long as the set. */
function limitSetName({ family, limit }: Limit): string {
  return `limit-${limit}-ipv${family}`
}

const REJECT = 'reject with icmpx port-unreachable'
/** The first packet of a connection; an answer need not come ever, so nftables' `new` would be all of some connections. */
const FIRST = 'ct status & confirmed == 0'

function toVip({ family, vips }: PlannedService): string {
  return `${family === 4 ? 'ip' : 'ip6'} daddr . udp dport { ${vips.map(({ address, port }) => `${address} . ${port}`).join(', ')} }`
}

function chooseRule(service: PlannedService): string {
  const { family, choice, mask, members } = service
  const ip = family === 4 ? 'ip' : 'ip6'
  const source = {
    turn: 'numgen inc',
    fewest: 'numgen inc',
    source: `jhash ${ip} saddr${mask === null ? '' : ` & ${mask}`}`,
    'source and port': `jhash ${ip} saddr . udp sport`,
  }[choice]
  const seed = source.startsWith('jhash') ? ` seed ${SEED}` : ''
  const elements = members.map(({ address, port }, index) => `${index} : ${address} . ${port}`)
  return `${toVip(service)} dnat ${ip} to ${source} mod ${members.length}${seed} map { ${elements.join(', ')} }`
}

function passRules(service: PlannedService): string[] {
  const connection = ofConnection(service)
  const member = `${service.family === 4 ? 'ip' : 'ip6'} daddr . udp dport`
  return [
    ...limitsOf(service).map(
      (limit) =>
        `${connection} ct direction original ${FIRST} add @${limitSetName(limit)} { ${member} ct count over ${limit.limit} } ${REJECT}`,
    ),
    `${connection} ct direction original ${FIRST} counter name connections`,
    `${connection} ct direction original counter name sent`,
    `${connection} ct direction reply counter name answered`,
  ]
}

/** Packets of connections to the VIPs, in both directions. */
function ofConnection({ family, vips }: PlannedService): string {
  const addresses = [...new Set(vips.map(({ address }) => address))].join(', ')
  const ports = [...new Set(vips.map(({ port }) => port))].join(', ')
  return `meta l4proto udp ct original ${family === 4 ? 'ip' : 'ip6'} daddr { ${addresses} } ct original proto-dst { ${ports} }`
}

function limitSet(limit: Limit): string {
  const type = limit.family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  return `  set ${limitSetName(limit)} {\n    type ${type} . inet_service\n    size ${MOST_LIMITED_MEMBERS}\n    flags dynamic\n  }\n`
}
