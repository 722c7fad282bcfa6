import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { aCertificate } from '../../../test/support/certificates.ts'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { loadConfig } from '../../config/config.ts'
import { during } from '../../lib/activity.ts'
import { createLog } from '../../lib/log.ts'
import { IdentityUnavailable, ServiceError } from '../errors.ts'
import { type OpenStackSession, openStackSession, type ServiceClient } from './session.ts'

type Answer = number | 'reset' | { status: number; body?: unknown; headers?: Record<string, string> }
const PATIENCE = { max_retries: 3, retry_interval: 1, retry_backoff: 1, retry_max: 10 }

describe('a session with the services of OpenStack', () => {
  let keystone: FakeKeystone
  let service: Server
  /** `METHOD path?query token`, in order. */
  let asked: string[]
  let answers: Answer[]
  let waits: number[]
  let session: OpenStackSession
  let neutron: ServiceClient
  let address: string
  let keystoneUrl: string

  beforeEach(async () => {
    asked = []
    answers = []
    waits = []
    keystone = new FakeKeystone(Date.now)
    service = createServer(answer)
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
    address = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    keystone.catalog = [
      { type: 'network', name: 'neutron', endpoints: [{ interface: 'public', region_id: 'RegionOne', url: `${address}/v2.0/` }] },
    ]
    keystoneUrl = await keystone.start()
    open(keystoneUrl)
  })
  afterEach(async () => {
    session.close()
    await keystone.stop()
    service.closeAllConnections()
    await new Promise((resolve) => service.close(resolve))
  })

  function open(auth_url: string, options: object = {}): void {
    const login = { auth_url, username: 'octavia', password: 'secret', project_name: 'service' }
    const config = loadConfig({ stateDirectory: '/nonexistent', overrides: { service_auth: login, neutron: options } })
    session = openStackSession({
      config,
      clock: { now: Date.now, monotonic: () => performance.now() },
      log: createLog('silent'),
      sleep: async (ms) => void waits.push(ms),
    })
    neutron = session.client({
      name: 'Neutron',
      type: 'network',
      section: 'neutron',
      options: config.neutron,
      patience: PATIENCE,
      version: '/v2.0',
    })
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for await (const _ of request);
    asked.push(`${request.method} ${request.url}`)
    const next = answers.shift() ?? 200
    if (next === 'reset') return void request.socket.destroy()
    const { status, body = {}, headers = {} } = typeof next === 'number' ? { status: next } : next
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }

  test('the catalog says where a service is, with its version or without', async () => {
    answers = [{ status: 200, body: { ports: [] } }]
    const { body } = await neutron.request('GET', '/v2.0/ports', { query: { name: 'a b', id: ['1', '2'], device_id: undefined } })
    assert.deepEqual(body, { ports: [] })
    assert.deepEqual(asked, ['GET /v2.0/ports?name=a+b&id=1&id=2'])
  })

  test('a service that fails is asked again, with growing pauses, as often as the options say', async () => {
    answers = [503, 'reset', 200]
    await neutron.request('GET', '/v2.0/ports')
    assert.deepEqual(waits, [1_000, 2_000])
    answers = [500, 500, { status: 503, body: { NeutronError: { type: 'Busy', message: 'too  much', detail: '' } } }]
    await assert.rejects(neutron.request('PUT', '/v2.0/ports/1', { body: {} }), (error: ServiceError) => {
      assert.deepEqual([error.service, error.status, error.type, error.words], ['Neutron', 503, 'Busy', 'too much'])
      return true
    })
    assert.equal(asked.length, 6)
  })

  test('what may not arrive twice is asked again only when it was refused for its rate or never arrived', async () => {
    answers = [{ status: 429, headers: { 'retry-after': '7' } }, 201]
    await neutron.request('POST', '/v2.0/ports', { body: { port: {} } })
    assert.deepEqual(waits, [7_000])
    for (const failure of [500, 'reset'] as const) {
      answers = [failure]
      await assert.rejects(neutron.request('POST', '/v2.0/ports', { body: { port: {} } }), ServiceError)
    }
    assert.equal(asked.length, 4)
  })

  test('what will not pass is asked once, with the words of each service', async () => {
    const faults: [object, string][] = [
      [{ itemNotFound: { code: 404, message: 'Instance x could not be found.' } }, 'Instance x could not be found.'],
      [{ NeutronError: 'in plain' }, 'in plain'],
      [{ title: 'Not Found', description: 'Secret not found.' }, 'Secret not found.'],
      [{ message: 'No image', code: '404 Not Found' }, 'No image'],
    ]
    for (const [body, words] of faults) {
      answers = [{ status: 404, body }]
      await assert.rejects(neutron.request('GET', '/v2.0/ports/1'), (error: ServiceError) => error.words === words)
    }
    assert.equal(asked.length, faults.length)
    answers = [{ status: 404, body: {} }]
    assert.equal((await neutron.request('DELETE', '/v2.0/ports/1', { accept: [404] })).status, 404)
  })

  test('a thing that is busy is waited for where that is asked', async () => {
    answers = [409, 409, 204]
    await neutron.request('DELETE', '/v2.0/ports/1', { retryOn: [409] })
    assert.equal(waits.length, 2)
  })

  test('a token that is no longer taken is exchanged once', async () => {
    answers = [401, 200]
    await neutron.request('GET', '/v2.0/ports')
    assert.equal(keystone.count('POST'), 2)
    answers = [401, 401]
    await assert.rejects(neutron.request('GET', '/v2.0/ports'), (error: ServiceError) => error.status === 401)
    answers = [401]
    await assert.rejects(neutron.request('GET', '/v2.0/ports', { token: "a user's" }), (error: ServiceError) => error.status === 401)
    assert.equal(keystone.count('POST'), 3)
  })

  test('a listing is read to its end', async () => {
    answers = [
      { status: 200, body: { ports: [1, 2], ports_links: [{ rel: 'next', href: `${address}/v2.0/ports?marker=2&limit=2` }] } },
      { status: 200, body: { ports: [3] } },
    ]
    assert.deepEqual(await neutron.list('/v2.0/ports', 'ports', { query: { limit: '2' } }), [1, 2, 3])
    assert.deepEqual(asked, ['GET /v2.0/ports?limit=2', 'GET /v2.0/ports?marker=2&limit=2'])
    answers = [
      { status: 200, body: { images: ['a'], next: '/v2/images?marker=a' } },
      { status: 200, body: { images: ['b'] } },
    ]
    assert.deepEqual(await neutron.list('/v2/images', 'images'), ['a', 'b'])
  })

  test('a service whose certificate nobody here knows is asked once, and known by the CA file of its section', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'session-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const authority = await aCertificate({ name: 'the CA', isAuthority: true })
    const { certificate, private_key } = await aCertificate({ name: 'localhost', issuer: authority })
    const secured = createSecureServer({ cert: certificate, key: private_key }, answer)
    t.after(() => secured.close())
    await new Promise<void>((resolve) => secured.listen(0, '127.0.0.1', resolve))
    const endpoint_override = `https://localhost:${(secured.address() as AddressInfo).port}`
    const ca_certificates_file = join(directory, 'ca.pem')
    writeFileSync(ca_certificates_file, authority.certificate)

    session.close()
    open(keystoneUrl, { endpoint_override })
    await assert.rejects(
      neutron.request('GET', '/v2.0/ports'),
      /^ServiceError: Neutron gave no answer to GET \/v2.0\/ports: its certificate is not trusted: unable to verify the first certificate$/,
    )
    assert.deepEqual([asked, waits], [[], []])
    session.close()
    open(keystoneUrl, { endpoint_override, ca_certificates_file })
    await neutron.request('GET', '/v2.0/ports')
    session.close()
    open(keystoneUrl, { endpoint_override, insecure: true })
    await neutron.request('GET', '/v2.0/ports')
    assert.equal(asked.length, 2)
  })

  test('the request of a client, and whom it passes on, are told by its id', async () => {
    let told: unknown
    service.once('request', (request: IncomingMessage) => (told = request.headers['x-openstack-request-id']))
    await during({ request_id: 'req-1' }, () => neutron.request('GET', '/v2.0/ports'))
    assert.equal(told, 'req-1')
  })

  test('a service user whom Keystone refuses, and an endpoint that nobody knows, are said', async () => {
    keystone.password = 'another'
    await assert.rejects(neutron.request('GET', '/v2.0/ports'), IdentityUnavailable)
    keystone.password = 'secret'
    session.close()
    open(keystoneUrl, { region_name: 'elsewhere' })
    await assert.rejects(
      neutron.request('GET', '/v2.0/ports'),
      /\[neutron\] endpoint: missing.*public endpoint of Neutron \(network\) in elsewhere/,
    )
  })
})
