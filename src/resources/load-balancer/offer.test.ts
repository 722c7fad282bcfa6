import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type ApiClient, fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'

const enabled_provider_drivers = { amphora: '', octavia: '', noop_driver: '' }
const nil = '00000000-0000-0000-0000-000000000000'

/** A flavor of that meaning. */
async function aFlavor(api: ApiClient, data: object, given: object = {}) {
  const { provider_name = 'amphora', ...rest } = given as { provider_name?: string }
  const profile = await api.createFlavorProfile({ provider_name, flavor_data: JSON.stringify(data) })
  return api.createFlavor(profile, { name: randomUUID(), ...rest })
}

/** Answers the name of a zone of that meaning. */
async function aZone(api: ApiClient, data: object, given: object = {}): Promise<string> {
  const name = randomUUID()
  const profile = await api.createAvailabilityZoneProfile({ availability_zone_data: JSON.stringify(data) })
  await api.createAvailabilityZone(profile, { name, ...given })
  return name
}

test('a flavor decides topology, compute flavor and image of the amphorae', async () => {
  const { api, cloud } = await aCloud().empty()
  cloud.compute.flavors.push('large')
  cloud.image.images.push({ id: 'image-of-special', tag: 'special' })
  const { id } = await aFlavor(api, { loadbalancer_topology: 'ACTIVE_STANDBY', compute_flavor: 'large', amp_image_tag: 'special' })
  const loadBalancer = await cloud.aLoadBalancer({ flavor_id: id })
  assert.equal(loadBalancer.flavor_id, id)
  assert.equal((await api.list(`/v2/lbaas/loadbalancers?flavor_id=${id}`)).length, 1)
  const servers = cloud.compute.servers.map(({ wanted }) => [wanted.compute_flavor, wanted.image_id])
  assert.deepEqual(servers, [
    ['large', 'image-of-special'],
    ['large', 'image-of-special'],
  ])
  const amphorae = await api.list('/v2/octavia/amphorae')
  assert.deepEqual(amphorae.map(({ role }) => role).sort(), ['BACKUP', 'MASTER'])
  assert.deepEqual(
    amphorae.map(({ compute_flavor, image_id }) => [compute_flavor, image_id]),
    [
      ['large', 'image-of-special'],
      ['large', 'image-of-special'],
    ],
  )
})

test('what replaces a failed amphora is made by the same flavor and in the same zone', async () => {
  const { api, cloud } = await aCloud().empty()
  cloud.compute.flavors.push('large')
  cloud.compute.availabilityZones.push('north')
  const { id } = await aFlavor(api, { compute_flavor: 'large' })
  const availability_zone = await aZone(api, { compute_zone: 'north' })
  const loadBalancer = await cloud.aLoadBalancer({ flavor_id: id, availability_zone })
  const [first] = cloud.compute.servers
  await api.expect(202, 'PUT', `/v2/lbaas/loadbalancers/${loadBalancer.id}/failover`)
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const [second, ...others] = cloud.compute.servers
  assert.deepEqual(others, [])
  assert.notEqual(second?.wanted.name, first?.wanted.name)
  assert.deepEqual([second?.wanted.compute_flavor, second?.wanted.availability_zone], ['large', 'north'])
  const [amphora] = await api.list('/v2/octavia/amphorae')
  assert.deepEqual([amphora?.compute_flavor, amphora?.cached_zone], ['large', 'north'])
})

test('what a flavor leaves out is as the configuration says', async () => {
  const config = { controller_worker: { amp_flavor_id: 'usual', loadbalancer_topology: 'ACTIVE_STANDBY' as const } }
  const { api, cloud } = await aCloud({ config }).empty()
  const { id } = await aFlavor(api, { loadbalancer_topology: 'SINGLE' })
  await cloud.aLoadBalancer({ flavor_id: id })
  assert.deepEqual(
    cloud.compute.servers.map(({ wanted }) => [wanted.compute_flavor, wanted.image_id]),
    [['usual', 'image-of-amphora']],
  )
})

