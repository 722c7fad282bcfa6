/**
 * The keepalived configuration by which a UDP or SCTP listener is served, one file for each: a pure function of its load balancer's rows, laid
 * out as upstream's (`octavia/common/jinja/lvs/templates`), whose agent reads ids and disabled members from the comments. What keepalived has
 * no words for stands in comments of ours, which it and upstream's agent pass over: when members rise, the method of HTTP checks, which
 * members are backups. Users' names are never printed.
 */
import { formatIp, parseIp } from '../lib/ip.ts'
import { failure } from '../resources/failures.ts'
import { isWanted, type ListenerTree, type LoadBalancerTree, type PoolTree } from '../resources/load-balancer/tree.ts'
import { effectiveHealthMonitor } from './haproxy-backend.ts'
import { address, type Block, block, print } from './keepalived-words.ts'

const NAMESPACE = 'amphora-haproxy'
const UDP_CHECK_SCRIPT = '/var/lib/octavia/lvs/check/udp_check.sh'
const SCTP_CHECK_COMMAND = 'amphora-health-checker sctp -t'
/** Upstream's, where a pool names none: six minutes, and each source by itself. */
const PERSISTENCE_TIMEOUT_SECONDS = 360
const PERSISTENCE_GRANULARITY = '255.255.255.255'
/** IPVS keeps a source no longer than this. */
const LONGEST_PERSISTENCE_SECONDS = 31 * 24 * 3600
const MOST_CONNECTIONS = 2 ** 31 - 1

type Member = PoolTree['members'][number]
type HealthMonitor = NonNullable<PoolTree['health_monitor']>
type Family = 4 | 6

/** The kernel forwards these listeners' packets; HAProxy has no part in them. */
export function isForwardedByKernel({ protocol }: Pick<ListenerTree, 'protocol'>): boolean {
  return protocol === 'UDP' || protocol === 'SCTP'
}

/** Whether an amphora is to have the file of this listener. */
export function isForwarding(loadBalancer: LoadBalancerTree, listener: ListenerTree): boolean {
  return isForwardedByKernel(listener) && isWanted(listener) && listener.admin_state_up && loadBalancer.admin_state_up
}

/** In: a UDP or SCTP listener that is enabled. Throws VisibleError for a value that keepalived cannot be given. */
export function renderLvs(loadBalancer: LoadBalancerTree, listener: ListenerTree): string {
  const pool = loadBalancer.pools.find(({ id }) => id === listener.default_pool_id)
  const vips = [loadBalancer.vip_address, ...loadBalancer.additional_vips.map(({ ip_address }) => ip_address)]
  const head = `# Configuration for Loadbalancer ${loadBalancer.id}\n# Configuration for Listener ${listener.id}\n\n`
  const served = pool !== undefined && isWanted(pool) ? ([4, 6] as const).flatMap((family) => services(listener, pool, family, vips)) : []
  return head + print([`net_namespace ${NAMESPACE}`, ...served])
}

/** Members of a family that no VIP has cannot be forwarded to. */
function services(listener: ListenerTree, pool: PoolTree, family: Family, vips: string[]): Block[] {
  const ofFamily = vips.filter((vip) => familyOf(vip) === family)
  if (ofFamily.length === 0) return []
  const healthMonitor = effectiveHealthMonitor(pool)
  return [
    block(
      `virtual_server_group ipv${family}-group`,
      ofFamily.map((vip) => `${address(vip)} ${listener.protocol_port}`),
    ),
    block(`virtual_server group ipv${family}-group`, [
      ...algorithmLines(pool),
      'lb_kind NAT',
      `protocol ${listener.protocol}`,
      ...persistenceLines(pool, family),
      ...(healthMonitor === null ? [] : timingLines(healthMonitor)),
      pool.admin_state_up ? `# Configuration for Pool ${pool.id}` : `# Pool ${pool.id} is disabled`,
      ...(healthMonitor === null ? [] : [`# Configuration for HealthMonitor ${healthMonitor.id}`]),
      ...(pool.admin_state_up ? pool.members : [])
        .filter((member) => isWanted(member) && familyOf(member.address) === family)
        .flatMap((member) => memberLines(listener, member, healthMonitor)),
    ]),
  ]
}

/** Upstream takes `lc` for LEAST_CONNECTIONS, which knows no weights. */
function algorithmLines({ lb_algorithm }: PoolTree): string[] {
  switch (lb_algorithm) {
    case 'ROUND_ROBIN':
      return ['lb_algo wrr']
    case 'LEAST_CONNECTIONS':
      return ['lb_algo wlc']
    case 'SOURCE_IP':
      return ['lb_algo sh']
    case 'SOURCE_IP_PORT':
      return ['lb_algo sh', 'sh-port']
  }
}

