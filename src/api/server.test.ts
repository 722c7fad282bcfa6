import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ApiClient, fault } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { registerController } from '../controllers/registry.ts'
import { canonicalUrl } from './server.ts'

test('versions are listed oldest first, the current one last', async () => {
  const { api } = await aCloud().empty()
  const { body } = await api.request('GET', '/')
  const { versions } = body as { versions: { id: string; status: string; links: { href: string }[] }[] }
  assert.equal(versions[0]!.id, 'v2.0')
  assert.deepEqual([versions.at(-1)!.id, versions.at(-1)!.status], ['v2.30', 'CURRENT'])
  assert.ok(versions.every(({ links }) => links[0]!.href.endsWith('/v2')))
})

test('what every GET says of pages is read before anything is looked up', async () => {
  const { api } = await aCloud().empty()
  const told = async (path: string) => (await api.request('GET', `/v2/lbaas/${path}`)).body
  const routing = (description: string) => ({ code: 400, title: 'Bad Request', description })
  for (const path of [
    'listeners/x',
    'loadbalancers/x/status',
    'quotas/p',
    'providers',
    'flavors',
    'providers/amphora/flavor_capabilities',
  ]) {
    assert.deepEqual(await told(`${path}?limit=q`), routing("Supplied pagination limit 'q' is not valid."))
    assert.deepEqual(await told(`${path}?sort=name:up`), routing("Supplied sort direction 'up' is not valid."))
    assert.deepEqual(await told(`${path}?sort=a:b:c`), routing("Supplied sort key '['a', 'b', 'c']' is not valid."))
  }
  assert.deepEqual(await told('flavors?sort_key=name&sort_dir=&limit=1_0'), { flavors: [], flavors_links: [] })
})

test('all spellings of a path are one', () => {
  for (const url of [
    '/v2/lbaas/pools',
    '/v2.0/lbaas/pools',
    '/v2/pools',
    '/v2.0/pools',
    '/load-balancer/v2/pools/',
    '/v2/lbaas/pools.json',
  ]) {
    assert.equal(canonicalUrl(`${url}?limit=1`), '/v2/lbaas/pools?limit=1')
  }
  assert.equal(canonicalUrl('/v2.0/octavia/amphorae'), '/v2/octavia/amphorae')
  assert.equal(canonicalUrl('/v2.0'), '/v2')
  assert.equal(canonicalUrl('/v2.0/lbaas'), '/v2/lbaas')
  assert.equal(canonicalUrl('/load-balancer/'), '/')
  assert.equal(canonicalUrl('/v3'), '/v3')
})