test('a zone decides where the amphorae run and which network manages them', async () => {
  const { api, cloud } = await aCloud().empty()
  const management = cloud.network.addNetwork({ name: 'management of the north' })
  cloud.network.addSubnet({ network_id: management.id, cidr: '192.168.7.0/24' })
  cloud.compute.availabilityZones.push('north')
  const zone = await aZone(api, { compute_zone: 'north', management_network: management.id })
  const loadBalancer = await cloud.aLoadBalancer({ availability_zone: zone })
  assert.equal(loadBalancer.availability_zone, zone)
  assert.equal((await api.list(`/v2/lbaas/loadbalancers?availability_zone=${zone}`)).length, 1)
  const [server] = cloud.compute.servers
  assert.deepEqual([server?.wanted.availability_zone, server?.wanted.network_ids], ['north', [management.id]])
  const [amphora] = await api.list('/v2/octavia/amphorae')
  assert.equal(amphora?.cached_zone, 'north')
  assert.match(String(amphora?.lb_network_ip), /^192\.168\.7\./)
})

test('without a zone, and in one that names none, the configured compute zone holds', async () => {
  const { api, cloud } = await aCloud({ config: { nova: { availability_zone: 'east' } } }).empty()
  await cloud.aLoadBalancer()
  await cloud.aLoadBalancer({ availability_zone: await aZone(api, {}) })
  assert.deepEqual(
    cloud.compute.servers.map(({ wanted }) => wanted.availability_zone),
    ['east', 'east'],
  )
})

test("a zone's valid VIP networks stand in for the configured ones", async () => {
  const { api, cloud } = await aCloud().empty()
  const other = cloud.network.addNetwork({ shared: true })
  const elsewhere = await aZone(api, { valid_vip_networks: [other.id] })
  const refusal = fault(400, 'Validation failure: Supplied VIP network_id is not allowed by the configuration of this deployment.')
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ availability_zone: elsewhere })), refusal)
  assert.deepEqual(cloud.network.ports, [])
  const here = await aZone(api, { valid_vip_networks: [cloud.vipNetwork.id] })
  await cloud.aLoadBalancer({ availability_zone: here })
})

test('with an SR-IOV flavor the VIP is direct, and takes no security groups', async () => {
  const { api, cloud } = await aCloud().empty()
  const { id } = await aFlavor(api, { sriov_vip: true })
  assert.equal((await cloud.aLoadBalancer({ flavor_id: id })).vip_vnic_type, 'direct')
  assert.equal(cloud.network.ports.find((port) => port.name.startsWith('octavia-lb-vrrp-'))?.vnic_type, 'direct')
  const group = await cloud.network.ensureSecurityGroup({ name: 'g', made_by: 'user' })
  await assert.rejects(
    api.createLoadBalancer(cloud.aBody({ flavor_id: id, vip_sg_ids: [group] })),
    fault(400, 'Validation failure: VIP Security Groups are not allowed with VNIC direct type'),
  )
})

test('members get SR-IOV ports where the flavor allows it', async () => {
  const { api, cloud } = await aCloud().empty()
  const { id } = await aFlavor(api, { allow_member_sriov: true })
  const subnet = cloud.network.addSubnet({ network_id: cloud.network.addNetwork({ shared: true }).id, cidr: '10.9.0.0/24' })
  const member = (last: number) => ({ address: `10.9.0.${last}`, protocol_port: 80, subnet_id: subnet.id, request_sriov: true })
  const pool = { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [member(5)] }
  const loadBalancer = await cloud.aLoadBalancer({ flavor_id: id, pools: [pool] })
  const [made] = await api.list('/v2/lbaas/pools')
  assert.equal(cloud.network.ports.find((port) => port.name.startsWith('octavia-lb-member-'))?.vnic_type, 'direct')
  assert.equal((await api.createMember(made!, member(6))).vnic_type, 'direct')
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await api.updateMembers(made!, [member(7)], '?additive_only=true')
  const members = await api.list(`/v2/lbaas/pools/${made!.id}/members`)
  assert.deepEqual(
    members.map(({ vnic_type }) => vnic_type),
    ['direct', 'direct', 'direct'],
  )
  const disabled = fault(400, 'The load balancer flavor does not allow SR-IOV member ports.')
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ pools: [pool] })), disabled)
})

