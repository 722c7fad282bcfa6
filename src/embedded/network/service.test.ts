import assert from 'node:assert/strict'
import { forEachDatabase } from '../../../test/support/databases.ts'
import { ADMIN_PROJECT, anEmbeddedNetwork, aPreparedNetwork, DEMO_PROJECT } from '../../../test/support/embedded-network.ts'
import { FencedError } from '../../drivers/errors.ts'
import { NeutronError } from './errors.ts'
import type { EmbeddedNetwork } from './service.ts'

const NOWHERE = '00000000-0000-4000-8000-00000000dead'

/** Its type and message, as a client sees them. */
const fault = (status: number, type: string, message: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof NeutronError, String(error))
  assert.deepEqual([error.status, error.type], [status, type])
  if (typeof message === 'string') assert.equal(error.message, message)
  else assert.match(error.message, message)
  return true
}

async function aNetwork(service: EmbeddedNetwork, cidr = '10.0.0.0/29') {
  const { id: network_id } = await service.createNetwork({ project_id: DEMO_PROJECT })
  const subnet = await service.createSubnet({ project_id: DEMO_PROJECT, network_id, cidr })
  return { network_id, subnet, aPort: { project_id: DEMO_PROJECT, network_id } }
}

forEachDatabase('the first start makes lb-mgmt-net and the shared private once, with ranges that stay', async (open) => {
  const db = await open()
  const { service, first } = await aPreparedNetwork(db)
  const again = await aPreparedNetwork(db, { embedded: { private_cidr: '10.0.0.0/24' } })
  assert.deepEqual(again.first, first)
  const networks = await service.listNetworks()
  assert.deepEqual(networks.map(({ name, shared }) => [name, shared]).sort(), [
    ['lb-mgmt-net', false],
    ['private', true],
  ])
  const subnets = await service.listSubnets({ network_id: first.private_network_id })
  assert.deepEqual(subnets.map(({ name, project_id }) => [name, project_id]).sort(), [
    ['ipv6-private-subnet', ADMIN_PROJECT],
    ['private-subnet', ADMIN_PROJECT],
  ])
  assert.equal((await service.getSubnet(first.private_subnet_id!)).gateway_ip, '198.18.0.1')
})

forEachDatabase(
  'many callers at once, also of two processes, never get the same address, MAC address or a second port of a name',
  async (open) => {
    const db = await open()
    const [one, other] = [anEmbeddedNetwork(db), anEmbeddedNetwork(await open())]
    const { aPort } = await aNetwork(one, '10.0.0.0/27')
    const ports = await Promise.all(
      Array.from({ length: 28 }, (_, i) => (i % 2 ? one : other).createPort({ ...aPort, name: `port-${i >> 2}`, made_by: `flow-${i}` })),
    )
    assert.equal(new Set(ports.map((port) => port.id)).size, 7)
    const users = await Promise.all(Array.from({ length: 22 }, (_, i) => (i % 2 ? one : other).createPort(aPort)))
    const all = [...new Map([...ports, ...users].map((port) => [port.id, port])).values()]
    assert.equal(new Set(all.map((port) => port.fixed_ips[0]!.ip_address)).size, 29)
    assert.equal(new Set(all.map((port) => port.mac_address)).size, 29)
    await assert.rejects(
      one.createPort(aPort),
      fault(409, 'IpAddressGenerationFailure', `No more IP addresses available on network ${aPort.network_id}.`),
    )
  },
)

