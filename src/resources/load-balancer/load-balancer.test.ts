import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything } from '../../drivers/amphora/capabilities.ts'
import { RefusedError, ServiceError } from '../../drivers/errors.ts'
import { undoVipReservations } from '../../housekeeping/undo-vip-reservations.ts'

const nowhere = '11111111-1111-4111-8111-111111111111'

test('a load balancer is PENDING_CREATE in the answer, has its VIP, and becomes ACTIVE', async () => {
  const { api, cloud } = await aCloud().empty()
  const made = await api.createLoadBalancer(cloud.aBody({ name: 'lb1', tags: ['a', 'b'] }))
  const { id, vip_port_id, ...shown } = made
  assert.deepEqual(shown, {
    name: 'lb1',
    description: '',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    project_id: 'project-1',
    created_at: '2026-01-01T00:00:00',
    updated_at: null,
    vip_address: '10.0.0.2',
    vip_subnet_id: cloud.vipSubnet.id,
    vip_network_id: cloud.vipNetwork.id,
    vip_sg_ids: [],
    additional_vips: [],
    listeners: [],
    pools: [],
    provider: 'amphora',
    flavor_id: null,
    vip_qos_policy_id: null,
    tags: ['a', 'b'],
    availability_zone: null,
    vip_vnic_type: 'normal',
    tenant_id: 'project-1',
  })
  const port = cloud.network.ports.find((known) => known.id === vip_port_id)!
  assert.deepEqual([port.name, port.device_id, port.project_id], [`octavia-lb-${id}`, `lb-${id}`, 'project-1'])
  await api.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  assert.deepEqual(await cloud.db.selectFrom('vip_reservation').selectAll().execute(), [])
})

test('the body is checked first, in upstream’s order', async () => {
  const { api, cloud } = await aCloud().empty()
  const refuses = (body: Record<string, unknown>, text: string, status = 400) =>
    assert.rejects(api.createLoadBalancer(body), fault(status, text))
  await refuses({}, 'Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.')
  await refuses({ foo: 1 }, 'Unknown attribute for argument load_balancer.loadbalancer: foo')
  await refuses(cloud.aBody({ id: nowhere }), 'Unknown attribute for argument load_balancer.loadbalancer: id')
  await refuses({ vip_subnet_id: 'xx' }, "Invalid input for field/attribute vip_subnet_id. Value: 'xx'. Value should be UUID format")
  await refuses({ vip_subnet_id: nowhere }, `Subnet ${nowhere} not found.`)
  await refuses({ vip_network_id: nowhere }, `Network ${nowhere} not found.`)
  await refuses({ vip_port_id: nowhere }, `Port ${nowhere} not found.`)
  await refuses(cloud.aBody({ vip_network_id: cloud.vipNetwork.id, vip_subnet_id: nowhere }), `Subnet ${nowhere} not found.`)
  await refuses(cloud.aBody({ vip_qos_policy_id: nowhere }), `qos_policy ${nowhere} not found.`)
  await refuses(cloud.aBody({ provider: 'zzz' }), "Provider 'zzz' is not enabled.")
  await refuses(
    cloud.aBody({ vip_address: '192.0.2.7' }),
    'Validation failure: IP address 192.0.2.7 is not a valid IP for the specified subnet.',
  )
  const noProject = api.as({ 'x-project-id': '' })
  await assert.rejects(noProject.createLoadBalancer(cloud.aBody()), fault(400, /^Validation failure: Missing project ID in request/))
  assert.deepEqual(cloud.network.ports, [])
})

test('what the provider cannot do yet is refused with 501, never passed over', async () => {
  const { api, cloud } = await aCloud().withLoadBalancer()
  cloud.amphora.capabilities = { ...everything, vip_sg_ids: false, additional_vips: false }
  const unsupported = (names: string) =>
    fault(501, `Provider 'amphora' does not support a requested option: Amphora provider does not support ${names} of load balancers yet.`)
  const other = cloud.network.addSubnet({ network_id: cloud.vipNetwork.id, cidr: '10.1.0.0/24' })
  const group = cloud.network.addSecurityGroup({ project_id: 'project-1' })
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ vip_sg_ids: [group.id] })), unsupported('vip_sg_ids'))
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ additional_vips: [{ subnet_id: other.id }] })), unsupported('additional_vips'))
})

