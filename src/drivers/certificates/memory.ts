/** Secrets in this process's memory, for tests: each belongs to a project or, with null, to everybody. */
import { randomUUID } from 'node:crypto'
import { NotFoundError, UnreadableBundleError } from '../errors.ts'
import { Failures } from '../failures.ts'
import type { CertificateBundle, CertificateDriver, SecretReader } from './driver.ts'

type Owned<T> = { project_id: string | null; content: T }

export class MemoryCertificates implements CertificateDriver {
  private readonly bundles = new Map<string, Owned<CertificateBundle | null>>()
  private readonly secrets = new Map<string, Owned<string>>()
  private readonly failures = new Failures<keyof CertificateDriver>()

  /** The next call of this method fails; with `after` it has its effect all the same. */
  failNext(method: keyof CertificateDriver, error?: Error, options?: { after?: boolean }): void {
    this.failures.failNext(method, error, options)
  }

  /** Returns its reference. A bundle of null is one that cannot be opened. */
  addCertificate(given: { bundle?: CertificateBundle | null; project_id?: string; reference?: string } = {}): string {
    const {
      bundle = { certificate: '', private_key: '', intermediates: [] },
      project_id = null,
      reference = aReference('containers'),
    } = given
    this.bundles.set(reference, { project_id, content: bundle })
    return reference
  }

  /** Returns its reference. */
  addSecret(text: string, project_id: string | null = null): string {
    const reference = aReference('secrets')
    this.secrets.set(reference, { project_id, content: text })
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
}

function aReference(kind: string): string {
  return `http://secrets.example/v1/${kind}/${randomUUID()}`
}

function find<T>(what: string, things: Map<string, Owned<T>>, reference: string, reader: SecretReader): T {
  const found = things.get(reference)
  const isHidden = reader !== null && found?.project_id !== null && found?.project_id !== reader.project_id
  if (found === undefined || isHidden) throw new NotFoundError(what, reference)
  return found.content
}

function openBundle(bundle: CertificateBundle | null): CertificateBundle {
  if (bundle === null) throw new UnreadableBundleError('it is not a PKCS12 bundle')
  return structuredClone(bundle)
}
