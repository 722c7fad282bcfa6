import { openAuthorities, openBundle, openRevocationLists, type TlsMaterial } from '../../lib/tls-material.ts'
import type { CertificateDriver, SecretReader } from './driver.ts'

/** What a secret is named for: a certificate with its key, certificates of authorities, or lists of what these have revoked. */
export type MaterialKind = 'bundle' | 'authorities' | 'revocation_lists'

/** Reads and opens a secret. Throws what the driver throws, and FlawedMaterial. */
export async function readMaterial(
  store: CertificateDriver,
  kind: MaterialKind,
  reference: string,
  reader: SecretReader,
): Promise<TlsMaterial> {
  if (kind === 'bundle') return openBundle(await store.getCertificate(reference, reader))
  const text = await store.getSecret(reference, reader)
  return kind === 'authorities' ? openAuthorities(text) : openRevocationLists(text)
}
