import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'

const quotas = '/v2/lbaas/quotas'
const unlimited = {
  loadbalancer: -1,
  load_balancer: -1,
  listener: -1,
  member: -1,
  pool: -1,
  healthmonitor: -1,
  health_monitor: -1,
  l7policy: -1,
  l7rule: -1,
}
const of = (project_id: string, limits: object = {}) => ({ quota: { project_id, tenant_id: project_id, ...unlimited, ...limits } })

forEachDatabase('limits are set, shown in both spellings, listed, and reset', async (open) => {
  const { api, stop } = await aCloud({ db: await open(), worker: false }).empty()
  assert.deepEqual(await api.expect(200, 'GET', quotas), { quotas: [], quotas_links: [] })
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/p1`), of('p1'))
  const set = await api.expect(202, 'PUT', `${quotas}/p1`, { quota: { load_balancer: 3, healthmonitor: 2, pool: 0 } })
  const expected = of('p1', { load_balancer: 3, loadbalancer: 3, health_monitor: 2, healthmonitor: 2, pool: 0 })
  assert.deepEqual(set, expected)
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/p1`), expected)
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/p1/default`), of('p1'))
  // What is left out stays, null is the default again, and of two spellings the one without the underscore counts.
  assert.deepEqual(
    await api.expect(202, 'PUT', `${quotas}/p1`, { quota: { load_balancer: 5, loadbalancer: 6, health_monitor: null } }),
    of('p1', { load_balancer: 6, loadbalancer: 6, pool: 0 }),
  )
  const { quotas: listed } = await api.expect<{ quotas: Record<string, unknown>[] }>(200, 'GET', quotas)
  const nothing = Object.fromEntries(Object.keys(unlimited).map((name) => [name, null]))
  assert.deepEqual(listed, [{ project_id: 'p1', tenant_id: 'p1', ...nothing, load_balancer: 6, loadbalancer: 6, pool: 0 }])
  const reset = await api.request('DELETE', `${quotas}/p1`)
  assert.deepEqual([reset.status, reset.body, reset.headers['content-type']], [202, '', undefined])
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/p1`), of('p1'))
  await stop()
})

