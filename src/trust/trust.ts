/**
 * By what controllers and agents know each other. It may change while the process runs, so it is asked for where it is used, and not kept.
 */
import { createHash, createHmac } from 'node:crypto'
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
  /** Those that count: agents are given the first. */
  readonly heartbeatKeys: readonly string[]
  /** The passphrase by which digests of what is secret tell nothing. */
  readonly digestKey: string
}

export interface Trust {
  readonly current: TrustMaterial
  /** Learns at once what another process may have changed. */
  refresh(): Promise<void>
}

/** What an agent should have, as digests: by them it is seen who has something else. */
export interface Credentials {
  /** Of the CA that signed its certificate. */
  server_ca: string
  /** Of the CAs that it takes clients' certificates of. */
  client_cas: string
  heartbeat_key: string
}

export function credentialsOf({ serverCa, clientCas, heartbeatKeys, digestKey }: TrustMaterial): Credentials {
  return {
    server_ca: digestOf(serverCa.certificate),
    client_cas: digestOf(clientCas),
    heartbeat_key: createHmac('sha256', digestKey).update('ottavia heartbeat key\0').update(heartbeatKeys[0]!).digest('base64url'),
  }
}

function digestOf(pem: string): string {
  return createHash('sha256').update(pem.trim()).digest('base64url')
}
