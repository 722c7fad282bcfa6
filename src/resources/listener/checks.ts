/** What a listener's fields must fulfil beyond their types, in upstream's order (`octavia/api/v2/controllers/listener.py`). */
import {
  disabledOption,
  duplicateListener,
  invalidOption,
  listenerNoChildren,
  notFound,
  pythonList,
  validationFailure,
} from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import type { ListenerProtocol, ListenerRow, LoadBalancerRow, PoolProtocol, PoolRow } from '../../db/tables.ts'
import { parseCidr, parseIp } from '../../lib/ip.ts'
import { checkAlpnProtocols, checkCiphers, checkTlsVersions } from '../tls-options.ts'
import { secretsOfListener } from '../tls-places.ts'
import type { Named, ReferenceChecks } from '../tls-references.ts'
import type { ListenerUpdate } from './schema.ts'

const poolProtocols: Record<ListenerProtocol, PoolProtocol[]> = {
  TCP: ['HTTP', 'HTTPS', 'PROXY', 'PROXYV2', 'TCP'],
  HTTP: ['HTTP', 'PROXY', 'PROXYV2'],
  HTTPS: ['HTTPS', 'PROXY', 'PROXYV2', 'TCP'],
  TERMINATED_HTTPS: ['HTTP', 'PROXY', 'PROXYV2'],
  UDP: ['UDP'],
  SCTP: ['SCTP'],
  PROMETHEUS: [],
}

type Parent = Pick<ListenerRow, 'protocol' | 'load_balancer_id'>

/** PROMETHEUS listeners answer themselves: they have neither pools nor l7policies. Throws 400. */
export function checkTakesChildren({ protocol }: Pick<ListenerRow, 'protocol'>): void {
  if (protocol === 'PROMETHEUS') throw listenerNoChildren(protocol)
}

/** Whether a listener may send traffic to a pool of that protocol; throws 400. */
export function checkPoolProtocol(listener: Pick<ListenerRow, 'protocol'>, protocol: PoolProtocol): void {
  if (poolProtocols[listener.protocol].includes(protocol)) return
  throw validationFailure(`The pool protocol '${protocol}' is invalid while the listener protocol is '${listener.protocol}'.`)
}

/** Whether a listener may send traffic to a pool. In: the pool's id, and the pool if there is one of that id. Throws 400 or 404. */
export function checkListenerAndPool(listener: Parent, pool_id: string, pool: PoolRow | undefined): void {
  checkTakesChildren(listener)
  if (pool?.load_balancer_id !== listener.load_balancer_id) throw notFound('Pool', pool_id)
  checkPoolProtocol(listener, pool.protocol)
}

