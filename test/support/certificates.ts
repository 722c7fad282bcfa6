/** Certificates of every kind that users have, made at once. PEM. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { BasicConstraintsExtension, PemConverter, X509Certificate, X509CertificateGenerator, X509CrlGenerator } from '@peculiar/x509'

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const rsa = (modulusLength: number, hash: string) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash,
})

/** Valid on every day that a test's clock may show. */
const ALWAYS = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }

export interface Issued {
  certificate: string
  private_key: string
  intermediates: string[]
}

export interface Wanted {
  name?: string
  /** ISO times. */
  from?: string
  to?: string
  isAuthority?: boolean
  /** Default: it signs itself. */
  issuer?: Issued
  key?: 'ec' | 'rsa-1024' | 'rsa-2048'
}

/** As getCertificate gives it: `cloud.certificates.addCertificate({ bundle: await aCertificate() })`. */
export async function aCertificate({
  name = 'www.example',
  issuer,
  isAuthority = false,
  key = 'ec',
  ...given
}: Wanted = {}): Promise<Issued> {
  const { from, to } = { ...ALWAYS, ...given }
  const algorithm = key === 'ec' ? EC : rsa(key === 'rsa-1024' ? 1024 : 2048, 'SHA-256')
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: issuer === undefined ? [{ CN: [name] }] : new X509Certificate(issuer.certificate).subjectName,
    notBefore: new Date(from),
    notAfter: new Date(to),
    publicKey: keys.publicKey,
    signingKey: issuer === undefined ? keys.privateKey : await signingKey(issuer),
    signingAlgorithm: issuer === undefined ? algorithm : EC,
    extensions: [new BasicConstraintsExtension(isAuthority, undefined, true)],
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    certificate: `${certificate.toString('pem')}\n`,
    private_key: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
    intermediates: [],
  }
}

export function anAuthority(wanted: Wanted = {}): Promise<Issued> {
  return aCertificate({ name: 'CA', ...wanted, isAuthority: true })
}

/** Of an authority on EC P-256. `until`: when the next is due. */
export async function aRevocationList(authority: Issued, { from, to }: { from?: string; to?: string } = {}): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: new X509Certificate(authority.certificate).subjectName,
    thisUpdate: new Date(from ?? ALWAYS.from),
    nextUpdate: new Date(to ?? ALWAYS.to),
    signingAlgorithm: EC,
    signingKey: await signingKey(authority),
  })
  return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`
}

function signingKey({ private_key }: Issued): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(private_key), EC, false, ['sign'])
}