test('what was not set comes from the configuration', async () => {
  const { api } = await aCloud({ config: { quotas: { default_load_balancer_quota: 10, default_l7rule_quota: 0 } } }).empty()
  const defaults = { load_balancer: 10, loadbalancer: 10, l7rule: 0 }
  assert.deepEqual(await api.expect(202, 'PUT', `${quotas}/p1`, { quota: { member: -1, l7rule: 7 } }), of('p1', { ...defaults, l7rule: 7 }))
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/p1/default`), of('p1', defaults))
  // To clients the defaults are the quota of a project of that name.
  assert.deepEqual(await api.expect(200, 'GET', `${quotas}/defaults`), of('defaults', defaults))
})

test('gophercloud leaves out the /lbaas', async () => {
  const { api } = await aCloud().empty()
  await api.expect(202, 'PUT', '/v2.0/quotas/p1', { quota: { loadbalancer: 1 } })
  assert.deepEqual(await api.expect(200, 'GET', '/v2.0/quotas/p1'), of('p1', { load_balancer: 1, loadbalancer: 1 }))
  assert.deepEqual(await api.expect(200, 'GET', '/load-balancer/v2.0/lbaas/quotas/p1.json'), await api.expect(200, 'GET', `${quotas}/p1`))
  await api.expect(202, 'DELETE', '/v2.0/quotas/p1')
})

test('wrong limits are refused in upstream’s words', async () => {
  const { api } = await aCloud().empty()
  const put = (quota: unknown) => api.expect(202, 'PUT', `${quotas}/p1`, { quota })
  await assert.rejects(
    put({ pool: -2 }),
    fault(400, "Invalid input for field/attribute pool. Value: '-2'. Value should be greater or equal to -1"),
  )
  await assert.rejects(
    put({ pool: 2_000_000_001 }),
    fault(400, "Invalid input for field/attribute pool. Value: '2000000001'. Value should be lower or equal to 2000000000"),
  )
  await assert.rejects(
    put({ pool: 'x' }),
    fault(400, "Invalid input for field/attribute quotas. Value: '{'quota': {'pool': 'x'}}'. invalid literal for int() with base 10: 'x'"),
  )
  await assert.rejects(put({ project_id: 'x' }), fault(400, 'Unknown attribute for argument quotas.quota: project_id'))
  await assert.rejects(put({ tenant_id: 'x' }), fault(400, 'Unknown attribute for argument quotas.quota: tenant_id'))
  await assert.rejects(put(null), fault(400, 'Validation failure: No quota object supplied.'))
  await assert.rejects(api.expect(202, 'PUT', `${quotas}/p1`, {}), fault(400, 'Validation failure: No quota object supplied.'))
  await assert.rejects(api.expect(202, 'PUT', `${quotas}/p1`), fault(400, 'Missing argument: "quotas"'))
  assert.deepEqual(await api.expect(202, 'PUT', `${quotas}/p1`, { quota: { pool: '5', member: true, l7rule: 2_000_000_000 } }), {
    ...of('p1', { pool: 5, member: 1, l7rule: 2_000_000_000 }),
  })
})

test('what cannot be done to quotas is refused as upstream refuses it', async () => {
  const { api } = await aCloud().empty()
  await assert.rejects(api.expect(202, 'DELETE', `${quotas}/nobody`), fault(404, 'Quotas nobody not found.'))
  await assert.rejects(api.expect(202, 'DELETE', quotas), fault(400, 'Missing argument: "project_id"'))
  await assert.rejects(api.expect(202, 'PUT', quotas, { quota: {} }), fault(400, 'Missing argument: "project_id"'))
  await assert.rejects(api.expect(200, 'GET', `${quotas}/p1?fields=pool`), fault(400, 'Unknown argument: "fields"'))
  for (const [method, path] of [
    ['POST', quotas],
    ['POST', `${quotas}/p1`],
    ['PUT', `${quotas}/p1/default`],
    ['DELETE', `${quotas}/p1/default`],
    ['PATCH', `${quotas}/p1`],
  ] as const) {
    assert.equal((await api.request(method, path, { quota: {} })).status, 405, `${method} ${path}`)
  }
})

forEachDatabase('quotas are filtered, sorted and paged by project', async (open) => {
  const { api, stop } = await aCloud({ db: await open(), worker: false }).empty()
  for (const [project_id, member] of [
    ['p2', 7],
    ['p1', null],
    ['p3', 1],
  ] as const) {
    await api.expect(202, 'PUT', `${quotas}/${project_id}`, { quota: { member } })
  }
  const list = async (query: string) => {
    const { quotas: rows } = await api.expect<{ quotas: { project_id: string }[] }>(200, 'GET', `${quotas}${query}`)
    return rows.map(({ project_id }) => project_id).join(' ')
  }
  assert.equal(await list(''), 'p1 p2 p3')
  assert.equal(await list('?project_id=p2'), 'p2')
  assert.equal(await list('?tenant_id=p2'), 'p2')
  assert.equal(await list('?member=7'), 'p2')
  assert.equal(await list('?member=x'), '')
  assert.equal(await list('?loadbalancer=3'), '')
  assert.equal(await list('?tags=a'), 'p1 p2 p3')
  assert.equal(await list('?sort=project_id:desc'), 'p3 p2 p1')
  assert.equal(await list('?sort_key=member&sort_dir=desc'), 'p2 p3 p1')
  assert.equal(await list('?limit=2&marker=p1'), 'p2 p3')
  assert.equal(await list('?limit=1&marker=p2&page_reverse=True'), 'p1')
  const { quotas_links } = await api.expect<{ quotas_links: { rel: string; href: string }[] }>(200, 'GET', `${quotas}?limit=1&marker=p1`)
  assert.deepEqual(
    quotas_links.map(({ rel, href }) => [rel, href.split('?')[1]]),
    [
      ['previous', 'limit=1&marker=p2&page_reverse=True'],
      ['next', 'limit=1&marker=p2'],
    ],
  )
  await assert.rejects(api.expect(200, 'GET', `${quotas}?marker=zzz`), fault(400, "Supplied pagination marker 'zzz' is not valid."))
  await assert.rejects(api.expect(200, 'GET', `${quotas}?sort_key=foo`), fault(400, "Supplied sort key 'foo' is not valid."))
  for (const query of ['?foo=3', '?in_use_member=1']) {
    await assert.rejects(api.expect(200, 'GET', quotas + query), fault(400, 'One or more arguments are either duplicate or invalid'))
  }
  await stop()
})

test('objects alone put a project into the list only where they are limited', async () => {
  for (const [auth_strategy, listed] of [
    ['noauth', 0],
    ['keystone', 1],
  ] as const) {
    const { cloud } = await aCloud({ config: { api_settings: { auth_strategy } } }).empty()
    const api = cloud.apiAs('project-1', 'admin', 'member', 'reader')
    await api.createLoadBalancer(cloud.aBody({ project_id: 'project-1' }))
    assert.equal((await api.expect<{ quotas: unknown[] }>(200, 'GET', quotas)).quotas.length, listed)
    assert.equal((await api.request('DELETE', `${quotas}/project-1`)).status, listed === 1 ? 202 : 404)
  }
})

test('members and readers see their own quota, admins set everybody’s', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  const admin = cloud.apiAs('admins', 'admin', 'member', 'reader')
  for (const project_id of ['mine', 'other']) await admin.expect(202, 'PUT', `${quotas}/${project_id}`, { quota: { pool: 1 } })
  for (const user of [cloud.apiAs('mine', 'reader'), cloud.apiAs('mine', 'member')]) {
    await user.expect(200, 'GET', `${quotas}/mine`)
    await user.expect(200, 'GET', `${quotas}/mine/default`)
    const { quotas: seen } = await user.expect<{ quotas: { project_id: string }[] }>(200, 'GET', quotas)
    assert.deepEqual(
      seen.map(({ project_id }) => project_id),
      ['mine'],
    )
    for (const path of ['/other', '/other/default', '/defaults']) {
      await assert.rejects(user.expect(200, 'GET', quotas + path), forbidden)
    }
    assert.deepEqual(await user.list(`${quotas}?project_id=other`), [])
    await assert.rejects(user.expect(202, 'PUT', `${quotas}/mine`, { quota: { pool: 100 } }), forbidden)
    await assert.rejects(user.expect(202, 'DELETE', `${quotas}/mine`), forbidden)
  }
  assert.equal((await admin.expect<{ quotas: unknown[] }>(200, 'GET', quotas)).quotas.length, 2)
})