forEachDatabase('addresses: asked for, in use, reserved, outside, of another network; free ones are counted', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { network_id, subnet, aPort } = await aNetwork(service)
  const other = await aNetwork(service, '10.0.1.0/29')
  assert.equal(await service.countFreeAddresses(subnet.id), 5)
  const port = await service.createPort({ ...aPort, fixed_ips: [{ ip_address: '10.0.0.4' }] })
  assert.deepEqual(port.fixed_ips, [{ subnet_id: subnet.id, ip_address: '10.0.0.4' }])
  assert.equal(await service.countFreeAddresses(subnet.id), 4)
  const asking = (fixed: { subnet_id?: string; ip_address?: string }) => service.createPort({ ...aPort, fixed_ips: [fixed] })
  const inUse = (ip: string) => fault(409, 'IpAddressAlreadyAllocated', `IP address ${ip} already allocated in subnet ${subnet.id}`)
  await assert.rejects(asking({ ip_address: '10.0.0.4' }), inUse('10.0.0.4'))
  await assert.rejects(asking({ ip_address: subnet.gateway_ip! }), inUse('10.0.0.1'))
  await assert.rejects(asking({ ip_address: '10.0.0.7' }), fault(400, 'InvalidIpForSubnet', /10\.0\.0\.7/))
  await assert.rejects(asking({ ip_address: '10.0.1.4' }), fault(400, 'InvalidIpForNetwork', /any of the subnets/))
  await assert.rejects(asking({ subnet_id: other.subnet.id }), fault(400, 'InvalidInput', new RegExp(network_id)))
  await assert.rejects(asking({ subnet_id: NOWHERE }), fault(404, 'SubnetNotFound', `Subnet ${NOWHERE} could not be found.`))
  await assert.rejects(
    service.createPort({ ...aPort, mac_address: port.mac_address }),
    fault(409, 'MacAddressInUse', /mac address fa:16:3e:.* is in use/),
  )
  await service.deletePort(port.id)
  assert.equal((await asking({ ip_address: '10.0.0.4' })).fixed_ips[0]!.ip_address, '10.0.0.4')
})

forEachDatabase('a port gets an address of each family its network has; on a slaac subnet the one its MAC address makes', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { network_id, aPort } = await aNetwork(service)
  await service.createSubnet({ project_id: DEMO_PROJECT, network_id, cidr: 'fd00::/64', ipv6_address_mode: 'slaac' })
  const port = await service.createPort({ ...aPort, mac_address: 'fa:16:3e:12:34:56' })
  assert.deepEqual(
    port.fixed_ips.map(({ ip_address }) => ip_address).filter((address) => address.includes(':')),
    ['fd00::f816:3eff:fe12:3456'],
  )
  assert.equal(port.fixed_ips.length, 2)
  assert.deepEqual((await service.createPort({ ...aPort, fixed_ips: [] })).fixed_ips, [])
})

forEachDatabase('subnets: overlaps on one network are refused, on two they are not; what is in use stays', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { network_id, subnet, aPort } = await aNetwork(service)
  await aNetwork(service)
  const more = (cidr: string) => service.createSubnet({ project_id: DEMO_PROJECT, network_id, cidr })
  await assert.rejects(
    more('10.0.0.0/24'),
    fault(
      400,
      'InvalidInput',
      `Invalid input for operation: Requested subnet with cidr: 10.0.0.0/24 for network: ${network_id} overlaps with another subnet.`,
    ),
  )
  assert.equal((await more('10.0.0.77/28')).cidr, '10.0.0.64/28')
  await assert.rejects(more('10.0.0.0'), fault(400, 'InvalidInput', /not a valid IP subnet/))
  const port = await service.createPort({ ...aPort, fixed_ips: [{ subnet_id: subnet.id }] })
  await assert.rejects(service.deleteSubnet(subnet.id), fault(409, 'SubnetInUse', /One or more ports have an IP allocation/))
  await assert.rejects(service.deleteNetwork(network_id), fault(409, 'NetworkInUse', new RegExp(port.id)))
  await service.deletePort(port.id)
  await service.deleteSubnet(subnet.id)
  await service.deleteNetwork(network_id)
  await assert.rejects(service.getNetwork(network_id), fault(404, 'NetworkNotFound', `Network ${network_id} could not be found.`))
  assert.equal((await service.listSubnets({ network_id })).length, 0)
})