/** In: a new listener's row, its load balancer, and the listeners that are already on the same port of it. */
export function checkNewListener(
  listener: ListenerRow,
  loadBalancer: LoadBalancerRow,
  onSamePort: ListenerRow[],
  config: Config,
  references: ReferenceChecks,
): void {
  const { protocol } = listener
  // Upstream takes an empty reference for none.
  const hasServerCertificate = Boolean(listener.default_tls_container_ref) || listener.sni_container_refs.length > 0
  const offloadsTls = protocol === 'TERMINATED_HTTPS' || (protocol === 'PROMETHEUS' && hasServerCertificate)
  const shownProtocol = protocol === 'PROMETHEUS' ? 'PROMETHEUS with TLS' : protocol

  const headers = Object.keys(listener.insert_headers)
  // Upstream shows the headers of a new listener otherwise than those of an update.
  if (headers.length > 0) checkInsertHeaders(headers, protocol, `dict_keys(${pythonList(headers)})`)
  if ((protocol === 'UDP' || protocol === 'SCTP') && hasServerCertificate) {
    throw validationFailure(`${protocol} protocol listener does not support TLS.`)
  }
  if (offloadsTls && !config.api_settings.allow_tls_terminated_listeners) throw disabledOption('protocol', shownProtocol)
  if (protocol === 'PROMETHEUS' && !config.api_settings.allow_prometheus_listeners) throw disabledOption('protocol', protocol)
  if (!offloadsTls && hasServerCertificate) throw certificatesNotAllowed(protocol)
  if (listener.client_ca_tls_container_ref && !hasServerCertificate) {
    throw validationFailure('An SNI or default certificate container reference must be provided with a client CA container reference.')
  }
  if (offloadsTls && !hasServerCertificate) {
    throw certificateNeeded(shownProtocol)
  }
  if (listener.client_authentication !== 'NONE' && !listener.client_ca_tls_container_ref) {
    throw clientAuthenticationNeedsCa(listener.client_authentication)
  }
  if (listener.client_crl_container_ref && !listener.client_ca_tls_container_ref) throw revocationListNeedsCa()
  checkCiphers(listener.tls_ciphers, config)
  const { certificates, ca, crl, secrets } = referencesOfListener(listener)
  references.checkCertificates(certificates)
  references.checkAuthority(ca, crl)
  for (const other of onSamePort) {
    if (transport(other.protocol) === transport(protocol)) throw duplicateListener(other.protocol, listener.protocol_port)
  }
  checkAllowedCidrs(listener.allowed_cidrs, loadBalancer)
  if (offloadsTls) {
    // A PROMETHEUS listener with TLS gets no defaults: none is what it has.
    const hasDefaults = protocol === 'TERMINATED_HTTPS'
    if (hasDefaults || listener.tls_versions.length > 0) checkTlsVersions(listener.tls_versions, config)
    if (hasDefaults || listener.alpn_protocols.length > 0) checkAlpnProtocols(listener.alpn_protocols)
  }
  checkHsts(listener)
  references.checkSecrets(secrets)
}

/** In: a new listener's row, or the body of a create or update. */
export function referencesOfListener(listener: Parameters<typeof secretsOfListener>[0]): Named {
  const { sni_container_refs, default_tls_container_ref, client_ca_tls_container_ref, client_crl_container_ref } = listener
  return {
    certificates: [...(sni_container_refs ?? []), ...(default_tls_container_ref ? [default_tls_container_ref] : [])],
    ca: client_ca_tls_container_ref || null,
    crl: client_crl_container_ref || null,
    secrets: secretsOfListener(listener),
  }
}

/** In: the body of an update, null meaning "clear", the listener as it is, and its load balancer. */
export function checkListenerUpdate(
  update: ListenerUpdate,
  listener: ListenerRow,
  loadBalancer: LoadBalancerRow,
  config: Config,
  references: ReferenceChecks,
): void {
  const { protocol } = listener
  // As upstream, a client CA is none of them.
  const hasCertificates = Boolean(update.default_tls_container_ref) || (update.sni_container_refs ?? []).length > 0
  const offloadsTls = protocol === 'TERMINATED_HTTPS' || (protocol === 'PROMETHEUS' && hasCertificates)
  const headers = Object.keys(update.insert_headers ?? {})

  if ((protocol === 'UDP' || protocol === 'SCTP') && (hasCertificates || headers.length > 0)) {
    throw validationFailure(`${protocol} protocol listener does not support TLS or header insertion.`)
  }
  if (!offloadsTls && hasCertificates) throw certificatesNotAllowed(protocol)
  const clientCa = update.client_ca_tls_container_ref || listener.client_ca_tls_container_ref
  const { client_authentication } = update
  // Null asks for the default, NONE; as upstream, only where there is a client CA.
  if (client_authentication !== undefined && client_authentication !== 'NONE' && !clientCa) {
    throw clientAuthenticationNeedsCa(client_authentication ?? 'None')
  }
  if (headers.length > 0) checkInsertHeaders(headers, protocol, pythonList(headers))
  const { certificates, secrets } = referencesOfListener(update)
  references.checkCertificates(certificates)
  const revocationList = update.client_crl_container_ref || listener.client_crl_container_ref
  if (revocationList && !clientCa) throw revocationListNeedsCa()
  references.checkAuthority(clientCa || null, revocationList || null)
  checkAllowedCidrs(update.allowed_cidrs ?? null, loadBalancer)
  checkCiphers(update.tls_ciphers, config)
  if (update.tls_versions !== undefined && update.tls_versions !== null) checkTlsVersions(update.tls_versions, config)
  if (update.alpn_protocols !== undefined && update.alpn_protocols !== null) checkAlpnProtocols(update.alpn_protocols)
  const maxAge = update.hsts_max_age ?? listener.hsts_max_age
  if ((update.hsts_include_subdomains || update.hsts_preload) && maxAge === null) {
    throw validationFailure('Cannot enable hsts_include_subdomains or hsts_preload if hsts_max_age was not set as well.')
  }
  if (typeof update.hsts_max_age === 'number' && protocol !== 'TERMINATED_HTTPS') throw hstsNeedsTls()
  references.checkSecrets(secrets)
}

