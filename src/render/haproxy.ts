/**
 * haproxy.cfg of a load balancer: a pure function of its rows, laid out as upstream's (`octavia/common/jinja/haproxy/combined_listeners`),
 * so that its agent runs it too. What is disabled or being deleted is left out; users' names are never printed.
 */
import type { Config } from '../config/config.ts'
import { VisibleError } from '../flow/define.ts'
import { isWanted, type ListenerTree, type LoadBalancerTree, type PoolTree } from '../resources/load-balancer/tree.ts'
import { backend, backendName, connectionLimit, effectiveHealthMonitor, hasStickTable, modeOf, sourceLines } from './haproxy-backend.ts'
import { securityHeaderLines } from './haproxy-headers.ts'
import { effectivePolicies, policyLines } from './haproxy-l7.ts'
import { hasPeers, peersSection } from './haproxy-peers.ts'
import { PROMETHEUS_BACKEND, prometheusSections } from './haproxy-prometheus.ts'
import { bindTlsWords, hasCertificate } from './haproxy-tls.ts'
import { endpoint, type Line, printSections, type Section } from './haproxy-words.ts'
import { isForwardedByKernel } from './lvs.ts'

/** Where an amphora's log daemon listens. */
const LOG_SOCKET = '/run/rsyslog/octavia/log'
/** Upstream's cap on the sum of the listeners' limits. */
const MAX_CONNECTIONS = 1_000_000

/** In milliseconds. */
type Timeouts = Pick<ListenerTree, 'timeout_client_data' | 'timeout_member_connect' | 'timeout_member_data' | 'timeout_tcp_inspect'>

export interface HaproxyOptions {
  stickSize: string
  /** With upstream's placeholders `{{ project_id }}` and `{{ lb_id }}`. */
  logFormat: string
  connectionLogging: boolean
  /** The LOG_LOCALs of access logs and of what operators should know. */
  userLogFacility: number
  adminLogFacility: number
  defaultConnectionLimit: number
  /** Of listeners that say 0, as upstream. */
  defaultTimeouts: Timeouts
  hardStopAfterSeconds: number
  /** Whether a listener that cannot be rendered fails the whole file; otherwise it is left out. */
  strict: boolean
  /** Listeners and pools whose certificates cannot be had: they are left out. */
  unavailable: ReadonlySet<string>
  /** Whether a log daemon takes the log. Where none is, HAProxy would try it for each request all the same, at a fifth of the request's cost. */
  logDaemon: boolean
}

export function haproxyOptions(
  { amphora_agent, haproxy_amphora }: Pick<Config, 'amphora_agent' | 'haproxy_amphora'>,
  { strict = true, unavailable = new Set(), logDaemon = true }: Partial<Pick<HaproxyOptions, 'strict' | 'unavailable' | 'logDaemon'>> = {},
): HaproxyOptions {
  return {
    stickSize: haproxy_amphora.haproxy_stick_size,
    logFormat: haproxy_amphora.user_log_format,
    connectionLogging: haproxy_amphora.connection_logging,
    userLogFacility: amphora_agent.user_log_facility,
    adminLogFacility: amphora_agent.administrative_log_facility,
    defaultConnectionLimit: haproxy_amphora.default_connection_limit,
    defaultTimeouts: haproxy_amphora,
    hardStopAfterSeconds: haproxy_amphora.hard_stop_after,
    strict,
    unavailable,
    logDaemon,
  }
}

/** Null when no listener is to be served. Throws VisibleError for a value that HAProxy cannot be given, if `strict`. */
export function renderHaproxy(loadBalancer: LoadBalancerTree, options: HaproxyOptions): string | null {
  const listeners = loadBalancer.admin_state_up ? loadBalancer.listeners.filter((listener) => isServed(listener, options)) : []
  if (listeners.length === 0) return null
  const used = listeners.map((listener) => ({ listener, pools: poolsOf(listener, loadBalancer, options) }))
  const sections: Section[] = [
    globalSection(loadBalancer, used, options),
    defaultsSection(options),
    ...(needsPeers(loadBalancer, used) ? [peersSection(loadBalancer)] : []),
    ...(listeners.some(({ protocol }) => protocol === 'PROMETHEUS') ? prometheusSections : []),
    ...used.flatMap(({ listener, pools }) => listenerSections(loadBalancer, listener, pools, options)),
  ]
  return `# Configuration for loadbalancer ${loadBalancer.id}\n${printSections(sections)}`
}

function isServed(listener: ListenerTree, { unavailable }: HaproxyOptions): boolean {
  // TLS cannot begin without a certificate.
  if (listener.protocol === 'TERMINATED_HTTPS' && !hasCertificate(listener)) return false
  return isWanted(listener) && listener.admin_state_up && !isForwardedByKernel(listener) && !unavailable.has(listener.id)
}

/** The pools that a listener sends traffic to: its default pool first, then those of its policies; each once. */
function poolsOf(listener: ListenerTree, loadBalancer: LoadBalancerTree, { unavailable }: HaproxyOptions): PoolTree[] {
  const servable = loadBalancer.pools.filter((pool) => isWanted(pool) && pool.admin_state_up && !unavailable.has(pool.id))
  const isRendered = (id: string) => servable.some((pool) => pool.id === id)
  const redirects = effectivePolicies(listener, isRendered).filter(({ action }) => action === 'REDIRECT_TO_POOL')
  const ids = new Set([listener.default_pool_id, ...redirects.map(({ redirect_pool_id }) => redirect_pool_id)])
  return [...ids].flatMap((id) => servable.find((pool) => pool.id === id) ?? [])
}

