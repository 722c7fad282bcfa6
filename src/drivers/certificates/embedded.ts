/** Certificates from the embedded secret store, read without a detour by its HTTP API. */
import { addConsumer, type EmbeddedSecrets, readContainer, readSecret, removeConsumer } from '../../embedded/secrets/service.ts'
import { NotFoundError } from '../errors.ts'
import { bundleOfContainer, bundleOfPkcs12, textOfSecret } from './bundle.ts'
import type { CertificateBundle, CertificateDriver, SecretReader } from './driver.ts'
import { parseReference } from './reference.ts'

export class EmbeddedCertificates implements CertificateDriver {
  readonly keepsConsumers = true
  readonly #secrets: EmbeddedSecrets

  constructor(secrets: EmbeddedSecrets) {
    this.#secrets = secrets
  }

  async checkCertificate(reference: string, reader: SecretReader): Promise<void> {
    await this.getCertificate(reference, reader)
  }

  async getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle> {
    const named = parseReference(reference)
    const bundle = named === null || named.kind === 'containers' ? null : await readSecret(this.#secrets, named.id, reader)
    if (bundle !== null) return bundleOfPkcs12(bundle)
    const contents = named === null || named.kind === 'secrets' ? null : await readContainer(this.#secrets, named.id, reader)
    if (contents === null) throw new NotFoundError('Certificate', reference)
    return bundleOfContainer(contents)
  }

  async getSecret(reference: string, reader: SecretReader): Promise<string> {
    const named = parseReference(reference)
    const payload = named === null || named.kind === 'containers' ? null : await readSecret(this.#secrets, named.id, reader)
    if (payload === null) throw new NotFoundError('Secret', reference)
    return textOfSecret(payload)
  }

  async addConsumer(reference: string, load_balancer_id: string): Promise<void> {
    const named = parseReference(reference)
    if (named !== null) await addConsumer(this.#secrets, named.id, load_balancer_id)
  }

  async removeConsumer(reference: string, load_balancer_id: string): Promise<void> {
    const named = parseReference(reference)
    if (named !== null) await removeConsumer(this.#secrets, named.id, load_balancer_id)
  }
}
