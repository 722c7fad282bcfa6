/** What a real Neutron (`test/openstack/neutron.test.ts`) cannot be made to do on request. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { FakeNeutron } from '../../../test/support/fake-neutron.ts'
import { loadConfig } from '../../config/config.ts'
import { during } from '../../lib/activity.ts'
import { createLog } from '../../lib/log.ts'
import { RefusedError, ServiceError } from '../errors.ts'
import { type OpenStackSession, openStackSession } from '../openstack/session.ts'
import type { SecurityGroupRule, WantedPort } from './driver.ts'
import { NeutronNetwork } from './neutron.ts'

const NETWORK = '11111111-1111-4111-8111-111111111111'
const SUBNET = '22222222-2222-4222-8222-222222222222'
const SERVICE = 'service-project'

describe('network driver: Neutron', () => {
  let keystone: FakeKeystone
  let neutron: FakeNeutron
  let session: OpenStackSession
  let driver: NeutronNetwork

  beforeEach(async () => {
    keystone = new FakeKeystone(Date.now)
    keystone.ownProject = SERVICE
    neutron = new FakeNeutron()
    const endpoint_override = await neutron.start()
    const config = loadConfig({
      stateDirectory: '/nowhere',
      overrides: {
        service_auth: { auth_url: await keystone.start(), username: 'octavia', password: 'secret', project_name: 'service', timeout: 1 },
        neutron: { endpoint_override },
        networking: { max_retries: 3, retry_interval: 0 },
      },
    })
    const clock = { now: Date.now, monotonic: () => performance.now() }
    session = openStackSession({ config, clock, log: createLog('silent'), sleep: async () => {} })
    driver = new NeutronNetwork(session, config)
  })
  afterEach(async () => {
    session.close()
    await keystone.stop()
    await neutron.stop()
  })

  const wanted = (changes: Partial<WantedPort> = {}): WantedPort => ({
    name: 'octavia-lb-vrrp-1',
    network_id: NETWORK,
    fixed_ips: [{ subnet_id: SUBNET }],
    project_id: null,
    device_owner: 'Octavia',
    device_id: 'lb-1',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'flow-1',
    ...changes,
  })
  const rule: SecurityGroupRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port: 80, remote_ip_prefix: null }
  const aGroup = async () => (await driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-1' }))!

  for (const how of ['lost', 'silent', 'reset', 'late'] as const) {
    test(`a port is made once, although the answer was ${how}`, async () => {
      neutron.mishaps.push({ when: 'POST /v2.0/ports', how })
      const port = await driver.ensurePort(wanted())
      assert.equal((await driver.ensurePort(wanted())).id, port.id)
      assert.deepEqual(
        neutron.rows.ports.map(({ id }) => id),
        [port.id],
      )
    })

    test(`a security group is made once, although the answer was ${how}`, async () => {
      neutron.mishaps.push({ when: 'POST /v2.0/security-groups', how })
      const id = await aGroup()
      neutron.add('ports', { security_groups: [id] })
      assert.equal(await aGroup(), id)
      assert.deepEqual(
        neutron.rows['security-groups'].map((group) => group.id),
        [id],
      )
    })
  }

  test('another port may have the MAC address by chance', async () => {
    const first = await driver.ensurePort(wanted())
    neutron.rows.ports[0]!.name = 'another'
    const second = await driver.ensurePort(wanted())
    assert.notEqual(second.mac_address, first.mac_address)
    assert.equal((await driver.ensurePort(wanted())).id, second.id)
  })

  test('it is asked again while it is busy, and its words are told when it stays so', async () => {
    neutron.mishaps.push({ when: 'POST /v2.0/ports', how: { status: 503 } })
    await driver.ensurePort(wanted())
    for (let i = 0; i < 3; i++) neutron.mishaps.push({ when: 'PUT /v2.0/ports', how: { status: 503, message: 'the database is full' } })
    await assert.rejects(driver.updatePort('1', { admin_state_up: false }), (error: unknown) => {
      assert.ok(error instanceof ServiceError)
      assert.match(error.message, /^Neutron answered PUT .* with 503: the database is full$/)
      return true
    })
  })

  test('what is refused for good is asked once, and told to the user in its words', async () => {
    await driver.ensurePort(wanted())
    neutron.portQuota = 1
    assert.equal((await driver.ensurePort(wanted())).name, 'octavia-lb-vrrp-1')
    await assert.rejects(
      driver.ensurePort(wanted({ name: 'octavia-lb-vrrp-2' })),
      new RefusedError("Quota exceeded for resources: ['port'].", 409),
    )
    assert.equal(neutron.count('POST'), 2)
  })

  test('groups that lost answers have left are not kept beside the one that is found', async () => {
    for (let i = 0; i < 3; i++) neutron.mishaps.push({ when: 'POST /v2.0/security-groups', how: 'lost' })
    await assert.rejects(aGroup(), ServiceError)
    const groups = () => neutron.rows['security-groups'].map(({ id }) => id)
    assert.equal(groups().length, 3)
    assert.deepEqual([await driver.findSecurityGroup('lb-1')], groups())
  })

  test('lists come in pages', async () => {
    neutron.pageSize = 2
    for (let i = 0; i < 5; i++) await driver.ensurePort(wanted({ name: `octavia-lb-${i}`, project_id: 'project-of-a-user' }))
    assert.equal((await driver.listMadePorts()).length, 5)
    assert.equal((await driver.listPortsOfDevice('lb-1')).length, 5)
  })

  test('many devices cost few questions, none of them longer than 8 KiB', async () => {
    const ports = Array.from({ length: 1_000 }, (_, i) => ({
      device_id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      ip_address: '10.0.0.1',
    }))
    assert.equal((await driver.listDown(ports)).length, 1_000)
    assert.equal(neutron.asked.length, 10)
    assert.ok(neutron.asked.every((line) => line.length < 8_192))
  })

  describe('without an extension', () => {
    const without = (extension: string) => {
      neutron.extensions = neutron.extensions.filter((alias) => alias !== extension)
    }

    test('security-group: nothing is guarded', async () => {
      without('security-group')
      assert.equal(await driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-1' }), null)
      assert.equal(await driver.findSecurityGroup('lb-1'), null)
      assert.deepEqual(await driver.listMadeSecurityGroups(), [])
      const { id } = await driver.ensurePort(wanted())
      await driver.updatePort(id, { security_group_ids: ['1'], admin_state_up: false })
      assert.deepEqual(neutron.bodies.at(-1), { port: { admin_state_up: false } })
      assert.equal(neutron.count('GET /v2.0/security-groups'), 0)
    })

    test('qos: no policy can be asked for', async () => {
      without('qos')
      await assert.rejects(driver.getQosPolicy('1'), new RefusedError('VIP QoS policy is not allowed in this deployment.', 400))
      const { id } = await driver.ensurePort(wanted({ qos_policy_id: null }))
      await driver.updatePort(id, { qos_policy_id: null })
      assert.equal(neutron.count('PUT'), 0)
      assert.ok(!('qos_policy_id' in neutron.bodies[0]!.port!))
    })

    test('allowed-address-pairs: there can be no load balancer', async () => {
      without('allowed-address-pairs')
      await assert.rejects(driver.ensurePort(wanted({ allowed_address_pairs: [{ ip_address: '10.0.0.9' }] })), /allowed-address-pairs/)
    })

    test('port-security: all ports are guarded anyway', async () => {
      without('port-security')
      await driver.ensurePort(wanted({ security_group_ids: ['1'] }))
      assert.ok(!('port_security_enabled' in neutron.bodies[0]!.port!))
    })

    test('project-id: owners are called tenants', async () => {
      without('project-id')
      await driver.ensurePort(wanted())
      assert.equal(neutron.bodies[0]!.port!.tenant_id, SERVICE)
      assert.equal((await driver.findPort('octavia-lb-vrrp-1'))?.project_id, SERVICE)
    })

    test('network-ip-availability: nobody knows how many addresses are left', async () => {
      without('network-ip-availability')
      neutron.add('subnets', { id: SUBNET, network_id: NETWORK, ip_version: 4, cidr: '10.0.0.0/24', host_routes: [], gateway_ip: null })
      assert.deepEqual(
        (await driver.listSubnets(NETWORK)).map(({ id, free_addresses }) => [id, free_addresses]),
        [[SUBNET, undefined]],
      )
    })

    test('extensions are asked for once', async () => {
      neutron.mishaps.push(...[1, 2, 3].map(() => ({ when: 'GET /v2.0/extensions', how: { status: 503 } })))
      await assert.rejects(driver.ensurePort(wanted()), ServiceError)
      for (const name of ['1', '2']) await driver.ensurePort(wanted({ name }))
      assert.equal(neutron.count('GET /v2.0/extensions'), 4)
    })
  })

  test('a flow is told of a network and a subnet once, whoever of its steps asks; others, and those who failed, ask again', async () => {
    neutron.add('networks', { id: NETWORK, name: 'private', subnets: [SUBNET] })
    neutron.add('subnets', { id: SUBNET, network_id: NETWORK, ip_version: 4, cidr: '10.0.0.0/24', host_routes: [], gateway_ip: null })
    const ask = (flow_id?: string) =>
      during({ flow_id }, () => Promise.all([driver.getNetwork(NETWORK), driver.getSubnet(SUBNET), driver.getSubnet(SUBNET)]))
    await ask('flow-1')
    await ask('flow-1')
    assert.equal(neutron.asked.length, 2)
    await ask('flow-2')
    assert.equal(neutron.asked.length, 4)
    await ask()
    assert.equal(neutron.asked.length, 7)
    for (let i = 0; i < 2; i++) await assert.rejects(during({ flow_id: 'flow-1' }, () => driver.getSubnet('nowhere')))
    assert.equal(neutron.count('GET /v2.0/subnets/nowhere'), 2)
  })

  test('a port that never gets its name from another is asked for at once, and made once all the same', async () => {
    const never = wanted({ never_renamed: true })
    const { id } = await driver.ensurePort(never)
    assert.deepEqual(
      neutron.asked.filter((line) => !line.includes('/extensions')),
      ['POST /v2.0/ports'],
    )
    assert.equal((await driver.ensurePort(never)).id, id)
    neutron.portQuota = 1
    assert.equal((await driver.ensurePort(never)).id, id)
    assert.equal(neutron.rows.ports.length, 1)
  })

  test('with dns-integration a port that goes to another machine loses the name of the former', async () => {
    neutron.extensions.push('dns-integration')
    const { id } = await driver.ensurePort(wanted())
    await driver.updatePort(id, { name: 'octavia-lb-vrrp-2' })
    assert.deepEqual(neutron.bodies.at(-1), { port: { name: 'octavia-lb-vrrp-2', dns_name: '' } })
  })

  test('an SR-IOV port is asked for as such', async () => {
    await driver.ensurePort(wanted({ vnic_type: 'direct' }))
    assert.equal(neutron.bodies[0]!.port!['binding:vnic_type'], 'direct')
  })

  test('rules are changed as little as possible', async () => {
    const id = await aGroup()
    const kept = neutron.add('security-group-rules', { ...asNeutron(rule), security_group_id: id, remote_ip_prefix: '0.0.0.0/0' })
    const vrrp = neutron.add('security-group-rules', {
      ...asNeutron(rule),
      security_group_id: id,
      protocol: 'vrrp',
      port_range_min: null,
      port_range_max: null,
    })
    const extra = neutron.add('security-group-rules', { ...asNeutron(rule), security_group_id: id, port_range_min: 81, port_range_max: 81 })
    const egress = neutron.add('security-group-rules', { security_group_id: id, direction: 'egress', ethertype: 'IPv4', protocol: null })
    neutron.asked.length = 0
    await driver.setSecurityGroupRules(id, [rule, { ...rule, protocol: '112', port: null }, { ...rule, port: 443 }, { ...rule, port: 444 }])
    assert.deepEqual(neutron.asked.slice(1), ['POST /v2.0/security-group-rules', `DELETE /v2.0/security-group-rules/${extra.id}`])
    const ids = neutron.rows['security-group-rules'].map((row) => row.id)
    assert.equal(ids.length, 5)
    for (const { id } of [kept, vrrp, egress]) assert.ok(ids.includes(id))
    neutron.asked.length = 0
    await driver.setSecurityGroupRules(id, [rule, { ...rule, protocol: '112', port: null }, { ...rule, port: 443 }, { ...rule, port: 444 }])
    assert.equal(neutron.asked.length, 1)
  })

  for (const how of ['lost', 'late'] as const) {
    test(`rules are as wanted, although the answer was ${how}`, async () => {
      const id = await aGroup()
      neutron.mishaps.push({ when: 'POST /v2.0/security-group-rules', how })
      await driver.setSecurityGroupRules(id, [rule, { ...rule, port: 443 }])
      assert.deepEqual(
        neutron.rows['security-group-rules'].map(({ port_range_min }) => port_range_min),
        [80, 443],
      )
    })
  }

  test('a group whose port is just going is deleted a moment later; one that stays used is not', async () => {
    const id = await aGroup()
    const inUse = { status: 409, type: 'SecurityGroupInUse', message: `Security Group ${id} in use.` }
    for (let i = 0; i < 2; i++) neutron.mishaps.push({ when: 'DELETE /v2.0/security-groups', how: inUse })
    await driver.deleteSecurityGroup(id)
    assert.deepEqual(neutron.rows['security-groups'], [])
    const used = await aGroup()
    neutron.add('ports', { security_groups: [used] })
    await assert.rejects(driver.deleteSecurityGroup(used), new RefusedError(`Security Group ${used} in use.`))
    assert.equal(neutron.count(`DELETE /v2.0/security-groups/${used}`), 4)
  })

  test('of groups of one name, made by two that did not know of each other, the one stays that a port has', async () => {
    const [first, second, third] = [1, 2, 3].map(() => neutron.add('security-groups', { name: 'lb-1', project_id: SERVICE }))
    neutron.add('ports', { security_groups: [second!.id] })
    assert.equal(await aGroup(), second!.id)
    assert.deepEqual(
      neutron.rows['security-groups'].map(({ id }) => id),
      [second!.id],
    )
    assert.ok(first !== third)
  })

  test('a port of another project does not pass for one of ours', async () => {
    neutron.add('ports', {
      name: 'octavia-lb-vrrp-1',
      project_id: 'somebody',
      description: 'ottavia:flow-1',
      device_owner: 'Octavia',
      fixed_ips: [],
    })
    assert.equal(await driver.findPort('octavia-lb-vrrp-1'), null)
    assert.equal((await driver.ensurePort(wanted())).project_id, SERVICE)
  })
})

function asNeutron({ port, ...rest }: SecurityGroupRule): Record<string, unknown> {
  return { ...rest, port_range_min: port, port_range_max: port }
}
