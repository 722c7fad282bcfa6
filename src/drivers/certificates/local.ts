/**
 * Upstream's `local_cert_manager`: files in `[certificates] storage_path`, `<id>.crt` with a certificate (or any other text), `.key` and, where there
 * are, intermediates in `.int`. It knows no projects, so it is for a deployment with one user.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blocksOf } from '../../lib/pem.ts'
import { NotFoundError } from '../errors.ts'
import type { CertificateBundle, CertificateDriver } from './driver.ts'

export class LocalCertificates implements CertificateDriver {
  readonly keepsConsumers = false
  readonly #storagePath: string

  constructor(storagePath: string) {
    this.#storagePath = storagePath
  }

  async checkCertificate(reference: string): Promise<void> {
    await this.getCertificate(reference)
  }

  async getCertificate(reference: string): Promise<CertificateBundle> {
    const [certificate, private_key, intermediates] = await Promise.all([
      this.#read('Certificate', reference, 'crt'),
      this.#read('Certificate', reference, 'key'),
      this.#read('Certificate', reference, 'int').catch(() => ''),
    ])
    return { certificate, private_key, intermediates: blocksOf(intermediates, 'CERTIFICATE') }
  }

  async getSecret(reference: string): Promise<string> {
    return this.#read('Secret', reference, 'crt')
  }

  /** Files have no such lists. */
  async addConsumer(): Promise<void> {}

  async removeConsumer(): Promise<void> {}

  async #read(what: string, reference: string, ending: 'crt' | 'key' | 'int'): Promise<string> {
    // Only the id counts, and nothing in it may lead out of the directory.
    const id = reference.split('/').at(-1)!
    if (!/^[\w-]+$/.test(id)) throw new NotFoundError(what, reference)
    return readFile(join(this.#storagePath, `${id}.${ending}`), 'utf8').catch(() => {
      throw new NotFoundError(what, reference)
    })
  }
}
