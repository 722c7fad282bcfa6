import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NotFoundError } from '../errors.ts'
import type { CertificateBundle, CertificateDriver, SecretReader, UserReader } from './driver.ts'

export interface CertificatesUnderTest {
  driver: CertificateDriver
  /** References to what is there: a bundle, and a secret with this text. */
  bundle: { reference: string; content: CertificateBundle }
  secret: { reference: string; text: string }
  /** Whose it is; default: whoever runs the installation asks. */
  owner?: UserReader & { project_id: string }
  /** Who has nothing to do with it, where the store knows users. */
  stranger?: UserReader
  /** The load balancers that stand there as users of the secret or container, where the store keeps such lists. */
  consumersOf?(reference: string): Promise<string[]>
  close?(): Promise<void>
}

const nowhere = ['http://secrets.example/v1/secrets/11111111-1111-4111-8111-111111111111', 'x', '', '../../../etc/passwd', '..']
const [ID, OTHER_ID] = ['22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333']

/** The promises of CertificateDriver, as tests: every implementation that keeps secrets passes them. */
export function certificatesContract(name: string, open: () => Promise<CertificatesUnderTest>): void {
  describe(`certificate driver: ${name}`, () => {
    let it: CertificatesUnderTest
    let owner: SecretReader
    beforeEach(async () => {
      it = await open()
      owner = it.owner ?? null
    })
    afterEach(async () => {
      await it.close?.()
    })

    test('what is there can be checked and read, by the service as well from then on', async () => {
      const { driver, bundle, secret } = it
      await driver.checkCertificate(bundle.reference, owner)
      const service = { project_id: it.owner?.project_id ?? 'project-1', service: true } as const
      assert.deepEqual(await driver.getCertificate(bundle.reference, owner), bundle.content)
      assert.deepEqual(await driver.getCertificate(bundle.reference, service), bundle.content)
      assert.equal(await driver.getSecret(secret.reference, owner), secret.text)
      assert.equal(await driver.getSecret(secret.reference, service), secret.text)
    })

    test('what is not there is NotFoundError, whatever the reference looks like', async () => {
      for (const reference of nowhere) {
        await assert.rejects(it.driver.checkCertificate(reference, owner), NotFoundError)
        await assert.rejects(it.driver.getCertificate(reference, owner), NotFoundError)
        await assert.rejects(it.driver.getSecret(reference, owner), NotFoundError)
      }
    })

    test('what is not for a user is not there for him, whoever else was given it', async () => {
      const { driver, bundle, secret, stranger } = it
      if (stranger === undefined) return
      const refused = async () => {
        await assert.rejects(driver.checkCertificate(bundle.reference, stranger), NotFoundError)
        await assert.rejects(driver.getCertificate(bundle.reference, stranger), NotFoundError)
        await assert.rejects(driver.getSecret(secret.reference, stranger), NotFoundError)
      }
      await refused()
      await driver.checkCertificate(bundle.reference, owner)
      await driver.getSecret(secret.reference, owner)
      await refused()
    })

    test('load balancers stand in the list of what they use, once each, until they no longer do', async () => {
      const { driver, bundle, secret, consumersOf = async () => [] } = it
      const isKept = it.consumersOf !== undefined
      await driver.checkCertificate(bundle.reference, owner)
      await driver.getSecret(secret.reference, owner)
      for (const reference of [bundle.reference, secret.reference]) {
        await driver.addConsumer(reference, ID)
        await driver.addConsumer(reference, ID)
        await driver.addConsumer(reference, OTHER_ID)
        assert.deepEqual((await consumersOf(reference)).sort(), isKept ? [ID, OTHER_ID] : [])
        await driver.removeConsumer(reference, ID)
        await driver.removeConsumer(reference, ID)
        assert.deepEqual(await consumersOf(reference), isKept ? [OTHER_ID] : [])
        await driver.removeConsumer(reference, OTHER_ID)
        assert.deepEqual(await consumersOf(reference), [])
      }
      for (const reference of nowhere) {
        await driver.addConsumer(reference, ID)
        await driver.removeConsumer(reference, ID)
      }
    })
  })
}
