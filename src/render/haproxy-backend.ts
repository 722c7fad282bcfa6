/** A pool as one listener sees it. A pool that two listeners use is printed twice, for the listeners' mode, timeouts and headers shape it. */

import { createHash } from 'node:crypto'
import { failure } from '../resources/failures.ts'
import { isWanted, type ListenerTree, type LoadBalancerTree, type PoolTree } from '../resources/load-balancer/tree.ts'
import type { HaproxyOptions } from './haproxy.ts'
import { requestHeaderLines } from './haproxy-headers.ts'
import { hasPeers, peersName } from './haproxy-peers.ts'
import { offloadsTls, protocolsOf, serverTlsWords } from './haproxy-tls.ts'
import { bracketed, endpoint, type Line, nameInParentheses, type Section, withoutVariables } from './haproxy-words.ts'

const PING_SCRIPT = '/var/lib/octavia/ping-wrapper.sh'
/** The cookie by which HAProxy finds a client's server again. */
const SERVER_COOKIE = 'SRV'
const APP_COOKIE_LENGTH = 64

export function backendName(pool_id: string, listener_id: string): string {
  return `${pool_id}:${listener_id}`
}

/** Traffic of HTTP listeners is read as HTTP; all other goes through byte by byte, whatever the pool is called. */
export function modeOf({ protocol }: Pick<ListenerTree, 'protocol'>): 'http' | 'tcp' {
  return protocol === 'HTTP' || protocol === 'TERMINATED_HTTPS' || protocol === 'PROMETHEUS' ? 'http' : 'tcp'
}

export function backend(loadBalancer: LoadBalancerTree, listener: ListenerTree, pool: PoolTree, options: HaproxyOptions): Section {
  const mode = modeOf(listener)
  const healthMonitor = effectiveHealthMonitor(pool)
  const members = pool.members.filter(isWanted)
  const numbers = isHashed(pool) ? serverNumbers(members) : null
  return {
    head: ['backend', backendName(pool.id, listener.id)],
    lines: [
      ['mode', mode],
      ...(mode === 'http' ? [['http-reuse', 'safe']] : []),
      ...balanceLines(pool),
      ...persistenceLines(loadBalancer, pool, mode, options),
      ['load-server-state-from-file', 'global'],
      ...(healthMonitor === null ? [] : checkLines(healthMonitor, pool, bracketed(loadBalancer.vip_address))),
      ...(mode === 'http' ? requestHeaderLines(listener) : []),
      ['fullconn', connectionLimit(listener, options)],
      ['option', 'allbackups'],
      ['timeout', 'connect', listener.timeout_member_connect || options.defaultTimeouts.timeout_member_connect],
      ['timeout', 'server', listener.timeout_member_data || options.defaultTimeouts.timeout_member_data],
      ...members.map((member) => serverLine(listener, pool, member, healthMonitor, numbers?.get(member.id))),
    ],
  }
}

export function connectionLimit({ connection_limit }: Pick<ListenerTree, 'connection_limit'>, options: HaproxyOptions): number {
  return connection_limit < 0 ? options.defaultConnectionLimit : connection_limit
}

/** Null also for one that is disabled or being deleted: nobody is checked then. */
export function effectiveHealthMonitor({ health_monitor }: PoolTree): HealthMonitor | null {
  return health_monitor !== null && isWanted(health_monitor) && health_monitor.admin_state_up ? health_monitor : null
}

type HealthMonitor = NonNullable<PoolTree['health_monitor']>

/** Where a connection's source address and port are kept for SOURCE_IP_PORT: HAProxy hashes one value. */
const SOURCE_VARIABLE = 'sess.source'

/** What a frontend must do before its pools can balance by this algorithm. */
export function sourceLines(pools: PoolTree[]): Line[] {
  if (!pools.some(({ lb_algorithm }) => lb_algorithm === 'SOURCE_IP_PORT')) return []
  return [['tcp-request', 'session', `set-var-fmt(${SOURCE_VARIABLE})`, '%[src]:%[src_port]']]
}

/** With consistent hashing a new server takes only its share of the clients, and may be added while HAProxy runs. */
function balanceLines({ lb_algorithm }: PoolTree): Line[] {
  switch (lb_algorithm) {
    case 'ROUND_ROBIN':
      return [['balance', 'roundrobin']]
    case 'LEAST_CONNECTIONS':
      return [['balance', 'leastconn']]
    case 'SOURCE_IP':
      return [
        ['balance', 'source'],
        ['hash-type', 'consistent'],
      ]
    case 'SOURCE_IP_PORT':
      return [
        ['balance', 'hash', `var(${SOURCE_VARIABLE})`],
        ['hash-type', 'consistent'],
      ]
  }
}

