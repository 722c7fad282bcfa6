/** A certificate authority of a test's own, by openssl: certificates, what it revoked, bundles. All is files in one directory. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exec } from '../../../src/lib/exec.ts'

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const CONFIGURATION = `[ca]
default_ca = this
[this]
database = index.txt
default_md = sha256
default_crl_days = 30
`

export class TestCa {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(directory: string, name: string): Promise<TestCa> {
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'index.txt'), '')
    writeFileSync(join(directory, 'ca.conf'), CONFIGURATION)
    const ca = new TestCa(directory)
    await ca.#openssl('req', '-x509', ...EC_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', `/CN=${name}`)
    return ca
  }

  /** The CA's own certificate, a PEM file. */
  get certificate(): string {
    return this.file('ca.crt')
  }

  file(name: string): string {
    return join(this.#directory, name)
  }

  /** A certificate for these host names; answers a PEM file with the key first. The first name is the common name and the file's. */
  async issue(name: string, ...others: string[]): Promise<string> {
    const names = [name, ...others].map((one) => `DNS:${one}`).join(',')
    await this.#openssl(
      'req',
      ...EC_KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/O=Test/CN=${name}`,
      '-addext',
      `subjectAltName=${names}`,
    )
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copyall', '-days', '30']
    await this.#openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.crt`)
    writeFileSync(this.file(`${name}.pem`), readFileSync(this.file(`${name}.key`), 'utf8') + readFileSync(this.file(`${name}.crt`), 'utf8'))
    return this.file(`${name}.pem`)
  }

  /** Answers the new revocation list, a PEM file. */
  async revoke(...names: string[]): Promise<string> {
    const ca = ['ca', '-config', 'ca.conf', '-cert', 'ca.crt', '-keyfile', 'ca.key']
    for (const name of names) await this.#openssl(...ca, '-revoke', `${name}.crt`)
    await this.#openssl(...ca, '-gencrl', '-out', 'crl.pem')
    return this.file('crl.pem')
  }

  /** The PKCS#12 bundle of an issued certificate, without a password. */
  async bundle(name: string): Promise<Buffer> {
    await this.#openssl('pkcs12', '-export', '-inkey', `${name}.key`, '-in', `${name}.crt`, '-out', `${name}.p12`, '-passout', 'pass:')
    return readFileSync(this.file(`${name}.p12`))
  }

  async #openssl(...args: string[]): Promise<void> {
    await exec('openssl', args, { cwd: this.#directory })
  }
}
