import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything } from '../../drivers/amphora/capabilities.ts'

const nobody = '11111111-1111-4111-8111-111111111111'
const anHttpPool = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }

test('a new pool shows the defaults of Octavia, key by key, and is its listener’s default pool', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  const { id, created_at: _, ...pool } = await api.createPool(null, { ...anHttpPool, listener_id: listener.id })
  assert.deepEqual(pool, {
    name: '',
    description: '',
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    updated_at: null,
    loadbalancers: [{ id: loadBalancer.id }],
    listeners: [{ id: listener.id }],
    members: [],
    protocol: 'HTTP',
    lb_algorithm: 'ROUND_ROBIN',
    session_persistence: null,
    tls_enabled: false,
    tls_container_ref: null,
    ca_tls_container_ref: null,
    crl_container_ref: null,
    tls_ciphers: null,
    tls_versions: null,
    alpn_protocols: null,
  })
  assert.equal((await api.show(`/v2/lbaas/listeners/${listener.id}`)).default_pool_id, id)
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await assert.rejects(
    api.createPool(null, { ...anHttpPool, listener_id: listener.id }),
    fault(409, 'This listener already has a default pool'),
  )
})

test('a pool of the load balancer alone is shared by the listeners that take it as their default', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const pool = await api.createPool(loadBalancer, anHttpPool)
  assert.deepEqual(pool.listeners, [])
  await api.waitFor(path)
  const second = await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 81, default_pool_id: pool.id })
  await api.waitFor(path)
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { default_pool_id: pool.id })
  await api.waitFor(path)
  const { listeners } = await api.show(`/v2/lbaas/pools/${pool.id}`)
  assert.deepEqual(new Set((listeners as { id: string }[]).map(({ id }) => id)), new Set([listener.id, second.id]))
})

test('a change of a pool moves its listeners and its load balancer to PENDING_UPDATE, and a second one is refused', async () => {
  const { api, cloud } = await aCloud({ worker: false }).empty()
  const { id } = await api.createLoadBalancer(
    cloud.aBody({ listeners: [{ protocol: 'HTTP', protocol_port: 80, default_pool: { name: 'p', ...anHttpPool } }] }),
  )
  for (const table of ['load_balancer', 'listener', 'pool'] as const) {
    await cloud.db.updateTable(table).set({ provisioning_status: 'ACTIVE' }).execute()
  }
  const [pool] = await api.list('/v2/lbaas/pools')
  assert.equal((await api.update(`/v2/lbaas/pools/${pool!.id}`, { name: 'q' })).provisioning_status, 'PENDING_UPDATE')
  const [listener] = await api.list('/v2/lbaas/listeners')
  assert.equal(listener!.provisioning_status, 'PENDING_UPDATE')
  assert.equal((await api.show(`/v2/lbaas/loadbalancers/${id}`)).provisioning_status, 'PENDING_UPDATE')
  const immutable = fault(409, `Load Balancer ${id} is immutable and cannot be updated.`)
  await assert.rejects(api.update(`/v2/lbaas/pools/${pool!.id}`, {}), immutable)
  await assert.rejects(api.delete(`/v2/lbaas/pools/${pool!.id}`), immutable)
})

