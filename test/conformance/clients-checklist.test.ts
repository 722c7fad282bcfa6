/** What clients rely on, point by point: each found in the sources of at least one client that would fail without it. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { exec } from '../../src/lib/exec.ts'
import type { ApiClient, Shown } from '../support/api-client.ts'
import { aCloud } from '../support/cloud.ts'
import { Controller } from '../support/controller.ts'
import { noopCloud, settled } from '../support/noop-cloud.ts'

type Row = Record<string, unknown>
type Page = { loadbalancers: Shown[]; loadbalancers_links?: { rel: string; href: string }[] }

const base = '/v2/lbaas'
const naive = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/
const statusOf = async (api: ApiClient, method: string, path: string, body?: unknown) => (await api.request(method, path, body)).status

/** One of each kind, ACTIVE, with its path. */
async function oneOfEach() {
  const { cloud, api, loadBalancer, listener, pool } = await aCloud().withPool({ name: 'pool' })
  const settle = () => api.waitFor(`${base}/loadbalancers/${loadBalancer.id}`)
  const member = await api.createMember(pool, { address: '10.0.0.9', protocol_port: 80 })
  await settle()
  const healthmonitor = await api.createHealthMonitor(pool, { type: 'HTTP', delay: 5, timeout: 3, max_retries: 2 })
  await settle()
  const l7policy = await api.createL7Policy(listener, { action: 'REDIRECT_TO_URL', redirect_url: 'http://example.org/' })
  await settle()
  const rule = await api.createL7Rule(l7policy, { type: 'PATH', compare_type: 'EQUAL_TO', value: '/' })
  await settle()
  const paths = {
    loadbalancer: `${base}/loadbalancers/${loadBalancer.id}`,
    listener: `${base}/listeners/${listener.id}`,
    pool: `${base}/pools/${pool.id}`,
    member: `${base}/pools/${pool.id}/members/${member.id}`,
    healthmonitor: `${base}/healthmonitors/${healthmonitor.id}`,
    l7policy: `${base}/l7policies/${l7policy.id}`,
    rule: `${base}/l7policies/${l7policy.id}/rules/${rule.id}`,
  }
  return { cloud, api, settle, paths, loadBalancer, listener, pool, member, healthmonitor, l7policy, rule }
}

test('1. the versions are listed oldest first, the current one last, each with its link', async () => {
  const { api } = await aCloud().empty()
  const { versions } = await api.expect<{ versions: { id: string; status: string; links: { rel: string; href: string }[] }[] }>(
    200,
    'GET',
    '/',
  )
  assert.deepEqual(
    versions.map(({ id }) => id),
    Array.from({ length: 31 }, (_, minor) => `v2.${minor}`),
  )
  assert.deepEqual([versions[0]!.status, versions.at(-1)!.status], ['SUPPORTED', 'CURRENT'])
  for (const { links } of versions) assert.deepEqual([links[0]!.rel, /^http:\/\/.+\/v2$/.test(links[0]!.href)], ['self', true])
})

test('2. /v2 and /v2.0, with and without /lbaas and .json, are one API', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer({ name: 'one' })
  for (const root of ['/v2/lbaas', '/v2.0/lbaas', '/v2', '/v2.0', '/load-balancer/v2.0/lbaas']) {
    for (const end of ['', '.json', '/']) {
      const listed = await api.expect<{ loadbalancers: Shown[] }>(200, 'GET', `${root}/loadbalancers${end}`)
      assert.deepEqual(
        listed.loadbalancers.map(({ id }) => id),
        [loadBalancer.id],
        root + end,
      )
      const shown = await api.expect<{ loadbalancer: Shown }>(200, 'GET', `${root}/loadbalancers/${loadBalancer.id}${end}`)
      assert.equal(shown.loadbalancer.name, 'one')
    }
  }
})

test('3. times have no zone, and updated_at is null at first', async () => {
  const { cloud, api } = await aCloud().empty()
  const made = await api.createLoadBalancer(cloud.aBody())
  assert.match(String(made.created_at), naive)
  assert.equal(made.updated_at, null)
  const active = await api.waitFor(`${base}/loadbalancers/${made.id}`)
  await api.update(`${base}/loadbalancers/${made.id}`, { name: 'other' })
  assert.equal(active.created_at, made.created_at)
  assert.match(String((await api.waitFor(`${base}/loadbalancers/${made.id}`)).updated_at), naive)
})

