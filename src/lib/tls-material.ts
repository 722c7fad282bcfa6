/**
 * What users bring for TLS, opened and put into the form that HAProxy is given: certificates with their keys, authorities, lists of what these have
 * revoked. Nothing of a text but its PEM blocks gets through, and those written anew.
 */
import 'reflect-metadata'
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { PemConverter } from '@peculiar/x509'
import { blocksOf } from './pem.ts'
import { parseRevocationList } from './revocation-list.ts'

/** PEM, all of it. */
type Bundle = { certificate: string; private_key: string; intermediates: string[] }

export type TlsMaterial = {
  /** What is given to HAProxy. With a private key, where there is one. */
  pem: string
  /** Of the server's or client's own certificate, or the first of several authorities; of a list, who issued it. */
  subject: string
  issuer: string
  /** Milliseconds since 1970. Of several authorities or lists, while all are valid; of a list, until the next is due. */
  notBeforeMs: number
  notAfterMs: number
  /** Public: SHA-256 of the first certificate or list, as `openssl x509 -fingerprint` shows it. */
  fingerprint: string
  /** Of authorities: whether each may sign certificates, or is at least its own issuer, with which a client's certificate may be trusted as such. */
  isAuthority: boolean
}

/** Why HAProxy could not be given it. */
export type Flaw =
  | 'no_certificate'
  | 'no_private_key'
  | 'key_of_another'
  | 'too_weak'
  | 'broken_intermediates'
  | 'no_authority'
  | 'no_revocation_list'

export class FlawedMaterial extends Error {
  readonly flaw: Flaw
  constructor(flaw: Flaw, cause?: unknown) {
    super(cause instanceof Error ? `${flaw}: ${cause.message}` : flaw)
    this.name = 'FlawedMaterial'
    this.flaw = flaw
  }
}

/**
 * The certificate, its key and its intermediates in HAProxy's order. Throws FlawedMaterial for what HAProxy would refuse, which would take the whole
 * configuration with it: OpenSSL itself is asked.
 */
export function openBundle({ certificate, private_key, intermediates }: Bundle): TlsMaterial {
  // Many keep the whole chain where the certificate alone is asked for.
  const [own, ...following] = certificatesIn(certificate, 'no_certificate')
  if (own === undefined) throw new FlawedMaterial('no_certificate')
  const key = openKey(private_key)
  if (!own.checkPrivateKey(key)) throw new FlawedMaterial('key_of_another')
  const given = intermediates.flatMap((text) => {
    const found = certificatesIn(text, 'broken_intermediates')
    if (found.length === 0) throw new FlawedMaterial('broken_intermediates')
    return found
  })
  const chain = [...following, ...given]
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' }) as string
  const certificatesPem = [own, ...chain].map(String).join('')
  if ([own, ...chain].some(isSignedWeakly)) throw new FlawedMaterial('too_weak')
  try {
    createSecureContext({ cert: certificatesPem, key: keyPem, ciphers: DEBIANS_CIPHERS })
  } catch (error) {
    throw new FlawedMaterial('too_weak', error)
  }
  return { ...describe([own]), pem: `${own}${keyPem}${chain.join('')}` }
}

/** As HAProxy's OpenSSL is configured on Debian: keys below 112 bits of security are refused. */
const DEBIANS_CIPHERS = 'DEFAULT:@SECLEVEL=2'

/** OpenSSL refuses such a chain at that level, too, but only by the digest of what somebody else has signed. */
function isSignedWeakly(certificate: X509Certificate): boolean {
  return /^(sha1|md[245])With|with-?SHA1$/i.test(certificate.signatureAlgorithm ?? '') && !certificate.checkIssued(certificate)
}

/** Throws FlawedMaterial unless the text has certificates, all of which can be read. */
export function openAuthorities(text: string): TlsMaterial {
  const certificates = certificatesIn(text, 'no_authority')
  if (certificates.length === 0) throw new FlawedMaterial('no_authority')
  return { ...describe(certificates), pem: certificates.join('') }
}

/** Throws FlawedMaterial unless the text has revocation lists, all of which can be read. */
export function openRevocationLists(text: string): TlsMaterial {
  const blocks = blocksOf(text, 'X509 CRL')
  if (blocks.length === 0) throw new FlawedMaterial('no_revocation_list')
  const lists = blocks.map((block) => {
    try {
      return parseRevocationList(block)
    } catch (error) {
      throw new FlawedMaterial('no_revocation_list', error)
    }
  })
  const [first] = lists as [(typeof lists)[number]]
  return {
    pem: lists.map(({ rawData }) => `${PemConverter.encode(rawData, 'X509 CRL')}\n`).join(''),
    subject: first.issuer,
    issuer: first.issuer,
    notBeforeMs: Math.max(...lists.map(({ thisUpdate }) => thisUpdate.getTime())),
    // A list need not say when the next one is due (RFC 5280 asks for it, OpenSSL does not).
    notAfterMs: Math.min(...lists.map(({ nextUpdate }) => nextUpdate?.getTime() ?? LAST_DAY_MS)),
    fingerprint: fingerprintOf(first.rawData),
    isAuthority: false,
  }
}

const LAST_DAY_MS = Date.UTC(9999, 11, 31)

function certificatesIn(text: string, flaw: Flaw): X509Certificate[] {
  return blocksOf(text, 'CERTIFICATE').map((block) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new FlawedMaterial(flaw, error)
    }
  })
}

function fingerprintOf(der: ArrayBuffer): string {
  const hex = createHash('sha256').update(new Uint8Array(der)).digest('hex').toUpperCase()
  return hex.match(/../g)!.join(':')
}

function openKey(text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw new FlawedMaterial('no_private_key', error)
  }
}

function describe(certificates: X509Certificate[]): Omit<TlsMaterial, 'pem'> {
  const [first] = certificates as [X509Certificate]
  const notBeforeMs = Math.max(...certificates.map(({ validFromDate }) => validFromDate.getTime()))
  const notAfterMs = Math.min(...certificates.map(({ validToDate }) => validToDate.getTime()))
  if (Number.isNaN(notBeforeMs) || Number.isNaN(notAfterMs)) throw new FlawedMaterial('no_certificate', new Error('a date cannot be read'))
  return {
    subject: oneLine(first.subject),
    issuer: oneLine(first.issuer),
    notBeforeMs,
    notAfterMs,
    fingerprint: first.fingerprint256,
    isAuthority: certificates.every((certificate) => certificate.ca || certificate.checkIssued(certificate)),
  }
}

/** Node shows a name with one part on each line. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ')
}
