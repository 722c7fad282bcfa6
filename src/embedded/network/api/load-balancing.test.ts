import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { call, type EmbeddedServices, embeddedServices } from '../../../../test/support/embedded-services.ts'

/** The load balancing API's place: what it was asked, and an answer that the test chooses. */
const api = {
  asked: [] as { method: string; url: string; token: unknown; body: string }[],
  answer: (_response: ServerResponse): void => {},
}

describe('/v2.0/lbaas of the network endpoint', () => {
  let cloud: EmbeddedServices
  let token: string
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    api.asked.push({ method: request.method!, url: request.url!, token: request.headers['x-auth-token'], body })
    api.answer(response)
  })

  before(async () => {
    cloud = await embeddedServices()
    token = await cloud.token('demo')
    const { bind_host, bind_port } = cloud.config.api_settings
    await new Promise<void>((resolve) => server.listen(bind_port, bind_host, resolve))
  })
  after(async () => {
    server.close()
    await cloud.close()
  })

  const lbaas = (method: string, path: string, body?: unknown) => call(method, `${cloud.urls.network}/v2.0/lbaas${path}`, token, body)
  const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
    api.answer = (response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  }

  test("method, path, query, token and body reach the API, and its answer comes back under the API's request id", async () => {
    answering(201, '{"pool":{"id":"p1"}}', { 'x-openstack-request-id': 'req-1' })
    const { status, body, headers } = await lbaas('POST', '/pools.json?fields=id&fields=name', { pool: { name: 'caffè' } })
    assert.deepEqual([status, body, headers.get('x-openstack-request-id')], [201, { pool: { id: 'p1' } }, 'req-1'])
    assert.deepEqual(api.asked.at(-1), {
      method: 'POST',
      url: '/v2.0/lbaas/pools.json?fields=id&fields=name',
      token,
      body: '{"pool":{"name":"caffè"}}',
    })
    answering(204, '')
    assert.equal((await lbaas('DELETE', '/pools/p1')).status, 204)
  })

  test("booleans that Neutron's client sends as words are booleans to the API", async () => {
    answering(200, '{}')
    await lbaas('PUT', '/pools/p1', { pool: { admin_state_up: 'False', name: 'True' } })
    assert.equal(api.asked.at(-1)!.body, '{"pool":{"admin_state_up":false,"name":"True"}}')
    await lbaas('PUT', '/pools/p1', { pool: { admin_state_up: 'perhaps' } })
    assert.equal(api.asked.at(-1)!.body, '{"pool":{"admin_state_up":"perhaps"}}')
    await lbaas('PUT', '/pools/p1', [null])
    assert.equal(api.asked.at(-1)!.body, '[null]')
  })

  for (const [status, fault, type, message] of [
    [403, { faultstring: 'Quota has been met for resources: Pool' }, 'OverQuota', 'Quota has been met for resources: Pool'],
    [403, { faultstring: 'Policy does not allow this.' }, 'PolicyNotAuthorized', 'Policy does not allow this.'],
    [404, { description: 'Pool p1 not found.' }, 'EntityNotFound', 'Pool p1 not found.'],
    [409, { faultstring: 'Load Balancer l1 is immutable and cannot be updated.' }, 'StateInvalid', undefined],
    [409, { faultstring: 'This pool already has a health monitor' }, 'OneHealthMonitorPerPool', undefined],
    [405, { description: '' }, 'HTTPError', 'Method Not Allowed'],
  ] as const) {
    test(`${status} ${Object.values(fault)} is a ${type} of Neutron's`, async () => {
      answering(status, JSON.stringify(fault))
      const answer = await lbaas('GET', '/pools/p1')
      assert.equal(answer.status, status)
      assert.deepEqual(answer.body, { NeutronError: { type, message: message ?? Object.values(fault)[0], detail: '' } })
    })
  }

  test('a stranger is refused before the API is asked', async () => {
    const asked = api.asked.length
    const { status } = await call('GET', `${cloud.urls.network}/v2.0/lbaas/pools`, 'no token')
    assert.deepEqual([status, api.asked.length], [401, asked])
  })

  test('an API that breaks off, answers without end or is not there is 503', async () => {
    const unavailable = { NeutronError: { type: 'ServiceUnavailable', message: 'The load balancing service does not answer.', detail: '' } }
    api.answer = (response) => response.destroy()
    assert.deepEqual((await lbaas('GET', '/pools')).body, unavailable)
    api.answer = (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1_048_576)));
      }
      response.on('drain', more).writeHead(200)
      more()
    }
    assert.equal((await lbaas('GET', '/pools')).status, 503)
    await new Promise((resolve) => server.close(resolve))
    const { status, body } = await lbaas('GET', '/pools')
    assert.deepEqual([status, body], [503, unavailable])
  })
})