test('4. 201 for what is created, 200 for what is changed, 202 for batches, failover and quotas, 204 for deletes', async () => {
  const { cloud, api, settle, paths, pool, loadBalancer } = await oneOfEach()
  for (const [key, path] of Object.entries(paths)) {
    const { status, body } = await api.request('PUT', path, { [key]: key === 'rule' ? { value: '/a' } : { name: 'renamed' } })
    assert.equal(status, 200, JSON.stringify(body))
    await settle()
  }
  assert.equal(await statusOf(api, 'PUT', `${base}/pools/${pool.id}/members`, { members: [] }), 202)
  await settle()
  assert.equal(await statusOf(api, 'PUT', `${paths.loadbalancer}/failover`), 202)
  await settle()
  assert.equal(await statusOf(api, 'PUT', `${base}/quotas/project-1`, { quota: { pool: 5 } }), 202)
  assert.equal(await statusOf(api, 'DELETE', `${base}/quotas/project-1`), 202)
  assert.equal(await statusOf(api, 'POST', `${base}/loadbalancers`, { loadbalancer: cloud.aBody() }), 201)
  assert.equal(await statusOf(api, 'DELETE', `${base}/loadbalancers/${loadBalancer.id}?cascade=true`), 204)
})

test('5. what is PENDING is seen at once, in the answer and by the next request, and refuses changes with 409', async () => {
  const { cloud, api } = await aCloud({ worker: false }).empty()
  const made = await api.createLoadBalancer(cloud.aBody())
  assert.equal(made.provisioning_status, 'PENDING_CREATE')
  const path = `${base}/loadbalancers/${made.id}`
  assert.equal((await api.show(path)).provisioning_status, 'PENDING_CREATE')
  const refusals = [
    [await api.request('PUT', path, { loadbalancer: { name: 'x' } }), `Invalid state PENDING_CREATE of loadbalancer resource ${made.id}`],
    [await api.request('DELETE', path), `Invalid state PENDING_CREATE of loadbalancer resource ${made.id}`],
    [
      await api.request('POST', `${base}/listeners`, { listener: { loadbalancer_id: made.id, protocol: 'TCP', protocol_port: 80 } }),
      `Load Balancer ${made.id} is immutable and cannot be updated.`,
    ],
  ] as const
  for (const [{ status, body }, faultstring] of refusals) {
    assert.deepEqual([status, body], [409, { faultcode: 'Client', faultstring, debuginfo: null }])
  }
})

test('6. what was deleted answers 404, and no list shows it as DELETED', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer()
  const path = `${base}/loadbalancers/${loadBalancer.id}`
  await api.delete(path)
  await api.waitUntilGone(path)
  assert.deepEqual(await api.list(`${base}/loadbalancers`), [])
  assert.deepEqual(await api.list(`${base}/loadbalancers?provisioning_status=DELETED`), [])
  assert.equal(await statusOf(api, 'DELETE', path), 404)
})

test('7. faults have a faultstring, or, before a handler was found, a title and a description', async () => {
  const { api } = await aCloud().empty()
  assert.deepEqual((await api.request('GET', `${base}/pools/none`)).body, {
    ...{ faultcode: 'Client', faultstring: 'Pool none not found.', debuginfo: null },
  })
  assert.deepEqual((await api.request('GET', `${base}/pools/none/members`)).body, {
    ...{ code: 404, title: 'Bad Request', description: 'Pool none not found.' },
  })
})