test('what is wrong with a new pool is told as upstream tells it', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  const notFor = 'is not supported for UDP/SCTP protocol pools.'
  const cases: [Record<string, unknown>, number, string | RegExp][] = [
    [{ loadbalancer_id: null }, 400, 'Validation failure: Must provide at least one of: loadbalancer_id, listener_id'],
    [{ loadbalancer_id: nobody }, 404, `Load Balancer ${nobody} not found.`],
    [{ loadbalancer_id: null, listener_id: nobody }, 404, `Listener ${nobody} not found.`],
    [{ lb_algorithm: 'RANDOM' }, 400, /^Invalid input for field\/attribute lb_algorithm\. Value: 'RANDOM'\. Value should be one of: /],
    [
      { protocol: 'UDP', listener_id: listener.id },
      400,
      "Validation failure: The pool protocol 'UDP' is invalid while the listener protocol is 'HTTP'.",
    ],
    [
      { session_persistence: { type: 'APP_COOKIE' } },
      400,
      'Validation failure: Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.',
    ],
    [
      { session_persistence: { type: 'HTTP_COOKIE', cookie_name: 'c' } },
      400,
      'Validation failure: Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".',
    ],
    [{ session_persistence: { type: 'APP_COOKIE', cookie_name: 'a@b' } }, 400, 'Validation failure: Supplied "cookie_name" is invalid.'],
    [{ session_persistence: { type: 'APP_COOKIE', cookie_name: 'a;b' } }, 400, /Value should match the pattern \^\[\^\\s,;\\\\\]\+\$$/],
    [{ session_persistence: {} }, 400, "Invalid input for field/attribute type. Value: 'None'. Mandatory field missing."],
    [{ session_persistence: { type: 'SOURCE_IP', x: 1 } }, 400, 'Unknown attribute for argument pool_.pool.session_persistence: x'],
    [
      { session_persistence: { type: 'SOURCE_IP', persistence_timeout: 5 } },
      400,
      'Validation failure: persistence_timeout and persistence_granularity is only for UDP and SCTP protocol pools.',
    ],
    [
      { protocol: 'UDP', session_persistence: { type: 'HTTP_COOKIE' } },
      400,
      `Validation failure: Session persistence of type HTTP_COOKIE ${notFor}`,
    ],
    [
      { protocol: 'UDP', session_persistence: { type: 'APP_COOKIE', cookie_name: 'c' } },
      400,
      'Validation failure: Cookie names are not supported for UDP/SCTP pools.',
    ],
    [{ crl_container_ref: 'c' }, 400, 'Validation failure: A CA certificate reference is required to specify a revocation list.'],
    [{ tls_enabled: true, tls_versions: [] }, 400, /^Validation failure: Empty TLS version list\./],
  ]
  for (const [body, status, text] of cases) {
    await assert.rejects(api.createPool(loadBalancer, { ...anHttpPool, ...body }), fault(status, text))
  }
  assert.deepEqual(await api.list('/v2/lbaas/pools'), [])
})

test('what amphorae without a data plane are asked for is accepted, and the pool becomes ACTIVE', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer()
  const bodies = [{ protocol: 'PROXYV2' }, { protocol: 'SCTP' }, { lb_algorithm: 'SOURCE_IP_PORT' }, { tls_enabled: true }]
  for (const body of bodies) {
    const { id } = await api.createPool(loadBalancer, { ...anHttpPool, ...body })
    await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
    assert.equal((await api.show(`/v2/lbaas/pools/${id}`)).provisioning_status, 'ACTIVE')
  }
})

test('what the amphora provider cannot do yet is refused with 501, after the other checks', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const limited = { pool_protocols: ['TCP', 'HTTP', 'HTTPS'], lb_algorithms: ['ROUND_ROBIN'], pool_tls: false }
  cloud.amphora.capabilities = { ...everything, ...limited }
  const unsupported = "Provider 'amphora' does not support a requested option: Amphora provider does not support"
  const cases: [Record<string, unknown>, string][] = [
    [{ protocol: 'PROXY' }, `${unsupported} PROXY protocol. Supported: TCP, HTTP, HTTPS`],
    [{ protocol: 'UDP' }, `${unsupported} UDP protocol. Supported: TCP, HTTP, HTTPS`],
    [{ lb_algorithm: 'SOURCE_IP_PORT' }, `${unsupported} SOURCE_IP_PORT algorithm.`],
    [{ tls_ciphers: 'a' }, `${unsupported} tls_ciphers of pools yet.`],
    [{ tls_enabled: true }, `${unsupported} tls_enabled of pools yet.`],
  ]
  for (const [body, text] of cases) {
    await assert.rejects(api.createPool(loadBalancer, { ...anHttpPool, ...body }), fault(501, text))
  }
})

test('session persistence is given, changed and ended', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool({ session_persistence: { type: 'SOURCE_IP' } })
  const path = `/v2/lbaas/pools/${pool.id}`
  const update = async (session_persistence: unknown) => {
    const changed = await api.update(path, { session_persistence })
    await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
    return changed.session_persistence
  }
  const none = { cookie_name: null, persistence_timeout: null, persistence_granularity: null }
  assert.deepEqual(pool.session_persistence, { type: 'SOURCE_IP', ...none })
  assert.deepEqual(await update({ type: 'APP_COOKIE', cookie_name: 'a' }), { ...none, type: 'APP_COOKIE', cookie_name: 'a' })
  assert.deepEqual(await update({ cookie_name: 'b' }), { ...none, type: 'APP_COOKIE', cookie_name: 'b' })
  assert.deepEqual(await update({ type: 'HTTP_COOKIE' }), { ...none, type: 'HTTP_COOKIE' })
  assert.equal(await update(null), null)
  await assert.rejects(update({ cookie_name: 'b' }), fault(400, 'Validation failure: Invalid session_persistence provided.'))
  await assert.rejects(
    update({ type: 'SOURCE_IP', persistence_timeout: 5 }),
    fault(400, 'Validation failure: persistence_timeout and persistence_granularity is only for UDP protocol pools.'),
  )
})

