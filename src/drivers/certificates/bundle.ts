/**
 * From what a secret store keeps to PEM, whichever store it is. What cannot be opened is UnreadableBundleError, in words for its owner; whether what
 * was opened fits together is for `material.ts` to say.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { blocksOf, derOf, pemOf } from '../../lib/pem.ts'
import { certificatesOfPkcs7 } from '../../lib/pkcs7.ts'
import { openPkcs12, Pkcs12Error } from '../../lib/pkcs12.ts'
import { remember } from '../../lib/remember.ts'
import { UnreadableBundleError } from '../errors.ts'
import type { CertificateBundle } from './driver.ts'

const ASN1_SEQUENCE = 0x30

/**
 * So many files stay open, with their keys in this process's memory, which has the key of the store as well: each change of a load balancer asks for
 * its certificates, and opening one takes milliseconds, or what its maker wants it to take.
 */
const MAX_OPEN_FILES = 500

/** In: a PKCS#12 file, or one in base64. */
export const bundleOfPkcs12 = remember(MAX_OPEN_FILES, async (payload): Promise<CertificateBundle> => {
  try {
    return await openPkcs12(payload[0] === ASN1_SEQUENCE ? payload : Buffer.from(payload.toString('latin1'), 'base64'))
  } catch (error) {
    if (error instanceof Pkcs12Error) throw new UnreadableBundleError(error.message)
    throw error
  }
})

/** `contents`: of a certificate container, by the names that secrets have in it. What it lacks is empty. */
export async function bundleOfContainer(contents: ReadonlyMap<string, Buffer>): Promise<CertificateBundle> {
  const [certificate = '', ...chain] = await certificatesOf(contents.get('certificate'))
  const intermediates = await certificatesOf(contents.get('intermediates'))
  const key = contents.get('private_key')
  const private_key = key === undefined ? '' : privateKeyOf(key, contents.get('private_key_passphrase'))
  return { certificate, private_key, intermediates: [...chain, ...intermediates] }
}

/** A certificate or a revocation list as PEM, also where it was stored as DER; any other text as it is. */
export function textOfSecret(payload: Buffer): string {
  if (payload[0] !== ASN1_SEQUENCE) return payload.toString('utf8')
  try {
    return new X509Certificate(payload).toString()
  } catch {
    return pemOf(payload, 'X509 CRL')
  }
}

/** PEM of each: of PEM, of PKCS#7 as PEM or DER, or of one certificate as DER. */
async function certificatesOf(payload: Buffer | undefined): Promise<string[]> {
  if (payload === undefined) return []
  const text = payload.toString('latin1')
  const blocks = blocksOf(text, 'CERTIFICATE')
  if (blocks.length > 0) return blocks.map((block) => parsedCertificate(block).toString().trim())
  const bundles = payload[0] === ASN1_SEQUENCE ? [payload] : blocksOf(text, 'PKCS7').map(derOf)
  const found = await Promise.all(bundles.map((der) => certificatesOfPkcs7(der).catch(() => [der])))
  return found.flat().map((der) => parsedCertificate(der).toString().trim())
}

function parsedCertificate(certificate: string | Buffer): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch {
    throw new UnreadableBundleError('it holds a certificate that cannot be read')
  }
}

/** PEM, PKCS#8, no longer encrypted. */
function privateKeyOf(payload: Buffer, passphrase: Buffer | undefined): string {
  const pem = payload[0] === ASN1_SEQUENCE ? pemOf(payload, 'PRIVATE KEY') : payload.toString('utf8')
  try {
    const key = createPrivateKey({ key: pem, passphrase: passphrase?.toString('utf8') })
    return (key.export({ type: 'pkcs8', format: 'pem' }) as string).trim()
  } catch {
    throw new UnreadableBundleError(`its private key cannot be read ${passphrase === undefined ? 'without a' : 'with its'} pass phrase`)
  }
}
