import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { FencedError, NotFoundError, RefusedError } from '../errors.ts'
import type { Fence, NetworkDriver, WantedPort } from './driver.ts'

export interface NetworkUnderTest {
  driver: NetworkDriver
  /** A network with one IPv4 subnet that no other test uses, with room for twenty ports. */
  network_id: string
  subnet_id: string
  /** An address of that subnet that nobody has, and one that lies outside. */
  free_address: string
  foreign_address: string
  close?(): Promise<void>
}

const NOWHERE = '00000000-0000-4000-8000-00000000dead'

/** The promises of NetworkDriver, as tests: every implementation that keeps state passes them. `open` gives each test a fresh network. */
export function networkContract(name: string, open: () => Promise<NetworkUnderTest>): void {
  describe(`network driver: ${name}`, () => {
    let it: NetworkUnderTest
    beforeEach(async () => {
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })
    const wanted = (changes: Partial<WantedPort> = {}): WantedPort => ({
      name: 'octavia-lb-1',
      network_id: it.network_id,
      fixed_ips: [{ subnet_id: it.subnet_id }],
      project_id: null,
      device_owner: 'Octavia',
      device_id: 'lb-1',
      admin_state_up: false,
      security_group_ids: [],
      allowed_address_pairs: [],
      made_by: 'flow-1',
      ...changes,
    })
    const fence = (generation: number, flow_id = 'flow-1'): Fence => ({ flow_id, generation })

    test('networks and subnets are found by id', async () => {
      const network = await it.driver.getNetwork(it.network_id)
      assert.ok(network.subnet_ids.includes(it.subnet_id))
      const subnet = await it.driver.getSubnet(it.subnet_id)
      assert.equal(subnet.network_id, it.network_id)
      assert.equal(subnet.ip_version, 4)
    })

    test('what does not exist is NotFoundError', async () => {
      await assert.rejects(it.driver.getNetwork(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getSubnet(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getPort(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.updatePort(NOWHERE, { admin_state_up: true }), NotFoundError)
      await assert.rejects(it.driver.getQosPolicy(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getSecurityGroup(NOWHERE), NotFoundError)
      assert.equal(await it.driver.findPort('nobody'), null)
      assert.equal(await it.driver.findSecurityGroup('nobody'), null)
    })

    test('a port is made once, by name', async () => {
      const first = await it.driver.ensurePort(wanted())
      const second = await it.driver.ensurePort(wanted({ made_by: 'flow-2' }))
      assert.equal(second.id, first.id)
      assert.deepEqual(second.fixed_ips, first.fixed_ips)
      assert.equal((await it.driver.findPort('octavia-lb-1'))?.id, first.id)
      assert.equal((await it.driver.listPortsOfDevice('lb-1')).length, 1)
      assert.match(first.mac_address, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
    })

    test('callers side by side get one port of a name, and different addresses for different names', async () => {
      const same = await Promise.all([it.driver.ensurePort(wanted()), it.driver.ensurePort(wanted())])
      assert.equal(same[0].id, same[1].id)
      const others = await Promise.all(['a', 'b', 'c', 'd'].map((name) => it.driver.ensurePort(wanted({ name }))))
      assert.equal(new Set(others.map((port) => port.fixed_ips[0]?.ip_address)).size, 4)
    })

    test('an address that is asked for is given, refused when used, outside or of no subnet', async () => {
      const place = { subnet_id: it.subnet_id, ip_address: it.free_address }
      const port = await it.driver.ensurePort(wanted({ fixed_ips: [place] }))
      assert.deepEqual(port.fixed_ips, [place])
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'again', fixed_ips: [place] })), RefusedError)
      const outside = [{ subnet_id: it.subnet_id, ip_address: it.foreign_address }]
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'outside', fixed_ips: outside })), RefusedError)
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'none', fixed_ips: [{ subnet_id: NOWHERE }] })), NotFoundError)
      assert.equal(await it.driver.findPort('again'), null)
      await it.driver.deletePort(port.id)
      assert.deepEqual((await it.driver.ensurePort(wanted({ name: 'after', fixed_ips: [place] }))).fixed_ips, [place])
    })

    test('without a place a port lands on the network', async () => {
      const port = await it.driver.ensurePort(wanted({ fixed_ips: [] }))
      assert.equal(port.fixed_ips.length, 1)
      assert.equal(port.network_id, it.network_id)
    })

    test('what was changed on a port is seen, the rest stays', async () => {
      const port = await it.driver.ensurePort(wanted())
      const group = await it.driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-1' })
      await it.driver.updatePort(port.id, { security_group_ids: [group], allowed_address_pairs: [{ ip_address: it.free_address }] })
      const seen = await it.driver.getPort(port.id)
      assert.deepEqual(seen.security_group_ids, [group])
      assert.equal(seen.allowed_address_pairs[0]?.ip_address, it.free_address)
      assert.equal(seen.device_id, 'lb-1')
      assert.equal(seen.name, 'octavia-lb-1')
    })

    test('of the ports of many devices those are told that are gone or taken out of service', async () => {
      const port = await it.driver.ensurePort(wanted({ admin_state_up: true, device_id: 'machine-1' }))
      const up = { device_id: 'machine-1', ip_address: port.fixed_ips[0]!.ip_address }
      const others = [
        { device_id: 'machine-1', ip_address: it.foreign_address },
        { device_id: 'machine-2', ip_address: up.ip_address },
      ]
      assert.deepEqual(await it.driver.listDown([]), [])
      assert.deepEqual(await it.driver.listDown([up, ...others]), others)
      await it.driver.updatePort(port.id, { admin_state_up: false })
      assert.deepEqual(await it.driver.listDown([up]), [up])
    })

    test('deleting is done once, and content when there is nothing', async () => {
      const port = await it.driver.ensurePort(wanted())
      await it.driver.deletePort(port.id, { made_by: 'flow-2' })
      assert.equal((await it.driver.getPort(port.id)).id, port.id)
      await it.driver.deletePort(port.id, { made_by: 'flow-1' })
      await assert.rejects(it.driver.getPort(port.id), NotFoundError)
      await it.driver.deletePort(port.id)
      await it.driver.deletePort(NOWHERE)
    })

    test('a security group is made once, its rules are replaced as a whole, and it goes when no port has it', async () => {
      const id = await it.driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-1' })
      assert.equal(await it.driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-2' }), id)
      assert.equal(await it.driver.findSecurityGroup('lb-1'), id)
      assert.equal((await it.driver.getSecurityGroup(id)).id, id)
      const rule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port: 80, remote_ip_prefix: null } as const
      await it.driver.setSecurityGroupRules(id, [rule, { ...rule, port: 443 }])
      await it.driver.setSecurityGroupRules(id, [{ ...rule, protocol: '112', port: null }])
      const port = await it.driver.ensurePort(wanted({ security_group_ids: [id] }))
      await assert.rejects(it.driver.deleteSecurityGroup(id), RefusedError)
      await it.driver.deletePort(port.id)
      await it.driver.deleteSecurityGroup(id, { made_by: 'flow-2' })
      assert.equal(await it.driver.findSecurityGroup('lb-1'), id)
      await it.driver.deleteSecurityGroup(id)
      await it.driver.deleteSecurityGroup(id)
      assert.equal(await it.driver.findSecurityGroup('lb-1'), null)
      await assert.rejects(it.driver.setSecurityGroupRules(id, []), NotFoundError)
    })

    test('what was made is listed, with who made it', async () => {
      const port = await it.driver.ensurePort(wanted())
      const id = await it.driver.ensureSecurityGroup({ name: 'lb-1', made_by: 'flow-1' })
      assert.deepEqual(await it.driver.listMadePorts(), [{ id: port.id, name: 'octavia-lb-1', made_by: 'flow-1' }])
      assert.deepEqual(await it.driver.listMadeSecurityGroups(), [{ id, name: 'lb-1', made_by: 'flow-1' }])
      await it.driver.deletePort(port.id)
      await it.driver.deleteSecurityGroup(id)
      assert.deepEqual([await it.driver.listMadePorts(), await it.driver.listMadeSecurityGroups()], [[], []])
    })

    test('a worker that has a successor is refused, and changes nothing', async () => {
      const port = await it.driver.ensurePort(wanted(), fence(2))
      await assert.rejects(it.driver.updatePort(port.id, { device_id: 'late' }, fence(1)), FencedError)
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'late' }), fence(1)), FencedError)
      assert.equal((await it.driver.getPort(port.id)).device_id, 'lb-1')
      assert.equal(await it.driver.findPort('late'), null)
      await it.driver.updatePort(port.id, { device_id: 'in time' }, fence(2))
      await it.driver.updatePort(port.id, { device_id: 'another flow' }, fence(1, 'flow-2'))
    })
  })
}
