import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import forge from 'node-forge'
import { aDatabase, forEachDatabase } from '../../../test/support/databases.ts'
import { anEmbeddedStore, serviceUserId, storeContainer, storeSecret } from '../../../test/support/stored-secrets.ts'
import { migrate } from '../../db/migrate.ts'
import { listConsumers } from '../../embedded/secrets/repository.ts'
import { createCertificateAuthority, loadCertificateAuthority } from '../../lib/certificate-authority.ts'
import { blocksOf, derOf } from '../../lib/pem.ts'
import { createRevocationList } from '../../lib/revocation-list.ts'
import { NotFoundError, UnreadableBundleError } from '../errors.ts'
import { certificatesContract } from './contract.ts'
import type { SecretReader } from './driver.ts'
import { EmbeddedCertificates } from './embedded.ts'

const authority = await createCertificateAuthority({ common_name: 'CA', validitySeconds: 3_600 })
const issued = await (await loadCertificateAuthority(authority)).issue({
  common_name: 'www.example.org',
  usage: 'server',
  validitySeconds: 3_600,
})
const content = { certificate: issued.certificate.trim(), private_key: issued.key.trim(), intermediates: [authority.certificate.trim()] }
const encryptedKey = createPrivateKey(issued.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })

async function aStore() {
  const db = await aDatabase()
  const store = await anEmbeddedStore(db)
  const consumersOf = async (reference: string) =>
    (await listConsumers(db, [reference.split('/').at(-1)!])).map(({ resource }) => resource.split('/').at(-1)!)
  return { db, store, driver: new EmbeddedCertificates(store), consumersOf, close: () => db.destroy() }
}

/** Of what `storeSecret` and `storeContainer` make. */
const people = {
  owner: { project_id: 'project-1', user_id: 'user-1' },
  stranger: { project_id: 'project-2', user_id: 'user-2' },
}

certificatesContract('embedded, a container', async () => {
  const { store, driver, consumersOf, close } = await aStore()
  const parts = {
    certificate: await storeSecret(store, content.certificate),
    private_key: await storeSecret(store, encryptedKey),
    private_key_passphrase: await storeSecret(store, 'open sesame'),
    intermediates: await storeSecret(store, content.intermediates.join('\n')),
  }
  const secret = { reference: await storeSecret(store, authority.certificate), text: authority.certificate }
  return { driver, bundle: { reference: await storeContainer(store, parts), content }, secret, ...people, consumersOf, close }
})

for (const kind of ['binary', 'base64 text'] as const) {
  certificatesContract(`embedded, PKCS#12 as ${kind}`, async () => {
    const { store, driver, consumersOf, close } = await aStore()
    const rsa = selfSigned()
    const bytes = kind === 'binary' ? rsa.pkcs12 : rsa.pkcs12.toString('base64').replace(/.{64}/g, '$&\n')
    const bundle = { reference: await storeSecret(store, bytes), content: { ...rsa.content, intermediates: [] } }
    return { driver, bundle, secret: { reference: await storeSecret(store, 'text'), text: 'text' }, ...people, consumersOf, close }
  })
}

test('of a reference only kind and id count', async () => {
  const { store, driver, close } = await aStore()
  const secret = await storeSecret(store, 'text')
  const id = secret.split('/').at(-1)!
  for (const reference of [id, id.toUpperCase(), `https://elsewhere.example/key-manager/v1/secrets/${id}/`, `/v1/secrets/${id}`])
    assert.equal(await driver.getSecret(reference, null), 'text')
  for (const reference of [`http://secrets.example/v1/containers/${id}`, `http://secrets.example/v1/other/${id}`, `${id}0`])
    await assert.rejects(driver.getSecret(reference, null), NotFoundError, reference)
  await close()
})

test('certificates and revocation lists may have been stored as DER', async () => {
  const { store, driver, close } = await aStore()
  const list = await createRevocationList(authority)
  const stored = async (pem: string) => driver.getSecret(await storeSecret(store, derOf(pem)), null)
  assert.equal(new X509Certificate(await stored(authority.certificate)).subject, 'CN=CA')
  assert.deepEqual(derOf(blocksOf(await stored(list), 'X509 CRL')[0]!), derOf(list))
  await close()
})

