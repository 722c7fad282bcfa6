/** Secrets in this process's memory, for tests: each belongs to a project or, with null, to everybody; others read it who are listed. */
import { randomUUID } from 'node:crypto'
import { NotFoundError, UnreadableBundleError } from '../errors.ts'
import { Failures } from '../failures.ts'
import { type CertificateBundle, type CertificateDriver, readsEverything, type SecretReader } from './driver.ts'

/** `users` are ids; `service`: somebody who may read it has named it. */
type Owned<T> = { project_id: string | null; users: readonly string[]; service: boolean; content: T }
type Owner = { project_id?: string | null; users?: readonly string[] }

export class MemoryCertificates implements CertificateDriver {
  readonly keepsConsumers = true
  /** By reference, the load balancers that use it. */
  readonly consumers = new Map<string, Set<string>>()
  private readonly bundles = new Map<string, Owned<CertificateBundle | null>>()
  private readonly secrets = new Map<string, Owned<string>>()
  private readonly failures = new Failures<keyof CertificateDriver>()

  /** The next call of this method fails; with `after` it has its effect all the same. */
  failNext(method: keyof CertificateDriver, error?: Error, options?: { after?: boolean }): void {
    this.failures.failNext(method, error, options)
  }

  /** Returns its reference. A bundle of null is one that cannot be opened. */
  addCertificate(given: { bundle?: CertificateBundle | null; reference?: string } & Owner = {}): string {
    const { bundle = anyBundle, reference = aReference('containers'), ...owner } = given
    this.bundles.set(reference, owned(bundle, owner))
    return reference
  }

  /** The same reference, other contents: what a renewal is. */
  replaceCertificate(reference: string, bundle: CertificateBundle | null): void {
    this.bundles.get(reference)!.content = bundle
  }

  /** From now on nothing is there. */
  remove(reference: string): void {
    this.bundles.delete(reference)
    this.secrets.delete(reference)
  }

  /** Returns its reference. */
  addSecret(text: string, owner: Owner = {}): string {
    const reference = aReference('secrets')
    this.secrets.set(reference, owned(text, owner))
    return reference
  }

  async checkCertificate(reference: string, reader: SecretReader): Promise<void> {
    await this.failures.around('checkCertificate', () => void openBundle(find('Certificate', this.bundles, reference, reader)))
  }

  async getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle> {
    return this.failures.around('getCertificate', () => openBundle(find('Certificate', this.bundles, reference, reader)))
  }

  async getSecret(reference: string, reader: SecretReader): Promise<string> {
    return this.failures.around('getSecret', () => find('Secret', this.secrets, reference, reader))
  }

  async addConsumer(reference: string, load_balancer_id: string): Promise<void> {
    await this.failures.around('addConsumer', () => {
      if (!this.bundles.has(reference) && !this.secrets.has(reference)) return
      this.consumers.set(reference, new Set([...(this.consumers.get(reference) ?? []), load_balancer_id]))
    })
  }

  async removeConsumer(reference: string, load_balancer_id: string): Promise<void> {
    await this.failures.around('removeConsumer', () => void this.consumers.get(reference)?.delete(load_balancer_id))
  }
}

function aReference(kind: string): string {
  return `http://secrets.example/v1/${kind}/${randomUUID()}`
}

function owned<T>(content: T, { project_id = null, users = [] }: Owner): Owned<T> {
  return { project_id, users, service: false, content }
}

function find<T>(what: string, things: Map<string, Owned<T>>, reference: string, reader: SecretReader): T {
  const found = things.get(reference)
  if (found === undefined || !mayRead(found, reader)) throw new NotFoundError(what, reference)
  if (reader === null || !('service' in reader)) found.service = true
  return found.content
}

function mayRead({ project_id, users, service }: Owned<unknown>, reader: SecretReader): boolean {
  if (reader === null || readsEverything(reader) || project_id === null || project_id === reader.project_id) return true
  return 'service' in reader ? service : reader.user_id !== null && users.includes(reader.user_id)
}

function openBundle(bundle: CertificateBundle | null): CertificateBundle {
  if (bundle === null) throw new UnreadableBundleError('it is not a PKCS12 bundle')
  return structuredClone(bundle)
}

/** For tests that need one and do not care which; valid until 2100. Its key is no secret. */
const anyBundle: CertificateBundle = {
  certificate: `-----BEGIN CERTIFICATE-----
MIIBMDCB2KADAgECAhAKRXGyQvwsCbipLuxITmqCMAoGCCqGSM49BAMCMBExDzAN
BgNVBAMTBm1lbW9yeTAgFw0yMDAxMDEwMDAwMDBaGA8yMTAwMDEwMTAwMDAwMFow
ETEPMA0GA1UEAxMGbWVtb3J5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEI7a
0GVG314QIn142FYuWnQf3ixXRFiE+7iTyu+3Cd4abCfogPxvBZxuQdsZ/zkNurvm
2BckhGxFqX6Ga52zEKMQMA4wDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNHADBE
AiAxyGDCXhw/ZswnH/UVRtF5IkLD3sqkZra+cNT2h4T34QIgEk0bjYdCSIt49oq3
gKAL9PWo0IQNJCk7omN/V5d6ExA=
-----END CERTIFICATE-----
`,
  private_key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgz0PNxx5HbcQt1Z9B
+ahUmz2bsAObZP5thWH+vmTLgTahRANCAAQQjtrQZUbfXhAifXjYVi5adB/eLFdE
WIT7uJPK77cJ3hpsJ+iA/G8FnG5B2xn/OQ26u+bYFySEbEWpfoZrnbMQ
-----END PRIVATE KEY-----
`,
  intermediates: [],
}
