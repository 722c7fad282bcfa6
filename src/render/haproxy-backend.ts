/** A pool as one listener sees it. A pool that two listeners use is printed twice, for the listeners' mode, timeouts and headers shape it. */

import { formatIp, parseIp } from '../lib/ip.ts'
import { failure } from '../resources/failures.ts'
import { isWanted, type ListenerTree, type LoadBalancerTree, type PoolTree } from '../resources/load-balancer/tree.ts'
import type { HaproxyOptions } from './haproxy.ts'
import { type Line, nameInParentheses, type Section, withoutVariables } from './haproxy-words.ts'

const PING_SCRIPT = '/var/lib/octavia/ping-wrapper.sh'
/** The cookie by which HAProxy finds a client's server again. */
const SERVER_COOKIE = 'SRV'
const APP_COOKIE_LENGTH = 64

export function backendName(pool_id: string, listener_id: string): string {
  return `${pool_id}:${listener_id}`
}

/** Traffic of HTTP listeners is read as HTTP; all other goes through byte by byte, whatever the pool is called. */
export function modeOf({ protocol }: Pick<ListenerTree, 'protocol'>): 'http' | 'tcp' {
  return protocol === 'HTTP' || protocol === 'TERMINATED_HTTPS' ? 'http' : 'tcp'
}

export function peersName(load_balancer_id: string): string {
  return `${load_balancer_id.replaceAll('-', '')}_peers`
}

/** `host:port`, with an IPv6 address in brackets. */
export function endpoint(address: string, port: number): string {
  return `${bracketed(address)}:${port}`
}

/** HAProxy takes the last group of an IPv6 address for a port unless brackets say otherwise. */
function bracketed(address: string): string {
  const ip = parseIp(address)
  if (ip === null) throw failure('no_ip_address', { details: address })
  return ip.version === 6 ? `[${formatIp(ip)}]` : formatIp(ip)
}

export function backend(loadBalancer: LoadBalancerTree, listener: ListenerTree, pool: PoolTree, options: HaproxyOptions): Section {
  const mode = modeOf(listener)
  const healthMonitor = effectiveHealthMonitor(pool)
  return {
    head: ['backend', backendName(pool.id, listener.id)],
    lines: [
      ['mode', mode],
      ...(mode === 'http' ? [['http-reuse', 'safe']] : []),
      ...balanceLines(pool),
      ...persistenceLines(loadBalancer, pool, mode, options),
      ['load-server-state-from-file', 'global'],
      ...(healthMonitor === null ? [] : checkLines(healthMonitor)),
      ...(mode === 'http' ? headerLines(listener) : []),
      ['fullconn', connectionLimit(listener, options)],
      ['option', 'allbackups'],
      ['timeout', 'connect', listener.timeout_member_connect],
      ['timeout', 'server', listener.timeout_member_data],
      ...pool.members.filter(isWanted).map((member) => serverLine(pool, member, healthMonitor, mode)),
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
      throw failure('algorithm_not_served')
  }
}

/** Of a pair, both amphorae know who was sent where. Cookies are HTTP's: on other listeners HAProxy could not see them. */
function persistenceLines(loadBalancer: LoadBalancerTree, pool: PoolTree, mode: 'http' | 'tcp', options: HaproxyOptions): Line[] {
  const persistence = pool.session_persistence
  const shared = loadBalancer.topology === 'ACTIVE_STANDBY' ? ['peers', peersName(loadBalancer.id)] : []
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

function checkLines(healthMonitor: HealthMonitor): Line[] {
  const timeout: Line = ['timeout', 'check', `${healthMonitor.timeout}s`]
  switch (healthMonitor.type) {
    case 'HTTP':
    case 'HTTPS':
      return [timeout, ...httpCheckLines(healthMonitor)]
    case 'PING':
      return [timeout, ['option', 'external-check'], ['external-check', 'command', PING_SCRIPT]]
    // A connection is the check.
    case 'TCP':
    case 'TLS-HELLO':
    case 'UDP-CONNECT':
    case 'SCTP':
      return [timeout]
  }
}

function httpCheckLines({ http_method, url_path, http_version, domain_name, expected_codes }: HealthMonitor): Line[] {
  const version = http_version === 1.1 ? ['ver', 'HTTP/1.1'] : []
  const host = domain_name === null ? [] : ['hdr', 'Host', withoutVariables(domain_name)]
  return [
    ['option', 'httpchk'],
    ['http-check', 'send', 'meth', http_method ?? 'GET', 'uri', url_path ?? '/', ...version, ...host],
    ['http-check', 'expect', 'rstatus', codesPattern(expected_codes ?? '200')],
  ]
}

/** `200`, `200,202` or `200-204` as a pattern that holds for exactly these. */
function codesPattern(expected_codes: string): string {
  const codes = expected_codes.split(',').flatMap((item) => {
    const [, first, last] = /^(\d{3})(?:-(\d{3}))?$/.exec(item.trim()) ?? []
    if (first === undefined) throw failure('no_status_codes', { details: expected_codes })
    const count = Number(last ?? first) - Number(first) + 1
    return Array.from({ length: Math.max(count, 0) }, (_, i) => Number(first) + i)
  })
  return codes.join('|')
}

/** What clients' requests are given on their way; the API knows the names, and a value of `true` asks for one. */
function headerLines(listener: ListenerTree): Line[] {
  const wanted = (name: string) => listener.insert_headers[name]?.toLowerCase() === 'true'
  const lines: Line[] = []
  if (wanted('X-Forwarded-For')) lines.push(['option', 'forwardfor'])
  if (wanted('X-Forwarded-Port')) lines.push(['http-request', 'set-header', 'X-Forwarded-Port', '%[dst_port]'])
  if (wanted('X-Forwarded-Proto')) {
    lines.push(['http-request', 'set-header', 'X-Forwarded-Proto', listener.protocol === 'HTTP' ? 'http' : 'https'])
  }
  return lines
}

function serverLine(pool: PoolTree, member: PoolTree['members'][number], healthMonitor: HealthMonitor | null, mode: 'http' | 'tcp'): Line {
  const { id, address, protocol_port, weight, backup, admin_state_up } = member
  const sticks = mode === 'http' && pool.session_persistence?.type === 'HTTP_COOKIE'
  return [
    'server',
    id,
    endpoint(address, protocol_port),
    'weight',
    weight,
    ...(healthMonitor === null ? [] : checkWords(healthMonitor, member)),
    ...(sticks ? ['cookie', id] : []),
    ...(pool.protocol === 'PROXY' ? ['send-proxy'] : []),
    ...(pool.protocol === 'PROXYV2' ? ['send-proxy-v2'] : []),
    ...(backup ? ['backup'] : []),
    ...(admin_state_up ? [] : ['disabled']),
  ]
}

function checkWords(healthMonitor: HealthMonitor, { monitor_address, monitor_port }: PoolTree['members'][number]): Line {
  const { type, delay, max_retries_down, max_retries } = healthMonitor
  return [
    'check',
    ...(type === 'HTTPS' ? ['check-ssl', 'verify', 'none'] : []),
    'inter',
    `${delay}s`,
    'fall',
    max_retries_down,
    'rise',
    max_retries,
    ...(monitor_address === null ? [] : ['addr', bracketed(monitor_address)]),
    ...(monitor_port === null ? [] : ['port', monitor_port]),
  ]
}
