/** What may be stored as a certificate file, so that a broken one is refused when it comes and the old one stays in service. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** The message says what is wrong and quotes nothing of the file. */
export class InvalidCertificate extends Error {}

export type Material = 'certificate' | 'authorities' | 'revocation list' | 'other'

/**
 * Takes a certificate with its key (and chain), CA certificates, revocation lists, and other texts (crt-lists), but nothing of another kind than
 * `previous`, the file's contents until now. Throws InvalidCertificate.
 */
export function checkCertificateFile(contents: string, previous: string | null): Material {
  const material = materialOf(contents)
  if (previous !== null && materialOf(previous) !== material)
    throw new InvalidCertificate(`the file holds a ${materialOf(previous)}, what came is a ${material}`)
  try {
    if (material === 'certificate') {
      createSecureContext({ cert: contents, key: contents })
      for (const pem of certificatesIn(contents)) new X509Certificate(pem)
    } else if (material === 'authorities') for (const pem of certificatesIn(contents)) new X509Certificate(pem)
    else if (material === 'revocation list') createSecureContext({ crl: contents })
  } catch (error) {
    throw new InvalidCertificate(`no usable ${material}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`)
  }
  return material
}

function materialOf(contents: string): Material {
  if (contents.includes(' PRIVATE KEY-----') || contents.includes('-----BEGIN PRIVATE KEY-----')) return 'certificate'
  if (contents.includes('-----BEGIN X509 CRL-----')) return 'revocation list'
  return contents.includes('-----BEGIN ') ? 'authorities' : 'other'
}

function certificatesIn(contents: string): string[] {
  const found = contents.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw new Error('there is no certificate in it')
  return found
}