test('headers are upstream’s', async () => {
  const { api } = await aCloud().empty()
  const { headers } = await api.request('GET', '/v2/lbaas/loadbalancers')
  assert.equal(headers['content-type'], 'application/json')
  assert.match(String(headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
})

test('methods that a path has not are refused as upstream refuses them', async () => {
  const { api } = await aCloud().empty()
  const status = async (method: string, path: string) => (await api.request(method, path)).status
  assert.equal(await status('PATCH', '/v2/lbaas/loadbalancers/x'), 405)
  assert.equal(await status('HEAD', '/v2/lbaas/loadbalancers'), 405)
  assert.equal(await status('OPTIONS', '/v2/lbaas/loadbalancers'), 200)
  assert.equal(await status('GET', '/v2/lbaas/nope'), 404)
  await assert.rejects(api.expect(204, 'DELETE', '/v2/lbaas/loadbalancers'), fault(400, 'Missing argument: "id"'))
  await assert.rejects(api.expect(200, 'PUT', '/v2/lbaas/loadbalancers', {}), fault(400, 'Missing argument: "id"'))
  // One is failed over or configured, but not changed.
  assert.equal(await status('PUT', '/v2/octavia/amphorae'), 405)
  assert.equal(await status('DELETE', '/v2/octavia/amphorae'), 400)
  assert.equal(await status('PUT', '/v2/octavia/amphorae/x'), 405)
})

test('errors before a handler is found have the other shape, as text for clients that ask for no JSON', async () => {
  const { api } = await aCloud().empty()
  assert.deepEqual((await api.request('GET', '/v2/lbaas/loadbalancers?limit=abc')).body, {
    code: 400,
    title: 'Bad Request',
    description: "Supplied pagination limit 'abc' is not valid.",
  })
  const text = await api.request('GET', '/v2/lbaas/nope', undefined, { accept: '' })
  assert.equal(text.headers['content-type'], 'text/plain; charset=UTF-8')
  assert.match(String(text.body), /^404 Not Found\n/)
})

test('only JSON is offered', async () => {
  const { api } = await aCloud().empty()
  const status = async (accept: string) => (await api.request('GET', '/v2/lbaas/loadbalancers', undefined, { accept })).status
  assert.equal(await status('text/html'), 406)
  for (const accept of ['', '*/*', 'application/*', 'text/html, application/json;q=0.9']) assert.equal(await status(accept), 200)
})

test('bodies that are no JSON, of another type, or too large are refused, and nothing changes', async () => {
  const { api, cloud } = await aCloud().empty()
  const post = async (body: string, headers: Record<string, string> = {}) => {
    const answer = await api.request('POST', '/v2/lbaas/loadbalancers', body, headers)
    return `${answer.status} ${(answer.body as { faultstring: string }).faultstring}`
  }
  assert.equal(await post('{"loadbalancer": '), '400 Request is not in valid JSON format')
  assert.equal(await post('a=b', { 'content-type': 'text/csv' }), '415 Unknown mimetype: text/csv')
  assert.equal(await post(`{"loadbalancer": {"name": "${'x'.repeat(10_000_000)}"}}`), '413 Request is too large.')
  assert.equal(await post('{}'), '400 Validation failure: No loadbalancer object supplied.')
  assert.deepEqual(await api.list('/v2/lbaas/loadbalancers'), [])
  assert.deepEqual(cloud.network.ports, [])
})

test('a query that the handler has no use for is refused, save by lists and shown objects, and before the body is read', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const refuses = (method: string, path: string, name: string) =>
    assert.rejects(api.expect(200, method, `/v2/lbaas/${path}`), fault(400, `Unknown argument: "${name}"`))
  await refuses('GET', `loadbalancers/${loadBalancer.id}/status?fields=id`, 'fields')
  await refuses('GET', `loadbalancers/${loadBalancer.id}/stats?a=1&b=2`, 'a, b')
  await refuses('PUT', `loadbalancers/${loadBalancer.id}?a=1`, 'a')
  await refuses('DELETE', `loadbalancers/${loadBalancer.id}?cascade=true&a=1`, 'a')
  await refuses('PUT', `pools/${pool.id}/members?additive_only=true&a=1`, 'a')
  await refuses('DELETE', 'pools/11111111-1111-4111-8111-111111111111?a=1', 'a')
  const unreadable = await api.request('POST', '/v2/lbaas/pools?a=1', '{')
  assert.equal((unreadable.body as { faultstring: string }).faultstring, 'Unknown argument: "a"')
  assert.equal((await api.request('GET', `/v2/lbaas/pools/${pool.id}?a=1`)).status, 200)
})

test('below a pool or l7policy that is not there no method is anything but not found', async () => {
  const { api } = await aCloud().empty()
  const nowhere = '11111111-1111-4111-8111-111111111111'
  for (const path of [`pools/${nowhere}/members`, `l7policies/${nowhere}/rules`, `pools/${nowhere}/members/${nowhere}`]) {
    for (const method of ['PATCH', 'DELETE', 'PUT']) {
      const { status, body } = await api.request(method, `/v2/lbaas/${path}?a=1`, {})
      assert.equal(status, 404, `${method} ${path}`)
      assert.match((body as { description: string }).description, /^(Pool|L7Policy) \S+ not found\.$/)
    }
  }
})

test('a Host header that names another host is refused, so that no page in a browser can use the API', async () => {
  const { api } = await aCloud({ config: { api_settings: { allowed_hosts: ['lb.example'] } } }).empty()
  const status = async (host: string) => (await api.request('GET', '/v2', undefined, { host })).status
  for (const host of ['localhost:9876', '127.0.0.1:9876', '127.9.9.9', '[::1]:9876', 'LB.example'])
    assert.equal(await status(host), 200, host)
  for (const host of ['evil.example', '192.0.2.1', '127.0.0.1.evil.example']) assert.equal(await status(host), 400, host)
})

test('without a valid token there is 401 and where to get one', async () => {
  const { api, cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  for (const headers of [{}, { 'x-auth-token': 'unknown' }, { 'x-auth-token': 'x'.repeat(100_000) }] as Record<string, string>[]) {
    const answer = await api.request('GET', '/v2/lbaas/loadbalancers', undefined, headers)
    assert.equal(answer.status, 401)
    assert.deepEqual(answer.body, {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    })
    assert.match(String(answer.headers['www-authenticate']), /^Keystone uri="http:\/\/127\.0\.0\.1:5000\/v3"$/)
  }
  assert.equal((await api.request('GET', '/v2/lbaas/nope')).status, 401)
  assert.equal((await api.request('GET', '/')).status, 200)
  assert.deepEqual(await cloud.apiAs('p', 'reader').list('/v2/lbaas/loadbalancers'), [])
})

test('where a Keystone is configured, those without a token are sent there', async () => {
  const keystone_authtoken = { www_authenticate_uri: 'https://keystone.example/identity', auth_url: 'http://10.0.0.1:5000' }
  const { api } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' }, keystone_authtoken } }).empty()
  const { headers } = await api.request('GET', '/v2/lbaas/loadbalancers')
  assert.equal(headers['www-authenticate'], 'Keystone uri="https://keystone.example/identity"')
})

test('where tokens cannot be validated there is 503, as keystonemiddleware words it, and no way in', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const admin = cloud.apiAs('p', 'admin')
  cloud.identity.isDown = true
  const answer = await admin.request('GET', '/v2/lbaas/loadbalancers')
  assert.equal(answer.status, 503)
  assert.deepEqual(answer.body, {
    message:
      'The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n',
    code: '503 Service Unavailable',
    title: 'Service Unavailable',
  })
  assert.equal(
    (await admin.request('POST', '/v2/lbaas/loadbalancers', cloud.aBody(), { accept: '' })).body,
    '503 Service Unavailable\n\nThe server is currently unavailable. Please try again at a later time.\n\n The Keystone service is temporarily unavailable.  ',
  )
  assert.equal((await admin.request('GET', '/')).status, 200)
})

test('the health check answers where the option says so', async () => {
  const off = await aCloud().empty()
  assert.equal((await off.api.request('GET', '/healthcheck')).status, 404)
  const { api } = await aCloud({ config: { api_settings: { healthcheck_enabled: true } } }).empty()
  assert.equal((await api.request('GET', '/healthcheck')).status, 200)
  assert.equal((await api.request('HEAD', '/healthcheck')).status, 204)
  assert.equal((await api.request('POST', '/healthcheck')).status, 405)
})

test('the health check says so when the database is gone or an operator has taken the service out', async () => {
  const file = join(tmpdir(), `ottavia-disabled-${process.pid}`)
  const { api, cloud, stop } = await aCloud({
    worker: false,
    config: {
      api_settings: { healthcheck_enabled: true, healthcheck_refresh_interval: 0 },
      healthcheck: { backends: ['octavia_db_check', 'disable_by_file'], disable_by_file_path: file, detailed: true },
    },
  }).empty()
  const check = async () => {
    const { status, body } = await api.request('GET', '/healthcheck')
    return [status, ...(body as { reasons: { reason: string }[] }).reasons.map(({ reason }) => reason)]
  }
  assert.deepEqual(await check(), [200, 'OK', 'OK'])
  writeFileSync(file, '')
  assert.deepEqual(await check(), [503, 'OK', 'DISABLED BY FILE'])
  rmSync(file)
  await cloud.db.destroy()
  assert.deepEqual(await check(), [503, 'The Octavia database is unavailable.', 'OK'])
  await stop()
})

test('the health check says which part of the service has no process', async () => {
  const { api, cloud, stop } = await aCloud({
    worker: false,
    config: {
      api_settings: { healthcheck_enabled: true, healthcheck_refresh_interval: 0 },
      healthcheck: { backends: ['ottavia_roles_check'] },
    },
  }).empty()
  const controller = (serves: string[]) =>
    registerController({ db: cloud.db, log: cloud.context.log }, { id: serves.join(), serves, program: '' })
  const check = async () => {
    const { status, body } = await api.request('GET', '/healthcheck')
    return [status, ...(body as { reasons: string[] }).reasons]
  }
  const manager = await controller(['health-manager', 'housekeeping'])
  assert.deepEqual(await check(), [503, 'No process with the role worker runs.'])
  const worker = await controller(['api', 'worker'])
  assert.deepEqual(await check(), [200, 'OK'])
  await manager.stop()
  assert.deepEqual(await check(), [503, 'No process with the role health-manager, housekeeping runs.'])
  await worker.stop()
  await stop()
})

test('pages of permitted origins may use the API, as browsers ask it', async () => {
  const config = { api_settings: { auth_strategy: 'keystone' }, cors: { allowed_origin: ['https://console.example'] } } as const
  const { api } = await aCloud({ config: { ...config, cors: { allowed_origin: [...config.cors.allowed_origin] } } }).empty()
  const preflight = (origin: string, method: string, headers: string) =>
    api.request('OPTIONS', '/v2/lbaas/loadbalancers', undefined, {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    })
  const permitted = await preflight('https://console.example', 'POST', 'content-type, x-auth-token')
  assert.equal(permitted.status, 200)
  assert.equal(permitted.headers['access-control-allow-origin'], 'https://console.example')
  assert.equal(permitted.headers['access-control-allow-methods'], 'POST')
  assert.equal(permitted.headers['access-control-allow-headers'], 'content-type,x-auth-token')
  for (const [origin, method, headers] of [
    ['https://evil.example', 'POST', ''],
    ['https://console.example', 'PATCH', ''],
    ['https://console.example', 'POST', 'x-other'],
  ] as const) {
    assert.equal((await preflight(origin, method, headers)).headers['access-control-allow-origin'], undefined)
  }
  const refused = await api.request('GET', '/v2/lbaas/loadbalancers', undefined, { origin: 'https://console.example' })
  assert.equal(refused.status, 401)
  assert.equal(refused.headers['access-control-allow-origin'], 'https://console.example')
  assert.equal(refused.headers['access-control-expose-headers'], 'X-Auth-Token,X-Openstack-Request-Id')
})

test('links are those of the proxy in front where it may be trusted', async () => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'lb.example', 'x-forwarded-prefix': '/lb' }
  const linkOf = async (api: ApiClient, more: Record<string, string>) => {
    const { body } = await api.request('GET', '/', undefined, more)
    return (body as { versions: { links: { href: string }[] }[] }).versions[0]!.links[0]!.href
  }
  const { api: direct } = await aCloud().empty()
  assert.match(await linkOf(direct, headers), /^http:\/\/[^/]+\/v2$/)
  const { api } = await aCloud({ config: { oslo_middleware: { enable_proxy_headers_parsing: true } } }).empty()
  assert.equal(await linkOf(api, headers), 'https://lb.example/lb/v2')
  assert.equal(await linkOf(api, { forwarded: 'for=192.0.2.1;proto=https;host=a.example, for=192.0.2.2' }), 'https://a.example/v2')
})