forEachDatabase('each project has one default group, which cannot go; a port gets it unless it says otherwise', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { aPort } = await aNetwork(service)
  const port = await service.createPort(aPort)
  const [group] = await service.listSecurityGroups({ project_id: DEMO_PROJECT })
  assert.ok(group?.is_default && group.name === 'default')
  assert.deepEqual(port.security_group_ids, [group.id])
  assert.deepEqual(group.rules.map((rule) => [rule.direction, rule.ethertype, rule.remote_group_id]).sort(), [
    ['egress', 'IPv4', null],
    ['egress', 'IPv6', null],
    ['ingress', 'IPv4', group.id],
    ['ingress', 'IPv6', group.id],
  ])
  const ids = await Promise.all(Array.from({ length: 4 }, () => service.ensureDefaultSecurityGroup(DEMO_PROJECT)))
  assert.deepEqual(new Set(ids), new Set([group.id]))
  await assert.rejects(service.deleteSecurityGroup(group.id), fault(409, 'SecurityGroupCannotRemoveDefault', /default security group/))
  await assert.rejects(service.updateSecurityGroup(group.id, { name: 'x' }), fault(409, 'SecurityGroupCannotUpdateDefault', /not allowed/))
  assert.deepEqual((await service.createPort({ ...aPort, security_group_ids: [] })).security_group_ids, [])
})

forEachDatabase(
  'groups and rules: twice the same rule, wrong ports, prefixes and protocols are refused; a used group stays',
  async (open) => {
    const service = anEmbeddedNetwork(await open())
    const { aPort } = await aNetwork(service)
    const group = await service.createSecurityGroup({ project_id: DEMO_PROJECT, name: 'web' })
    assert.deepEqual(
      group.rules.map((rule) => rule.direction),
      ['egress', 'egress'],
    )
    const web = { security_group_id: group.id, direction: 'ingress', protocol: 'tcp', port_range_min: 80, port_range_max: 80 } as const
    const rule = await service.createSecurityGroupRule({ ...web, remote_ip_prefix: '10.0.0.7/24' })
    assert.equal(rule.remote_ip_prefix, '10.0.0.0/24')
    await assert.rejects(
      service.createSecurityGroupRule({ ...web, remote_ip_prefix: '10.0.0.0/24' }),
      fault(409, 'SecurityGroupRuleExists', `Security group rule already exists. Rule id is ${rule.id}.`),
    )
    for (const [changes, type] of [
      [{ port_range_min: 81 }, 'SecurityGroupInvalidPortRange'],
      [{ protocol: null }, 'SecurityGroupProtocolRequiredWithPorts'],
      [{ protocol: 'nonsense' }, 'SecurityGroupRuleInvalidProtocol'],
      [{ ethertype: 'IPv6', remote_ip_prefix: '10.0.0.0/24' }, 'SecurityGroupRuleParameterConflict'],
      [{ remote_ip_prefix: '10.0.0.0/24', remote_group_id: group.id }, 'SecurityGroupMultipleRemoteEntites'],
    ] as const) {
      await assert.rejects(service.createSecurityGroupRule({ ...web, ...changes }), fault(400, type, /./))
    }
    await assert.rejects(
      service.createPort({ ...aPort, security_group_ids: [NOWHERE] }),
      fault(404, 'SecurityGroupNotFound', /does not exist/),
    )
    const port = await service.createPort({ ...aPort, security_group_ids: [group.id] })
    await assert.rejects(service.deleteSecurityGroup(group.id), fault(409, 'SecurityGroupInUse', `Security Group ${group.id} in use.`))
    await service.deletePort(port.id)
    await service.deleteSecurityGroup(group.id)
    assert.equal((await service.listSecurityGroupRules({ security_group_id: group.id })).length, 0)
  },
)