test('8. every answer has its own x-openstack-request-id, faults and discovery too', async () => {
  const { api } = await aCloud().empty()
  const ids = new Set<unknown>()
  for (const path of ['/', `${base}/pools`, `${base}/pools/none`, '/nowhere']) {
    const { headers } = await api.request('GET', path)
    assert.match(String(headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
    ids.add(headers['x-openstack-request-id'])
  }
  assert.equal(ids.size, 4)
})

test('9. following the links of pages shows each object once and comes to an end', async () => {
  const { cloud, api } = await aCloud().empty()
  const made = []
  for (let number = 0; number < 6; number++) made.push((await cloud.aLoadBalancer({ name: `lb-${number}` })).id)
  for (const limit of [1, 2, 3, 4, 6, 7]) {
    const seen: string[] = []
    let next: string | undefined = `${base}/loadbalancers?limit=${limit}&sort=name`
    for (let page = 0; next !== undefined; page++) {
      assert.ok(page <= made.length, 'the links lead nowhere')
      const answer: Page = await api.expect<Page>(200, 'GET', next)
      seen.push(...answer.loadbalancers.map(({ id }) => id))
      const href: string | undefined = answer.loadbalancers_links?.find(({ rel }) => rel === 'next')?.href
      // The command line reads the query of the link alone, and asks the collection again with it.
      next = href === undefined ? undefined : `${base}/loadbalancers?${new URL(href).searchParams}`
    }
    assert.deepEqual(seen, made, `pages of ${limit}`)
  }
})

test('10. lists can be cut to fields and filtered by tags; a filter nobody knows is 400', async () => {
  const { cloud, api } = await aCloud().empty()
  for (const [name, tags] of Object.entries({ a: ['x'], b: ['x', 'y'], c: [] })) await cloud.aLoadBalancer({ name, tags })
  const names = async (query: string) => (await api.list(`${base}/loadbalancers?fields=name&${query}`)).map(({ name }) => name).sort()
  assert.deepEqual(await api.list(`${base}/loadbalancers?fields=name&name=a`), [{ name: 'a' }])
  assert.deepEqual([await names('tags=x'), await names('tags=x,y'), await names('tags-any=y,z')], [['a', 'b'], ['b'], ['b']])
  assert.deepEqual(
    [await names('not-tags=x,y'), await names('not-tags-any=y,z')],
    [
      ['a', 'c'],
      ['a', 'c'],
    ],
  )
  assert.equal(await statusOf(api, 'GET', `${base}/loadbalancers?colour=red`), 400)
})

const constants = '/usr/lib/python3/dist-packages/octaviaclient/osc/v2/constants.py'
const noClient = existsSync(constants) ? '' : ` (skipped: no ${constants})`

test(`11. every key that the openstack command prints is there, null where there is nothing${noClient}`, {
  skip: noClient !== '',
}, async () => {
  const { api, paths } = await oneOfEach()
  const program =
    'import json, octaviaclient.osc.v2.constants as c; print(json.dumps({k: v for k, v in vars(c).items() if k.endswith(("_ROWS", "_COLUMNS", "_LONG"))}))'
  const rows = JSON.parse((await exec('/usr/bin/python3', ['-c', program])).stdout) as Record<string, string[]>
  const profile = { name: 'p', provider_name: 'amphora' }
  const flavorprofile = await api.expect<{ flavorprofile: Row }>(201, 'POST', `${base}/flavorprofiles`, {
    flavorprofile: { ...profile, flavor_data: '{}' },
  })
  const zoneProfile = await api.expect<{ availability_zone_profile: Row }>(201, 'POST', `${base}/availabilityzoneprofiles`, {
    availability_zone_profile: { ...profile, availability_zone_data: '{}' },
  })
  const flavor = await api.expect<{ flavor: Row }>(201, 'POST', `${base}/flavors`, {
    flavor: { name: 'f', flavor_profile_id: flavorprofile.flavorprofile.id },
  })
  const zone = await api.expect<{ availability_zone: Row }>(201, 'POST', `${base}/availabilityzones`, {
    availability_zone: { name: 'z', availability_zone_profile_id: zoneProfile.availability_zone_profile.id },
  })
  const [amphora] = await api.list('/v2/octavia/amphorae')
  const poolWithoutMonitor = await aCloud().withPool()
  const shown: Record<string, Row> = {
    LOAD_BALANCER: await api.show(paths.loadbalancer),
    LOAD_BALANCER_STATS: (await api.expect<{ stats: Row }>(200, 'GET', `${paths.loadbalancer}/stats`)).stats,
    LISTENER: await api.show(paths.listener),
    POOL: await api.show(paths.pool),
    MEMBER: await api.show(paths.member),
    L7POLICY: await api.show(paths.l7policy),
    L7RULE: await api.show(paths.rule),
    MONITOR: await api.show(paths.healthmonitor),
    QUOTA: (await api.expect<{ quota: Row }>(200, 'GET', `${base}/quotas/project-1`)).quota,
    AMPHORA: amphora!,
    PROVIDER: (await api.expect<{ providers: Row[] }>(200, 'GET', `${base}/providers`)).providers[0]!,
    FLAVOR: flavor.flavor,
    FLAVORPROFILE: flavorprofile.flavorprofile,
    AVAILABILITYZONE: zone.availability_zone,
    AVAILABILITYZONEPROFILE: zoneProfile.availability_zone_profile,
  }
  for (const [list, keys] of Object.entries(rows)) {
    const kind = list.replace(/_(ROWS|COLUMNS|COLUMNS_LONG)$/, '')
    // A provider's capabilities get their `type` from the command itself; a quota its project from the list.
    if (kind === 'PROVIDER_CAPABILITY') continue
    const missing = keys.filter((key) => !(key in shown[kind]!) && !(kind === 'QUOTA' && key === 'project_id'))
    assert.deepEqual(missing, [], list)
  }
  for (const [kind, object] of Object.entries(shown)) {
    if ('project_id' in object) assert.equal(object.tenant_id, object.project_id, kind)
  }
  const monitorId = (await poolWithoutMonitor.api.show(`${base}/pools/${poolWithoutMonitor.pool.id}`)).healthmonitor_id
  assert.ok(monitorId === undefined || monitorId === null)
})

test('12. quotas in both spellings, their defaults, and the address without /lbaas', async () => {
  const { api } = await aCloud().empty()
  const defaults = (await api.expect<{ quota: Row }>(200, 'GET', `${base}/quotas/defaults`)).quota
  assert.deepEqual([defaults.load_balancer, defaults.health_monitor], [-1, -1])
  for (const body of [
    { loadbalancer: 3, healthmonitor: 4 },
    { load_balancer: 5, health_monitor: 6 },
  ]) {
    await api.expect(202, 'PUT', `${base}/quotas/project-1`, { quota: body })
    for (const path of [`${base}/quotas/project-1`, '/v2.0/quotas/project-1']) {
      const { quota } = await api.expect<{ quota: Row }>(200, 'GET', path)
      const [balancers, monitors] = Object.values(body)
      assert.deepEqual(
        [quota.load_balancer, quota.loadbalancer, quota.health_monitor, quota.healthmonitor],
        [balancers, balancers, monitors, monitors],
      )
    }
  }
})

test('13. what was not said is echoed as the default that clients compare with', async () => {
  const { listener } = await aCloud().withListener()
  const { id: _, ...shown } = listener
  const defaults = {
    ...{
      connection_limit: -1,
      timeout_client_data: 50_000,
      timeout_member_connect: 5_000,
      timeout_member_data: 50_000,
      timeout_tcp_inspect: 0,
    },
    ...{ insert_headers: {}, allowed_cidrs: null, client_authentication: 'NONE', sni_container_refs: [], default_tls_container_ref: null },
    ...{ tags: [], name: '', description: '', admin_state_up: true },
  }
  assert.deepEqual(Object.fromEntries(Object.keys(defaults).map((key) => [key, shown[key]])), defaults)
})

test('14. POST of a load balancer answers the whole tree, GET the ids', async () => {
  const { cloud, api } = await aCloud().empty()
  const made = await api.createLoadBalancer(
    cloud.aBody({
      listeners: [
        {
          ...{ name: 'l', protocol: 'HTTP', protocol_port: 80 },
          default_pool: {
            ...{ name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address: '10.0.0.9', protocol_port: 80 }] },
            healthmonitor: { type: 'TCP', delay: 5, timeout: 3, max_retries: 2 },
          },
          l7policies: [{ action: 'REJECT', rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/' }] }],
        },
      ],
    }),
  )
  const [listener] = made.listeners as Row[]
  const [pool] = made.pools as Row[]
  assert.deepEqual([listener!.name, ((listener!.l7policies as Row[])[0]!.rules as Row[])[0]!.type], ['l', 'PATH'])
  assert.deepEqual([(pool!.members as Row[])[0]!.address, (pool!.healthmonitor as Row).type], ['10.0.0.9', 'TCP'])
  const shown = await api.waitFor(`${base}/loadbalancers/${made.id}`)
  assert.deepEqual([shown.listeners, shown.pools], [[{ id: listener!.id }], [{ id: pool!.id }]])
})

test('15. null in a PUT clears, or brings back the default', async () => {
  const { api, settle, paths } = await oneOfEach()
  const set = async (path: string, body: Row) => {
    await api.update(path, body)
    await settle()
    return api.show(path)
  }
  await set(paths.listener, {
    name: 'l',
    description: 'd',
    connection_limit: 5,
    timeout_client_data: 7,
    insert_headers: { 'X-Forwarded-For': 'true' },
  })
  const listener = await set(paths.listener, {
    ...{
      name: null,
      description: null,
      connection_limit: null,
      timeout_client_data: null,
      insert_headers: null,
      default_pool_id: null,
      tags: null,
    },
  })
  assert.deepEqual(
    [listener.name, listener.description, listener.connection_limit, listener.timeout_client_data, listener.insert_headers],
    ['', '', -1, 50_000, {}],
  )
  assert.deepEqual([listener.default_pool_id, listener.tags], [null, []])
  await set(paths.pool, { session_persistence: { type: 'SOURCE_IP' } })
  assert.equal((await set(paths.pool, { session_persistence: null })).session_persistence, null)
  await set(paths.member, { weight: 9, backup: true, monitor_port: 81 })
  const member = await set(paths.member, { weight: null, backup: null, monitor_port: null })
  assert.deepEqual([member.weight, member.backup, member.monitor_port], [1, false, null])
  await set(paths.healthmonitor, { max_retries_down: 7, http_method: 'HEAD', url_path: '/up', expected_codes: '204' })
  const monitor = await set(paths.healthmonitor, { max_retries_down: null, http_method: null, url_path: null, expected_codes: null })
  assert.deepEqual([monitor.max_retries_down, monitor.http_method, monitor.url_path, monitor.expected_codes], [3, 'GET', '/', '200'])
})

test('16. a batch is all members, or with additive_only some; an empty one is none', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const batch = async (query: string, ...addresses: string[]) => {
    await api.updateMembers(
      pool,
      addresses.map((address) => ({ address, protocol_port: 80 })),
      query,
    )
    await api.waitFor(`${base}/loadbalancers/${loadBalancer.id}`)
    return (await api.list(`${base}/pools/${pool.id}/members`)).map(({ address }) => address).sort()
  }
  assert.deepEqual(await batch('', '10.0.0.1', '10.0.0.2'), ['10.0.0.1', '10.0.0.2'])
  assert.deepEqual(await batch('?additive_only=true', '10.0.0.3'), ['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  assert.deepEqual(await batch('', '10.0.0.3'), ['10.0.0.3'])
  assert.deepEqual(await batch(''), [])
})

for (const word of ['true', 'True', '1']) {
  test(`17. cascade=${word} deletes with all that is below`, async () => {
    const { api, loadBalancer } = await aCloud().withPool()
    const path = `${base}/loadbalancers/${loadBalancer.id}`
    await api.delete(`${path}?cascade=${word}`)
    await api.waitUntilGone(path)
    assert.deepEqual([await api.list(`${base}/listeners`), await api.list(`${base}/pools`)], [[], []])
  })
}

test('18. a load balancer that has children is not deleted without cascade', async () => {
  const { api, loadBalancer } = await aCloud().withListener()
  const { status, body } = await api.request('DELETE', `${base}/loadbalancers/${loadBalancer.id}`)
  assert.deepEqual(
    [status, (body as Row).faultstring],
    [400, `Validation failure: Cannot delete Load Balancer ${loadBalancer.id} - it has children`],
  )
})

test('19. however fast work is, the answer says PENDING', async () => {
  const { api, settle, paths, loadBalancer } = await oneOfEach()
  for (const [key, path] of Object.entries(paths)) {
    const changed = await api.update(path, key === 'rule' ? { value: '/a' } : { name: 'renamed' })
    assert.equal(changed.provisioning_status, 'PENDING_UPDATE', key)
    await settle()
  }
  const made = await api.createListener(loadBalancer, { protocol: 'TCP', protocol_port: 81 })
  assert.equal(made.provisioning_status, 'PENDING_CREATE')
})

test('21. without a token 401 says where to get one', async () => {
  const { api } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  for (const headers of [{}, { 'x-auth-token': 'unknown' }] as Record<string, string>[]) {
    const answer = await api.request('GET', `${base}/loadbalancers`, undefined, headers)
    assert.equal(answer.status, 401)
    assert.match(String(answer.headers['www-authenticate']), /^Keystone uri="http:\/\/[^"]+"$/)
    assert.deepEqual(answer.body, {
      error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' },
    })
  }
  assert.equal(await statusOf(api, 'GET', '/'), 200)
})

test('22. status, statuses and stats', async () => {
  const { api, paths, loadBalancer, pool } = await oneOfEach()
  const [status, statuses] = [
    await api.request('GET', `${paths.loadbalancer}/status`),
    await api.request('GET', `${paths.loadbalancer}/statuses`),
  ]
  assert.deepEqual(status.body, statuses.body)
  const tree = (status.body as { statuses: { loadbalancer: Row & { listeners: { pools: Row[] }[] } } }).statuses.loadbalancer
  assert.deepEqual([tree.id, tree.provisioning_status, tree.listeners[0]!.pools[0]!.id], [loadBalancer.id, 'ACTIVE', pool.id])
  const none = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 }
  for (const path of [paths.loadbalancer, paths.listener])
    assert.deepEqual((await api.request('GET', `${path}/stats`)).body, { stats: none })
})

test('23. certificates are named by the address of a container or of a secret', async () => {
  const { cloud, api, loadBalancer } = await aCloud().withLoadBalancer()
  for (const [port, kind] of [
    [443, 'containers'],
    [444, 'secrets'],
  ] as const) {
    const reference = cloud.certificates.addCertificate({
      reference: `https://secrets.example:9311/v1/${kind}/6c4dfb2f-2f0e-4e0a-b0f0-0d9f0f3f9a11`,
    })
    const listener = await api.createListener(loadBalancer, {
      ...{ protocol: 'TERMINATED_HTTPS', protocol_port: port, default_tls_container_ref: reference, sni_container_refs: [reference] },
    })
    assert.deepEqual([listener.default_tls_container_ref, listener.sni_container_refs], [reference, [reference]])
    await api.waitFor(`${base}/loadbalancers/${loadBalancer.id}`)
  }
  const unknown = 'https://secrets.example:9311/v1/secrets/00000000-0000-4000-8000-000000000000'
  const refused = await api.request('POST', `${base}/listeners`, {
    listener: { loadbalancer_id: loadBalancer.id, protocol: 'TERMINATED_HTTPS', protocol_port: 445, default_tls_container_ref: unknown },
  })
  assert.deepEqual([refused.status, /^Could not retrieve certificate: /.test(String((refused.body as Row).faultstring))], [400, true])
})

describe('with the services beside it', () => {
  let controller: Controller
  before(async () => {
    controller = await new Controller({ portBase: 23_800, config: noopCloud }).start()
  })
  after(() => controller?.down())

  const ask = async (offset: number, method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${controller.portBase + offset}${path}`, {
      method,
      headers: { 'x-auth-token': await controller.token('openrc-demo'), 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, Row[] & Row> }
  }

  test('20. names of subnets, networks, ports, QoS policies, security groups and projects are looked up', async () => {
    for (const [collection, key, name] of [
      ['networks', 'networks', 'private'],
      ['subnets', 'subnets', 'private-subnet'],
      ['security-groups', 'security_groups', 'default'],
    ] as const) {
      const byName = await ask(2, 'GET', `/v2.0/${collection}?name=${name}`)
      assert.deepEqual([byName.status, byName.body[key]!.length], [200, 1], collection)
      const byId = await ask(2, 'GET', `/v2.0/${collection}?id=${byName.body[key]![0]!.id}`)
      assert.equal(byId.body[key]![0]!.name, name)
    }
    assert.deepEqual((await ask(2, 'GET', '/v2.0/ports?name=none')).body, { ports: [] })
    assert.deepEqual((await ask(2, 'GET', '/v2.0/qos/policies?name=none')).body, { policies: [] })
    const token = await ask(1, 'GET', '/v3/auth/projects')
    assert.deepEqual(
      token.body.projects!.map(({ name }) => name),
      ['demo'],
    )
  })

  test("24. the VIP's port is its owner's: he sees it, and gives it security groups", async () => {
    const { body } = await ask(2, 'GET', '/v2.0/subnets?name=private-subnet')
    const made = await ask(0, 'POST', '/v2.0/lbaas/loadbalancers', { loadbalancer: { vip_subnet_id: body.subnets![0]!.id } })
    assert.equal(made.status, 201)
    const { vip_port_id, vip_address } = made.body.loadbalancer as Row
    await settled(controller)
    const group = await ask(2, 'POST', '/v2.0/security-groups', { security_group: { name: 'web' } })
    const groups = [(group.body.security_group as Row).id]
    const port = await ask(2, 'PUT', `/v2.0/ports/${vip_port_id}`, { port: { security_groups: groups } })
    assert.deepEqual([port.status, (port.body.port as Row).security_groups], [200, groups])
    const fixed = (port.body.port as Row).fixed_ips as Row[]
    assert.deepEqual(
      fixed.map(({ ip_address }) => ip_address),
      [vip_address],
    )
  })
})
