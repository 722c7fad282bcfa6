import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, type EmbeddedServices, embeddedServices } from '../../../../test/support/embedded-services.ts'
import { anAmphora } from '../../../../test/support/servers.ts'

type Wire = { id: string; name: string; status: string }

describe('the compute service', () => {
  let cloud: EmbeddedServices
  let admin: string
  let demo: string

  before(async () => {
    cloud = await embeddedServices()
    admin = await cloud.token('admin')
    demo = await cloud.token('demo')
    cloud.servers.push(
      anAmphora(1),
      anAmphora(2),
      { ...anAmphora(3), status: 'GONE' },
      { ...anAmphora(4), status: 'ERROR', fault: 'no memory' },
    )
    cloud.serverGroups.push({ id: 'group-1', name: 'octavia-lb-1', policy: 'anti-affinity', members: ['compute-1', 'compute-2'] })
  })
  after(() => cloud.close())

  const get = (path: string, token = admin, headers = {}) => call('GET', `${cloud.urls.compute}${path}`, token, undefined, headers)
  const list = async (query: string, token = admin) =>
    ((await get(`/v2.1/servers/detail?${query}`, token)).body.servers as Wire[]).map(({ id }) => id)

  test('an admin sees all amphorae, with their state in the words of Nova', async () => {
    const servers = (await get('/v2.1/servers/detail')).body.servers as Wire[]
    assert.deepEqual(
      servers.map(({ status }) => status),
      ['ACTIVE', 'ACTIVE', 'SHUTOFF', 'ERROR'],
    )
    assert.deepEqual((servers[0] as unknown as { addresses: object }).addresses, {
      'lb-mgmt-net': [{ version: 4, addr: '198.18.1.1', 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' }],
    })
    assert.equal((servers[3] as unknown as { fault: { message: string } }).fault.message, 'no memory')
    assert.equal(((await get('/v2.1/servers/compute-1')).body.server as Wire).name, 'amphora-1')
  })

  test('a project sees none', async () => {
    assert.deepEqual(await list('all_tenants=True', demo), [])
    assert.equal((await get('/v2.1/servers/compute-1', demo)).status, 404)
    assert.deepEqual((await get('/v2.1/os-server-groups', demo)).body, { server_groups: [] })
    assert.equal((await get('/v2.1/servers', '')).status, 401)
  })

  test('lists are filtered and paged', async () => {
    assert.deepEqual(await list('name=amphora-2'), ['compute-2'])
    assert.deepEqual(await list('ip=198.18.1.3'), ['compute-3'])
    assert.deepEqual(await list('status=error'), ['compute-4'])
    assert.deepEqual(await list(`project_id=${cloud.projects.demo}`), [])
    assert.deepEqual(await list('limit=2&marker=compute-1'), ['compute-2', 'compute-3'])
    const { body } = await get('/v2.1/servers?limit=2')
    const next = (body.servers_links as { href: string }[])[0]!.href
    assert.equal(new URL(next).searchParams.get('marker'), 'compute-2')
    assert.equal((await get('/v2.1/servers?marker=nope')).status, 400)
  })

  test('one microversion is spoken, another refused', async () => {
    assert.equal((await get('/v2.1/servers')).headers.get('openstack-api-version'), 'compute 2.1')
    assert.equal((await get('/v2.1/servers', admin, { 'openstack-api-version': 'compute 2.1' })).status, 200)
    assert.equal((await get('/v2.1/servers', admin, { 'openstack-api-version': 'compute 2.90' })).status, 406)
    assert.equal((await get('/v2.1/servers', admin, { 'x-openstack-nova-api-version': 'latest' })).status, 200)
  })

  test('faults have the shape of Nova', async () => {
    assert.deepEqual((await get('/v2.1/servers/nope')).body, { itemNotFound: { code: 404, message: 'Instance nope could not be found.' } })
  })
})
