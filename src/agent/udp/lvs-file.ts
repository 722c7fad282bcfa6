/**
 * What a controller wants of a UDP or SCTP listener: its keepalived configuration read into a model, whether our controller wrote it
 * (`src/render/lvs.ts`) or upstream's. Ids, disabled members and what keepalived has no words for stand in comments. Every address is spelled
 * anew and every number read, so that what is made of them holds nothing else.
 */
import { formatIp, type Ip, parseIp } from '../../lib/ip.ts'
import { parseStatements, type Statement, UnreadableConfiguration } from './keepalived-words.ts'

export interface Endpoint {
  address: string
  port: number
}

/** How a member is asked whether it is well. */
export type Check = Endpoint & { timeoutMs: number } & (
    | { kind: 'udp' | 'tcp' }
    | { kind: 'http'; method: string; path: string; version: '1.0' | '1.1'; host: string | null; codes: [first: number, last: number][] }
  )

export interface MonitoredCheck {
  check: Check
  delayMs: number
  /** Checks in a row that take a member down, or bring it back. */
  fall: number
  rise: number
}

export interface ForwardedMember extends Endpoint {
  id: string | null
  weight: number
  isBackup: boolean
  /** Connections at once; null where there is no limit. */
  limit: number | null
  /** Keepalived checks it, be it in a way that is not for agents without IPVS. */
  isChecked: boolean
  /** The check, where an agent can do it. */
  monitor: MonitoredCheck | null
}

/** The VIPs of one family and the members behind them. */
export interface ForwardedService {
  family: 4 | 6
  vips: Endpoint[]
  /** Which member a new connection gets: each in its turn, the one with the fewest, or by a hash of where it comes from. */
  choice: 'turn' | 'fewest' | 'source' | 'source and port'
  /** Sources that are equal under this mask go to the same member; null: the whole address counts. */
  mask: string | null
  members: ForwardedMember[]
}

export interface ForwardedListener {
  protocol: 'UDP' | 'SCTP'
  pool_id: string | null
  isDisabled: boolean
  disabledMembers: string[]
  services: ForwardedService[]
}

/** What a timer takes. */
const LONGEST_MS = 2 ** 31 - 1
const DEFAULT_DELAY_SECONDS = 60
const DEFAULT_TIMEOUT_SECONDS = 5
/** keepalived.conf(5): of checks by a program none is repeated before a member falls, of others one. */
const DEFAULT_RETRIES = { udp: 0, tcp: 1, http: 1 }

/** Throws UnreadableConfiguration for what is no such file, or asks for what nobody understands. */
export function parseLvsFile(text: string): ForwardedListener {
  const statements = parseStatements(text)
  const comments = commentsIn(statements)
  const idOf = (kind: string) => comments.flatMap((comment) => new RegExp(`^Configuration for ${kind} (\\S+)$`).exec(comment)?.[1] ?? [])[0]
  const groups = new Map(
    statements.filter(({ words }) => words[0] === 'virtual_server_group').map(({ words, body }) => [words[1], endpointsOf(body ?? [])]),
  )
  const servers = statements.filter(({ words }) => words[0] === 'virtual_server')
  const protocols = servers.map(({ body }) => wordAfter(body ?? [], 'protocol') ?? 'TCP')
  if (protocols.some((protocol) => protocol !== 'UDP' && protocol !== 'SCTP'))
    throw new UnreadableConfiguration('a virtual server is neither UDP nor SCTP')
  return {
    protocol: protocols.includes('SCTP') ? 'SCTP' : 'UDP',
    pool_id: idOf('Pool') ?? null,
    isDisabled: comments.some((comment) => /^Listener \S+ is disabled$/.test(comment)),
    disabledMembers: [...new Set(comments.flatMap((comment) => /^Member (\S+) is disabled$/.exec(comment)?.[1] ?? []))],
    services: servers.map((server) => serviceOf(server, groups)),
  }
}

