import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'

const nobody = '11111111-1111-4111-8111-111111111111'

test('a new member shows the defaults of Octavia, key by key', async () => {
  const { api, pool } = await aCloud().withPool()
  const { id: _, created_at: __, ...member } = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  assert.deepEqual(member, {
    name: '',
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'NO_MONITOR',
    admin_state_up: true,
    updated_at: null,
    address: '10.0.0.5',
    protocol_port: 80,
    weight: 1,
    backup: false,
    subnet_id: null,
    monitor_address: null,
    monitor_port: null,
    vnic_type: 'normal',
  })
})

test('a second member on the same address and port is refused', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const again = api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await assert.rejects(again, fault(409, 'Another member on this pool is already using ip 10.0.0.5 on protocol_port 80'))
})

test('a member of a pool with a monitor starts OFFLINE', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  await api.createHealthMonitor(pool, { type: 'TCP', delay: 5, timeout: 3, max_retries: 3 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const member = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  assert.equal(member.operating_status, 'OFFLINE')
})

test('what is wrong with a new member is told as upstream tells it', async () => {
  const { api, pool } = await aCloud().withPool()
  const cases: [Record<string, unknown>, number, string | RegExp][] = [
    [{ address: null }, 400, "Invalid input for field/attribute address. Value: 'None'. Mandatory field missing."],
    [{ address: 'x' }, 400, "Invalid input for field/attribute address. Value: 'x'. Value should be IPv4 or IPv6 format"],
    [{ address: '169.254.169.254' }, 400, '169.254.169.254 is not a valid option for member address'],
    [{ address: '::ffff:169.254.169.254' }, 400, '0000:0000:0000:0000:0000:FFFF:A9FE:A9FE is not a valid option for member address'],
    [{ protocol_port: 0 }, 400, "Invalid input for field/attribute protocol_port. Value: '0'. Value should be greater or equal to 1"],
    [{ weight: 257 }, 400, "Invalid input for field/attribute weight. Value: '257'. Value should be lower or equal to 256"],
    [{ weight: -1 }, 400, "Invalid input for field/attribute weight. Value: '-1'. Value should be greater or equal to 0"],
    [{ monitor_port: 65536 }, 400, /^Invalid input for field\/attribute monitor_port\./],
    [{ subnet_id: 'x' }, 400, "Invalid input for field/attribute subnet_id. Value: 'x'. Value should be UUID format"],
    [{ subnet_id: nobody }, 400, `Subnet ${nobody} not found.`],
    [{ request_sriov: true }, 400, 'The load balancer flavor does not allow SR-IOV member ports.'],
    [{ colour: 'blue' }, 400, 'Unknown attribute for argument member_.member: colour'],
  ]
  for (const [body, status, text] of cases) {
    await assert.rejects(api.createMember(pool, { address: '10.0.0.5', protocol_port: 80, ...body }), fault(status, text))
  }
  assert.deepEqual(await api.list(`/v2/lbaas/pools/${pool.id}/members`), [])
})

test('a pool that does not exist is told in the shape of routing, before the body is looked at', async () => {
  const { api } = await aCloud().empty()
  const missing = { code: 404, title: 'Bad Request', description: `Pool ${nobody} not found.` }
  const path = `/v2/lbaas/pools/${nobody}/members`
  for (const answer of [await api.request('GET', path), await api.request('POST', path, { nonsense: 1 })]) {
    assert.equal(answer.status, 404)
    assert.deepEqual(answer.body, missing)
  }
})

test('a member is found below its own pool only', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const member = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const other = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  const path = `/v2/lbaas/pools/${other.id}/members/${member.id}`
  const missing = fault(404, `Member ${member.id} not found.`)
  await assert.rejects(api.show(path), missing)
  await assert.rejects(api.update(path, { weight: 2 }), missing)
  await assert.rejects(api.delete(path), missing)
})

