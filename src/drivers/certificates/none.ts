/** Where nobody has said where secrets are kept: every question is answered with that. */
import { NoSecretStoreError } from '../errors.ts'
import type { CertificateBundle, CertificateDriver } from './driver.ts'

export class NoCertificates implements CertificateDriver {
  readonly keepsConsumers = false
  async checkCertificate(): Promise<void> {
    throw new NoSecretStoreError()
  }

  async getCertificate(): Promise<CertificateBundle> {
    throw new NoSecretStoreError()
  }

  async getSecret(): Promise<string> {
    throw new NoSecretStoreError()
  }

  async addConsumer(): Promise<void> {}

  async removeConsumer(): Promise<void> {}
}
