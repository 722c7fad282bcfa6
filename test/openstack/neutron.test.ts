/** The network driver beside a real Neutron: its promises, and what only Neutron has. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createApi } from '../../src/api/server.ts'
import { NotFoundError, RefusedError } from '../../src/drivers/errors.ts'
import type { IdentityDriver } from '../../src/drivers/identity/driver.ts'
import { type NetworkUnderTest, networkContract } from '../../src/drivers/network/contract.ts'
import type { WantedPort } from '../../src/drivers/network/driver.ts'
import { ApiClient, fault } from '../support/api-client.ts'
import { aCloud } from '../support/cloud.ts'
import { aTenancy, type Tenancy } from '../support/neutron-tenant.ts'
import { noOpenStack } from '../support/openstack.ts'

const SLAAC = { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac', enable_dhcp: true }

describe('a real Neutron', { skip: noOpenStack ?? false }, () => {
  let it: Tenancy
  /** One for all promises: to make a network costs more than to take away the ports of each. */
  let place: Omit<NetworkUnderTest, 'driver' | 'addUsersPort' | 'close'>
  before(async () => {
    it = await aTenancy()
    const { user, service } = it
    const { network_id, subnet_id } = await user.aNetwork({ mtu: 1400 })
    const host_routes = [{ destination: '10.11.0.0/16', nexthop: '10.9.0.3' }]
    await user.ask('PUT', `subnets/${subnet_id}`, { subnet: { host_routes } })
    // An admin's to make, a project's to use.
    const policy = { name: 'neutron-test', project_id: user.project_id }
    const { policy: qosPolicy } = await service.ask<{ policy: { id: string } }>('POST', 'qos/policies', { policy })
    place = {
      network_id,
      mtu: 1400,
      subnet_id,
      host_routes,
      free_address: '10.9.0.20',
      foreign_address: '10.10.0.20',
      small_subnet_id: await user.aSubnet(network_id, '10.9.1.0/29'),
      ipv6_subnet_id: await user.aSubnet(network_id, 'fd00::/64'),
      slaac_subnet_id: await user.aSubnet(network_id, 'fd00:1::/64', SLAAC),
      users_project_id: user.project_id,
      qos_policy_id: qosPolicy.id,
      refusesOldFences: false,
    }
  })
  after(async () => {
    if (place !== undefined) {
      await it.removeNetwork(place.network_id)
      await it.service.ask('DELETE', `qos/policies/${place.qos_policy_id}`)
    }
    await it?.close()
  })

  networkContract('allowed_address_pairs_driver', async () => {
    const { driver, user } = it
    const { network_id, subnet_id } = place
    return {
      ...place,
      driver,
      addUsersPort: () => user.create('port', { network_id, fixed_ips: [{ subnet_id }] }),
      async close() {
        await it.removePorts(network_id)
        await it.removeGroups()
      },
    }
  })

  const aPort = (network_id: string, more: Partial<WantedPort> = {}): WantedPort => ({
    name: 'octavia-lb-neutron',
    network_id,
    fixed_ips: [],
    project_id: null,
    device_owner: 'Octavia',
    device_id: 'lb-neutron',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'neutron',
    ...more,
  })

  test('where addresses follow from MAC addresses none can be asked for, but a port that is made again has the one it had', async (t) => {
    const { driver, user } = it
    const { network_id } = await user.aNetwork()
    t.after(() => it.removeNetwork(network_id))
    const subnet_id = await user.aSubnet(network_id, 'fd00:1::/64', {
      ipv6_address_mode: 'slaac',
      ipv6_ra_mode: 'slaac',
      enable_dhcp: true,
    })
    const port = await driver.ensurePort(aPort(network_id, { fixed_ips: [{ subnet_id }] }))
    await driver.deletePort(port.id)
    const again = await driver.ensurePort(aPort(network_id, { fixed_ips: port.fixed_ips }))
    assert.notEqual(again.id, port.id)
    assert.deepEqual(again.fixed_ips, port.fixed_ips)
    const other = aPort(network_id, { name: 'octavia-lb-neutron-2', fixed_ips: [{ subnet_id, ip_address: 'fd00:1::7' }] })
    await assert.rejects(
      driver.ensurePort(other),
      (error: unknown) => error instanceof RefusedError && error.status === 400 && /automatic addresses/.test(error.message),
    )
    assert.equal(await driver.findPort(other.name), null)
  })

  test("a project's quota is told in Neutron's words", async (t) => {
    const { driver, user, service } = it
    const { network_id } = await user.aNetwork()
    t.after(async () => {
      await service.ask('DELETE', `quotas/${user.project_id}`)
      await it.removeNetwork(network_id)
    })
    await service.ask('PUT', `quotas/${user.project_id}`, { quota: { port: 1 } })
    const vip = aPort(network_id, { project_id: user.project_id })
    const { id } = await driver.ensurePort(vip)
    assert.equal((await driver.ensurePort(vip)).id, id)
    await assert.rejects(
      driver.ensurePort({ ...vip, name: 'octavia-lb-neutron-2' }),
      (error: unknown) => error instanceof RefusedError && error.status === 409 && /Quota exceeded.*port/.test(error.message),
    )
  })

  test('on a network without port security the amphora is guarded all the same', async (t) => {
    const { driver, user, service } = it
    const { network_id } = await user.aNetwork({ port_security_enabled: false })
    const group = await driver.ensureSecurityGroup({ name: 'lb', made_by: 'neutron' })
    t.after(async () => {
      await it.removeNetwork(network_id)
      await it.removeGroups()
    })
    const vip = await driver.ensurePort(aPort(network_id, { project_id: user.project_id }))
    await driver.updatePort(vip.id, { security_group_ids: [group!], admin_state_up: false })
    assert.equal((await driver.getPort(vip.id)).admin_state_up, false)
    const pair = { ip_address: vip.fixed_ips[0]!.ip_address }
    const port = await driver.ensurePort(
      aPort(network_id, { name: 'octavia-lb-vrrp-neutron', security_group_ids: [group!], allowed_address_pairs: [pair] }),
    )
    assert.deepEqual(port.security_group_ids, [group])
    const { port: seen } = await service.ask<{ port: { port_security_enabled: boolean } }>('GET', `ports/${port.id}`)
    assert.equal(seen.port_security_enabled, true)
    // A leg in a member's network asks for nothing.
    await driver.ensurePort(aPort(network_id, { name: 'octavia-lb-member-neutron' }))
  })

  test('for a user there is what he may see', async (t) => {
    const { driver, user, stranger, service } = it
    const { network_id, subnet_id } = await user.aNetwork()
    t.after(() => it.removeNetwork(network_id))
    const { id: port_id } = await driver.ensurePort(aPort(network_id, { project_id: user.project_id }))
    const group_id = await user.create('security-group', { name: 'lb' })
    const seenBy = ({ token }: { token: string }) =>
      Promise.all(
        [
          driver.getNetwork(network_id, { token }),
          driver.getSubnet(subnet_id, { token }),
          driver.getPort(port_id, { token }),
          driver.getSecurityGroup(group_id, { token }),
        ].map((found) =>
          found.then(
            ({ id }) => id,
            (error: unknown) => (error instanceof NotFoundError ? error.what : Promise.reject(error)),
          ),
        ),
      )
    const hidden = ['Network', 'Subnet', 'Port', 'Security Group']
    assert.deepEqual(await seenBy(user), [network_id, subnet_id, port_id, group_id])
    assert.deepEqual(await seenBy(stranger), hidden)
    assert.deepEqual(await seenBy({ token: 'none' }), hidden)
    assert.deepEqual(await seenBy(service), [network_id, subnet_id, port_id, group_id])
    const shared = { object_type: 'network', object_id: network_id, action: 'access_as_shared', target_tenant: stranger.project_id }
    await user.ask('POST', 'rbac-policies', { rbac_policy: shared })
    assert.deepEqual(await seenBy(stranger), [network_id, subnet_id, 'Port', 'Security Group'])
    await user.ask('DELETE', `security-groups/${group_id}`)
  })

  test('a user of the API uses what he may see, and gets a port of his own', async (t) => {
    const { driver, user, stranger, service } = it
    const { network_id, subnet_id } = await user.aNetwork()
    t.after(() => it.removeNetwork(network_id))
    const { cloud } = await aCloud({ worker: false, config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
    const people = new Map([user, stranger].map(({ token, project_id }) => [token, project_id]))
    const identity: IdentityDriver = {
      async validate(token) {
        const project_id = people.get(token)
        if (project_id === undefined) return null
        return {
          user_id: project_id,
          user_name: '',
          project_id,
          project_name: '',
          roles: ['member'],
          expires_at: '2100-01-01T00:00:00.000000Z',
        }
      },
    }
    const server = createApi({ ...cloud.context, network: driver, identity })
    t.after(() => server.close())
    const as = ({ token }: { token: string }) => new ApiClient(server, { 'x-auth-token': token })
    const users_port_id = await user.create('port', { network_id, fixed_ips: [{ subnet_id }] })

    const refused = [
      [{ vip_subnet_id: subnet_id }, `Subnet ${subnet_id} not found.`],
      [{ vip_network_id: network_id }, `Network ${network_id} not found.`],
      [{ vip_port_id: users_port_id }, `Port ${users_port_id} not found.`],
    ] as const
    for (const [body, text] of refused) await assert.rejects(as(stranger).createLoadBalancer(body), fault(400, text))

    const loadBalancer = await as(user).createLoadBalancer({ vip_subnet_id: subnet_id, vip_address: '10.9.0.9' })
    const { port } = await user.ask<{ port: Record<string, unknown> }>('GET', `ports/${loadBalancer.vip_port_id}`)
    const { name, device_owner, device_id, admin_state_up } = port
    const vip = {
      name: `octavia-lb-${loadBalancer.id}`,
      device_owner: 'Octavia',
      device_id: `lb-${loadBalancer.id}`,
      admin_state_up: false,
    }
    assert.deepEqual({ name, device_owner, device_id, admin_state_up }, vip)
    const again = as(user).createLoadBalancer({ vip_subnet_id: subnet_id, vip_address: '10.9.0.9' })
    await assert.rejects(again, fault(409, /10\.9\.0\.9.*(in use|already allocated)/))
    await as(user).createLoadBalancer({ vip_port_id: users_port_id })

    const shared = { object_type: 'network', object_id: network_id, action: 'access_as_shared', target_tenant: stranger.project_id }
    await user.ask('POST', 'rbac-policies', { rbac_policy: shared })
    await as(stranger).createLoadBalancer({ vip_network_id: network_id })
    const { ports } = await service.ask<{ ports: { project_id: string }[] }>('GET', `ports?network_id=${network_id}`)
    const owners = ports.map(({ project_id }) => (project_id === user.project_id ? 'user' : 'stranger'))
    assert.deepEqual(owners.sort(), ['stranger', 'user', 'user'])
  })
})
