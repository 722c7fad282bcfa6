import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NotFoundError } from '../errors.ts'
import type { CertificateBundle, CertificateDriver } from './driver.ts'

export interface CertificatesUnderTest {
  driver: CertificateDriver
  /** References to what is there: a bundle, and a secret with this text. */
  bundle: { reference: string; content: CertificateBundle }
  secret: { reference: string; text: string }
  close?(): Promise<void>
}

const nowhere = ['http://secrets.example/v1/secrets/11111111-1111-4111-8111-111111111111', 'x', '', '../../../etc/passwd', '..']

/** The promises of CertificateDriver, as tests: every implementation that keeps secrets passes them. */
export function certificatesContract(name: string, open: () => Promise<CertificatesUnderTest>): void {
  describe(`certificate driver: ${name}`, () => {
    let it: CertificatesUnderTest
    beforeEach(async () => {
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })

    test('what is there can be checked and read', async () => {
      const { driver, bundle, secret } = it
      await driver.checkCertificate(bundle.reference, null)
      assert.deepEqual(await driver.getCertificate(bundle.reference, null), bundle.content)
      assert.equal(await driver.getSecret(secret.reference, null), secret.text)
    })

    test('what is not there is NotFoundError, whatever the reference looks like', async () => {
      for (const reference of nowhere) {
        await assert.rejects(it.driver.checkCertificate(reference, null), NotFoundError)
        await assert.rejects(it.driver.getCertificate(reference, null), NotFoundError)
        await assert.rejects(it.driver.getSecret(reference, null), NotFoundError)
      }
    })
  })
}
