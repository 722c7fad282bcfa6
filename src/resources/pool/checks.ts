/** What a pool's fields must fulfil beyond their types, in upstream's order (`octavia/api/v2/controllers/pool.py`). */
import { validationFailure } from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import type { PoolRow, SessionPersistence } from '../../db/tables.ts'
import { checkAlpnProtocols, checkCiphers, checkTlsVersions } from '../tls-options.ts'
import { secretsOfPool } from '../tls-places.ts'
import type { Named, ReferenceChecks } from '../tls-references.ts'
import type { PoolUpdate } from './schema.ts'

/** In: the pool's protocol and the persistence asked for, whose type may be missing where an update names none and there was none. */
export function checkSessionPersistence(
  protocol: PoolRow['protocol'],
  persistence: Partial<SessionPersistence> | null,
  operation: 'create' | 'update',
): asserts persistence is SessionPersistence | null {
  if (persistence === null) return
  if (protocol === 'UDP' || protocol === 'SCTP') {
    checkPersistenceOfDatagrams(persistence)
  } else if (persistence.persistence_timeout || persistence.persistence_granularity) {
    const protocols = operation === 'create' ? 'UDP and SCTP' : 'UDP'
    throw validationFailure(`persistence_timeout and persistence_granularity is only for ${protocols} protocol pools.`)
  }
  const { type, cookie_name } = persistence
  if (type === undefined) throw validationFailure('Invalid session_persistence provided.')
  if (cookie_name) {
    if (type !== 'APP_COOKIE') {
      throw validationFailure('Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".')
    }
    if (notInCookieName.test(cookie_name)) throw validationFailure('Supplied "cookie_name" is invalid.')
  }
  if (type === 'APP_COOKIE' && !cookie_name) {
    throw validationFailure('Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.')
  }
}

// A token of RFC 2616; beyond upstream, what is not ASCII is refused too: it would reach the configuration of HAProxy.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const notInCookieName = /[\x00-\x20"(),/:-@[-\]{}\x7f-\uffff]/

function checkPersistenceOfDatagrams({ type, cookie_name }: Partial<SessionPersistence>): void {
  if (type === 'SOURCE_IP' && cookie_name) {
    throw validationFailure(
      'session_persistence SOURCE_IP type for UDP and SCTP protocols only accepts: type, persistence_timeout, persistence_granularity.',
    )
  }
  if (cookie_name) throw validationFailure('Cookie names are not supported for UDP/SCTP pools.')
  if (type === 'HTTP_COOKIE' || type === 'APP_COOKIE') {
    throw validationFailure(`Session persistence of type ${type} is not supported for UDP/SCTP protocol pools.`)
  }
}

/** The rest of a new pool's checks. */
export function checkNewPool(pool: PoolRow, config: Config, references: ReferenceChecks): void {
  if (pool.crl_container_ref && !pool.ca_tls_container_ref) {
    throw validationFailure('A CA certificate reference is required to specify a revocation list.')
  }
  const { certificates, ca, crl, secrets } = referencesOfPool(pool)
  references.checkCertificates(certificates)
  references.checkAuthority(ca, crl)
  checkCiphers(pool.tls_ciphers, config)
  if (pool.tls_enabled) {
    checkTlsVersions(pool.tls_versions, config)
    checkAlpnProtocols(pool.alpn_protocols)
  }
  references.checkSecrets(secrets)
}

/** In: a new pool's row, or the body of a create or update. */
export function referencesOfPool(pool: Parameters<typeof secretsOfPool>[0]): Named {
  const { tls_container_ref, ca_tls_container_ref, crl_container_ref } = pool
  return {
    certificates: tls_container_ref ? [tls_container_ref] : [],
    ca: ca_tls_container_ref || null,
    crl: crl_container_ref || null,
    secrets: secretsOfPool(pool),
  }
}

/** The rest of an update's checks. In: its body, null meaning "clear", and the pool as it is. */
export function checkPoolUpdate(update: PoolUpdate, pool: PoolRow, config: Config, references: ReferenceChecks): void {
  const revocationList = update.crl_container_ref === undefined ? pool.crl_container_ref : update.crl_container_ref
  const ca = update.ca_tls_container_ref === undefined ? pool.ca_tls_container_ref : update.ca_tls_container_ref
  if (revocationList && !ca) {
    throw validationFailure(
      pool.ca_tls_container_ref === null
        ? 'A CA reference is required to specify a certificate revocation list.'
        : 'A CA reference cannot be removed when a certificate revocation list is present.',
    )
  }
  const { certificates, secrets } = referencesOfPool(update)
  references.checkCertificates(certificates)
  references.checkAuthority(ca || null, revocationList || null)
  checkCiphers(update.tls_ciphers, config)
  if (update.tls_versions !== undefined && update.tls_versions !== null) checkTlsVersions(update.tls_versions, config)
  if (update.alpn_protocols !== undefined && update.alpn_protocols !== null) checkAlpnProtocols(update.alpn_protocols)
  references.checkSecrets(secrets)
}
