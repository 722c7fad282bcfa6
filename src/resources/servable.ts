/**
 * What upstream's API accepts though HAProxy or OpenSSL refuse it, and with it the configuration of the whole load balancer. Refused where HAProxy is
 * what serves; all throw 400.
 */
import { createSecureContext } from 'node:tls'
import { invalidL7Rule, validationFailure } from '../api/faults.ts'
import type { L7RuleRow, ListenerRow, PoolRow } from '../db/tables.ts'
import { hasCertificate, offloadsTls, tlsParameters } from '../render/haproxy-tls.ts'
import { problemOfRegularExpression } from './l7rule/regular-expression.ts'
import { certificateNeeded } from './listener/checks.ts'
import type { Provider } from './unsupported.ts'

/** In: the listener as it will be. */
export function checkListenerServable({ amphora: { capabilities } }: Provider, listener: ListenerRow): void {
  if (!capabilities.values_must_be_servable || !offloadsTls(listener)) return
  if (!hasCertificate(listener)) throw certificateNeeded(listener.protocol)
  checkTlsParameters(listener)
}

/** In: the pool as it will be. */
export function checkPoolServable({ amphora: { capabilities } }: Provider, pool: PoolRow): void {
  if (capabilities.values_must_be_servable && pool.tls_enabled) checkTlsParameters(pool)
}

function checkTlsParameters(asked: Pick<ListenerRow | PoolRow, 'tls_ciphers' | 'tls_versions'>): void {
  const { ciphers, versions } = tlsParameters(asked)
  if (versions?.length === 0) {
    throw validationFailure(`None of the TLS versions ${asked.tls_versions.join(', ')} can be served with the ciphers.`)
  }
  if (ciphers.length > 0 && !(ciphers.every((name) => cipherName.test(name)) && opensslTakes(ciphers))) {
    throw validationFailure('The cipher string names no cipher that can be used, or is malformed.')
  }
}

/** A name, with what is done with it, or a command. OpenSSL 3.0 is stricter with names than the one that is asked here. */
const cipherName = /^(?:[!+-]?[A-Za-z0-9][A-Za-z0-9.+-]*|@STRENGTH|@SECLEVEL=[0-5])$/

function opensslTakes(ciphers: string[]): boolean {
  try {
    createSecureContext({ ciphers: ciphers.join(':') })
    return true
  } catch {
    return false
  }
}

/** In: the rule as it will be. */
export function checkL7RuleServable(
  { amphora: { capabilities } }: Provider,
  { type, compare_type, value }: Pick<L7RuleRow, 'type' | 'compare_type' | 'value'>,
): void {
  if (!capabilities.values_must_be_servable) return
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw invalidL7Rule('Invalid characters in comparison value')
  const problem = compare_type === 'REGEX' && type !== 'SSL_CONN_HAS_CERT' ? problemOfRegularExpression(value) : null
  if (problem !== null) throw invalidL7Rule(`Unable to parse regular expression: ${problem}`)
}