/** Whether a client's address decides which server it gets. */
function isHashed({ lb_algorithm }: PoolTree): boolean {
  return lb_algorithm === 'SOURCE_IP' || lb_algorithm === 'SOURCE_IP_PORT'
}

/** HAProxy takes numbers up to 2^31 - 1, but only the lowest 20 bits tell servers apart in its hash (`lb_chash.c` multiplies by 4096 in 32 bits). */
const MAX_SERVER_NUMBER = 2 ** 20 - 1

/**
 * HAProxy hashes by the servers' numbers, which are their places in the file unless it says otherwise. These hang on the member alone, so that a
 * client keeps its server when others come and go, over reloads, and on the other amphora of a pair.
 */
function serverNumbers(members: PoolTree['members']): Map<string, number> {
  const taken = new Set<number>()
  return new Map(
    members.map(({ id }) => {
      let number = (createHash('sha256').update(id).digest().readUInt32BE() % MAX_SERVER_NUMBER) + 1
      while (taken.has(number)) number = (number % MAX_SERVER_NUMBER) + 1
      taken.add(number)
      return [id, number]
    }),
  )
}

/** Whether HAProxy remembers in a table where it sent whom; HTTP_COOKIE lets the client remember. */
export function hasStickTable({ session_persistence }: PoolTree, mode: 'http' | 'tcp'): boolean {
  return session_persistence?.type === 'SOURCE_IP' || (session_persistence?.type === 'APP_COOKIE' && mode === 'http')
}

/** Of a pair both amphorae know who was sent where, and after a reload HAProxy still does. Cookies are HTTP's: on other listeners they cannot be seen. */
function persistenceLines(loadBalancer: LoadBalancerTree, pool: PoolTree, mode: 'http' | 'tcp', options: HaproxyOptions): Line[] {
  const persistence = pool.session_persistence
  const shared = hasPeers(loadBalancer) ? ['peers', peersName(loadBalancer)] : []
  if (persistence?.type === 'SOURCE_IP') {
    return [
      ['stick-table', 'type', 'ipv6', 'size', options.stickSize, ...shared],
      ['stick', 'on', 'src'],
    ]
  }
  if (mode !== 'http') return []
  if (persistence?.type === 'HTTP_COOKIE') return [['cookie', SERVER_COOKIE, 'insert', 'indirect', 'nocache']]
  if (persistence?.type !== 'APP_COOKIE') return []
  const cookie = nameInParentheses(persistence.cookie_name ?? '')
  return [
    ['stick-table', 'type', 'string', 'len', APP_COOKIE_LENGTH, 'size', options.stickSize, ...shared],
    ['stick', 'store-response', `res.cook(${cookie})`],
    ['stick', 'match', `req.cook(${cookie})`],
  ]
}

/** HAProxy's times go up to 2^31 - 1 milliseconds, and between two checks it wants some. */
function seconds(count: number): string {
  return `${Math.min(Math.max(count, 1), MAX_SECONDS)}s`
}

const MAX_SECONDS = 2_147_483

/** In: as what members are asked where the monitor has no name for them. */
function checkLines(healthMonitor: HealthMonitor, pool: PoolTree, vip: string): Line[] {
  const timeout: Line = ['timeout', 'check', seconds(healthMonitor.timeout)]
  switch (healthMonitor.type) {
    case 'HTTP':
    case 'HTTPS':
      return [timeout, ...httpCheckLines(healthMonitor, pool, vip)]
    case 'PING':
      return [timeout, ['option', 'external-check'], ['external-check', 'command', PING_SCRIPT]]
    // A connection is the check, with its handshake where it is encrypted.
    case 'TCP':
    case 'TLS-HELLO':
    case 'UDP-CONNECT':
    case 'SCTP':
      return [timeout]
  }
}