function serviceOf({ words, body }: Statement, groups: Map<string | undefined, Endpoint[]>): ForwardedService {
  const statements = body ?? []
  const vips = words[1] === 'group' ? groups.get(words[2]) : [endpoint(words[1], words[2])]
  if (vips === undefined || vips.length === 0) throw new UnreadableConfiguration(`a virtual server's group '${words[2]}' has no addresses`)
  const families = new Set(vips.map(({ address }) => parseIp(address)!.version))
  if (families.size !== 1) throw new UnreadableConfiguration('a virtual server has addresses of both families')
  const family = [...families][0]!
  const method = wordAfter(statements, 'lb_kind') ?? wordAfter(statements, 'lvs_method') ?? 'NAT'
  if (method !== 'NAT') throw new UnreadableConfiguration(`'${method}' is not how packets are forwarded here`)
  const scheduler = wordAfter(statements, 'lb_algo') ?? wordAfter(statements, 'lvs_sched') ?? 'wrr'
  const isPersistent = statements.some(({ words }) => words[0] === 'persistence_timeout')
  return {
    family,
    vips,
    // Persistence goes before the algorithm: a source that is known stays where it is.
    choice: isPersistent ? 'source' : choiceOf(scheduler, statements),
    mask: isPersistent ? maskOf(wordAfter(statements, 'persistence_granularity'), family) : null,
    members: membersOf(statements).map((member) => {
      if (parseIp(member.address)!.version !== family) throw new UnreadableConfiguration(`${member.address} is not of its service's family`)
      // These know no weights, but for nought.
      return ['rr', 'lc'].includes(scheduler) ? { ...member, weight: Math.min(member.weight, 1) } : member
    }),
  }
}

function choiceOf(scheduler: string, statements: Statement[]): ForwardedService['choice'] {
  if (scheduler === 'rr' || scheduler === 'wrr') return 'turn'
  if (scheduler === 'lc' || scheduler === 'wlc') return 'fewest'
  if (scheduler !== 'sh') throw new UnreadableConfiguration(`'${scheduler}' is no known algorithm`)
  return statements.some(({ words }) => words[0] === 'sh-port') ? 'source and port' : 'source'
}

/** Null for a mask that leaves the whole address. */
function maskOf(text: string | undefined, family: 4 | 6): string | null {
  const whole = family === 4 ? 32 : 128
  const mask: Ip | null =
    text === undefined ? null : /^\d{1,3}$/.test(text) ? maskOfLength(Math.min(Number(text), whole), whole, family) : parseIp(text)
  // Upstream gives IPv6 services a netmask of IPv4: then each source is one by itself.
  if (mask === null || mask.version !== family || mask.value === (1n << BigInt(whole)) - 1n) return null
  return formatIp(mask)
}

function maskOfLength(length: number, whole: number, version: 4 | 6): Ip {
  return { version, value: ((1n << BigInt(length)) - 1n) << BigInt(whole - length) }
}

/** A member's id is in the comment before it. */
function membersOf(statements: Statement[]): ForwardedMember[] {
  let id: string | null = null
  const members: ForwardedMember[] = []
  for (const { words, body, comment } of statements) {
    const named = /^Configuration for Member (\S+)$/.exec(comment ?? '')?.[1]
    if (named !== undefined) id = named
    if (words[0] !== 'real_server') continue
    const own = body ?? []
    const limit = numberAfter(own, 'uthreshold') ?? 0
    members.push({
      ...endpoint(words[1], words[2]),
      id,
      weight: numberAfter(own, 'weight') ?? 1,
      isBackup: own.some(({ comment }) => comment !== null && / is a backup$/.test(comment)),
      limit: limit > 0 ? limit : null,
      isChecked: own.some(({ words }) => ['MISC_CHECK', 'TCP_CHECK', 'HTTP_GET'].includes(words[0] ?? '')),
      monitor: monitorOf(own, statements),
    })
    id = null
  }
  return members
}

function monitorOf(member: Statement[], service: Statement[]): MonitoredCheck | null {
  const check = checkOf(member)
  if (check === null) return null
  const threshold = (name: string) => {
    const text = service.flatMap(({ comment }) => new RegExp(`^${name} threshold (\\d+)$`).exec(comment ?? '')?.[1] ?? [])[0]
    return text === undefined ? undefined : Math.max(Number(text), 1)
  }
  return {
    check,
    delayMs: seconds(service, 'delay_loop', DEFAULT_DELAY_SECONDS),
    fall: threshold('Fall') ?? (numberAfter(service, 'retry') ?? DEFAULT_RETRIES[check.kind]) + 1,
    rise: threshold('Rise') ?? 1,
  }
}