test('the VIP is on the user’s port before his network before his subnet', async () => {
  const { api, cloud } = await aCloud().empty()
  const { network, vipNetwork, vipSubnet } = cloud
  network.addSubnet({ network_id: vipNetwork.id, cidr: '2001:db8::/64' })
  const byNetwork = await api.createLoadBalancer({ vip_network_id: vipNetwork.id })
  assert.equal(byNetwork.vip_subnet_id, vipSubnet.id)
  const byAddress = await api.createLoadBalancer({ vip_network_id: vipNetwork.id, vip_address: '2001:db8::7' })
  assert.equal(byAddress.vip_address, '2001:db8::7')
  const port = await network.ensurePort({
    name: 'mine',
    network_id: vipNetwork.id,
    fixed_ips: [{ subnet_id: vipSubnet.id, ip_address: '10.0.0.77' }],
    project_id: 'project-1',
    device_owner: '',
    device_id: '',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'user',
  })
  const byPort = await api.createLoadBalancer({ vip_port_id: port.id })
  assert.deepEqual([byPort.vip_address, byPort.vip_port_id, byPort.vip_network_id], ['10.0.0.77', port.id, vipNetwork.id])
  // Nobody else's VIP may be on it as well.
  await assert.rejects(
    api.createLoadBalancer({ vip_port_id: port.id }),
    fault(400, new RegExp(`Port ${port.id} is already used by device`)),
  )
})

test('a network that is too full, forbidden, or another project’s holds no VIP', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const member = cloud.apiAs('project-1', 'member', 'reader')
  const tiny = cloud.network.addNetwork({ shared: true })
  cloud.network.addSubnet({ network_id: tiny.id, cidr: '10.2.0.0/30' })
  await assert.rejects(
    member.createLoadBalancer({ vip_network_id: tiny.id }),
    fault(400, 'Validation failure: Subnet(s) in the supplied network do not contain enough available IPs.'),
  )
  const others = cloud.network.addNetwork({ shared: false, project_id: 'project-2' })
  const subnet = cloud.network.addSubnet({ network_id: others.id, cidr: '10.3.0.0/24' })
  await assert.rejects(member.createLoadBalancer({ vip_network_id: others.id }), fault(400, `Network ${others.id} not found.`))
  await assert.rejects(member.createLoadBalancer({ vip_subnet_id: subnet.id }), fault(400, `Subnet ${subnet.id} not found.`))
  // Nor may an amphora of his get a leg there.
  const members = [{ address: '10.3.0.9', protocol_port: 80, subnet_id: subnet.id }]
  const pool = { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
  await assert.rejects(
    member.createLoadBalancer(cloud.aBody({ pools: [{ ...pool, members }] })),
    fault(400, `Subnet ${subnet.id} not found.`),
  )
  const own = await member.createLoadBalancer(cloud.aBody({ pools: [pool] }))
  await member.waitFor(`/v2/lbaas/loadbalancers/${own.id}`)
  const [ownPool] = await member.list('/v2/lbaas/pools')
  await assert.rejects(member.createMember(ownPool!, members[0]!), fault(400, `Subnet ${subnet.id} not found.`))
  await assert.rejects(member.updateMembers(ownPool!, members), fault(400, `Subnet ${subnet.id} not found.`))
  const owner = cloud.apiAs('project-2', 'member', 'reader')
  assert.equal((await owner.createLoadBalancer({ vip_subnet_id: subnet.id })).vip_subnet_id, subnet.id)

  const denied = await aCloud().empty()
  denied.cloud.config.networking.denylist_vip_networks.push(denied.cloud.vipNetwork.id.toUpperCase())
  await assert.rejects(
    denied.api.createLoadBalancer(denied.cloud.aBody()),
    fault(400, 'Validation failure: Supplied VIP network_id is not allowed by the configuration of this deployment.'),
  )
})

test('a create that fails leaves neither port, reservation, row nor quota', async () => {
  const { api, cloud } = await aCloud().empty()
  const nothingLeft = async () => {
    assert.deepEqual(cloud.network.ports, [])
    assert.deepEqual(await cloud.db.selectFrom('vip_reservation').selectAll().execute(), [])
    assert.deepEqual(await cloud.db.selectFrom('load_balancer').select('id').execute(), [])
    assert.deepEqual(await cloud.db.selectFrom('quota').select('in_use_load_balancer').execute(), [])
  }
  const twice = { protocol: 'HTTP', protocol_port: 80 }
  await assert.rejects(
    api.createLoadBalancer(cloud.aBody({ listeners: [twice, twice] })),
    fault(409, 'Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80'),
  )
  await nothingLeft()
  // The answer was lost, so the port exists all the same.
  cloud.network.failNext('ensurePort', new RefusedError('The IP address 10.0.0.9 is in use.'), { after: true })
  await assert.rejects(api.createLoadBalancer(cloud.aBody()), fault(409, 'The IP address 10.0.0.9 is in use.'))
  await nothingLeft()
})