function persistenceLines({ session_persistence }: PoolTree, family: Family): string[] {
  if (session_persistence?.type !== 'SOURCE_IP') return []
  const { persistence_timeout, persistence_granularity } = session_persistence
  const seconds = Math.min(persistence_timeout || PERSISTENCE_TIMEOUT_SECONDS, LONGEST_PERSISTENCE_SECONDS)
  return [`persistence_timeout ${seconds}`, `persistence_granularity ${granularity(persistence_granularity, family)}`]
}

/** A netmask of one family says nothing about the other, whose sources are each one by itself then; for IPv6 keepalived wants a prefix' length. */
function granularity(text: string | null, family: Family): string {
  const mask = parseIp(text ?? '')
  if (family === 4) return mask?.version === 4 ? formatIp(mask) : PERSISTENCE_GRANULARITY
  const bits = mask?.version === 6 ? mask.value.toString(2).padStart(128, '0') : ''
  return String(/^1+0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : 128)
}

/**
 * `retry` counts the checks after the first bad one, so that a member falls with the one asked for; upstream's falls one later.
 */
function timingLines({ delay, max_retries, max_retries_down }: HealthMonitor): string[] {
  return [
    `delay_loop ${atLeastOne(delay)}`,
    `delay_before_retry ${atLeastOne(delay)}`,
    ...(max_retries_down > 1 ? [`retry ${max_retries_down - 1}`] : []),
    `# Fall threshold ${max_retries_down}`,
    `# Rise threshold ${max_retries}`,
  ]
}

function memberLines(listener: ListenerTree, member: Member, healthMonitor: HealthMonitor | null): (string | Block)[] {
  if (!member.admin_state_up) return [`# Member ${member.id} is disabled`]
  const { connection_limit } = listener
  return [
    `# Configuration for Member ${member.id}`,
    block(`real_server ${address(member.address)} ${member.protocol_port}`, [
      ...(member.backup ? [`# Member ${member.id} is a backup`] : []),
      `weight ${member.weight}`,
      ...(connection_limit > 0 ? [`uthreshold ${Math.min(connection_limit, MOST_CONNECTIONS)}`] : []),
      ...(healthMonitor === null ? [] : checkBlocks(healthMonitor, member)),
    ]),
  ]
}

/** The API allows no other types of monitor on these pools. */
function checkBlocks(healthMonitor: HealthMonitor, member: Member): Block[] {
  const ip = address(member.monitor_address ?? member.address)
  const port = member.monitor_port ?? member.protocol_port
  const timeout = atLeastOne(healthMonitor.timeout)
  const connection = [`connect_ip ${ip}`, `connect_port ${port}`, `connect_timeout ${timeout}`]
  switch (healthMonitor.type) {
    case 'UDP-CONNECT':
      return [block('MISC_CHECK', [`misc_path "${UDP_CHECK_SCRIPT} ${ip} ${port}"`, `misc_timeout ${timeout}`])]
    case 'SCTP':
      return [block('MISC_CHECK', [`misc_path "${SCTP_CHECK_COMMAND} ${timeout} ${ip} ${port}"`, `misc_timeout ${timeout + 1}`])]
    case 'HTTP':
      return [block('HTTP_GET', [...httpLines(healthMonitor), ...connection])]
    case 'TCP':
      return [block('TCP_CHECK', connection)]
    case 'HTTPS':
    case 'PING':
    case 'TLS-HELLO':
      return []
  }
}

/** One url with all its codes: of several, each with one code as upstream has them, keepalived wants every one to hold. */
function httpLines({ http_method, url_path, http_version, domain_name, expected_codes }: HealthMonitor): (string | Block)[] {
  const method = http_method ?? 'GET'
  return [
    ...(method === 'GET' ? [] : [`# Method ${method}`]),
    block('url', [
      `path ${pathWord(url_path ?? '/')}`,
      `status_code ${codes(expected_codes ?? '200').join(' ')}`,
      ...(domain_name === null ? [] : [`virtualhost ${hostWord(domain_name)}`]),
    ]),
    `http_protocol ${http_version === 1.1 ? '1.1' : '1.0'}`,
  ]
}

/** Whatever could mean more than itself to keepalived (quotes, braces, `$`, `~`, `#`, `!`, spaces) is percent-encoded, which means the same to a server. */
function pathWord(path: string): string {
  return path
    .toWellFormed()
    .replaceAll(/[^A-Za-z0-9/._?=&%+,:;*-]/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    )
}

function hostWord(name: string): string {
  if (!/^[\w.-]+$/.test(name)) throw failure('unusable_name', { details: name })
  return name
}

/** `200`, `200, 202` or `200-204`. */
function codes(expected: string): string[] {
  return expected.split(',').map((item) => {
    const code = item.trim()
    if (!/^\d{3}(-\d{3})?$/.test(code)) throw failure('no_status_codes', { details: expected })
    return code
  })
}

/** The API takes nought, which keepalived does not. */
function atLeastOne(seconds: number): number {
  return Math.max(seconds, 1)
}

function familyOf(text: string): Family | undefined {
  return parseIp(text)?.version
}
