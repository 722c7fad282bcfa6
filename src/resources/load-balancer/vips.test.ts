import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud, type Cloud } from '../../../test/support/cloud.ts'

const nowhere = '11111111-1111-4111-8111-111111111111'

function addIpv6(cloud: Cloud) {
  return cloud.network.addSubnet({ network_id: cloud.vipNetwork.id, cidr: '2001:db8::/64' })
}

function namedPorts(cloud: Cloud, beginning: string) {
  return cloud.network.ports.filter(({ name }) => name.startsWith(beginning))
}

test('additional VIPs are addresses of the VIP’s port, served by every amphora, and gone with the load balancer', async () => {
  const { api, cloud } = await aCloud({ config: { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' } } }).empty()
  const ipv6 = addIpv6(cloud)
  const more = cloud.network.addSubnet({ network_id: cloud.vipNetwork.id, cidr: '10.9.0.0/24' })
  const made = await cloud.aLoadBalancer({
    additional_vips: [{ subnet_id: ipv6.id, ip_address: '2001:db8::77' }, { subnet_id: more.id }],
    listeners: [{ protocol: 'HTTP', protocol_port: 80 }],
  })
  const port_id = made.vip_port_id as string
  assert.deepEqual(made.additional_vips, [
    { subnet_id: ipv6.id, ip_address: '2001:db8::77', port_id },
    { subnet_id: more.id, ip_address: '10.9.0.2', port_id },
  ])
  const addresses = ['10.0.0.2', '2001:db8::77', '10.9.0.2']
  const port = cloud.network.ports.find(({ id }) => id === port_id)!
  assert.deepEqual(
    port.fixed_ips.map(({ ip_address }) => ip_address),
    addresses,
  )
  for (const vrrp of namedPorts(cloud, 'octavia-lb-vrrp-')) {
    assert.deepEqual(
      vrrp.allowed_address_pairs.map(({ ip_address }) => ip_address),
      addresses,
    )
    assert.equal(vrrp.fixed_ips.length, 3)
  }
  const agents = [...cloud.amphora.agents.values()]
  assert.deepEqual(
    agents.map(({ vip }) => vip?.additional_vips.map(({ ip_address }) => ip_address)),
    [addresses.slice(1), addresses.slice(1)],
  )
  for (const { haproxy } of agents) {
    const [files] = haproxy.values()
    for (const address of ['10.0.0.2', '[2001:db8::77]', '10.9.0.2']) assert.ok(files?.configuration.includes(`bind ${address}:80`))
  }
  await api.expect(204, 'DELETE', `/v2/lbaas/loadbalancers/${made.id}?cascade=true`)
  await api.waitUntilGone(`/v2/lbaas/loadbalancers/${made.id}`)
  assert.deepEqual(cloud.network.ports, [])
})

test('additional VIPs are on other subnets of the VIP’s network, each once', async () => {
  const { api, cloud } = await aCloud().empty()
  const ipv6 = addIpv6(cloud)
  const elsewhere = cloud.network.addSubnet({ network_id: cloud.network.addNetwork({ shared: true }).id, cidr: '10.8.0.0/24' })
  const refuses = (additional_vips: unknown, text: string) =>
    assert.rejects(api.createLoadBalancer(cloud.aBody({ additional_vips })), fault(400, text))
  const duplicate = 'Validation failure: Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.'
  await refuses([{ subnet_id: cloud.vipSubnet.id }], duplicate)
  await refuses([{ subnet_id: ipv6.id }, { subnet_id: ipv6.id }], duplicate)
  await refuses([{ subnet_id: nowhere }], `Validation failure: Subnet ${nowhere} not found`)
  await refuses([{ subnet_id: elsewhere.id }], 'Validation failure: All VIP subnets must belong to the same network.')
  await refuses(
    [{ subnet_id: ipv6.id, ip_address: '10.0.0.9' }],
    'Validation failure: IP address 10.0.0.9 is not a valid IP for the specified subnet.',
  )
  assert.deepEqual(cloud.network.ports, [])
})

test('a user’s own port must have the additional addresses already, and stays when the load balancer goes', async () => {
  const { api, cloud } = await aCloud().empty()
  const ipv6 = addIpv6(cloud)
  const more = cloud.network.addSubnet({ network_id: cloud.vipNetwork.id, cidr: '10.9.0.0/24' })
  const port = await cloud.network.ensurePort({
    name: 'mine',
    network_id: cloud.vipNetwork.id,
    fixed_ips: [{ subnet_id: cloud.vipSubnet.id }, { subnet_id: ipv6.id }],
    project_id: 'project-1',
    device_owner: '',
    device_id: '',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'user',
  })
  const body = { vip_port_id: port.id, vip_subnet_id: cloud.vipSubnet.id }
  await assert.rejects(
    api.createLoadBalancer({ ...body, additional_vips: [{ subnet_id: more.id }] }),
    fault(400, 'Validation failure: No VIP address found on the specified VIP port within the specified subnet.'),
  )
  const made = await api.createLoadBalancer({ ...body, additional_vips: [{ subnet_id: ipv6.id }] })
  assert.deepEqual(made.additional_vips, [{ subnet_id: ipv6.id, ip_address: port.fixed_ips[1]?.ip_address, port_id: port.id }])
  await api.waitFor(`/v2/lbaas/loadbalancers/${made.id}`)
  await api.expect(204, 'DELETE', `/v2/lbaas/loadbalancers/${made.id}`)
  await api.waitUntilGone(`/v2/lbaas/loadbalancers/${made.id}`)
  assert.deepEqual(
    cloud.network.ports.map(({ id, security_group_ids }) => [id, security_group_ids]),
    [[port.id, []]],
  )
})

test('security groups of the user’s own guard the VIP until he takes them away', async () => {
  const { api, cloud } = await aCloud().empty()
  const { network } = cloud
  const [first, second] = [network.addSecurityGroup(), network.addSecurityGroup()]
  const made = await cloud.aLoadBalancer({ vip_sg_ids: [first.id, first.id], listeners: [{ protocol: 'HTTP', protocol_port: 80 }] })
  assert.deepEqual([made.vip_sg_ids, made.vip_vnic_type], [[first.id], 'normal'])
  const ours = network.securityGroups.find(({ name }) => name === `lb-${made.id}`)!
  const groupsOfPorts = () => network.ports.map(({ security_group_ids }) => security_group_ids)
  assert.deepEqual(groupsOfPorts(), [
    [ours.id, first.id],
    [ours.id, first.id],
  ])
  assert.deepEqual(ours.rules, [])

  const path = `/v2/lbaas/loadbalancers/${made.id}`
  const update = async (vip_sg_ids: unknown) => {
    const answer = await api.update(path, { vip_sg_ids })
    await api.waitFor(path)
    return answer.vip_sg_ids
  }
  assert.deepEqual(await update([second.id]), [second.id])
  assert.deepEqual(groupsOfPorts(), [
    [ours.id, second.id],
    [ours.id, second.id],
  ])
  await assert.rejects(api.update(path, { vip_sg_ids: [nowhere] }), fault(400, `Security Group ${nowhere} not found.`))
  await assert.rejects(
    api.createListener(made, { protocol: 'HTTP', protocol_port: 81, allowed_cidrs: ['10.0.0.0/8'] }),
    fault(400, 'Validation failure: Allowed CIDRs are not allowed when using custom VIP Security Groups.'),
  )
  // Null and an empty list both mean none.
  assert.deepEqual(await update(null), [])
  assert.deepEqual(groupsOfPorts(), [[ours.id], [ours.id]])
  assert.deepEqual(
    ours.rules.map(({ port }) => port),
    [80],
  )
})

test('of a user’s own port only the load balancer’s former groups are taken away', async () => {
  const { api, cloud } = await aCloud().empty()
  const { network, vipNetwork, vipSubnet } = cloud
  const [his, former] = [network.addSecurityGroup(), network.addSecurityGroup()]
  const port = await network.ensurePort({
    name: 'mine',
    network_id: vipNetwork.id,
    fixed_ips: [{ subnet_id: vipSubnet.id }],
    project_id: 'project-1',
    device_owner: '',
    device_id: '',
    admin_state_up: true,
    security_group_ids: [his.id],
    allowed_address_pairs: [],
    made_by: 'user',
  })
  const made = await cloud.aLoadBalancer({ vip_subnet_id: null, vip_port_id: port.id, vip_sg_ids: [former.id] })
  const groups = async () => (await network.getPort(port.id)).security_group_ids.slice(1)
  assert.deepEqual(await groups(), [former.id, his.id])
  await api.update(`/v2/lbaas/loadbalancers/${made.id}`, { vip_sg_ids: [] })
  await api.waitFor(`/v2/lbaas/loadbalancers/${made.id}`)
  assert.deepEqual(await groups(), [his.id])
})

test('another project’s security group does not exist for the one who asks', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const member = cloud.apiAs('project-1', 'member', 'reader')
  const [own, others] = ['project-1', 'project-2'].map((project_id) => cloud.network.addSecurityGroup({ project_id }))
  await assert.rejects(
    member.createLoadBalancer(cloud.aBody({ vip_sg_ids: [own!.id, others!.id] })),
    fault(400, `Security Group ${others!.id} not found.`),
  )
  const made = await member.createLoadBalancer(cloud.aBody({ vip_sg_ids: [own!.id] }))
  const path = `/v2/lbaas/loadbalancers/${made.id}`
  await member.waitFor(path)
  await assert.rejects(member.update(path, { vip_sg_ids: [others!.id] }), fault(400, `Security Group ${others!.id} not found.`))
  assert.deepEqual((await member.update(path, { vip_sg_ids: [] })).vip_sg_ids, [])
})

test('a VIP on a device of its own has no security groups', async () => {
  const { api, cloud } = await aCloud().empty()
  const made = await cloud.aLoadBalancer()
  await cloud.db.updateTable('load_balancer').set({ vip_vnic_type: 'direct' }).execute()
  const group = cloud.network.addSecurityGroup()
  await assert.rejects(
    api.update(`/v2/lbaas/loadbalancers/${made.id}`, { vip_sg_ids: [group.id] }),
    fault(400, 'Validation failure: VIP Security Groups are not allowed with VNIC direct type'),
  )
})

test('only the ranges that a listener allows may reach its port', async () => {
  const { api, cloud, loadBalancer, listener } = await aCloud().withListener({ allowed_cidrs: ['10.1.0.0/16', '192.0.2.7/32'] })
  const sources = () =>
    cloud.network.securityGroups.flatMap(({ rules }) => rules.map(({ port, remote_ip_prefix }) => [port, remote_ip_prefix]))
  assert.deepEqual(sources(), [
    [80, '10.1.0.0/16'],
    [80, '192.0.2.7/32'],
  ])
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { allowed_cidrs: null })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  assert.deepEqual(sources(), [[80, null]])
})
