import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything } from '../../drivers/amphora/capabilities.ts'

const listener = { protocol: 'HTTP', protocol_port: 80 }
const pool = { name: 'p1', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
const monitor = { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 }

test('one request makes a whole tree, which the answer shows and the flow brings up', async () => {
  const { api, cloud } = await aCloud().empty()
  const policy = {
    action: 'REDIRECT_TO_POOL',
    redirect_pool: { ...pool, name: 'p2' },
    rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/x' }],
  }
  const members = [{ address: '10.0.0.4', protocol_port: 80 }]
  const made = await api.createLoadBalancer(
    cloud.aBody({
      listeners: [
        { ...listener, default_pool: { ...pool, healthmonitor: monitor, members }, l7policies: [policy] },
        { ...listener, protocol_port: 81, default_pool: { name: 'p1' } },
      ],
      pools: [{ ...pool, name: 'p3', protocol: 'TCP', lb_algorithm: 'SOURCE_IP' }],
    }),
  )
  const pools = made.pools as {
    id: string
    name: string
    listeners: unknown
    members: { operating_status: string }[]
    healthmonitor: { type: string } | null
  }[]
  const listeners = made.listeners as {
    id: string
    default_pool_id: string
    l7policies: { redirect_pool_id: string; rules: unknown[] }[]
  }[]
  assert.deepEqual(
    pools.map(({ name, healthmonitor }) => [name, healthmonitor?.type]),
    [
      ['p3', undefined],
      ['p1', 'HTTP'],
      ['p2', undefined],
    ],
  )
  const [p3, p1, p2] = pools
  assert.deepEqual(p3!.listeners, [])
  assert.deepEqual(p1!.listeners, [{ id: listeners[0]!.id }, { id: listeners[1]!.id }])
  assert.deepEqual(p2!.listeners, [{ id: listeners[0]!.id }])
  assert.deepEqual([listeners[0]!.default_pool_id, listeners[1]!.default_pool_id], [p1!.id, p1!.id])
  assert.deepEqual([listeners[0]!.l7policies[0]!.redirect_pool_id, listeners[0]!.l7policies[0]!.rules.length], [p2!.id, 1])
  // A monitor will say how it is; until then it is OFFLINE.
  assert.equal(p1!.members[0]!.operating_status, 'OFFLINE')

  await api.waitFor(`/v2/lbaas/loadbalancers/${made.id}`)
  for (const kind of ['listeners', 'pools', 'healthmonitors', 'l7policies']) {
    for (const child of await api.list(`/v2/lbaas/${kind}`)) assert.equal(child.provisioning_status, 'ACTIVE', kind)
  }
})

test('pools have names, each once, and every name a definition', async () => {
  const { api, cloud } = await aCloud().empty()
  const refuses = (body: Record<string, unknown>, text: string, status = 400) =>
    assert.rejects(api.createLoadBalancer(cloud.aBody(body)), fault(status, text))
  const { name: _, ...unnamed } = pool
  const inListener = (default_pool: object) => ({ listeners: [{ ...listener, default_pool }] })
  await refuses(inListener(unnamed), 'Validation failure: Pools must be named when creating a fully populated loadbalancer.')
  await refuses({ pools: [pool, pool] }, 'Validation failure: Pool names must be unique when creating a fully populated loadbalancer.')
  await refuses(inListener({ name: 'q' }), "Validation failure: Pool 'q' was referenced but no full definition was found.")
  await refuses(
    { pools: [{ name: 'x', lb_algorithm: 'ROUND_ROBIN' }] },
    "Validation failure: Pool definition for 'x' missing required attribute: protocol",
  )
  await refuses(
    { pools: [{ name: 'x', protocol: 'HTTP' }] },
    "Validation failure: Pool definition for 'x' missing required attribute: lb_algorithm",
  )
  const member = { address: '10.0.0.4', protocol_port: 80 }
  await refuses(
    { pools: [{ ...pool, members: [member, member] }] },
    'Another member on this pool is already using ip 10.0.0.4 on protocol_port 80',
    409,
  )
  await refuses(
    { pools: [{ ...pool, members: [{ ...member, address: '169.254.169.254' }] }] },
    '169.254.169.254 is not a valid option for member address',
  )
  cloud.amphora.capabilities = { ...everything, pool_protocols: ['TCP', 'HTTP', 'HTTPS'] }
  await refuses(
    { listeners: [{ ...listener, protocol: 'TCP', default_pool: { ...pool, protocol: 'UDP' } }] },
    "Provider 'amphora' does not support a requested option: Amphora provider does not support UDP protocol. Supported: TCP, HTTP, HTTPS",
    501,
  )
  assert.deepEqual(await api.list('/v2/lbaas/loadbalancers'), [])
  assert.deepEqual(cloud.network.ports, [])
})