test('every route names its policies', async () => {
  const { cloud } = await aCloud().empty()
  const { announced } = cloud.server
  assert.ok(announced.length > 20)
  assert.deepEqual(
    announced.filter(({ policies }) => policies.length === 0),
    [],
  )
})

test('no route does anything for someone without a role', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const nobody = cloud.apiAs('p')
  for (const { method, path } of cloud.server.announced) {
    const answer = await nobody.request(
      method,
      path.replaceAll(/:\w+/g, '11111111-1111-4111-8111-111111111111'),
      method === 'GET' ? undefined : {},
    )
    // Not found and malformed come before the policy, as upstream.
    assert.ok([400, 403, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
  }
})

test('hostile requests get an answer that is no failure of ours', async () => {
  const { api, cloud } = await aCloud().empty()
  const status = async (method: string, path: string, body?: string) => (await api.request(method, path, body)).status
  assert.equal(await status('GET', '/v2/lbaas/loadbalancers/%zz'), 400)
  assert.equal(await status('GET', '/v2/lbaas/loadbalancers/%00'), 404)
  assert.equal(await status('GET', '/v2/lbaas/loadbalancers?name=%00'), 404)
  assert.equal(await status('GET', `/v2/lbaas/loadbalancers/${'x'.repeat(5_000)}`), 414)
  for (const key of ['constructor', '__proto__', 'toString']) {
    assert.equal(await status('GET', `/v2/lbaas/loadbalancers?${key}=1`), 400)
    assert.equal(await status('GET', `/v2/lbaas/loadbalancers?sort=${key}`), 400)
  }
  assert.equal(await status('POST', '/v2/lbaas/loadbalancers', '['.repeat(50_000) + ']'.repeat(50_000)), 400)
  assert.equal(
    await status('POST', '/v2/lbaas/loadbalancers', `{"loadbalancer": {"name": ${'['.repeat(30_000)}${']'.repeat(30_000)}}}`),
    400,
  )
  assert.equal(await status('POST', '/v2/lbaas/loadbalancers', '{"loadbalancer": {"__proto__": {"admin": true}}}'), 400)
  const name = 'x'.repeat(256)
  assert.equal(await status('POST', '/v2/lbaas/loadbalancers', JSON.stringify({ loadbalancer: cloud.aBody({ name }) })), 400)
  assert.equal(await status('POST', '/v2/lbaas/loadbalancers', JSON.stringify({ loadbalancer: cloud.aBody({ name: 'a\u0000b' }) })), 400)
})

test('nobody becomes an admin from afar by a wrong configuration', async () => {
  const remote = { auth_strategy: 'noauth', bind_host: '0.0.0.0' } as const
  await assert.rejects(aCloud({ config: { api_settings: remote } }).empty(), /makes everyone who reaches 0\.0\.0\.0 an admin/)
  const { api } = await aCloud({ config: { api_settings: { ...remote, allow_remote_noauth: true } } }).empty()
  // On every address any of its numbers is fine, a name is not.
  assert.equal((await api.request('GET', '/v2', undefined, { host: '192.0.2.1:9876' })).status, 200)
  assert.equal((await api.request('GET', '/v2', undefined, { host: 'evil.example' })).status, 400)
})