function checkOf(member: Statement[]): Check | null {
  for (const { words, body } of member) {
    const statements = body ?? []
    if (words[0] === 'MISC_CHECK') {
      const [command = '', ip, port] = (wordAfter(statements, 'misc_path') ?? '').split(' ')
      // The other program checks by SCTP.
      if (!command.endsWith('/udp_check.sh')) return null
      return { kind: 'udp', ...endpoint(ip, port), timeoutMs: seconds(statements, 'misc_timeout', DEFAULT_TIMEOUT_SECONDS) }
    }
    if (words[0] !== 'TCP_CHECK' && words[0] !== 'HTTP_GET') continue
    const connection = {
      ...endpoint(wordAfter(statements, 'connect_ip'), wordAfter(statements, 'connect_port')),
      timeoutMs: seconds(statements, 'connect_timeout', DEFAULT_TIMEOUT_SECONDS),
    }
    return words[0] === 'TCP_CHECK' ? { kind: 'tcp', ...connection } : httpCheck(statements, connection)
  }
  return null
}

/** Of several urls, with a code each as upstream has them, any code will do: that was meant, though keepalived wants each to hold. */
function httpCheck(statements: Statement[], connection: Endpoint & { timeoutMs: number }): Check {
  const urls = statements.filter(({ words }) => words[0] === 'url').map(({ body }) => body ?? [])
  const codes = urls.flatMap((url) => url.filter(({ words }) => words[0] === 'status_code').flatMap(({ words }) => words.slice(1)))
  return {
    kind: 'http',
    ...connection,
    method: commentsIn(statements).flatMap((comment) => /^Method ([A-Z]+)$/.exec(comment)?.[1] ?? [])[0] ?? 'GET',
    path: visible(urls.flatMap((url) => wordAfter(url, 'path') ?? [])[0] ?? '/'),
    version: wordAfter(statements, 'http_protocol')?.startsWith('1.1') ? '1.1' : '1.0',
    host: urls.flatMap((url) => wordAfter(url, 'virtualhost') ?? []).map(visible)[0] ?? null,
    codes: codes.length === 0 ? [[200, 299]] : codes.map(codeRange),
  }
}

function codeRange(text: string): [number, number] {
  const [, first, last] = /^(\d{3})(?:-(\d{3}))?$/.exec(text) ?? []
  if (first === undefined) throw new UnreadableConfiguration(`'${text}' is no HTTP status`)
  return [Number(first), Number(last ?? first)]
}

/** Nothing that could end a line of HTTP, or a word of it. */
function visible(text: string): string {
  if (!/^[!-~]+$/.test(text)) throw new UnreadableConfiguration(`'${text}' cannot be sent in an HTTP request`)
  return text
}

function endpointsOf(statements: Statement[]): Endpoint[] {
  return statements.filter(({ words }) => words.length > 0).map(({ words }) => endpoint(words[0], words[1]))
}

function endpoint(address: string | undefined, port: string | undefined): Endpoint {
  const ip = parseIp(address ?? '')
  const number = Number(port)
  if (ip === null || !/^\d{1,5}$/.test(port ?? '') || number < 1 || number > 65_535)
    throw new UnreadableConfiguration(`'${address} ${port}' is not an address and a port`)
  return { address: formatIp(ip), port: number }
}

function wordAfter(statements: Statement[], name: string): string | undefined {
  return statements.find(({ words }) => words[0] === name)?.words[1]
}

function numberAfter(statements: Statement[], name: string): number | undefined {
  const text = wordAfter(statements, name)
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text)) throw new UnreadableConfiguration(`${name} is not a number`)
  return Number(text)
}

/** In milliseconds. */
function seconds(statements: Statement[], name: string, fallback: number): number {
  const value = Number(wordAfter(statements, name) ?? fallback)
  if (!(value > 0)) throw new UnreadableConfiguration(`${name} is no time`)
  return Math.min(value * 1000, LONGEST_MS)
}

function commentsIn(statements: Statement[]): string[] {
  return statements.flatMap(({ comment, body }) => [...(comment === null ? [] : [comment]), ...(body === null ? [] : commentsIn(body))])
}