type Used = { listener: ListenerTree; pools: PoolTree[] }

function globalSection({ id }: LoadBalancerTree, used: Used[], options: HaproxyOptions): Section {
  const limits = used.map(({ listener }) => connectionLimit(listener, options))
  const maxconn = Math.min(
    limits.reduce((sum, limit) => sum + limit, 0),
    MAX_CONNECTIONS,
  )
  const pings = used.some(({ pools }) => pools.some((pool) => effectiveHealthMonitor(pool)?.type === 'PING'))
  return {
    head: ['global'],
    lines: [
      ['daemon'],
      ['user', 'nobody'],
      ...(options.logDaemon ? logLines(options) : []),
      ['stats', 'socket', `/var/lib/octavia/${id}.sock`, 'mode', '0666', 'level', 'user'],
      ['server-state-file', `/var/lib/octavia/${id}/servers-state`],
      ['maxconn', maxconn],
      ['hard-stop-after', `${options.hardStopAfterSeconds}s`],
      ...(pings ? [['external-check'], ['insecure-fork-wanted']] : []),
    ],
  }
}

function logLines({ userLogFacility, adminLogFacility }: HaproxyOptions): Line[] {
  return [
    ['log', LOG_SOCKET, `local${userLogFacility}`],
    ['log', LOG_SOCKET, `local${adminLogFacility}`, 'notice'],
  ]
}

function defaultsSection({ connectionLogging }: HaproxyOptions): Section {
  return {
    head: ['defaults'],
    lines: [
      connectionLogging ? ['log', 'global'] : ['no', 'log'],
      ['retries', 3],
      ['option', 'redispatch'],
      ['option', 'splice-request'],
      ['option', 'splice-response'],
      ['option', 'http-keep-alive'],
    ],
  }
}

/** A pair always has them, as upstream's; a single amphora needs them where it keeps stick tables. */
function needsPeers(loadBalancer: LoadBalancerTree, used: Used[]): boolean {
  if (loadBalancer.topology === 'ACTIVE_STANDBY') return true
  return hasPeers(loadBalancer) && used.some(({ listener, pools }) => pools.some((pool) => hasStickTable(pool, modeOf(listener))))
}

function listenerSections(loadBalancer: LoadBalancerTree, listener: ListenerTree, pools: PoolTree[], options: HaproxyOptions): Section[] {
  try {
    return [frontend(loadBalancer, listener, pools, options), ...pools.map((pool) => backend(loadBalancer, listener, pool, options))]
  } catch (error) {
    if (options.strict || !(error instanceof VisibleError)) throw error
    return []
  }
}

function frontend(loadBalancer: LoadBalancerTree, listener: ListenerTree, pools: PoolTree[], options: HaproxyOptions): Section {
  const { protocol, protocol_port, timeout_client_data, timeout_tcp_inspect, default_pool_id } = listener
  const { defaultTimeouts } = options
  const mode = modeOf(listener)
  const isRendered = (id: string) => pools.some((pool) => pool.id === id)
  const addresses = [loadBalancer.vip_address, ...loadBalancer.additional_vips.map((vip) => vip.ip_address)]
  const policies = mode === 'http' ? effectivePolicies(listener, isRendered) : []
  const inspect = timeout_tcp_inspect || defaultTimeouts.timeout_tcp_inspect
  return {
    head: ['frontend', listener.id],
    lines: [
      ['maxconn', connectionLimit(listener, options)],
      ...securityHeaderLines(listener),
      ...addresses.map((address): Line => ['bind', endpoint(address, protocol_port), ...bindTlsWords(loadBalancer.id, listener)]),
      ['mode', mode],
      // At a reload a client's idle connection is not cut, but closed with the answer to its next request.
      ...(mode === 'http' ? [['option', 'idle-close-on-response']] : []),
      ...sourceLines(pools),
      ...policies.flatMap((policy) => policyLines(policy, listener.id)),
      ...(protocol === 'PROMETHEUS' ? [['default_backend', PROMETHEUS_BACKEND]] : []),
      ...(default_pool_id !== null && isRendered(default_pool_id) ? [['default_backend', backendName(default_pool_id, listener.id)]] : []),
      ['timeout', 'client', timeout_client_data || defaultTimeouts.timeout_client_data],
      ...(options.connectionLogging ? [['log-format', logFormat(loadBalancer, mode, options)]] : []),
      ...(mode === 'tcp' && inspect > 0 ? [['tcp-request', 'inspect-delay', inspect]] : []),
    ],
  }
}

/** What only HTTP has is a dash elsewhere, for HAProxy refuses it there. */
function logFormat({ id, project_id }: LoadBalancerTree, mode: 'http' | 'tcp', { logFormat }: HaproxyOptions): string {
  const format = logFormat.replaceAll(/\{\{\s*project_id\s*\}\}/g, escapeProject(project_id)).replaceAll(/\{\{\s*lb_id\s*\}\}/g, id)
  return mode === 'http' ? format : format.replaceAll(/%(\{\+Q\})?(ST|r)(?![A-Za-z])/g, '-')
}

/** With noauth a project's id is whatever the client said. */
function escapeProject(project_id: string): string {
  return project_id.replaceAll(/[^\w.-]/g, '_')
}
