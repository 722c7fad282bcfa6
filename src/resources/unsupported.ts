/** What the provider cannot do is said with 501 and never passed over in silence. What that is, its amphora driver's capabilities tell. */
import { unsupportedAction, unsupportedOption } from '../api/faults.ts'
import type { HealthMonitorRow, ListenerRow, LoadBalancerRow, MemberRow, PoolRow } from '../db/tables.ts'
import type { ProviderCapabilities } from '../drivers/amphora/driver.ts'
import { parseIp } from '../lib/ip.ts'

/** Whoever knows the amphora driver; a whole Context will do. */
export type Provider = { amphora: { capabilities: ProviderCapabilities } }

type Provided = Pick<LoadBalancerRow, 'provider'>
/** A new row, or the body of an update. */
type Asked<R> = { [K in keyof R]?: R[K] | null }

/** In: the body of a create or update. */
export function checkLoadBalancerSupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  asked: { vip_sg_ids?: unknown[] | null; additional_vips?: unknown[] },
): void {
  const unable = (['vip_sg_ids', 'additional_vips'] as const).filter((field) => !capabilities[field])
  refuseGiven(provider, asked, unable, 'load balancers')
}

/** In: what a flavor gives. */
export function checkFlavorSupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  asked: { sriov_vip?: boolean; allow_member_sriov?: boolean },
): void {
  if (!capabilities.sriov) refuseGiven(provider, asked, ['sriov_vip', 'allow_member_sriov'], 'flavors')
}

export function checkListenerSupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  listener: Asked<ListenerRow>,
): void {
  const { protocol } = listener
  if (protocol && !capabilities.listener_protocols.includes(protocol)) {
    throw unsupportedProtocol(provider, capabilities, protocol, capabilities.listener_protocols)
  }
  if (!capabilities.listener_tls) refuseGiven(provider, listener, listenerTlsFields, 'listeners')
  if (!capabilities.allowed_cidrs) refuseGiven(provider, listener, ['allowed_cidrs'], 'listeners')
}

const listenerTlsFields = [
  'default_tls_container_ref',
  'sni_container_refs',
  'client_ca_tls_container_ref',
  'client_crl_container_ref',
  'tls_ciphers',
  'tls_versions',
  'alpn_protocols',
  'hsts_max_age',
] as const satisfies (keyof ListenerRow)[]

export function checkPoolSupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  pool: Asked<Omit<PoolRow, 'session_persistence'>>,
): void {
  const { protocol, lb_algorithm } = pool
  if (lb_algorithm && !capabilities.lb_algorithms.includes(lb_algorithm)) {
    throw unsupportedOption(provider, `Amphora provider does not support ${lb_algorithm} algorithm.`)
  }
  if (protocol && !capabilities.pool_protocols.includes(protocol)) {
    throw unsupportedProtocol(provider, capabilities, protocol, capabilities.pool_protocols)
  }
  // With TLS the other fields have got their defaults, which nobody asked for.
  if (!capabilities.pool_tls) refuseGiven(provider, pool, pool.tls_enabled ? ['tls_enabled'] : poolTlsFields, 'pools')
}

const poolTlsFields = [
  'tls_container_ref',
  'ca_tls_container_ref',
  'crl_container_ref',
  'tls_ciphers',
  'tls_versions',
  'alpn_protocols',
] as const satisfies (keyof PoolRow)[]

function unsupportedProtocol(provider: string, { missing }: ProviderCapabilities, protocol: string, supported: readonly string[]) {
  const why = missing[protocol] === undefined ? '' : `. ${missing[protocol]}`
  return unsupportedOption(provider, `Amphora provider does not support ${protocol} protocol. Supported: ${supported.join(', ')}${why}`)
}

/** In: a new monitor. */
export function checkHealthMonitorSupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  { type }: Pick<HealthMonitorRow, 'type'>,
): void {
  if (capabilities.health_monitor_types.includes(type)) return
  const why = capabilities.missing[type]
  throw unsupportedOption(provider, `Amphora provider does not support ${type} health monitors.${why === undefined ? '' : ` ${why}`}`)
}

/** Null, false and empty ask for nothing, so they are no reason to refuse. */
function refuseGiven<T>(provider: string, object: T, fields: readonly (keyof T & string)[], resources: string): void {
  const given = fields.filter((field) => {
    const value = object[field]
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false
  })
  if (given.length > 0) throw unsupportedOption(provider, `Amphora provider does not support ${given.join(', ')} of ${resources} yet.`)
}

export function checkL7PolicySupported(
  { amphora: { capabilities } }: Provider,
  { provider }: Provided,
  { protocol }: Pick<ListenerRow, 'protocol'>,
): void {
  if (capabilities.l7policy_protocols.includes(protocol)) return
  throw unsupportedOption(provider, `${protocol} protocol listeners do not support L7 policies`)
}

/** In: members that are new in a pool. */
export function checkMembersSupported(
  { amphora: { capabilities } }: Provider,
  loadBalancer: Pick<LoadBalancerRow, 'provider' | 'vip_address' | 'additional_vips'>,
  { protocol }: Pick<PoolRow, 'protocol'>,
  members: Pick<MemberRow, 'address'>[],
): void {
  if (capabilities.mixed_families || (protocol !== 'UDP' && protocol !== 'SCTP')) return
  const familyOf = (address: string) => parseIp(address)?.version
  const vips = [loadBalancer.vip_address, ...loadBalancer.additional_vips.map(({ ip_address }) => ip_address)].map(familyOf)
  if (members.every(({ address }) => vips.includes(familyOf(address)))) return
  const detail = `This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and members in ${protocol} load balancers.`
  throw unsupportedOption(loadBalancer.provider, detail)
}

const actions = {
  failover: 'failover by API',
  amphora_configuration: 'a new configuration of agents by API',
  amphora_deletion: 'deletion of amphorae by API',
} satisfies Partial<Record<keyof ProviderCapabilities, string>>

export function checkActionSupported({ amphora: { capabilities } }: Provider, { provider }: Provided, action: keyof typeof actions): void {
  if (!capabilities[action]) throw unsupportedAction(provider, `Amphora provider does not support ${actions[action]} yet.`)
}