test('of a network service that gives no answer the port is taken away later, for it may still make it', async () => {
  const { api, cloud } = await aCloud({ worker: false }).empty()
  const noAnswer = new ServiceError('Neutron', 'POST /v2.0/ports', { status: 0, words: 'socket hang up' })
  cloud.network.failNext('ensurePort', noAnswer, { after: true })
  await assert.rejects(
    api.createLoadBalancer(cloud.aBody()),
    fault(503, 'The Neutron service is temporarily unavailable. Please try again.'),
  )
  assert.equal(cloud.network.ports.length, 1)
  cloud.clock.passSeconds(61)
  assert.deepEqual(await undoVipReservations.run(cloud.context), { undone: 1, failed: 0 })
  assert.deepEqual(cloud.network.ports, [])
})

test('an update changes what it names and takes null for “clear”', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer({ name: 'one', description: 'text', tags: ['x'] })
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  cloud.clock.passSeconds(5)
  const updated = await api.update(path, { name: 'two', description: null })
  assert.deepEqual(
    [updated.name, updated.description, updated.tags, updated.provisioning_status, updated.updated_at],
    ['two', '', ['x'], 'PENDING_UPDATE', '2026-01-01T00:00:05'],
  )
  assert.equal((await api.waitFor(path)).name, 'two')
  await assert.rejects(
    api.update(path, { vip_address: '10.0.0.9' }),
    fault(400, 'Unknown attribute for argument load_balancer.loadbalancer: vip_address'),
  )
})

test('while it is PENDING everything else meets 409', async () => {
  const { api, cloud } = await aCloud({ worker: false }).empty()
  const made = await api.createLoadBalancer(cloud.aBody())
  const path = `/v2/lbaas/loadbalancers/${made.id}`
  const pending = fault(409, `Invalid state PENDING_CREATE of loadbalancer resource ${made.id}`)
  await assert.rejects(api.update(path, { name: 'x' }), pending)
  await assert.rejects(api.delete(path), pending)
  await assert.rejects(api.expect(202, 'PUT', `${path}/failover`), pending)
  await assert.rejects(
    api.createListener(made, { protocol: 'HTTP', protocol_port: 80 }),
    fault(409, `Load Balancer ${made.id} is immutable and cannot be updated.`),
  )
})

test('one in ERROR takes deletes only, and says why', async () => {
  const { api, cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } }, worker: false }).empty()
  const member = cloud.apiAs('project-1', 'member', 'reader')
  const made = await member.createLoadBalancer(cloud.aBody())
  const why = { message: 'No host had room.', created_at: '2026-01-01T00:00:00', details: 'host-7 said no' }
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'ERROR', fault: why }).execute()
  const path = `/v2/lbaas/loadbalancers/${made.id}`
  assert.deepEqual((await member.show(path)).fault, { message: why.message, created_at: why.created_at })
  assert.deepEqual((await cloud.apiAs('x', 'admin').show(path)).fault, why)
  await assert.rejects(member.update(path, { name: 'x' }), fault(409, `Invalid state ERROR of loadbalancer resource ${made.id}`))
  await member.delete(path)
  assert.equal((await member.show(path)).provisioning_status, 'PENDING_DELETE')
  await assert.rejects(api.show(path), fault(401, /requires authentication/))
})

test('a load balancer with children is deleted only in cascade', async () => {
  const { api, loadBalancer } = await aCloud().withListener()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  await assert.rejects(api.delete(path), fault(400, `Validation failure: Cannot delete Load Balancer ${loadBalancer.id} - it has children`))
  await api.delete(`${path}?cascade=True`)
  await api.waitUntilGone(path)
  assert.deepEqual(await api.list('/v2/lbaas/loadbalancers'), [])
})