test('a listener given besides the load balancer must be one of its own', async () => {
  const { api, cloud, listener } = await aCloud().withListener()
  const other = await cloud.aLoadBalancer()
  await assert.rejects(api.createPool(other, { ...anHttpPool, listener_id: listener.id }), fault(404, `Listener ${listener.id} not found.`))
})

test('the pool of a monitor names it; without one the key is absent', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  assert.ok(!('healthmonitor_id' in pool))
  const monitor = await api.createHealthMonitor(pool, { type: 'TCP', delay: 5, timeout: 3, max_retries: 3 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  assert.equal((await api.show(`/v2/lbaas/pools/${pool.id}`)).healthmonitor_id, monitor.id)
})

test('a pool that an l7policy redirects to cannot be deleted, any other takes its members along', async () => {
  const { api, loadBalancer, listener, pool } = await aCloud().withPool()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const policy = await api.createL7Policy(listener, { action: 'REDIRECT_TO_POOL', redirect_pool_id: pool.id })
  await api.waitFor(path)
  await assert.rejects(api.delete(`/v2/lbaas/pools/${pool.id}`), fault(409, `Pool ${pool.id} is in use by L7 policy ${policy.id}`))
  await api.delete(`/v2/lbaas/l7policies/${policy.id}`)
  await api.waitFor(path)
  await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await api.waitFor(path)
  await api.delete(`/v2/lbaas/pools/${pool.id}`)
  await api.waitUntilGone(`/v2/lbaas/pools/${pool.id}`)
  assert.equal((await api.show(`/v2/lbaas/listeners/${listener.id}`)).default_pool_id, null)
})

test('pools are not filtered by listener, as upstream does not', async () => {
  const { api, listener, pool, loadBalancer } = await aCloud().withPool()
  await assert.rejects(
    api.list(`/v2/lbaas/pools?listener_id=${listener.id}`),
    fault(400, 'One or more arguments are either duplicate or invalid'),
  )
  const found = await api.list(`/v2/lbaas/pools?loadbalancer_id=${loadBalancer.id}`)
  assert.deepEqual(
    found.map(({ id }) => id),
    [pool.id],
  )
})

test('children of a new pool, listener or l7policy are known fields, and are created on their own', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  const whole = 'can only be given in the create of a whole load balancer.'
  const cases: [() => Promise<unknown>, string][] = [
    [
      () => api.createPool(loadBalancer, { ...anHttpPool, members: [{ address: '192.0.2.3', protocol_port: 80 }] }),
      `Validation failure: members of a new pool ${whole}`,
    ],
    [
      () => api.createPool(loadBalancer, { ...anHttpPool, members: [{ address: '192.0.2.3' }] }),
      `Invalid input for field/attribute protocol_port. Value: 'None'. Mandatory field missing.`,
    ],
    [
      () => api.createL7Policy(listener, { action: 'REJECT', rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/' }] }),
      `Validation failure: rules of a new l7policy ${whole}`,
    ],
    [
      () => api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 81, l7policies: [{ action: 'REJECT' }] }),
      `Validation failure: l7policies of a new listener ${whole}`,
    ],
  ]
  for (const [create, text] of cases) await assert.rejects(create, fault(400, text))
  const pool = await api.createPool(loadBalancer, { ...anHttpPool, members: [], healthmonitor: null, tags: ['b', 'a', 'b'] })
  assert.deepEqual([pool.members, pool.tags], [[], ['b', 'a']])
})

test('null gives a pool the defaults of TLS, with TLS or without', async () => {
  const { api, pool } = await aCloud().withPool()
  const { tls_ciphers, tls_versions, alpn_protocols } = await api.update(`/v2/lbaas/pools/${pool.id}`, {
    tls_ciphers: null,
    tls_versions: null,
    alpn_protocols: null,
  })
  assert.match(String(tls_ciphers), /^TLS_AES_256_GCM_SHA384:/)
  assert.deepEqual([tls_versions, alpn_protocols], [['TLSv1.2', 'TLSv1.3'], null])
})

test('a listener that has a default pool takes no second one, of whatever protocol', async () => {
  const { api, loadBalancer, listener, pool } = await aCloud().withPool()
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { default_pool_id: pool.id })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await assert.rejects(
    api.createPool(loadBalancer, { protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN', listener_id: listener.id }),
    fault(409, 'This listener already has a default pool'),
  )
})
