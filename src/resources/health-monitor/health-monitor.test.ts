import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything, withoutSctp } from '../../drivers/amphora/capabilities.ts'

const nobody = '11111111-1111-4111-8111-111111111111'
const anHttpMonitor = { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 }

test('a new monitor shows the defaults of Octavia, key by key', async () => {
  const { api, pool } = await aCloud().withPool()
  const { id: _, created_at: __, ...monitor } = await api.createHealthMonitor(pool, anHttpMonitor)
  assert.deepEqual(monitor, {
    name: '',
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    updated_at: null,
    pools: [{ id: pool.id }],
    type: 'HTTP',
    delay: 5,
    timeout: 3,
    max_retries: 3,
    max_retries_down: 3,
    http_method: 'GET',
    url_path: '/',
    expected_codes: '200',
    http_version: null,
    domain_name: null,
  })
})

test('a monitor that does not speak HTTP has neither method, path nor codes', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const monitor = await api.createHealthMonitor(pool, { ...anHttpMonitor, type: 'TCP', max_retries_down: null })
  assert.deepEqual([monitor.http_method, monitor.url_path, monitor.expected_codes, monitor.max_retries_down], [null, null, null, 3])
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/healthmonitors/${monitor.id}`
  await assert.rejects(api.update(path, { url_path: null }), fault(400, 'url_path is not a valid option for health monitors of type TCP'))
  await assert.rejects(api.createHealthMonitor(pool, anHttpMonitor), fault(409, 'This pool already has a health monitor'))
})

test('what is wrong with a new monitor is told as upstream tells it', async () => {
  const { api, pool } = await aCloud().withPool()
  const cases: [Record<string, unknown>, number, string | RegExp][] = [
    [{ pool_id: nobody }, 404, `Pool ${nobody} not found.`],
    [{ type: 'X' }, 400, /^Invalid input for field\/attribute type\. Value: 'X'\. Value should be one of: /],
    [{ delay: -1 }, 400, "Invalid input for field/attribute delay. Value: '-1'. Value should be greater or equal to 0"],
    [{ max_retries: 11 }, 400, "Invalid input for field/attribute max_retries. Value: '11'. Value should be lower or equal to 10"],
    [{ max_retries_down: 0 }, 400, "Invalid input for field/attribute max_retries_down. Value: '0'. Value should be greater or equal to 1"],
    [{ url_path: 'x' }, 400, "Invalid input for field/attribute url_path. Value: 'x'. Value must be a valid URL Path string"],
    [{ expected_codes: '20' }, 400, /^Invalid input for field\/attribute expected_codes\. Value: '20'\. Value should match the pattern /],
    [{ http_version: 2 }, 400, "Invalid input for field/attribute http_version. Value: '2.0'. Value should be one of: 1.0, 1.1"],
    [{ type: 'UDP-CONNECT' }, 400, 'Validation failure: The UDP-CONNECT type is only supported for pools of type UDP/SCTP.'],
    [{ type: 'TCP', http_method: 'GET' }, 400, 'http_method is not a valid option for health monitors of type TCP'],
    [{ type: 'PING', expected_codes: '200' }, 400, 'expected_codes is not a valid option for health monitors of type PING'],
    [{ domain_name: 'a.b' }, 400, "Validation failure: 'http_version' must be specified when 'domain_name' is provided."],
    [
      { domain_name: 'a.b', http_version: 1.0 },
      400,
      'http_version 1.0 is not a valid option for health monitors HTTP 1.1 domain name health check',
    ],
  ]
  for (const [body, status, text] of cases) {
    await assert.rejects(api.createHealthMonitor(pool, { ...anHttpMonitor, ...body }), fault(status, text))
  }
  assert.deepEqual(await api.list('/v2/lbaas/healthmonitors'), [])
})

test('PING can be forbidden', async () => {
  const { api, pool } = await aCloud({ config: { api_settings: { allow_ping_health_monitors: false } } }).withPool()
  await assert.rejects(
    api.createHealthMonitor(pool, { ...anHttpMonitor, type: 'PING' }),
    fault(400, 'The selected type is not allowed in this deployment: PING'),
  )
})

test('an update leaves what it does not name, and null means the default', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const { id } = await api.createHealthMonitor(pool, {
    ...anHttpMonitor,
    url_path: '/x',
    expected_codes: '200-204',
    http_method: 'HEAD',
    max_retries_down: 5,
  })
  const path = `/v2/lbaas/healthmonitors/${id}`
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  for (const field of ['delay', 'timeout', 'max_retries']) {
    await assert.rejects(api.update(path, { [field]: null }), fault(400, `None is not a valid option for ${field}`))
  }
  await assert.rejects(api.update(path, { type: 'TCP' }), fault(400, 'Unknown attribute for argument health_monitor_.healthmonitor: type'))
  const named = await api.update(path, { domain_name: 'a.b', http_version: 1.1 })
  assert.deepEqual([named.url_path, named.domain_name, named.http_version], ['/x', 'a.b', 1.1])
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const cleared = await api.update(path, {
    url_path: null,
    expected_codes: null,
    http_method: null,
    max_retries_down: null,
    domain_name: null,
  })
  assert.deepEqual(
    [cleared.url_path, cleared.expected_codes, cleared.http_method, cleared.max_retries_down, cleared.domain_name],
    ['/', '200', 'GET', 3, null],
  )
})

test('without their monitor members are NO_MONITOR again', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const { id } = await api.createHealthMonitor(pool, anHttpMonitor)
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  await api.waitFor(path)
  await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await api.waitFor(path)
  await api.delete(`/v2/lbaas/healthmonitors/${id}`)
  await api.waitUntilGone(`/v2/lbaas/healthmonitors/${id}`)
  const [member] = await api.list(`/v2/lbaas/pools/${pool.id}/members`)
  assert.equal(member!.operating_status, 'NO_MONITOR')
})

test('monitors are found by their pool', async () => {
  const { api, pool } = await aCloud().withPool()
  const { id } = await api.createHealthMonitor(pool, anHttpMonitor)
  const found = await api.list(`/v2/lbaas/healthmonitors?pool_id=${pool.id}`)
  assert.deepEqual(
    found.map((monitor) => monitor.id),
    [id],
  )
  assert.deepEqual(await api.list('/v2/lbaas/healthmonitors?pool_id=x'), [])
})

test('a version of HTTP is shown with its fraction, 1.0 too', async () => {
  const { api, cloud, pool } = await aCloud().withPool()
  const { id } = await api.createHealthMonitor(pool, { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3, http_version: 1.0 })
  const { payload } = await cloud.server.inject({ url: `/v2/lbaas/healthmonitors/${id}` })
  assert.match(payload, /"http_version":1\.0[,}]/)
})

test('a type of monitor that amphorae cannot check by is refused with 501 and why, alone and in a tree', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const pool = await api.createPool(loadBalancer, { protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN' })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  cloud.amphora.capabilities = withoutSctp(everything, 'This kernel has none.')
  const text =
    "Provider 'amphora' does not support a requested option: Amphora provider does not support SCTP health monitors. This kernel has none."
  await assert.rejects(api.createHealthMonitor(pool, { ...anHttpMonitor, type: 'SCTP' }), fault(501, text))
  assert.equal((await api.createHealthMonitor(pool, { ...anHttpMonitor, type: 'UDP-CONNECT' })).type, 'UDP-CONNECT')
  const tree = { protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN', name: 'p', healthmonitor: { ...anHttpMonitor, type: 'SCTP' } }
  await assert.rejects(api.createLoadBalancer({ vip_subnet_id: loadBalancer.vip_subnet_id, pools: [tree] }), fault(501, text))
})
