/**
 * By what controllers and agents know each other. It may change while the process runs, so it is asked for where it is used, and not kept.
 */
import { createHash } from 'node:crypto'
import type { CertificateAuthority } from '../lib/certificate-authority.ts'

export interface TrustMaterial {
  /** Signs agents' server certificates. */
  readonly serverCa: CertificateAuthority
  /** PEM of all CAs by whose certificates an agent is known, the one that signs among them. */
  readonly serverCas: string
  /** PEM of all CAs by whose certificates agents know a controller. */
  readonly clientCas: string
  /** PEM of the controllers' certificate with its key. */
  readonly client: { readonly certificate: string; readonly key: string }
}

export interface Trust {
  readonly current: TrustMaterial
}

/** What an agent should have, as digests that tell nothing: by them it is seen who has something else. */
export interface Credentials {
  /** Of the CA that signed its certificate. */
  server_ca: string
  /** Of the CAs that it takes clients' certificates of. */
  client_cas: string
}

export function credentialsOf({ serverCa, clientCas }: TrustMaterial): Credentials {
  return { server_ca: digestOf(serverCa.certificate), client_cas: digestOf(clientCas) }
}

function digestOf(pem: string): string {
  return createHash('sha256').update(pem.trim()).digest('base64url')
}
