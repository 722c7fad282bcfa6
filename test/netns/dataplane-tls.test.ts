/** TLS that ends at the load balancer, and TLS between it and members: what clients and members meet, by curl, openssl and a client of Node's. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'
import { TestCa } from './support/tls-material.ts'

const port = {
  main: 443,
  optional: 444,
  mandatory: 445,
  cipher: 446,
  tls13: 447,
  old: 448,
  plain: 449,
  strict: 450,
  revoked: 451,
  shaped: 452,
} as const
const member = { good: 8441, revoked: 8442, stranger: 8443 } as const
const CIPHER = 'ECDHE-ECDSA-AES256-GCM-SHA384'
const sslHeaders = ['Verify', 'Has-Cert', 'DN', 'CN', 'SHA1', 'Not-Before', 'Not-After']
  .map((what) => `X-SSL-Client-${what}`)
  .concat('X-SSL-Issuer')

describe('TLS', () => {
  let plane: DataPlane
  let client: Client
  let made: Made
  let ca: TestCa
  let web: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_500 })
    const directory = (name: string) => join(plane.controller.stateDirectory, 'test', name)
    ca = await TestCa.create(directory('ca'), 'Test CA')
    const stranger = await TestCa.create(directory('stranger'), 'Stranger')
    for (const name of ['default.example', 'sni.example', 'client', 'gone', 'balancer']) await ca.issue(name)
    const good = await ca.issue('member', 'default.example')
    const revoked = await ca.issue('member-gone', 'default.example')
    const foreign = await stranger.issue('foreign', 'default.example')
    const crl = await ca.revoke('gone', 'member-gone')

    web = await plane.members('web', {
      http: [8001, 8002],
      tls: [
        { port: member.good, pem: good },
        { port: member.revoked, pem: revoked },
        { port: member.stranger, pem: foreign },
      ],
    })
    client = await plane.client('client')
    const bundle = async (name: string) => await plane.storeSecret(name, await ca.bundle(name))
    const [main, sni, own, caRef, crlRef] = await Promise.all([
      bundle('default.example'),
      bundle('sni.example'),
      bundle('balancer'),
      plane.storeSecretFile('ca', ca.certificate),
      plane.storeSecretFile('crl', crl),
    ])
    const pool = (name: string, ports: number[], fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      members: ports.map((protocol_port) => ({ address: web, protocol_port })),
      ...fields,
    })
    const listener = (name: string, protocol_port: number, fields: object = {}) => ({
      name,
      protocol: 'TERMINATED_HTTPS',
      protocol_port,
      default_pool: { name: 'plain' },
      default_tls_container_ref: main,
      ...fields,
    })
    const clients = { client_ca_tls_container_ref: caRef, client_crl_container_ref: crlRef }
    const headers = Object.fromEntries([...sslHeaders, 'X-Forwarded-Proto'].map((name) => [name, 'true']))
    const toMember2 = (rules: object[]) => ({ action: 'REDIRECT_TO_POOL', redirect_pool: { name: 'second' }, rules })
    const onPath = (value: string) => ({ type: 'PATH', compare_type: 'EQUAL_TO', value })
    const dnRules = { REGEX: '^cl.*t$', STARTS_WITH: 'cli', ENDS_WITH: 'ent', CONTAINS: 'lien', EQUAL_TO: 'client' }
    const checked = { tls_enabled: true, ca_tls_container_ref: caRef, crl_container_ref: crlRef, tls_container_ref: own }
    const http = { protocol: 'HTTP', default_tls_container_ref: null }
    made = await plane.loadBalancer({
      pools: [pool('plain', [8001]), pool('second', [8002])],
      listeners: [
        listener('main', port.main, {
          ...{ sni_container_refs: [sni], insert_headers: headers, alpn_protocols: ['h2', 'http/1.1'] },
          ...{ hsts_max_age: 86_400, hsts_include_subdomains: true, hsts_preload: true },
        }),
        listener('optional', port.optional, {
          ...{ ...clients, client_authentication: 'OPTIONAL', insert_headers: headers },
          l7policies: [
            toMember2([onPath('/has'), { type: 'SSL_CONN_HAS_CERT', compare_type: 'EQUAL_TO', value: 'True' }]),
            toMember2([onPath('/has-not'), { type: 'SSL_CONN_HAS_CERT', compare_type: 'EQUAL_TO', value: 'True', invert: true }]),
            toMember2([onPath('/verified'), { type: 'SSL_VERIFY_RESULT', compare_type: 'EQUAL_TO', value: '0' }]),
            toMember2([onPath('/unverified'), { type: 'SSL_VERIFY_RESULT', compare_type: 'EQUAL_TO', value: '0', invert: true }]),
            ...Object.entries(dnRules).flatMap(([compare_type, value]) => [
              toMember2([onPath(`/${compare_type}`), { type: 'SSL_DN_FIELD', key: 'CN', compare_type, value }]),
              toMember2([onPath(`/not/${compare_type}`), { type: 'SSL_DN_FIELD', key: 'CN', compare_type, value, invert: true }]),
            ]),
          ],
        }),
        listener('mandatory', port.mandatory, { ...clients, client_authentication: 'MANDATORY' }),
        listener('cipher', port.cipher, { tls_ciphers: CIPHER, tls_versions: ['TLSv1.2'] }),
        listener('tls13', port.tls13, { tls_versions: ['TLSv1.3'] }),
        listener('old', port.old, { tls_versions: ['TLSv1', 'TLSv1.1'] }),
        listener('plain', port.plain, { ...http, default_pool: pool('strict', [member.good], checked) }),
        listener('strict', port.strict, { default_pool: { name: 'strict' } }),
        listener('revoked', port.revoked, { ...http, default_pool: pool('revoked', [member.revoked, member.stranger], checked) }),
        listener('shaped', port.shaped, {
          ...http,
          default_pool: pool('shaped', [member.stranger], {
            tls_enabled: true,
            tls_ciphers: CIPHER,
            tls_versions: ['TLSv1.2'],
            alpn_protocols: ['http/1.1'],
          }),
        }),
      ],
    })
  })
  after(() => plane?.stop())

  const url = (port: number, path = '/') => `https://${made.vip}:${port}${path}`
  /** What `openssl s_client` says of one handshake. */
  const handshake = (port: number, ...options: string[]) =>
    client.exec('openssl', ['s_client', '-connect', `${made.vip}:${port}`, '-CAfile', ca.certificate, ...options], {
      anyStatus: true,
      input: '',
    })
  const curl = (port: number, ...options: string[]) =>
    client.exec(
      'curl',
      [
        '--silent',
        '--max-time',
        '5',
        '--cacert',
        ca.certificate,
        '--resolve',
        `default.example:${port}:${made.vip}`,
        ...options,
        `https://default.example:${port}/`,
      ],
      { anyStatus: true },
    )
  const as = (name: string) => ({ certificate: ca.file(`${name}.pem`) })

  test('clients are shown the certificate of the name they ask for, and the default one else', async () => {
    const answers = await client.ask(
      { url: url(port.main), ca: ca.certificate, servername: 'default.example' },
      { url: url(port.main), ca: ca.certificate, servername: 'sni.example' },
      { url: url(port.main), servername: 'other.example' },
      { url: url(port.cipher), servername: 'sni.example' },
    )
    assert.deepEqual(
      answers.map(({ status, server }) => [status, server]),
      [
        [200, 'default.example'],
        [200, 'sni.example'],
        [200, 'default.example'],
        [200, 'default.example'],
      ],
    )
    assert.match(await handshake(port.main, '-servername', 'sni.example'), /Verify return code: 0 \(ok\)/)
  })

  test('h2 is spoken with who offers it, and HTTP/1.1 with others; answers carry HSTS', async () => {
    const version = ['--output', '/dev/null', '--write-out', '%{http_version}']
    assert.equal(await curl(port.main, '--http2', ...version), '2')
    assert.equal(await curl(port.main, '--http1.1', ...version), '1.1')
    assert.match(await curl(port.main, '--head'), /strict-transport-security: max-age=86400; includeSubDomains; preload\r?\n/i)
    assert.match(await handshake(port.main, '-alpn', 'h2'), /ALPN protocol: h2/)
  })

  test('a listener speaks the versions and ciphers that it names and no others', async () => {
    const version = async (number: number, ...options: string[]) => {
      const text = await handshake(number, ...options)
      return text.includes('Cipher is (NONE)') ? null : /^(?:New, |.*Protocol *: )(TLSv[\d.]+)/m.exec(text)?.[1]
    }
    assert.equal(await version(port.cipher), 'TLSv1.2')
    assert.match(await handshake(port.cipher), new RegExp(CIPHER))
    assert.equal(await version(port.cipher, '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'), null)
    assert.equal(await version(port.cipher, '-tls1_3'), null)
    assert.equal(await version(port.tls13), 'TLSv1.3')
    assert.equal(await version(port.tls13, '-tls1_2'), null)
    assert.equal(await version(port.main, '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'), null)
    assert.match(await handshake(port.old, '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'), /Protocol *: TLSv1\.1/)
  })

  test('OPTIONAL lets in who shows a good certificate or none, MANDATORY the former; neither a revoked one or a stranger', async () => {
    const certificates = [
      undefined,
      ca.file('client.pem'),
      ca.file('gone.pem'),
      join(plane.controller.stateDirectory, 'test/stranger/foreign.pem'),
    ]
    const statuses = async (number: number) =>
      (await client.ask(...certificates.map((certificate) => ({ url: url(number), certificate })))).map(({ status }) => status)
    assert.deepEqual(await statuses(port.optional), [200, 200, 0, 0])
    assert.deepEqual(await statuses(port.mandatory), [0, 200, 0, 0])
    assert.deepEqual(await statuses(port.main), [200, 200, 200, 200])
  })

  test("members read the client's certificate in headers, which a client cannot forge", async () => {
    const forged = Object.fromEntries(sslHeaders.map((name) => [name.toLowerCase(), 'forged']))
    const [known, unknown] = await client.echo(
      { url: url(port.optional), ...as('client'), headers: forged },
      { url: url(port.optional), headers: forged },
    )
    const { fingerprint, notBefore, notAfter } = await certificateOf('client')
    const shown = (echo: typeof known) =>
      Object.fromEntries([...sslHeaders, 'X-Forwarded-Proto'].map((name) => [name, echo!.headers[name.toLowerCase()]?.join(' | ')]))
    assert.deepEqual(shown(known), {
      'X-SSL-Client-Verify': '0',
      'X-SSL-Client-Has-Cert': '1',
      'X-SSL-Client-DN': '/O=Test/CN=client',
      'X-SSL-Client-CN': 'client',
      'X-SSL-Client-SHA1': fingerprint,
      'X-SSL-Client-Not-Before': notBefore,
      'X-SSL-Client-Not-After': notAfter,
      'X-SSL-Issuer': '/CN=Test CA',
      'X-Forwarded-Proto': 'https',
    })
    assert.equal(shown(unknown)['X-SSL-Client-Has-Cert'], '0')
    assert.ok(!JSON.stringify(unknown!.headers).includes('forged'))
  })

  test("policies look at the client's certificate", async () => {
    const paths = [
      '/has',
      '/has-not',
      '/verified',
      '/unverified',
      ...['REGEX', 'STARTS_WITH', 'ENDS_WITH', 'CONTAINS', 'EQUAL_TO'].flatMap((one) => [`/${one}`, `/not/${one}`]),
    ]
    const second = async (certificate?: string) => {
      const echoes = await client.echo(...paths.map((path) => ({ url: url(port.optional, path), certificate })))
      return paths.filter((_, index) => echoes[index]!.member === 8002)
    }
    const fields = paths.filter((path) => /^\/[A-Z]/.test(path))
    const inverted = paths.filter((path) => path.startsWith('/not/'))
    assert.deepEqual(await second(ca.file('client.pem')), ['/has', '/verified', ...fields])
    assert.deepEqual(await second(), ['/has-not', '/verified', ...inverted])
  })

  test('members of a pool with TLS are spoken to by TLS, see its certificate, and are checked against its CA and revocation list', async () => {
    const plain = (number: number) => ({ url: `http://${made.vip}:${number}/` })
    const [throughHttp, again] = await client.echo(plain(port.plain), { url: url(port.strict), servername: 'default.example' })
    for (const echo of [throughHttp, again]) assert.equal(echo!.tls?.client, 'balancer')
    assert.equal(again!.tls?.servername, 'default.example')
    const refused = await client.ask(plain(port.revoked), plain(port.revoked))
    assert.deepEqual(
      refused.map(({ status }) => status),
      [503, 503],
    )
  })

  test('a pool without a CA takes any member, with its own ciphers, versions and protocols', async () => {
    const [echo] = await client.echo({ url: `http://${made.vip}:${port.shaped}/` })
    assert.deepEqual(
      [echo!.tls?.protocol, echo!.tls?.cipher, echo!.tls?.client, echo!.tls?.alpn],
      ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', null, 'http/1.1'],
    )
  })

  /** As HAProxy writes them: the fingerprint without colons, times as in the certificate (ASN.1's UTCTime). */
  async function certificateOf(name: string): Promise<{ fingerprint: string; notBefore: string; notAfter: string }> {
    const text = await client.exec('openssl', [
      'x509',
      '-in',
      ca.file(`${name}.crt`),
      '-noout',
      '-fingerprint',
      '-sha1',
      '-dates',
      '-dateopt',
      'iso_8601',
    ])
    const time = (label: string) => new RegExp(`${label}=\\d\\d(.*)`).exec(text)![1]!.replaceAll(/[-: ]/g, '')
    return { fingerprint: /Fingerprint=(.*)/.exec(text)![1]!.replaceAll(':', ''), notBefore: time('notBefore'), notAfter: time('notAfter') }
  }
})
