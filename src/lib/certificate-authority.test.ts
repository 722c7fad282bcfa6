import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { type CertificateAuthority, createCertificateAuthority, loadCertificateAuthority } from './certificate-authority.ts'

const DAY_SECONDS = 86_400
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

describe('certificate authority', () => {
  let stored: { certificate: string; key: string }
  let authority: CertificateAuthority
  before(async () => {
    stored = await createCertificateAuthority({ common_name: 'a test CA', validitySeconds: DAY_SECONDS })
    authority = await loadCertificateAuthority(stored)
  })

  test('a server certificate has its name as CN and SAN, its usage, its key and its issuer', async () => {
    const issued = await authority.issue({ common_name: 'amphora-1', usage: 'server', validitySeconds: 30 * DAY_SECONDS })
    const certificate = new X509Certificate(issued.certificate)
    assert.equal(certificate.subject, 'CN=amphora-1')
    assert.equal(certificate.subjectAltName, 'DNS:amphora-1')
    assert.deepEqual(certificate.keyUsage, [SERVER_AUTH])
    assert.ok(certificate.checkIssued(new X509Certificate(stored.certificate)))
    assert.ok(certificate.verify(new X509Certificate(stored.certificate).publicKey))
    assert.ok(certificate.checkPrivateKey(createPrivateKey(issued.key)))
    assert.ok(!certificate.ca)
    assert.ok(Math.abs(issued.notAfter.getTime() - Date.now() - 30 * DAY_SECONDS * 1000) < 60_000)
  })

  test('a client certificate is for clients only', async () => {
    const issued = await authority.issue({ common_name: 'controller', usage: 'client', validitySeconds: DAY_SECONDS })
    assert.deepEqual(new X509Certificate(issued.certificate).keyUsage, [CLIENT_AUTH])
  })

  test('a certificate says which of two CAs of one name has signed it', async () => {
    const issued = await authority.issue({ common_name: 'amphora-1', usage: 'server', validitySeconds: DAY_SECONDS })
    const sameName = await createCertificateAuthority({ common_name: 'a test CA', validitySeconds: DAY_SECONDS })
    const certificate = new X509Certificate(issued.certificate)
    assert.ok(certificate.checkIssued(new X509Certificate(stored.certificate)))
    assert.ok(!certificate.checkIssued(new X509Certificate(sameName.certificate)))
  })

  test('an encrypted key opens with its passphrase only', async () => {
    const encrypted = createPrivateKey(stored.key).export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' })
    const key = encrypted.toString()
    await loadCertificateAuthority({ certificate: stored.certificate, key, passphrase: 'secret' })
    await assert.rejects(loadCertificateAuthority({ certificate: stored.certificate, key, passphrase: 'another' }))
  })

  test('the key of another certificate is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    await assert.rejects(loadCertificateAuthority({ certificate: stored.certificate, key }), /does not belong/)
  })
})
