import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig } from '../config/config.ts'
import { loadCertificateAuthority } from '../lib/certificate-authority.ts'
import { exec } from '../lib/exec.ts'
import { makeCertificateSet, writeCertificateSet } from '../trust/certificate-set.ts'

const DAY_MS = 86_400_000
const scratch = mkdtempSync(join(tmpdir(), 'ottavia-certificates-'))
after(() => rmSync(scratch, { recursive: true }))

const create = (...args: string[]) => exec('bin/ottavia', ['certificates', 'create', ...args], { timeoutMs: 60_000 })

test('two CAs and the certificate of controllers are made, private, with the lines that name them', async () => {
  const directory = join(scratch, 'certs')
  const { stdout } = await create(directory, '--client-days', '400')
  const names = ['client.cert-and-key.pem', 'client_ca.cert.pem', 'client_ca.key.pem', 'server_ca.cert.pem', 'server_ca.key.pem']
  assert.deepEqual(readdirSync(directory).sort(), names)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  for (const name of names) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)

  const warnings: string[] = []
  const text = stdout
  const config = loadConfig({ stateDirectory: '/nonexistent', file: { name: 'octavia.conf', text }, warn: (line) => warnings.push(line) })
  assert.deepEqual(warnings, [])
  const { ca_certificate, ca_private_key, ca_private_key_passphrase, server_certs_key_passphrase } = config.certificates
  assert.match(server_certs_key_passphrase[0]!, /^[\w-]{32}$/)
  const stored = (path: string | null) => readFileSync(path!, 'utf8')
  const serverCa = { certificate: stored(ca_certificate), key: stored(ca_private_key) }
  assert.match(serverCa.key, /BEGIN ENCRYPTED PRIVATE KEY/)
  await assert.rejects(loadCertificateAuthority({ ...serverCa, passphrase: 'another' }))
  const authority = await loadCertificateAuthority({ ...serverCa, passphrase: ca_private_key_passphrase! })
  const ofAgent = new X509Certificate(
    (await authority.issue({ common_name: 'amphora', usage: 'server', validitySeconds: 3_600 })).certificate,
  )
  assert.ok(ofAgent.verify(new X509Certificate(stored(config.haproxy_amphora.server_ca)).publicKey))

  const bundle = stored(config.haproxy_amphora.client_cert)
  const client = new X509Certificate(bundle)
  const clientCa = new X509Certificate(stored(config.controller_worker.client_ca))
  assert.ok(client.checkPrivateKey(createPrivateKey(bundle)))
  assert.ok(client.checkIssued(clientCa) && client.verify(clientCa.publicKey))
  assert.ok(!client.checkIssued(new X509Certificate(serverCa.certificate)))
  assert.deepEqual(client.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  assert.ok(Math.abs(client.validToDate.getTime() - Date.now() - 400 * DAY_MS) < DAY_MS)
})

test('nothing is overwritten, and nothing is written beside it', async () => {
  const directory = mkdtempSync(join(scratch, 'kept-'))
  writeFileSync(join(directory, 'server_ca.key.pem'), 'a key')
  const set = await makeCertificateSet({ passphrase: 'open sesame', caDays: 1, clientDays: 1 })
  assert.throws(() => writeCertificateSet(directory, set), /server_ca\.key\.pem is there already/)
  assert.deepEqual(readdirSync(directory), ['server_ca.key.pem'])
  assert.equal(readFileSync(join(directory, 'server_ca.key.pem'), 'utf8'), 'a key')
})

test('the passphrase may be one’s own, and the printed lines may speak of another directory', async () => {
  const file = join(scratch, 'passphrase')
  writeFileSync(file, 'open sesame\n')
  const { stdout } = await create(join(scratch, 'own'), '--passphrase-file', file, '--installed-in', '/etc/octavia/certs')
  assert.match(stdout, /^ca_private_key_passphrase = open sesame$/m)
  assert.match(stdout, /^client_ca = \/etc\/octavia\/certs\/client_ca\.cert\.pem$/m)
  createPrivateKey({ key: readFileSync(join(scratch, 'own', 'server_ca.key.pem')), passphrase: 'open sesame' })
})

test('a certificate does not outlive its CA', async () => {
  await assert.rejects(create(join(scratch, 'none'), '--ca-days', '10', '--client-days', '11'), /cannot outlive its CA/)
})