forEachDatabase('replacing ingress rules keeps those that stay, and the egress rules', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const group = await service.createSecurityGroup({ project_id: DEMO_PROJECT, name: 'lb-1', made_by: 'flow-1' })
  const tcp = (port: number) => ({ protocol: 'tcp', port_range_min: port, port_range_max: port })
  await service.setIngressRules(group.id, [tcp(80), tcp(443), tcp(80)])
  const before = await service.listSecurityGroupRules({ security_group_id: group.id, direction: 'ingress' })
  assert.equal(before.length, 2)
  await service.setIngressRules(group.id, [tcp(443), { protocol: '112' }])
  const after = await service.listSecurityGroupRules({ security_group_id: group.id, direction: 'ingress' })
  assert.deepEqual(after.map((rule) => [rule.protocol, rule.port_range_min]).sort(), [
    ['112', null],
    ['tcp', 443],
  ])
  const https = before.find((rule) => rule.port_range_min === 443)!
  assert.ok(after.some((rule) => rule.id === https.id))
  assert.equal((await service.listSecurityGroupRules({ security_group_id: group.id, direction: 'egress' })).length, 2)
})

forEachDatabase('port security guards groups and address pairs; what is changed is checked as what is made', async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { aPort } = await aNetwork(service)
  const port = await service.createPort(aPort)
  await assert.rejects(service.updatePort(port.id, { port_security_enabled: false }), fault(409, 'PortSecurityPortHasSecurityGroup', /./))
  await service.updatePort(port.id, { port_security_enabled: false, security_group_ids: [] })
  await assert.rejects(
    service.updatePort(port.id, { allowed_address_pairs: [{ ip_address: '10.0.0.6' }] }),
    fault(409, 'AddressPairAndPortSecurityRequired', /./),
  )
  await assert.rejects(
    service.updatePort(port.id, { port_security_enabled: true, allowed_address_pairs: [{ ip_address: 'x' }] }),
    fault(400, 'InvalidInput', /'x' is not a valid IP address/),
  )
  await assert.rejects(service.updatePort(port.id, { qos_policy_id: NOWHERE }), fault(404, 'QosPolicyNotFound', /./))
  const moved = await service.updatePort(port.id, { fixed_ips: [{ ip_address: '10.0.0.6' }], name: 'moved' })
  assert.deepEqual([moved.name, moved.fixed_ips[0]!.ip_address], ['moved', '10.0.0.6'])
})

forEachDatabase("a user's port or group of the same name is never taken for a flow's", async (open) => {
  const service = anEmbeddedNetwork(await open())
  const { aPort } = await aNetwork(service)
  const users = await service.createPort({ ...aPort, name: 'octavia-lb-1' })
  assert.equal(await service.findMadePort('octavia-lb-1'), null)
  const made = await service.createPort({ ...aPort, name: 'octavia-lb-1', made_by: 'flow-1' })
  assert.notEqual(made.id, users.id)
  assert.equal((await service.findMadePort('octavia-lb-1'))?.id, made.id)
  await service.createSecurityGroup({ project_id: DEMO_PROJECT, name: 'lb-1' })
  assert.equal(await service.findMadeSecurityGroup('lb-1'), null)
  await service.createSecurityGroup({ project_id: DEMO_PROJECT, name: 'lb-1' }) // names of users' groups may repeat
})

forEachDatabase('the fence of a flow counts in every process', async (open) => {
  const [one, other] = [anEmbeddedNetwork(await open()), anEmbeddedNetwork(await open())]
  const { aPort } = await aNetwork(one)
  const fence = (generation: number) => ({ fence: { flow_id: 'flow-1', generation } })
  const port = await one.createPort({ ...aPort, name: 'a', made_by: 'flow-1' }, fence(2))
  await assert.rejects(other.updatePort(port.id, { device_id: 'late' }, fence(1)), FencedError)
  await other.updatePort(port.id, { device_id: 'in time' }, fence(2))
  await other.updatePort(port.id, { device_id: 'later' }, fence(3))
  await assert.rejects(one.setIngressRules(NOWHERE, [], fence(2)), FencedError)
  assert.equal((await one.getPort(port.id)).device_id, 'later')
})