test('a container takes DER, a chain in the certificate’s own secret, and PKCS#7', async () => {
  const { store, driver, close } = await aStore()
  const key = await storeSecret(store, derOf(issued.key))
  const both = await storeContainer(store, {
    certificate: await storeSecret(store, `${content.certificate}\n${authority.certificate}`),
    private_key: key,
  })
  assert.deepEqual(await driver.getCertificate(both, null), content)
  const rsa = selfSigned()
  const p7 = forge.pkcs7.createSignedData()
  p7.addCertificate(rsa.content.certificate)
  const bytes = Buffer.from(forge.asn1.toDer(p7.toAsn1()).getBytes(), 'latin1')
  const pem = `-----BEGIN PKCS7-----\n${bytes.toString('base64')}\n-----END PKCS7-----`
  for (const bundle of [bytes, pem]) {
    const container = await storeContainer(store, {
      certificate: await storeSecret(store, derOf(content.certificate)),
      private_key: key,
      intermediates: await storeSecret(store, bundle),
    })
    assert.deepEqual(await driver.getCertificate(container, null), { ...content, intermediates: [rsa.content.certificate] })
  }
  await close()
})

test('what a container lacks is empty', async () => {
  const { store, driver, close } = await aStore()
  assert.deepEqual(await driver.getCertificate(await storeContainer(store, {}), null), {
    certificate: '',
    private_key: '',
    intermediates: [],
  })
  await close()
})