test('an update leaves what it does not name, and null means the default', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const { id } = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80, name: 'm', weight: 5, monitor_port: 81 })
  const path = `/v2/lbaas/pools/${pool.id}/members/${id}`
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const backup = await api.update(path, { backup: true })
  assert.deepEqual([backup.name, backup.weight, backup.backup, backup.monitor_port], ['m', 5, true, 81])
  assert.equal(backup.provisioning_status, 'PENDING_UPDATE')
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const cleared = await api.update(path, { name: null, weight: null, backup: null, monitor_port: null })
  assert.deepEqual([cleared.name, cleared.weight, cleared.backup, cleared.monitor_port], ['', 1, false, null])
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await assert.rejects(api.update(path, { address: '10.0.0.6' }), fault(400, 'Unknown attribute for argument member_.member: address'))
})

test('a pool in ERROR takes no members', async () => {
  const { api, cloud, pool } = await aCloud().withPool()
  await cloud.db.updateTable('pool').set({ provisioning_status: 'ERROR' }).where('id', '=', pool.id).execute()
  const immutable = fault(409, `Pool ${pool.id} is immutable and cannot be updated.`)
  await assert.rejects(api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 }), immutable)
  await assert.rejects(api.updateMembers(pool, [{ address: '10.0.0.5', protocol_port: 80 }]), immutable)
})

test('a deleted member is gone', async () => {
  const { api, loadBalancer, pool } = await aCloud().withPool()
  const { id } = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await api.delete(`/v2/lbaas/pools/${pool.id}/members/${id}`)
  await api.waitUntilGone(`/v2/lbaas/pools/${pool.id}/members/${id}`)
})

test('the role service may list members, and nothing else', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody({ pools: [{ name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }] }))
  await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const [pool] = await owner.list('/v2/lbaas/pools')
  const alarms = cloud.apiAs('project-9', 'service')
  assert.deepEqual(await alarms.list(`/v2/lbaas/pools/${pool!.id}/members`), [])
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  await assert.rejects(alarms.show(`/v2/lbaas/pools/${pool!.id}`), forbidden)
  await assert.rejects(alarms.createMember(pool!, { address: '10.0.0.5', protocol_port: 80 }), forbidden)
})

test('UDP and SCTP members are of the family of a VIP where the provider cannot forward to others', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.amphora.capabilities = { ...cloud.amphora.capabilities, mixed_families: false }
  const pool = await api.createPool(loadBalancer, { protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN' })
  const settled = () => api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await settled()
  const [ipv4, ipv6] = [
    { address: '10.1.0.9', protocol_port: 53 },
    { address: '2001:db8::9', protocol_port: 53 },
  ]
  const refused = fault(
    501,
    "Provider 'amphora' does not support a requested option: This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and " +
      'members in UDP load balancers.',
  )
  await assert.rejects(api.createMember(pool, ipv6), refused)
  await assert.rejects(api.updateMembers(pool, [ipv4, ipv6]), refused)
  const tree = { name: 'p', protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN', members: [ipv6] }
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ pools: [tree] })), refused)
  await api.createMember(pool, ipv4)
  await settled()
  const web = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await settled()
  await api.createMember(web, ipv6)
})

test('statistics of a member are the sums over all its amphorae', async () => {
  const { api, cloud, loadBalancer, pool } = await aCloud().withPool()
  const { id } = await api.createMember(pool, { address: '10.0.0.5', protocol_port: 80 })
  const path = `/v2/lbaas/pools/${pool.id}/members`
  const zero = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 }
  assert.deepEqual(await api.expect(200, 'GET', `${path}/${id}/stats`), { stats: zero })
  for (const amphora_id of ['a', 'b']) {
    const counted = { bytes_in: 1, bytes_out: 2, active_connections: 3, total_connections: 4, request_errors: 5 }
    const row = { member_id: String(id), load_balancer_id: String(loadBalancer.id), amphora_id, ...counted }
    await cloud.db.insertInto('member_statistics').values(row).execute()
  }
  const twice = { bytes_in: 2, bytes_out: 4, active_connections: 6, total_connections: 8, request_errors: 10 }
  assert.deepEqual(await api.expect(200, 'GET', `${path}/${id}/stats`), { stats: twice })
  await assert.rejects(api.expect(200, 'GET', `${path}/${nobody}/stats`), fault(404, `Member ${nobody} not found.`))
  await assert.rejects(api.expect(200, 'GET', `/v2/lbaas/pools/${nobody}/members/${id}/stats`), fault(404, `Pool ${nobody} not found.`))
})
