/** A private CA on EC P-256: what signs agents' and controllers' certificates. */
import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A private CA: signs certificates for agents or for controllers. */
export interface CertificateAuthority {
  /** The CA's own certificate, PEM. */
  readonly certificate: string
  /** Makes a key pair (EC P-256) and a certificate for it. `common_name` is also the DNS SAN. Returns PEM. */
  issue(wanted: {
    common_name: string
    usage: 'server' | 'client'
    validitySeconds: number
  }): Promise<{ certificate: string; key: string; notAfter: Date }>
}

type SigningAlgorithm = webcrypto.EcKeyImportParams & webcrypto.EcdsaParams
type RsaAlgorithm = webcrypto.RsaHashedImportParams

const P256_SHA256: SigningAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
/** Extended key usages (RFC 5280, 4.2.1.12). */
const USAGES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' }
/** Clocks of machines differ: what was just signed must already be valid there. */
const BACKDATED_MS = 5 * 60 * 1000

/** Makes a self-signed CA. Returns PEM; the key is PKCS#8, not encrypted. */
export async function createCertificateAuthority(wanted: {
  common_name: string
  validitySeconds: number
}): Promise<{ certificate: string; key: string }> {
  const keys = await makeKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [wanted.common_name] }],
    ...validity(wanted.validitySeconds),
    signingAlgorithm: P256_SHA256,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: asText(certificate.toString('pem')), key: await pemOfKey(keys.privateKey) }
}

/**
 * The CA of this certificate and key (PEM; EC or RSA, so that an operator's own CA works; any PEM format OpenSSL reads, encrypted with
 * `passphrase` or not). Throws when the key cannot be read or belongs to another certificate.
 */
export async function loadCertificateAuthority(stored: {
  certificate: string
  key: string
  passphrase?: string
}): Promise<CertificateAuthority> {
  const keyObject = createPrivateKey({ key: stored.key, passphrase: stored.passphrase })
  const own = new X509Certificate(stored.certificate)
  const algorithm = signingAlgorithmOf(keyObject.asymmetricKeyType, keyObject.asymmetricKeyDetails?.namedCurve)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', keyObject.export({ format: 'der', type: 'pkcs8' }), algorithm, false, [
    'sign',
  ])
  await assertBelongsTogether(own, signingKey, algorithm)
  // By it OpenSSL finds which of two CAs of the same name has signed.
  const keyId = own.getExtension(SubjectKeyIdentifierExtension)?.keyId

  return {
    certificate: stored.certificate,
    async issue({ common_name, usage, validitySeconds }) {
      const keys = await makeKeys()
      const certificate = await X509CertificateGenerator.create({
        subject: [{ CN: [common_name] }],
        issuer: own.subjectName,
        ...validity(validitySeconds),
        publicKey: keys.publicKey,
        signingKey,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([USAGES[usage]]),
          new SubjectAlternativeNameExtension([{ type: 'dns', value: common_name }]),
          ...(keyId === undefined ? [] : [new AuthorityKeyIdentifierExtension(keyId)]),
        ],
      })
      return { certificate: asText(certificate.toString('pem')), key: await pemOfKey(keys.privateKey), notAfter: certificate.notAfter }
    },
  }
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P256_SHA256, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
}

function validity(seconds: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + seconds * 1000) }
}

function signingAlgorithmOf(type: string | undefined, namedCurve: string | undefined): SigningAlgorithm | RsaAlgorithm {
  if (type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  if (type === 'ec' && namedCurve === 'prime256v1') return P256_SHA256
  if (type === 'ec' && namedCurve === 'secp384r1') return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  throw new Error(`a CA key of type ${[type, namedCurve].filter(Boolean).join(' ')} is not supported: use RSA, EC P-256 or EC P-384`)
}

async function assertBelongsTogether(
  certificate: X509Certificate,
  signingKey: webcrypto.CryptoKey,
  algorithm: SigningAlgorithm | RsaAlgorithm,
): Promise<void> {
  const probe = new Uint8Array(32)
  const publicKey = await certificate.publicKey.export(algorithm, ['verify'])
  const signature = await webcrypto.subtle.sign(algorithm, signingKey, probe)
  if (!(await webcrypto.subtle.verify(algorithm, publicKey, signature, probe)))
    throw new Error("the CA's private key does not belong to its certificate")
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END PRIVATE KEY-----\n`
}

function asText(pem: string): string {
  return `${pem.trim()}\n`
}