test('what is broken says why', async () => {
  const { store, driver, close } = await aStore()
  const certificate = await storeSecret(store, content.certificate)
  const refuses = async (reference: Promise<string>, why: RegExp) =>
    assert.rejects(
      driver.checkCertificate(await reference, null),
      (error) => error instanceof UnreadableBundleError && why.test(error.message),
    )
  await refuses(storeSecret(store, 'no bundle'), /^it is not a PKCS12 bundle$/)
  await refuses(storeSecret(store, selfSigned('secret').pkcs12), /^it requires a pass phrase$/)
  const other = await storeSecret(store, authority.key)
  const encrypted = await storeSecret(store, encryptedKey)
  await refuses(storeContainer(store, { certificate, private_key: encrypted }), /^its private key cannot be read without a pass phrase$/)
  const wrong = await storeSecret(store, 'open barley')
  await refuses(
    storeContainer(store, { certificate, private_key: encrypted, private_key_passphrase: wrong }),
    /^its private key cannot be read with its pass phrase$/,
  )
  const text = await storeSecret(store, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')
  await refuses(storeContainer(store, { certificate: text, private_key: other }), /^it holds a certificate that cannot be read$/)
  await close()
})

const user = (project_id: string, user_id: string): SecretReader => ({ project_id, user_id })
const service = (project_id: string): SecretReader => ({ project_id, service: true })

forEachDatabase('who may read a secret', async (open) => {
  const db = await open()
  await migrate(db)
  const store = await anEmbeddedStore(db)
  const driver = new EmbeddedCertificates(store)
  const reads = (reference: string, reader: SecretReader) =>
    driver.getSecret(reference, reader).then(
      () => true,
      (error) => {
        assert.ok(error instanceof NotFoundError)
        return false
      },
    )
  const shared = await storeSecret(store, 'text')
  const isPrivate = await storeSecret(store, 'text', { project_access: false, users: ['friend'] })
  const expectations: [SecretReader, boolean, boolean][] = [
    [user('project-1', 'user-2'), true, false],
    [user('project-1', 'user-1'), true, true],
    [user('project-2', 'user-1'), false, false],
    [user('project-2', 'user-3'), false, false],
    [service('project-1'), true, true],
    [service('project-2'), false, false],
    [user('project-2', 'friend'), false, true],
    // What the friend has named.
    [service('project-2'), false, true],
  ]
  for (const [reader, ofShared, ofPrivate] of expectations)
    assert.deepEqual([reader, await reads(shared, reader), await reads(isPrivate, reader)], [reader, ofShared, ofPrivate])

  // An admin's choice is the service's too, for whichever project the load balancer is, also of what his own project has.
  const ofAdmins = await storeSecret(store, 'text', { project_id: 'admins' })
  assert.equal(await reads(ofAdmins, { project_id: 'admins', user_id: 'admin', is_admin: true }), true)
  assert.equal(await reads(ofAdmins, service('project-2')), true)
  assert.equal(await reads(shared, null), true)
  assert.equal(await reads(shared, service('project-2')), true)
  assert.equal(await reads(shared, user('project-2', 'user-3')), false)
  const granted = await db.selectFrom('embedded_secret_acl_user').selectAll().where('user_id', '=', serviceUserId).execute()
  assert.deepEqual(
    new Set(granted.map(({ object_id }) => object_id)),
    new Set([shared, isPrivate, ofAdmins].map((reference) => reference.split('/').at(-1))),
  )
})

test('a container is there for who may read it and all that is in it', async () => {
  const { store, driver, close } = await aStore()
  const parts = (owner: { users?: string[] }) =>
    Promise.all([storeSecret(store, content.certificate, owner), storeSecret(store, issued.key, owner)])
  const [certificate, private_key] = await parts({ users: ['friend'] })
  const [, hidden] = await parts({})
  const open = await storeContainer(store, { certificate, private_key }, { users: ['friend'] })
  const closed = await storeContainer(store, { certificate, private_key: hidden }, { users: ['friend'] })
  await assert.rejects(driver.getCertificate(open, user('project-2', 'stranger')), NotFoundError)
  await assert.rejects(driver.getCertificate(closed, user('project-2', 'friend')), NotFoundError)
  await assert.rejects(driver.getCertificate(open, service('project-2')), NotFoundError)
  await driver.checkCertificate(open, user('project-2', 'friend'))
  await driver.checkCertificate(open, service('project-2'))
  await assert.rejects(driver.getCertificate(closed, service('project-2')), NotFoundError)
  await close()
})

test('what has expired is gone', async () => {
  const { db, store, driver, close } = await aStore()
  const expired = await storeSecret(store, 'text', { expires_at_ms: Date.now() - 1 })
  const reference = await storeSecret(store, 'text', { expires_at_ms: Date.now() + 60_000 })
  await assert.rejects(driver.getSecret(expired, null), NotFoundError)
  assert.equal(await driver.getSecret(reference, null), 'text')
  await anEmbeddedStore(db)
  assert.equal((await db.selectFrom('embedded_secret').select('id').execute()).length, 1)
  await close()
})

test('payloads are sealed in their rows, and sealed anew with a new key', async () => {
  const { db, store, driver, close } = await aStore()
  const [reference, other] = [await storeSecret(store, 'a private key'), await storeSecret(store, 'another one')]
  const rows = () => db.selectFrom('embedded_secret').selectAll().execute()
  assert.ok(!JSON.stringify(await rows()).includes('private') && !JSON.stringify(await rows()).includes(btoa('a private key')))
  await anEmbeddedStore(db, ['new key', 'key'])
  const withNewKey = new EmbeddedCertificates(await anEmbeddedStore(db, ['new key']))
  assert.equal(await withNewKey.getSecret(reference, null), 'a private key')
  await assert.rejects(driver.getSecret(reference, null), /\[certificates\] store_key/)

  // A row that is given another's payload does not open.
  const payload = (await rows()).find(({ id }) => other.endsWith(id))!.payload
  await db.updateTable('embedded_secret').set({ payload }).where('id', '=', reference.split('/').at(-1)!).execute()
  await assert.rejects(withNewKey.getSecret(reference, null))
  await close()
})

/** RSA, for that library writes no other keys. */
function selfSigned(passphrase = '') {
  const keys = forge.pki.rsa.generateKeyPair(1024)
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = keys.publicKey
  certificate.setSubject([{ name: 'commonName', value: 'other' }])
  certificate.setIssuer([{ name: 'commonName', value: 'other' }])
  certificate.sign(keys.privateKey)
  const asn1 = forge.pkcs12.toPkcs12Asn1(keys.privateKey, [certificate], passphrase)
  const pem = new X509Certificate(forge.pki.certificateToPem(certificate)).toString().trim()
  const private_key = createPrivateKey(forge.pki.privateKeyToPem(keys.privateKey)).export({ type: 'pkcs8', format: 'pem' }) as string
  return {
    pkcs12: Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1'),
    content: { certificate: pem, private_key: private_key.trim() },
  }
}