const plainHeaders = ['X-Forwarded-For', 'X-Forwarded-Port', 'X-Forwarded-Proto', 'X-Forwarded-IP', 'X-Client-IP', 'X-Real-IP']
const clientCertificateHeaders = [
  'X-SSL-Client-Verify',
  'X-SSL-Client-Has-Cert',
  'X-SSL-Client-DN',
  'X-SSL-Client-CN',
  'X-SSL-Issuer',
  'X-SSL-Client-SHA1',
  'X-SSL-Client-Not-Before',
  'X-SSL-Client-Not-After',
]

function checkInsertHeaders(headers: string[], protocol: ListenerProtocol, shown: string): void {
  if (protocol !== 'HTTP' && protocol !== 'TERMINATED_HTTPS') {
    throw invalidOption('insert-headers', `a ${protocol} protocol listener.`)
  }
  if (headers.some((header) => !plainHeaders.includes(header) && !clientCertificateHeaders.includes(header))) {
    throw invalidOption(shown, 'insert_headers')
  }
  const ofClientCertificates = headers.filter((header) => clientCertificateHeaders.includes(header))
  if (protocol !== 'TERMINATED_HTTPS' && ofClientCertificates.length > 0) {
    throw invalidOption(pythonList(ofClientCertificates), `${protocol} protocol listener.`)
  }
}

/** Each range must be of the family of one of the load balancer's VIPs. */
function checkAllowedCidrs(allowed_cidrs: string[] | null, loadBalancer: LoadBalancerRow): void {
  if (allowed_cidrs === null || allowed_cidrs.length === 0) return
  if (loadBalancer.vip_sg_ids.length > 0) {
    throw validationFailure('Allowed CIDRs are not allowed when using custom VIP Security Groups.')
  }
  const vips = [loadBalancer.vip_address, ...loadBalancer.additional_vips.map(({ ip_address }) => ip_address)]
  for (const cidr of allowed_cidrs) {
    if (vips.some((vip) => parseIp(vip)?.version === parseCidr(cidr)?.version)) continue
    throw validationFailure(`CIDR ${cidr} IP version incompatible with all VIPs ${pythonList(vips)} IP version.`)
  }
}

/** Listeners of the same transport may not share a port. */
function transport(protocol: ListenerProtocol): 'TCP' | 'UDP' | 'SCTP' {
  return protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP'
}

function checkHsts(listener: ListenerRow): void {
  if ((listener.hsts_include_subdomains || listener.hsts_preload) && listener.hsts_max_age === null) {
    throw validationFailure(
      'HSTS configuration options hsts_include_subdomains and hsts_preload only make sense if hsts_max_age is set as well.',
    )
  }
  if (listener.hsts_max_age !== null && listener.protocol !== 'TERMINATED_HTTPS') throw hstsNeedsTls()
}

export const certificateNeeded = (protocol: string) =>
  validationFailure(`An SNI or default certificate container reference must be provided for ${protocol} protocol listeners.`)

const certificatesNotAllowed = (protocol: ListenerProtocol) =>
  validationFailure(`Certificate container references are not allowed on ${protocol} protocol listeners.`)

const clientAuthenticationNeedsCa = (mode: string) =>
  validationFailure(`Client authentication setting ${mode} requires a client CA container reference.`)

const revocationListNeedsCa = () =>
  validationFailure('A client authentication CA reference is required to specify a client authentication revocation list.')

const hstsNeedsTls = () => validationFailure('The HSTS feature can only be used for listeners using the TERMINATED_HTTPS protocol.')
