/** TLS options that listeners and pools share: ciphers, versions, ALPN. Rules of `octavia/common/validate.py`; all throw 400. */
import { validationFailure } from '../api/faults.ts'
import type { Config } from '../config/config.ts'

const tlsVersions = ['SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
export const alpnProtocols = ['h2', 'http/1.1', 'http/1.0']

export function checkCiphers(ciphers: string | null | undefined, { api_settings }: Config): void {
  if (!ciphers) return
  if (!/^[A-Za-z0-9\-+!:@=_.]+$/.test(ciphers)) {
    throw validationFailure('Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed.')
  }
  const prohibited = api_settings.tls_cipher_prohibit_list.split(':')
  const rejected = ciphers.split(':').filter((cipher) => prohibited.includes(cipher))
  if (rejected.length > 0) {
    throw validationFailure(`The following ciphers have been prohibited by an administrator: ${rejected.join(', ')}`)
  }
}

export function checkTlsVersions(versions: string[], { api_settings }: Config): void {
  if (versions.length === 0) {
    throw validationFailure('Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the default.')
  }
  const unknown = versions.filter((version) => !tlsVersions.includes(version))
  if (unknown.length > 0) throw validationFailure(`Invalid TLS versions: ${unknown.join(', ')}`)
  const minimum = api_settings.minimum_tls_version
  if (minimum === null) return
  const rejected = versions.filter((version) => tlsVersions.indexOf(version) < tlsVersions.indexOf(minimum))
  if (rejected.length > 0) {
    throw validationFailure(`Requested TLS versions are less than the minimum: ${rejected.join(', ')} < ${minimum}`)
  }
}

export function checkAlpnProtocols(protocols: string[]): void {
  if (protocols.length === 0) {
    throw validationFailure(
      'Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use the default.',
    )
  }
  const unknown = protocols.filter((protocol) => !alpnProtocols.includes(protocol))
  if (unknown.length > 0) throw validationFailure(`Invalid ALPN protocol: ${unknown.join(', ')}`)
}
