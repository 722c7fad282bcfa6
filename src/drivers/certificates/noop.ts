/** Upstream's `noop_cert_manager`: every reference is there, and names the same certificate. For benchmarks and tests of the API. */
import { createCertificateAuthority } from '../../lib/certificate-authority.ts'
import { createRevocationList } from '../../lib/revocation-list.ts'
import type { CertificateBundle, CertificateDriver } from './driver.ts'

const YEAR_SECONDS = 365 * 86_400

export class NoopCertificates implements CertificateDriver {
  readonly keepsConsumers = false
  /** Made when first asked for. */
  #made: Promise<{ certificate: string; key: string }> | undefined

  async checkCertificate(): Promise<void> {}

  async getCertificate(): Promise<CertificateBundle> {
    const { certificate, key } = await this.#authority()
    return { certificate, private_key: key, intermediates: [] }
  }

  /** A CA and its revocation list in one text, for nobody can tell from the reference which of them is asked for. */
  async getSecret(): Promise<string> {
    const authority = await this.#authority()
    return `${authority.certificate}\n${await createRevocationList(authority)}`
  }

  async addConsumer(): Promise<void> {}

  async removeConsumer(): Promise<void> {}

  #authority() {
    this.#made ??= createCertificateAuthority({ common_name: 'no-op', validitySeconds: YEAR_SECONDS })
    return this.#made
  }
}
