import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { aConfig } from '../../../test/support/builders.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLog } from '../../lib/log.ts'
import { NoSecretStoreError, NotFoundError, UnreadableBundleError } from '../errors.ts'
import { certificatesContract } from './contract.ts'
import { openCertificates } from './index.ts'
import { LocalCertificates } from './local.ts'
import { MemoryCertificates } from './memory.ts'

const log = createLog('silent')
const noOpenStack = () => assert.fail('no OpenStack is needed')
const pem = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`
const content = { certificate: pem('Yw=='), private_key: 'key', intermediates: [pem('aQ=='), pem('ag==')] }

certificatesContract('memory', async () => {
  const driver = new MemoryCertificates()
  return {
    driver,
    bundle: { reference: driver.addCertificate({ bundle: content, project_id: 'project-1' }), content },
    secret: { reference: driver.addSecret('text', { project_id: 'project-1' }), text: 'text' },
    owner: { project_id: 'project-1', user_id: 'user' },
    stranger: { project_id: 'project-2', user_id: 'stranger' },
    consumersOf: async (reference) => [...(driver.consumers.get(reference) ?? [])],
  }
})

certificatesContract('local', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-secrets-'))
  const files = {
    'a-1.crt': content.certificate,
    'a-1.key': content.private_key,
    'a-1.int': content.intermediates.join('\n'),
    'b-2.crt': 'text',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return {
    driver: new LocalCertificates(directory),
    bundle: { reference: 'http://secrets.example/v1/containers/a-1', content },
    secret: { reference: 'b-2', text: 'text' },
    async close() {
      rmSync(directory, { recursive: true })
    },
  }
})

test('a secret is there for its own project, for whom it lists, and for admins alone', async () => {
  const driver = new MemoryCertificates()
  const owner = { project_id: 'project-1', users: ['friend'] }
  const [bundle, secret] = [driver.addCertificate({ bundle: content, ...owner }), driver.addSecret('text', owner)]
  for (const reader of [
    { project_id: 'project-1', user_id: 'user' },
    { project_id: 'project-1', service: true as const },
    { project_id: 'project-2', user_id: 'friend' },
    null,
  ]) {
    await driver.checkCertificate(bundle, reader)
    assert.equal(await driver.getSecret(secret, reader), 'text')
  }
  for (const reader of [
    { project_id: 'project-2', user_id: 'user' },
    { project_id: null, user_id: null },
  ]) {
    await assert.rejects(driver.checkCertificate(bundle, reader), NotFoundError)
    await assert.rejects(driver.getSecret(secret, reader), NotFoundError)
  }
  await assert.rejects(driver.checkCertificate(driver.addCertificate({ bundle: null }), null), UnreadableBundleError)
})

test('the service reads another project’s secret once somebody has named it who may read it himself', async () => {
  const driver = new MemoryCertificates()
  const bundle = driver.addCertificate({ bundle: content, project_id: 'project-1', users: ['friend'] })
  const service = { project_id: 'project-2', service: true as const }
  await assert.rejects(driver.getCertificate(bundle, service), NotFoundError)
  await assert.rejects(driver.checkCertificate(bundle, { project_id: 'project-2', user_id: 'stranger' }), NotFoundError)
  await assert.rejects(driver.getCertificate(bundle, service), NotFoundError)
  await driver.checkCertificate(bundle, { project_id: 'project-2', user_id: 'friend' })
  assert.deepEqual(await driver.getCertificate(bundle, service), content)
})

test('without a choice certificates are in the embedded store, and no-op amphorae take any; castellan is not served', async () => {
  const embedded = new MemoryCertificates()
  const open = (options: Parameters<typeof aConfig>[0]) =>
    openCertificates({ config: aConfig(options), clock: systemClock, log, openStack: noOpenStack, embedded: async () => embedded })
  assert.equal(await open({}), embedded)
  assert.equal(await open({ certificates: { cert_manager: 'barbican_cert_manager' } }), embedded)
  const noop = await open({ controller_worker: { amphora_driver: 'amphora_noop_driver' } })
  await noop.checkCertificate('anything', null)
  const { certificate, private_key } = await noop.getCertificate('anything', null)
  assert.match(certificate, /^-----BEGIN CERTIFICATE-----/)
  assert.match(private_key, /^-----BEGIN PRIVATE KEY-----/)
  const none = await open({ certificates: { cert_manager: 'castellan_cert_manager' } })
  await assert.rejects(none.checkCertificate('anything', null), NoSecretStoreError)
  await assert.rejects(none.getCertificate('anything', null), NoSecretStoreError)
  await assert.rejects(none.getSecret('anything', null), NoSecretStoreError)
})