test('flavors and zones that are not there, or are disabled, are refused', async () => {
  const { api, cloud } = await aCloud().empty()
  const create = (body: object) => api.createLoadBalancer(cloud.aBody({ ...body }))
  // A name like any other, and none that null could mean.
  await aZone(api, {}, { name: '' })
  for (const flavor_id of [nil, null]) await assert.rejects(create({ flavor_id }), fault(400, 'Validation failure: Invalid flavor_id.'))
  for (const availability_zone of [nil, 'zz', null]) {
    await assert.rejects(create({ availability_zone }), fault(400, 'Validation failure: Invalid availability zone.'))
  }
  const flavor = await aFlavor(api, {}, { enabled: false })
  const zone = await aZone(api, {}, { enabled: false })
  const disabledFlavor = fault(400, `The selected flavor is not allowed in this deployment: ${flavor.id}`)
  await assert.rejects(create({ flavor_id: flavor.id, availability_zone: 'zz' }), disabledFlavor)
  await assert.rejects(
    create({ availability_zone: zone }),
    fault(400, `The selected availability_zone is not allowed in this deployment: ${zone}`),
  )
  await assert.rejects(
    api.update(`/v2/lbaas/loadbalancers/${nil}`, { flavor_id: flavor.id }),
    fault(400, 'Unknown attribute for argument load_balancer.loadbalancer: flavor_id'),
  )
})

test("a load balancer's provider is its flavor's", async () => {
  const { api, cloud } = await aCloud({ config: { api_settings: { enabled_provider_drivers } } }).empty()
  const { id } = await aFlavor(api, {}, { provider_name: 'octavia' })
  const create = (body: object) => api.createLoadBalancer(cloud.aBody({ flavor_id: id, ...body }))
  assert.equal((await create({})).provider, 'octavia')
  assert.equal((await create({ provider: 'octavia' })).provider, 'octavia')
  await assert.rejects(create({ provider: 'noop_driver' }), fault(400, `Flavor '${id}' is not compatible with provider 'noop_driver'`))
  await assert.rejects(create({ provider: 'nobody' }), fault(400, `Flavor '${id}' is not compatible with provider 'nobody'`))
  await assert.rejects(create({ flavor_id: undefined, provider: 'nobody' }), fault(400, "Provider 'nobody' is not enabled."))
  assert.equal((await create({ flavor_id: undefined, provider: null })).provider, 'amphora')
})

test('what the provider accepted once it may refuse when a load balancer asks for it', async () => {
  const { api, cloud } = await aCloud().empty()
  cloud.compute.flavors.push('large')
  const { id } = await aFlavor(api, { compute_flavor: 'large' })
  cloud.compute.flavors.pop()
  await assert.rejects(api.createLoadBalancer(cloud.aBody({ flavor_id: id })), fault(400, 'Nova flavor large not found.'))
})

forEachDatabase('a flavor and a zone are in use until their last load balancer is deleted', async (open) => {
  const { api, cloud, stop } = await aCloud({ db: await open() }).empty()
  const flavor = await aFlavor(api, {})
  const zone = await aZone(api, {})
  const loadBalancer = await cloud.aLoadBalancer({ flavor_id: flavor.id, availability_zone: zone })
  const paths = [`/v2/lbaas/flavors/${flavor.id}`, `/v2/lbaas/availabilityzones/${zone}`]
  await assert.rejects(api.delete(paths[0]!), fault(409, `Flavor ${flavor.id} is in use and cannot be modified.`))
  await assert.rejects(api.delete(paths[1]!), fault(409, `Availability Zone ${zone} is in use and cannot be modified.`))
  await api.delete(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await api.waitUntilGone(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  for (const path of paths) await api.delete(path)
  await stop()
})

forEachDatabase('a flavor is not deleted under a load balancer that is just being created', async (open) => {
  const { api, cloud, stop } = await aCloud({ db: await open(), worker: false }).empty()
  const flavor = await aFlavor(api, {})
  const created = api.createLoadBalancer(cloud.aBody({ flavor_id: flavor.id }))
  const deleted = api.delete(`/v2/lbaas/flavors/${flavor.id}`)
  const [creation, deletion] = await Promise.allSettled([created, deleted])
  const flavors = await api.list('/v2/lbaas/flavors')
  const loadBalancers = await api.list('/v2/lbaas/loadbalancers')
  assert.notEqual(creation.status, deletion.status)
  assert.deepEqual([flavors.length, loadBalancers.length], creation.status === 'fulfilled' ? [1, 1] : [0, 0])
  await stop()
})
