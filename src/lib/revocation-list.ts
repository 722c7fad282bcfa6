/** Certificates of users' CAs, and their lists of what they have revoked. */
import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import { PemConverter, X509Certificate, X509Crl, X509CrlGenerator } from '@peculiar/x509'
import { blocksOf } from './pem.ts'

const DAY_MS = 86_400_000

/** Throws unless the text has the PEM of an X.509 certificate; the first one counts. */
export function parseCertificate(text: string): X509Certificate {
  const [pem] = blocksOf(text, 'CERTIFICATE')
  if (pem === undefined) throw new Error('there is no PEM block of a certificate')
  return new X509Certificate(pem)
}

/** Throws unless the text has the PEM of a revocation list; the first one counts. */
export function parseRevocationList(text: string): X509Crl {
  const [pem] = blocksOf(text, 'X509 CRL')
  if (pem === undefined) throw new Error('there is no PEM block of a certificate revocation list')
  return new X509Crl(PemConverter.decodeFirst(pem))
}

/** Whether the list was signed with the key of that certificate. */
export async function isSignedBy(list: X509Crl, authority: X509Certificate): Promise<boolean> {
  try {
    return await list.verify({ publicKey: authority })
  } catch {
    // A key of another kind than the signature.
    return false
  }
}

/** A list that revokes nothing, as PEM, for an authority on EC P-256. */
export async function createRevocationList({ certificate, key }: { certificate: string; key: string }): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
  const list = await X509CrlGenerator.create({
    issuer: new X509Certificate(certificate).subjectName,
    thisUpdate: new Date(),
    nextUpdate: new Date(Date.now() + DAY_MS),
    signingAlgorithm: algorithm,
    signingKey: await webcrypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, false, ['sign']),
  })
  // The library's own label is one that nobody else reads.
  return PemConverter.encode(list.rawData, 'X509 CRL')
}
