import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import forge from 'node-forge'
import { openPkcs12, Pkcs12Error } from './pkcs12.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-pkcs12-'))
const at = (name: string) => join(directory, name)
const text = (name: string) => readFileSync(at(name), 'utf8').trim()

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
}

/** A root, an intermediate and a leaf, the leaf's key of that kind. */
function makeChain(prefix: string, ...keyOptions: string[]): void {
  const ca = ['-addext', 'basicConstraints=critical,CA:TRUE']
  const issue = (name: string, by: string | null, options: string[]) =>
    openssl(
      ...['req', '-x509', '-nodes', '-days', '30', '-subj', `/CN=${prefix} ${name}`, '-keyout', `${prefix}-${name}.key`],
      ...['-out', `${prefix}-${name}.pem`, ...options],
      ...(by === null ? [] : ['-CA', `${prefix}-${by}.pem`, '-CAkey', `${prefix}-${by}.key`]),
    )
  issue('root', null, ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...ca])
  issue('intermediate', 'root', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...ca])
  issue('leaf', 'intermediate', keyOptions)
  // In the wrong order, as people do.
  writeFileSync(at(`${prefix}-chain.pem`), `${text(`${prefix}-root.pem`)}\n${text(`${prefix}-intermediate.pem`)}\n`)
}

let files = 0
function exported(prefix: string, ...options: string[]): Buffer {
  const out = `${++files}.p12`
  const chain = options.includes('-nochain') ? [] : ['-certfile', `${prefix}-chain.pem`]
  openssl(
    ...['pkcs12', '-export', '-in', `${prefix}-leaf.pem`, '-inkey', `${prefix}-leaf.key`, ...chain, '-out', out],
    ...options.filter((option) => option !== '-nochain'),
  )
  return readFileSync(at(out))
}

