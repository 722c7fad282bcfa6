/**
 * What the amphora provider cannot do yet, said with 501 and never passed over in silence. The only place that knows it: a feature that
 * arrives adds itself to the capabilities here and nothing else changes in the resources.
 */
import { unsupportedOption } from '../api/faults.ts'
import type { ListenerRow, LoadBalancerRow, PoolRow } from '../db/tables.ts'

const capabilities = {
  listener_protocols: ['TCP', 'HTTP', 'HTTPS'] as ListenerRow['protocol'][],
  pool_protocols: ['TCP', 'HTTP', 'HTTPS'] as PoolRow['protocol'][],
  /** SOURCE_IP_PORT is refused by upstream's amphora provider too. */
  lb_algorithms: ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP'] as PoolRow['lb_algorithm'][],
  listener_tls: false,
  allowed_cidrs: false,
  pool_tls: false,
}

type Provided = Pick<LoadBalancerRow, 'provider'>
/** A new row, or the body of an update. */
type Asked<R> = { [K in keyof R]?: R[K] | null }

export function checkListenerSupported({ provider }: Provided, listener: Asked<ListenerRow>): void {
  const { protocol } = listener
  if (protocol && !capabilities.listener_protocols.includes(protocol)) {
    const supported = capabilities.listener_protocols.join(', ')
    throw unsupportedOption(provider, `Amphora provider does not support ${protocol} protocol. Supported: ${supported}`)
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

export function checkPoolSupported({ provider }: Provided, pool: Asked<Omit<PoolRow, 'session_persistence'>>): void {
  const { protocol, lb_algorithm } = pool
  if (lb_algorithm && !capabilities.lb_algorithms.includes(lb_algorithm)) {
    throw unsupportedOption(provider, `Amphora provider does not support ${lb_algorithm} algorithm.`)
  }
  if (protocol && !capabilities.pool_protocols.includes(protocol)) {
    const supported = capabilities.pool_protocols.join(', ')
    throw unsupportedOption(provider, `Amphora provider does not support ${protocol} protocol. Supported: ${supported}`)
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

/** Null, false and empty ask for nothing, so they are no reason to refuse. */
function refuseGiven<T>(provider: string, object: T, fields: readonly (keyof T & string)[], resources: string): void {
  const given = fields.filter((field) => {
    const value = object[field]
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false
  })
  if (given.length > 0) throw unsupportedOption(provider, `Amphora provider does not support ${given.join(', ')} of ${resources} yet.`)
}

/** Upstream's amphora provider has l7policies on these listeners alone, too. */
export function checkL7PolicySupported({ provider }: Provided, { protocol }: Pick<ListenerRow, 'protocol'>): void {
  if (protocol === 'HTTP' || protocol === 'TERMINATED_HTTPS') return
  throw unsupportedOption(provider, `${protocol} protocol listeners do not support L7 policies`)
}
