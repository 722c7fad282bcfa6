/** OpenSSL and HAProxy themselves say what they think of each kind of certificate: what is opened here they take, what is refused here they refuse. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { aCertificate, anAuthority, aRevocationList } from '../../test/support/certificates.ts'
import { exec } from './exec.ts'
import { type Flaw, FlawedMaterial, openAuthorities, openBundle, openRevocationLists } from './tls-material.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-material-'))
after(() => rmSync(directory, { recursive: true }))
const openssl = (...args: string[]) => exec('openssl', args, { cwd: directory })
const read = (name: string) => readFileSync(join(directory, name), 'utf8')
const flawed = (flaw: Flaw) => (error: unknown) => error instanceof FlawedMaterial && error.flaw === flaw

/** Whether HAProxy serves with it. */
async function isServed(pem: string): Promise<boolean> {
  writeFileSync(join(directory, 'served.pem'), pem)
  const times = 'timeout client 1s\n timeout server 1s\n timeout connect 1s'
  writeFileSync(
    join(directory, 'h.cfg'),
    `defaults\n mode http\n ${times}\nfrontend f\n bind 127.0.0.1:4433 ssl crt ${directory}/served.pem\n`,
  )
  return exec('haproxy', ['-c', '-f', join(directory, 'h.cfg')]).then(
    () => true,
    () => false,
  )
}

/** Signs itself, unless `signer` names another's files. */
async function made(name: string, key: string[], { signer, digest = 'sha256' }: { signer?: string; digest?: string } = {}) {
  const subject = ['-nodes', '-keyout', `${name}.key`, '-subj', `/CN=${name}`]
  if (signer === undefined) {
    await openssl('req', '-x509', `-${digest}`, '-days', '9', '-newkey', ...key, ...subject, '-out', `${name}.crt`)
  } else {
    await openssl('req', '-new', '-newkey', ...key, ...subject, '-out', `${name}.csr`)
    const by = ['-CA', `${signer}.crt`, '-CAkey', `${signer}.key`, '-CAcreateserial']
    await openssl('x509', '-req', '-in', `${name}.csr`, ...by, `-${digest}`, '-days', '9', '-out', `${name}.crt`)
  }
  return { certificate: read(`${name}.crt`), private_key: read(`${name}.key`), intermediates: [] as string[] }
}

const ec = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

test('keys of every kind and spelling are opened, and HAProxy serves with them', async () => {
  const rsa = await made('rsa', ['rsa:2048'])
  const root = await made('root', ec)
  const leaf = await made('leaf', ec, { signer: 'root' })
  await openssl('rsa', '-in', 'rsa.key', '-traditional', '-out', 'rsa1.key')
  await openssl('ec', '-in', 'leaf.key', '-out', 'sec1.key')
  const parameters = (await openssl('ecparam', '-name', 'prime256v1')).stdout
  const bundles = [
    rsa,
    { ...rsa, private_key: read('rsa1.key') },
    { ...leaf, private_key: `${parameters}${read('sec1.key')}` },
    await made('ed', ['ed25519']),
    await made('self-signed-sha1', ['rsa:2048'], { digest: 'sha1' }),
    { ...leaf, intermediates: [root.certificate] },
    { ...leaf, certificate: leaf.certificate + root.certificate },
    { ...leaf, certificate: `Bag Attributes\n\n  friendlyName: x\n${leaf.certificate.replaceAll('\n', '\r\n')}` },
  ]
  for (const bundle of bundles) {
    const { pem } = openBundle(bundle)
    assert.match(pem, /^-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n/)
    assert.doesNotMatch(pem, /\r|\n\n|^[^-A-Za-z0-9+/=]/m)
    assert.ok(await isServed(pem), pem.replace(/PRIVATE[\s\S]+PRIVATE/, ''))
  }
  const [chain, written] = bundles.slice(5).map((bundle) => openBundle(bundle).pem)
  assert.equal(chain, written)
  const { subject, issuer, fingerprint } = openBundle(leaf)
  assert.deepEqual([subject, issuer], ['CN=leaf', 'CN=root'])
  assert.ok((await openssl('x509', '-in', 'leaf.crt', '-noout', '-fingerprint', '-sha256')).stdout.includes(fingerprint))
})

test('what HAProxy refuses is refused', async () => {
  const root = await made('root', ec)
  const leaf = await made('leaf', ec, { signer: 'root' })
  const refused = [
    ['too_weak', await made('short', ['rsa:1024'])],
    ['too_weak', await made('sha1', ec, { signer: 'root', digest: 'sha1' })],
    ['key_of_another', { ...leaf, private_key: root.private_key }],
    ['no_private_key', { ...leaf, private_key: leaf.private_key.replace(/\n[^-]{30}/, '\n') }],
    ['no_certificate', { ...leaf, certificate: leaf.certificate.replace(/\n[^-]{30}/, '\n') }],
  ] as const
  for (const [flaw, bundle] of refused) {
    assert.throws(() => openBundle(bundle), flawed(flaw))
    assert.equal(await isServed(bundle.certificate + bundle.private_key), false, flaw)
  }
  assert.throws(
    () => openBundle({ ...leaf, intermediates: ['-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----'] }),
    flawed('broken_intermediates'),
  )
})

test('of several authorities and lists the first that ends counts', async () => {
  const [early, late] = [await anAuthority({ to: '2030-01-01T00:00:00Z' }), await anAuthority({ from: '2025-01-01T00:00:00Z' })]
  const both = openAuthorities(late.certificate + early.certificate)
  assert.deepEqual(
    [both.notBeforeMs, both.notAfterMs, both.isAuthority],
    [Date.parse('2025-01-01T00:00:00Z'), Date.parse('2030-01-01T00:00:00Z'), true],
  )
  const leaf = await aCertificate({ issuer: early })
  assert.equal(openAuthorities(early.certificate + leaf.certificate).isAuthority, false)
  assert.throws(() => openAuthorities(leaf.private_key), flawed('no_authority'))

  const lists = openRevocationLists((await aRevocationList(early, { to: '2027-01-01T00:00:00Z' })) + (await aRevocationList(late)))
  assert.equal(lists.notAfterMs, Date.parse('2027-01-01T00:00:00Z'))
  assert.equal(lists.pem.match(/BEGIN X509 CRL/g)?.length, 2)
  assert.throws(() => openRevocationLists(early.certificate), flawed('no_revocation_list'))
})