const empty = ['-passout', 'pass:']
const kinds: Record<string, string[]> = {
  'AES-256 with an empty pass phrase': empty,
  'AES-128, checksum SHA-1': [...empty, '-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC', '-macalg', 'sha1'],
  'AES-256, checksum SHA-512': [...empty, '-macalg', 'sha512'],
  'AES-256 without checksum': [...empty, '-nomac'],
  'not encrypted, without checksum': [...empty, '-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac'],
  'not encrypted, with checksum': [...empty, '-keypbe', 'NONE', '-certpbe', 'NONE'],
  'triple DES': [...empty, '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
  'triple DES without checksum': [...empty, '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-nomac'],
  'many iterations': [...empty, '-iter', '20000'],
}

before(() => {
  makeChain('rsa', '-newkey', 'rsa:2048')
  makeChain('ec', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1')
  makeChain('ed', '-newkey', 'ed25519')
  openssl('req', '-x509', '-nodes', '-newkey', 'rsa:1024', '-subj', '/CN=other', '-keyout', 'other.key', '-out', 'other.pem')
})
after(() => rmSync(directory, { recursive: true }))

function assertIsChain(opened: Awaited<ReturnType<typeof openPkcs12>>, prefix: string): void {
  assert.equal(opened.certificate, text(`${prefix}-leaf.pem`))
  assert.ok(new X509Certificate(opened.certificate).checkPrivateKey(createPrivateKey(opened.private_key)))
  assert.deepEqual(opened.intermediates, [text(`${prefix}-intermediate.pem`), text(`${prefix}-root.pem`)])
}

describe('PKCS#12 as openssl makes it', () => {
  for (const [kind, options] of Object.entries(kinds)) {
    test(`${kind}: certificate, key and chain come out as they went in`, async () => {
      for (const prefix of ['rsa', 'ec', 'ed']) assertIsChain(await openPkcs12(exported(prefix, ...options)), prefix)
    })
  }

  const legacy = spawnSync('openssl', ['list', '-providers', '-provider', 'legacy']).status === 0
  test('RC2 with 40 bits and triple DES, as old tools and Windows make it', {
    skip: legacy ? false : 'openssl has no legacy provider',
  }, async () => {
    for (const prefix of ['rsa', 'ec']) {
      assertIsChain(await openPkcs12(exported(prefix, ...empty, '-legacy')), prefix)
      const rc2 = [...empty, '-legacy', '-keypbe', 'PBE-SHA1-RC2-128', '-certpbe', 'PBE-SHA1-RC2-40']
      assertIsChain(await openPkcs12(exported(prefix, ...rc2)), prefix)
    }
  })

  test('a certificate alone has no intermediates', async () => {
    assert.deepEqual((await openPkcs12(exported('rsa', ...empty, '-nochain'))).intermediates, [])
  })
})

test('one without pass phrase at all, as other libraries make it, opens too', async () => {
  const key = forge.pki.privateKeyFromPem(text('rsa-leaf.key'))
  const certificate = forge.pki.certificateFromPem(text('rsa-leaf.pem'))
  for (const options of [{ algorithm: '3des' as const }, { algorithm: 'aes256' as const, useMac: false }]) {
    for (const passphrase of [null, '']) {
      const asn1 = forge.pkcs12.toPkcs12Asn1(key, [certificate], passphrase, options)
      const opened = await openPkcs12(Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1'))
      // That library writes certificates anew, and not this one's in the same way.
      assert.equal(new X509Certificate(opened.certificate).subject, 'CN=rsa leaf')
      assert.ok(new X509Certificate(opened.certificate).checkPrivateKey(createPrivateKey(opened.private_key)))
    }
  }
})

describe('what cannot be opened says why', () => {
  const refuses = async (bytes: Buffer, why: RegExp) => {
    await assert.rejects(openPkcs12(bytes), (error: unknown) => {
      assert.ok(error instanceof Pkcs12Error, String(error))
      assert.match(error.message, why)
      return true
    })
  }

  test('a pass phrase', async () => {
    await refuses(exported('rsa', '-passout', 'pass:secret'), /^it requires a pass phrase$/)
    await refuses(exported('rsa', '-passout', 'pass:secret', '-nomac'), /^it requires a pass phrase$/)
    await refuses(
      exported('ec', '-passout', 'pass:secret', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES'),
      /^it requires a pass phrase$/,
    )
  })

  test('something else, or a part of one', async () => {
    const whole = exported('rsa', ...empty)
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.from(text('rsa-leaf.pem')),
      Buffer.from([0x30, 0x80]),
      whole.subarray(0, 200),
    ])
      await refuses(bytes, /^it is not a PKCS12 bundle$/)
    // Nothing that is not ours to handle comes out of any damage.
    for (let i = 0; i < whole.length; i += 37) {
      const damaged = Buffer.from(whole)
      damaged[i]! ^= 0xff
      await openPkcs12(damaged).catch((error: unknown) => assert.ok(error instanceof Pkcs12Error, `byte ${i}: ${String(error)}`))
    }
  })

  test('no private key, or that of another certificate', async () => {
    openssl('pkcs12', '-export', '-nokeys', '-in', 'rsa-leaf.pem', '-out', 'nokeys.p12', '-passout', 'pass:')
    await refuses(readFileSync(at('nokeys.p12')), /^it has no private key$/)
    const key = forge.pki.privateKeyFromPem(text('rsa-leaf.key'))
    const others = forge.pki.certificateFromPem(text('other.pem'))
    const bytes = (certificates: forge.pki.Certificate[] | null) =>
      Buffer.from(forge.asn1.toDer(forge.pkcs12.toPkcs12Asn1(key, certificates!, '', { algorithm: '3des' })).getBytes(), 'latin1')
    await refuses(bytes([others]), /^its private key is not that of its certificate$/)
    await refuses(bytes(null), /^it has no certificate$/)
  })

  test('more iterations than anybody needs', async () => {
    await refuses(exported('rsa', ...empty, '-iter', '300000'), /^its keys take more than 250000 iterations to derive$/)
  })
})