/** HTTP/1.1 and HTTP/2 are nothing without a host: servers refuse such requests. Upstream sends none unless the monitor has a name. */
function httpCheckLines(healthMonitor: HealthMonitor, pool: PoolTree, vip: string): Line[] {
  const { http_method, url_path, http_version, domain_name, expected_codes } = healthMonitor
  const version = http_version === 1.1 ? ['ver', 'HTTP/1.1'] : []
  const needsHost = http_version === 1.1 || checkProtocols(healthMonitor, pool).includes('h2')
  const host = domain_name ?? (needsHost ? vip : null)
  return [
    ['option', 'httpchk'],
    [
      ...['http-check', 'send', 'meth', http_method ?? 'GET', 'uri', url_path ?? '/', ...version],
      ...(host === null ? [] : ['hdr', 'Host', withoutVariables(host)]),
    ],
    ['http-check', 'expect', 'rstatus', codesPattern(expected_codes ?? '200')],
  ]
}

/** What a check offers to speak within TLS. Who asks for HTTP/1.0 gets no HTTP/2, unless the pool has nothing else. */
function checkProtocols({ type, http_version }: HealthMonitor, pool: PoolTree): string[] {
  if (!pool.tls_enabled || (type !== 'HTTP' && type !== 'HTTPS')) return []
  const offered = protocolsOf(pool)
  const older = offered.filter((protocol) => protocol !== 'h2')
  return http_version === 1.1 || older.length === 0 ? offered : older
}

/** `200`, `200,202` or `200-204` as a pattern that holds for exactly these. */
function codesPattern(expected_codes: string): string {
  const codes = expected_codes.split(',').flatMap((item) => {
    const [, first, last] = /^(\d{3})(?:-(\d{3}))?$/.exec(item.trim()) ?? []
    if (first === undefined) throw failure('no_status_codes', { details: expected_codes })
    const ends = [Number(first), Number(last ?? first)]
    const lowest = Math.min(...ends)
    return Array.from({ length: Math.max(...ends) - lowest + 1 }, (_, i) => String(lowest + i).padStart(3, '0'))
  })
  return [...new Set(codes)].join('|')
}

function serverLine(
  listener: ListenerTree,
  pool: PoolTree,
  member: PoolTree['members'][number],
  healthMonitor: HealthMonitor | null,
  number: number | undefined,
): Line {
  const { id, address, protocol_port, weight, backup, admin_state_up } = member
  const sticks = modeOf(listener) === 'http' && pool.session_persistence?.type === 'HTTP_COOKIE'
  return [
    'server',
    id,
    endpoint(address, protocol_port),
    ...(number === undefined ? [] : ['id', number]),
    'weight',
    weight,
    ...(healthMonitor === null ? [] : checkWords(healthMonitor, pool, member)),
    ...(sticks ? ['cookie', id] : []),
    ...(pool.protocol === 'PROXY' ? ['send-proxy'] : []),
    // Where TLS ends here, members are told what the client's certificate was.
    ...(pool.protocol === 'PROXYV2' ? [offloadsTls(listener) ? 'send-proxy-v2-ssl-cn' : 'send-proxy-v2'] : []),
    ...(backup ? ['backup'] : []),
    ...(admin_state_up ? [] : ['disabled']),
    ...serverTlsWords(listener.load_balancer_id, pool),
  ]
}

/** HAProxy checks as it sends traffic, by TLS where the pool has it; not so where it checks another address or port, unless told. */
function checkWords(healthMonitor: HealthMonitor, pool: PoolTree, { monitor_address, monitor_port }: PoolTree['members'][number]): Line {
  const { type, delay, max_retries_down, max_retries, domain_name } = healthMonitor
  const asksForTls = type === 'HTTPS' || type === 'TLS-HELLO'
  const protocols = checkProtocols(healthMonitor, pool)
  const isEncrypted = asksForTls || (pool.tls_enabled && monitor_address === null && monitor_port === null)
  return [
    'check',
    // A pool with TLS says itself what must hold of its members' certificates; for a monitor alone the handshake is what counts.
    ...(asksForTls ? ['check-ssl', ...(pool.tls_enabled ? [] : ['verify', 'none'])] : []),
    ...(isEncrypted && protocols.length > 0 ? ['check-alpn', protocols.join(',')] : []),
    ...(isEncrypted && domain_name !== null ? ['check-sni', domain_name] : []),
    'inter',
    seconds(delay),
    'fall',
    max_retries_down,
    'rise',
    max_retries,
    ...(monitor_address === null ? [] : ['addr', bracketed(monitor_address)]),
    ...(monitor_port === null ? [] : ['port', monitor_port]),
  ]
}
