/** TLS in HAProxy's words: what clients meet at a listener, and what members of a pool meet. Rules of OpenSSL 3 as HAProxy 2.6 drives it. */
import type { ListenerRow } from '../db/tables.ts'
import { failure } from '../resources/failures.ts'
import type { ListenerTree, PoolTree } from '../resources/load-balancer/tree.ts'
import { certificatePath, clientCaOf, clientCrlOf, crtListOf, poolCaOf, poolCertificateOf, poolCrlOf } from './certificate-files.ts'
import type { Line } from './haproxy-words.ts'

/** Oldest first, each with HAProxy's name. OpenSSL 3 has no SSLv3, which is therefore never served. */
const haproxyVersions = { TLSv1: 'TLSv1.0', 'TLSv1.1': 'TLSv1.1', 'TLSv1.2': 'TLSv1.2', 'TLSv1.3': 'TLSv1.3' } as const
type TlsVersion = keyof typeof haproxyVersions
const tlsVersions = Object.keys(haproxyVersions) as TlsVersion[]

/** The names of TLS 1.3, which OpenSSL takes in a list of its own. */
const cipherSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
]

/** Whether clients of the listener speak TLS with the load balancer. A listener of HTTPS passes it through. */
export function offloadsTls(listener: ListenerRow): boolean {
  return listener.protocol === 'TERMINATED_HTTPS' || (listener.protocol === 'PROMETHEUS' && hasCertificate(listener))
}

export function hasCertificate({ default_tls_container_ref, sni_container_refs }: ListenerRow): boolean {
  return Boolean(default_tls_container_ref) || sni_container_refs.length > 0
}

/** What follows the address on a `bind` line; nothing where no TLS ends. */
export function bindTlsWords(load_balancer_id: string, listener: ListenerTree): Line {
  if (!offloadsTls(listener)) return []
  const file = (name: string) => certificatePath(load_balancer_id, name)
  const { client_authentication, client_ca_tls_container_ref, client_crl_container_ref } = listener
  const asksClients = client_authentication !== 'NONE' && Boolean(client_ca_tls_container_ref)
  return [
    'ssl',
    'crt-list',
    file(crtListOf(listener)),
    // A client without a certificate passes where it is optional; one with a certificate that does not hold never does.
    ...(asksClients
      ? ['ca-file', file(clientCaOf(listener)), 'verify', client_authentication === 'MANDATORY' ? 'required' : 'optional']
      : []),
    ...(asksClients && client_crl_container_ref ? ['crl-file', file(clientCrlOf(listener))] : []),
    ...parameterWords(listener),
    ...alpnWords(listener),
  ]
}

/** What a `server` line needs for a pool's members to be spoken to by TLS; nothing for a pool without. */
export function serverTlsWords(load_balancer_id: string, pool: PoolTree): Line {
  if (!pool.tls_enabled) return []
  const file = (name: string) => certificatePath(load_balancer_id, name)
  return [
    'ssl',
    ...(pool.tls_container_ref ? ['crt', file(poolCertificateOf(pool))] : []),
    ...(pool.ca_tls_container_ref ? ['ca-file', file(poolCaOf(pool)), 'verify', 'required'] : ['verify', 'none']),
    ...(pool.ca_tls_container_ref && pool.crl_container_ref ? ['crl-file', file(poolCrlOf(pool))] : []),
    // The name that the client asked for; on a listener without TLS there is none, and none is sent.
    'sni',
    'ssl_fc_sni',
    ...parameterWords(pool),
    ...alpnWords(pool),
  ]
}

/** Each once: OpenSSL has room for 255 bytes. */
export function protocolsOf({ alpn_protocols }: Pick<ListenerTree | PoolTree, 'alpn_protocols'>): string[] {
  return [...new Set(alpn_protocols)]
}

function alpnWords(object: Pick<ListenerTree | PoolTree, 'alpn_protocols'>): Line {
  return object.alpn_protocols.length > 0 ? ['alpn', protocolsOf(object).join(',')] : []
}

type Asked = Pick<ListenerTree | PoolTree, 'tls_ciphers' | 'tls_versions'>

/** Throws VisibleError where no version is left. */
function parameterWords(asked: Asked & Pick<ListenerTree | PoolTree, 'id'>): Line {
  const { ciphers, suites, versions } = tlsParameters(asked)
  if (versions !== null && versions.length === 0) throw failure('no_tls_version', { id: asked.id })
  return [
    ...(ciphers.length > 0 ? ['ciphers', ciphers.join(':')] : []),
    ...(suites.length > 0 ? ['ciphersuites', suites.join(':')] : []),
    ...(versions === null ? [] : ['ssl-min-ver', haproxyVersions[versions[0]!], 'ssl-max-ver', haproxyVersions[versions.at(-1)!]]),
  ]
}

/**
 * Ciphers of TLS 1.2 and before, those of TLS 1.3, and the versions, oldest first: null where HAProxy's own hold, empty where none is left. HAProxy
 * serves nothing below TLS 1.2 unless told the lowest version, and OpenSSL nothing of it above security level 0: who names such a version wants it.
 */
export function tlsParameters({ tls_ciphers, tls_versions }: Asked): {
  ciphers: string[]
  suites: string[]
  versions: TlsVersion[] | null
} {
  const names = (tls_ciphers ?? '').split(':').filter((name) => name !== '')
  const suites = names.filter((name) => cipherSuites.includes(name))
  const ciphers = names.filter((name) => !cipherSuites.includes(name))
  if (tls_versions.length === 0) return { ciphers, suites, versions: null }
  // Who names ciphers of TLS 1.3 alone has none for the versions before it.
  const onlyNewest = suites.length > 0 && ciphers.length === 0
  const versions = newestRange(onlyNewest ? tls_versions.filter((version) => version === 'TLSv1.3') : tls_versions)
  const isOld = versions[0] === 'TLSv1' || versions[0] === 'TLSv1.1'
  if (isOld && ciphers.length === 0) ciphers.push('DEFAULT')
  if (isOld && !ciphers.some((name) => name.startsWith('@SECLEVEL'))) ciphers.push('@SECLEVEL=0')
  return { ciphers, suites, versions }
}

/** HAProxy serves one range without holes: of versions that leave some out between them, those above the topmost hole. */
function newestRange(versions: string[]): TlsVersion[] {
  const newestFirst = tlsVersions.toReversed()
  const first = newestFirst.findIndex((version) => versions.includes(version))
  if (first === -1) return []
  const hole = newestFirst.findIndex((version, i) => i > first && !versions.includes(version))
  return newestFirst.slice(first, hole === -1 ? undefined : hole).toReversed()
}