test('projects see and touch their own only; admins see all', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const mine = cloud.apiAs('project-1', 'member', 'reader')
  const other = cloud.apiAs('project-2', 'member', 'reader')
  const admin = cloud.apiAs('project-3', 'admin', 'member', 'reader')
  const reader = cloud.apiAs('project-1', 'reader')
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  const made = await mine.createLoadBalancer(cloud.aBody())
  const path = `/v2/lbaas/loadbalancers/${made.id}`
  assert.equal((await mine.list('/v2/lbaas/loadbalancers')).length, 1)
  assert.equal((await reader.list('/v2/lbaas/loadbalancers')).length, 1)
  assert.equal((await other.list('/v2/lbaas/loadbalancers')).length, 0)
  assert.equal((await admin.list('/v2/lbaas/loadbalancers')).length, 1)
  assert.equal((await admin.list('/v2/lbaas/loadbalancers?project_id=project-2')).length, 0)
  await assert.rejects(other.list('/v2/lbaas/loadbalancers?project_id=project-1'), forbidden)
  await assert.rejects(other.show(path), forbidden)
  await assert.rejects(other.delete(path), forbidden)
  await assert.rejects(reader.update(path, { name: 'x' }), forbidden)
  await assert.rejects(reader.createLoadBalancer(cloud.aBody()), forbidden)
  await assert.rejects(mine.createLoadBalancer(cloud.aBody({ project_id: 'project-2' })), forbidden)
  await assert.rejects(mine.list('/v2/octavia/amphorae'), forbidden)
  await assert.rejects(mine.expect(202, 'PUT', `${path}/failover`), forbidden)
})

test('the quota is met exactly when it is', async () => {
  const config = {
    api_settings: { auth_strategy: 'keystone' as const },
    quotas: { default_load_balancer_quota: 1, default_member_quota: 1 },
  }
  const { cloud } = await aCloud({ config }).empty()
  const api = cloud.apiAs('project-1', 'member', 'reader')
  const made = await api.createLoadBalancer(cloud.aBody())
  await assert.rejects(api.createLoadBalancer(cloud.aBody()), fault(403, 'Quota has been met for resources: Load Balancer'))
  await api.waitFor(`/v2/lbaas/loadbalancers/${made.id}`)
  await api.delete(`/v2/lbaas/loadbalancers/${made.id}`)
  await api.waitUntilGone(`/v2/lbaas/loadbalancers/${made.id}`)
  const members = [1, 2].map((number) => ({ address: `10.0.0.${number}`, protocol_port: 80 }))
  const pool = { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members }
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ pools: [pool] })), fault(403, 'Quota has been met for resources: Member'))
  await api.createLoadBalancer(cloud.aBody())
})

test('status, statistics and amphorae', async () => {
  const { api, cloud, loadBalancer, listener, pool } = await aCloud().withPool()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const alone = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', name: 'alone' })
  await api.waitFor(`/v2/lbaas/pools/${alone.id}`)
  const status = await api.expect(200, 'GET', `${path}/status`)
  const row = (shown: typeof listener) => ({
    id: shown.id,
    name: '',
    provisioning_status: 'ACTIVE',
    operating_status: shown.operating_status,
  })
  assert.deepEqual(status, {
    statuses: { loadbalancer: { ...row(loadBalancer), listeners: [{ ...row(listener), pools: [{ ...row(pool), members: [] }] }] } },
  })
  assert.deepEqual(await api.expect(200, 'GET', `${path}/statuses`), status)

  const zero = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 }
  assert.deepEqual(await api.expect(200, 'GET', `${path}/stats`), { stats: zero })
  const ids = { listener_id: listener.id, load_balancer_id: loadBalancer.id }
  const [amphora] = await api.list('/v2/octavia/amphorae?project_id=project-1')
  await cloud.db
    .insertInto('listener_statistics')
    .values([
      { ...ids, ...zero, amphora_id: amphora!.id, bytes_in: 5 },
      { ...ids, ...zero, amphora_id: 'replaced', bytes_in: 3_000_000_000_000 },
    ])
    .execute()
  assert.deepEqual(await api.expect(200, 'GET', `${path}/stats`), { stats: { ...zero, bytes_in: 3_000_000_000_005 } })
  assert.deepEqual(await api.expect(200, 'GET', `/v2/octavia/amphorae/${amphora!.id}/stats`), {
    amphora_stats: [{ id: amphora!.id, loadbalancer_id: loadBalancer.id, listener_id: listener.id, ...zero, bytes_in: 5 }],
  })
  assert.equal(
    ((await api.expect<Record<string, object>>(200, 'GET', `/v2/octavia/amphorae/${amphora!.id}`)).amphora as Record<string, unknown>)
      .server_certificate,
    undefined,
  )
  await assert.rejects(api.expect(200, 'GET', '/v2/octavia/amphorae/x/stats'), fault(404, 'Amphora stats for x not found.'))
})

test('only the fields asked for are shown', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer({ name: 'n' })
  assert.deepEqual(await api.list('/v2/lbaas/loadbalancers?fields=name&fields=nothing'), [{ name: 'n' }])
  assert.deepEqual(await api.show(`/v2/lbaas/loadbalancers/${loadBalancer.id}?fields=id`), { id: loadBalancer.id })
})
