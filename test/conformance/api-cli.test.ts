/** Debian's unmodified `openstack loadbalancer` command against the API alone, without authentication. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { aCloud } from '../support/cloud.ts'

const client = '/usr/bin/openstack'
const missing = existsSync(client) ? '' : ` (skipped: no ${client})`

test(`the openstack command reads and changes load balancers${missing}`, { skip: missing !== '' }, async (t) => {
  const { cloud, api, loadBalancer } = await aCloud().withLoadBalancer({ name: 'lb1', tags: ['a'] })
  await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = cloud.server.server.address() as AddressInfo
  const session = new ClientSession('openstack', { OS_AUTH_TYPE: 'none', OS_ENDPOINT: `http://127.0.0.1:${port}` })
  t.after(() => session.close())

  async function openstack<T>(...args: string[]): Promise<T> {
    // The status tree is JSON of itself.
    const format = args[0] === 'status' ? [] : ['-f', 'json']
    return JSON.parse(await session.run('loadbalancer', ...args, ...format)) as T
  }
  type Row = Record<string, unknown>

  const [listed] = await openstack<Row[]>('list')
  assert.deepEqual([listed!.id, listed!.name, listed!.provisioning_status, listed!.provider], [loadBalancer.id, 'lb1', 'ACTIVE', 'amphora'])
  // The command finds objects by their names, and waits until they are ACTIVE.
  const listener = await openstack<Row>(
    'listener',
    'create',
    '--name',
    'l1',
    '--protocol',
    'HTTP',
    '--protocol-port',
    '80',
    '--wait',
    'lb1',
  )
  assert.equal(listener.provisioning_status, 'ACTIVE')
  const pool = await openstack<Row>(
    ...['pool', 'create', '--name', 'p1', '--listener', 'l1', '--protocol', 'HTTP', '--lb-algorithm', 'ROUND_ROBIN', '--wait'],
  )
  const member = await openstack<Row>('member', 'create', '--address', '10.0.0.9', '--protocol-port', '80', '--wait', 'p1')
  assert.deepEqual([member.address, member.weight, member.operating_status], ['10.0.0.9', 1, 'NO_MONITOR'])
  const shown = await openstack<Row>('show', 'lb1')
  assert.deepEqual([shown.listeners, shown.pools, shown.vip_address], [listener.id, pool.id, loadBalancer.vip_address])
  const tree = await openstack<{ loadbalancer: { listeners: { pools: { members: Row[] }[] }[] } }>('status', 'show', 'lb1')
  assert.equal(tree.loadbalancer.listeners[0]!.pools[0]!.members[0]!.id, member.id)
  assert.equal((await openstack<Row>('stats', 'show', 'lb1')).bytes_in, 0)
  assert.deepEqual(
    (await openstack<Row[]>('amphora', 'list')).map(({ role }) => role),
    ['STANDALONE'],
  )
  assert.deepEqual(
    (await openstack<Row[]>('provider', 'list')).map(({ name }) => name),
    ['amphora', 'octavia'],
  )

  assert.match(
    await session.refused('loadbalancer', 'delete', 'lb1'),
    /Cannot delete Load Balancer .* - it has children \(HTTP 400\) \(Request-ID: req-/,
  )
  await session.run('loadbalancer', 'delete', '--cascade', '--wait', 'lb1')
  assert.deepEqual(await api.list('/v2/lbaas/loadbalancers'), [])
})

test(`the openstack command follows the links of a list that is longer than a page${missing}`, { skip: missing !== '' }, async (t) => {
  const { cloud } = await aCloud({ config: { api_settings: { pagination_max_limit: 2 } } }).empty()
  for (let number = 0; number < 5; number++) await cloud.aLoadBalancer({ name: `lb${number}` })
  await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = cloud.server.server.address() as AddressInfo
  const session = new ClientSession('openstack', { OS_AUTH_TYPE: 'none', OS_ENDPOINT: `http://127.0.0.1:${port}` })
  t.after(() => session.close())
  const names = (await session.list('loadbalancer', 'list')).map(({ name }) => name).sort()
  assert.deepEqual(names, ['lb0', 'lb1', 'lb2', 'lb3', 'lb4'])
})
