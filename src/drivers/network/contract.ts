import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { FencedError, NotFoundError, RefusedError } from '../errors.ts'
import type { Fence, HostRoute, NetworkDriver, Port, WantedPort } from './driver.ts'

export interface NetworkUnderTest {
  driver: NetworkDriver
  /** A network that no other test uses. */
  network_id: string
  mtu: number
  /** Its IPv4 subnet, with room for twenty ports. */
  subnet_id: string
  host_routes: HostRoute[]
  /** An address of that subnet that nobody has, and one that lies outside of all. */
  free_address: string
  foreign_address: string
  /** Its second IPv4 subnet, of eight addresses. */
  small_subnet_id: string
  /** Its IPv6 subnet. */
  ipv6_subnet_id: string
  /** Its second one, whose addresses follow from MAC addresses; null where the backend knows no such thing. */
  slaac_subnet_id: string | null
  /** Whose the network is, and a policy of his, where the backend knows any. */
  users_project_id: string
  qos_policy_id: string | null
  /** A port that the user makes himself. Answers its id. */
  addUsersPort(): Promise<string>
  /** False where the backend knows no fences. */
  refusesOldFences: boolean
  close?(): Promise<void>
}

const NOWHERE = '00000000-0000-4000-8000-00000000dead'

/** The promises of NetworkDriver, as tests: every implementation that keeps state passes them. `open` gives each test a fresh network, in what may be a cloud with others' things. */
export function networkContract(name: string, open: () => Promise<NetworkUnderTest>): void {
  describe(`network driver: ${name}`, () => {
    let it: NetworkUnderTest
    /** In all names and ids of devices of one test. */
    let unique: string
    beforeEach(async () => {
      unique = randomUUID()
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })
    const own = (text: string) => `${text}-${unique}`
    const wanted = ({ name = 'octavia-lb', device_id = 'lb', ...changes }: Partial<WantedPort> = {}): WantedPort => ({
      name: own(name),
      network_id: it.network_id,
      fixed_ips: [{ subnet_id: it.subnet_id }],
      project_id: null,
      device_owner: 'Octavia',
      device_id: own(device_id),
      admin_state_up: false,
      security_group_ids: [],
      allowed_address_pairs: [],
      made_by: own('flow-1'),
      ...changes,
    })
    const aGroup = async (made_by = 'flow-1', fenced?: Fence): Promise<string> => {
      const id = await it.driver.ensureSecurityGroup({ name: own('lb'), made_by: own(made_by) }, fenced)
      assert.ok(id !== null)
      return id
    }
    const fence = (generation: number, flow_id = 'flow-1'): Fence => ({ flow_id: own(flow_id), generation })
    const addressOn = (port: Port, subnet_id: string) => port.fixed_ips.find((fixed) => fixed.subnet_id === subnet_id)?.ip_address

    test('networks and subnets are found by id, with what amphorae must know of them', async () => {
      const network = await it.driver.getNetwork(it.network_id)
      assert.ok(network.subnet_ids.includes(it.subnet_id))
      assert.equal(network.mtu, it.mtu)
      assert.equal(network.project_id, it.users_project_id)
      assert.equal(network.port_security_enabled, true)
      const subnet = await it.driver.getSubnet(it.subnet_id)
      assert.equal(subnet.network_id, it.network_id)
      assert.equal(subnet.ip_version, 4)
      assert.deepEqual(subnet.host_routes, it.host_routes)
      assert.equal((await it.driver.getSubnet(it.ipv6_subnet_id)).ip_version, 6)
    })

    test('the subnets of a network are told with the addresses that are left', async () => {
      const free = async () => (await it.driver.listSubnets(it.network_id)).find(({ id }) => id === it.small_subnet_id)?.free_addresses
      const ids = (await it.driver.listSubnets(it.network_id)).map(({ id }) => id)
      assert.deepEqual(ids.sort(), (await it.driver.getNetwork(it.network_id)).subnet_ids.sort())
      assert.equal(await free(), 5)
      await it.driver.ensurePort(wanted({ fixed_ips: [{ subnet_id: it.small_subnet_id }] }))
      assert.equal(await free(), 4)
    })

    test('what does not exist is NotFoundError', async () => {
      await assert.rejects(it.driver.getNetwork(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getSubnet(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getPort(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.updatePort(NOWHERE, { admin_state_up: true }), NotFoundError)
      await assert.rejects(it.driver.getQosPolicy(NOWHERE), NotFoundError)
      await assert.rejects(it.driver.getSecurityGroup(NOWHERE), NotFoundError)
      assert.equal(await it.driver.findPort(own('nobody')), null)
      assert.equal(await it.driver.findSecurityGroup(own('nobody')), null)
    })

    test('a port is made once, by name', async () => {
      const first = await it.driver.ensurePort(wanted())
      const second = await it.driver.ensurePort(wanted({ made_by: own('flow-2') }))
      assert.equal(second.id, first.id)
      assert.deepEqual(second.fixed_ips, first.fixed_ips)
      assert.equal((await it.driver.findPort(own('octavia-lb')))?.id, first.id)
      assert.equal((await it.driver.listPortsOfDevice(own('lb'))).length, 1)
      assert.match(first.mac_address, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
      assert.equal(first.admin_state_up, false)
      assert.equal(first.device_owner, 'Octavia')
      assert.equal(first.device_id, own('lb'))
    })

    test('callers side by side get one port of a name, and different addresses for different names', async () => {
      const same = await Promise.all([1, 2, 3].map(() => it.driver.ensurePort(wanted())))
      assert.equal(new Set(same.map(({ id }) => id)).size, 1)
      assert.equal((await it.driver.listPortsOfDevice(own('lb'))).length, 1)
      const others = await Promise.all(['a', 'b', 'c', 'd'].map((name) => it.driver.ensurePort(wanted({ name }))))
      assert.equal(new Set(others.map((port) => port.fixed_ips[0]?.ip_address)).size, 4)
    })

    test('a port that was given another name is found by that one, and the former name makes another port', async () => {
      const port = await it.driver.ensurePort(wanted())
      await it.driver.updatePort(port.id, { name: own('renamed') })
      assert.equal((await it.driver.ensurePort(wanted({ name: 'renamed' }))).id, port.id)
      assert.equal(await it.driver.findPort(own('octavia-lb')), null)
      assert.notEqual((await it.driver.ensurePort(wanted())).id, port.id)
    })

    test("a port for the VIP is in its user's project, all others in the service's own", async () => {
      const vip = await it.driver.ensurePort(wanted({ project_id: it.users_project_id }))
      assert.equal(vip.project_id, it.users_project_id)
      assert.equal(await it.driver.findPort(own('octavia-lb')), null)
      assert.equal((await it.driver.findPort(own('octavia-lb'), it.users_project_id))?.id, vip.id)
      const other = await it.driver.ensurePort(wanted({ name: 'vrrp' }))
      assert.notEqual(other.project_id, it.users_project_id)
      assert.equal((await it.driver.findPort(own('vrrp')))?.id, other.id)
      assert.equal(await it.driver.findPort(own('vrrp'), it.users_project_id), null)
    })

    test('an address that is asked for is given, refused when used, outside or of no subnet', async () => {
      const place = { subnet_id: it.subnet_id, ip_address: it.free_address }
      const port = await it.driver.ensurePort(wanted({ fixed_ips: [place] }))
      assert.equal(addressOn(port, it.subnet_id), it.free_address)
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'again', fixed_ips: [place] })), RefusedError)
      const outside = [{ subnet_id: it.subnet_id, ip_address: it.foreign_address }]
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'outside', fixed_ips: outside })), RefusedError)
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'none', fixed_ips: [{ subnet_id: NOWHERE }] })), NotFoundError)
      assert.equal(await it.driver.findPort(own('again')), null)
      await it.driver.deletePort(port.id)
      assert.equal(addressOn(await it.driver.ensurePort(wanted({ name: 'after', fixed_ips: [place] })), it.subnet_id), it.free_address)
    })

    test('without a place a port lands on the network', async () => {
      const port = await it.driver.ensurePort(wanted({ fixed_ips: [] }))
      assert.ok(port.fixed_ips.length > 0)
      assert.equal(port.network_id, it.network_id)
    })

    test('a port has an address of each subnet that is asked for, of both families', async () => {
      const places = [
        { subnet_id: it.subnet_id, ip_address: it.free_address },
        { subnet_id: it.small_subnet_id },
        { subnet_id: it.ipv6_subnet_id },
      ]
      const port = await it.driver.ensurePort(wanted({ fixed_ips: places }))
      assert.equal(addressOn(port, it.subnet_id), it.free_address)
      assert.match(addressOn(port, it.small_subnet_id) ?? '', /^\d+\.\d+\.\d+\.\d+$/)
      assert.match(addressOn(port, it.ipv6_subnet_id) ?? '', /:/)
    })

    test('on a subnet whose addresses follow from MAC addresses a port gets its own', async (t) => {
      const { slaac_subnet_id: subnet_id } = it
      if (subnet_id === null) return t.skip('the backend has no such subnets')
      const port = await it.driver.ensurePort(wanted({ fixed_ips: [{ subnet_id }] }))
      assert.match(addressOn(port, subnet_id) ?? '', /ff:fe/)
    })

    test('a subnet without an address left is said so', async () => {
      const small = (name: string) => it.driver.ensurePort(wanted({ name, fixed_ips: [{ subnet_id: it.small_subnet_id }] }))
      for (const name of ['1', '2', '3', '4', '5']) await small(name)
      await assert.rejects(
        small('6'),
        (error: unknown) => error instanceof RefusedError && error.status === 409 && /No more IP addresses/.test(error.message),
      )
    })

    test('what was changed on a port is seen, the rest stays', async () => {
      const port = await it.driver.ensurePort(wanted())
      const group = await aGroup()
      await it.driver.updatePort(port.id, { security_group_ids: [group], allowed_address_pairs: [{ ip_address: it.free_address }] })
      const seen = await it.driver.getPort(port.id)
      assert.deepEqual(seen.security_group_ids, [group])
      assert.equal(seen.allowed_address_pairs[0]?.ip_address, it.free_address)
      assert.equal(seen.device_id, own('lb'))
      assert.equal(seen.name, own('octavia-lb'))
      await it.driver.updatePort(port.id, { security_group_ids: [], allowed_address_pairs: [], admin_state_up: true })
      const again = await it.driver.getPort(port.id)
      assert.deepEqual([again.security_group_ids, again.allowed_address_pairs, again.admin_state_up], [[], [], true])
    })

    test('the amphora may use all addresses of the VIP besides its own', async () => {
      const vip = await it.driver.ensurePort(
        wanted({ name: 'vip', fixed_ips: [{ subnet_id: it.subnet_id }, { subnet_id: it.ipv6_subnet_id }] }),
      )
      const addresses = vip.fixed_ips.map(({ ip_address }) => ip_address)
      const group = await aGroup()
      const pairs = addresses.map((ip_address) => ({ ip_address }))
      const port = await it.driver.ensurePort(wanted({ security_group_ids: [group], allowed_address_pairs: pairs, admin_state_up: true }))
      assert.deepEqual(port.allowed_address_pairs.map(({ ip_address }) => ip_address).sort(), addresses.sort())
      assert.deepEqual(port.security_group_ids, [group])
      assert.equal(port.admin_state_up, true)
    })

    test("a user's own port is guarded as he wants it, and stays his", async () => {
      const id = await it.addUsersPort()
      const port = await it.driver.getPort(id)
      assert.equal(port.project_id, it.users_project_id)
      assert.equal(port.device_id, '')
      const group = await aGroup()
      await it.driver.updatePort(id, { security_group_ids: [group, ...port.security_group_ids] })
      await it.driver.updatePort(id, { security_group_ids: port.security_group_ids })
      const after = await it.driver.getPort(id)
      assert.deepEqual([after.security_group_ids, after.device_id, after.project_id], [port.security_group_ids, '', port.project_id])
      assert.ok(!(await it.driver.listMadePorts()).some((made) => made.id === id))
      await it.driver.deletePort(id, { made_by: own('flow-1') })
      assert.equal((await it.driver.getPort(id)).id, id)
    })

    test('a quality of service is put on a port and taken off it', async (t) => {
      if (it.qos_policy_id === null) return t.skip('the backend has no policies')
      const policy = await it.driver.getQosPolicy(it.qos_policy_id)
      assert.deepEqual([policy.id, policy.project_id, policy.shared], [it.qos_policy_id, it.users_project_id, false])
      const port = await it.driver.ensurePort(wanted({ qos_policy_id: it.qos_policy_id }))
      assert.equal(port.qos_policy_id, it.qos_policy_id)
      await it.driver.updatePort(port.id, { qos_policy_id: null })
      assert.equal((await it.driver.getPort(port.id)).qos_policy_id, null)
      await it.driver.updatePort(port.id, { qos_policy_id: it.qos_policy_id })
      assert.equal((await it.driver.getPort(port.id)).qos_policy_id, it.qos_policy_id)
      await assert.rejects(it.driver.updatePort(port.id, { qos_policy_id: NOWHERE }), NotFoundError)
    })

    test('of the ports of many devices those are told that are gone or taken out of service', async () => {
      const port = await it.driver.ensurePort(wanted({ admin_state_up: true, device_id: 'machine-1' }))
      const up = { device_id: own('machine-1'), ip_address: port.fixed_ips[0]!.ip_address }
      const others = [
        { device_id: own('machine-1'), ip_address: it.foreign_address },
        ...Array.from({ length: 300 }, () => ({ device_id: randomUUID(), ip_address: up.ip_address })),
      ]
      assert.deepEqual(await it.driver.listDown([]), [])
      assert.deepEqual(await it.driver.listDown([up, ...others]), others)
      await it.driver.updatePort(port.id, { admin_state_up: false })
      assert.deepEqual(await it.driver.listDown([up]), [up])
    })

    test('deleting is done once, and content when there is nothing', async () => {
      const port = await it.driver.ensurePort(wanted())
      await it.driver.deletePort(port.id, { made_by: own('flow-2') })
      assert.equal((await it.driver.getPort(port.id)).id, port.id)
      await it.driver.deletePort(port.id, { made_by: own('flow-1') })
      await assert.rejects(it.driver.getPort(port.id), NotFoundError)
      await it.driver.deletePort(port.id)
      await it.driver.deletePort(port.id, { made_by: own('flow-1') })
      await it.driver.deletePort(NOWHERE)
    })

    test('a security group is made once, its rules are replaced as a whole, and it goes when no port has it', async () => {
      const id = await aGroup()
      assert.equal(await aGroup('flow-2'), id)
      assert.equal(await it.driver.findSecurityGroup(own('lb')), id)
      assert.equal((await it.driver.getSecurityGroup(id)).id, id)
      const rule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port: 80, remote_ip_prefix: null } as const
      const peer = { ...rule, ethertype: 'IPv6', protocol: '112', port: null, remote_ip_prefix: '2001:db8::7/128' } as const
      await it.driver.setSecurityGroupRules(id, [rule, { ...rule, port: 443 }])
      await it.driver.setSecurityGroupRules(id, [rule, { ...rule, remote_ip_prefix: '10.0.0.7/24' }, peer, peer])
      await it.driver.setSecurityGroupRules(id, [{ ...rule, remote_ip_prefix: '10.0.0.0/24' }, peer])
      const port = await it.driver.ensurePort(wanted({ security_group_ids: [id] }))
      await assert.rejects(it.driver.deleteSecurityGroup(id), RefusedError)
      await it.driver.deletePort(port.id)
      await it.driver.deleteSecurityGroup(id, { made_by: own('flow-2') })
      assert.equal(await it.driver.findSecurityGroup(own('lb')), id)
      await it.driver.deleteSecurityGroup(id, { made_by: own('flow-1') })
      await it.driver.deleteSecurityGroup(id, { made_by: own('flow-1') })
      await it.driver.deleteSecurityGroup(id)
      assert.equal(await it.driver.findSecurityGroup(own('lb')), null)
      await assert.rejects(it.driver.setSecurityGroupRules(id, []), NotFoundError)
    })

    test('callers side by side end with one security group of a name', async () => {
      await Promise.all([1, 2, 3].map(() => aGroup().catch(() => null)))
      const id = await aGroup()
      const port = await it.driver.ensurePort(wanted({ security_group_ids: [id] }))
      assert.equal(await aGroup(), id)
      assert.deepEqual(
        (await it.driver.listMadeSecurityGroups()).filter(({ name }) => name === own('lb')).map((made) => made.id),
        [id],
      )
      await it.driver.deletePort(port.id)
      await it.driver.deleteSecurityGroup(id)
    })

    test('what was made is listed, with who made it', async () => {
      const port = await it.driver.ensurePort(wanted())
      const vip = await it.driver.ensurePort(wanted({ name: 'vip', project_id: it.users_project_id }))
      const id = await aGroup()
      const listed = async () =>
        [await it.driver.listMadePorts(), await it.driver.listMadeSecurityGroups()].map((made) =>
          made.filter(({ name }) => name.endsWith(unique)),
        )
      const [ports, groups] = await listed()
      assert.deepEqual(
        ports!.toSorted((a, b) => a.name.localeCompare(b.name)),
        [
          { id: port.id, name: own('octavia-lb'), made_by: own('flow-1') },
          { id: vip.id, name: own('vip'), made_by: own('flow-1') },
        ],
      )
      assert.deepEqual(groups, [{ id, name: own('lb'), made_by: own('flow-1') }])
      await it.driver.deletePort(port.id)
      await it.driver.deletePort(vip.id)
      await it.driver.deleteSecurityGroup(id)
      assert.deepEqual(await listed(), [[], []])
    })

    test('a worker that has a successor is refused, and changes nothing', async (t) => {
      if (!it.refusesOldFences) return t.skip('the backend knows no fences')
      const port = await it.driver.ensurePort(wanted(), fence(2))
      await assert.rejects(it.driver.updatePort(port.id, { device_id: 'late' }, fence(1)), FencedError)
      await assert.rejects(it.driver.ensurePort(wanted({ name: 'late' }), fence(1)), FencedError)
      assert.equal((await it.driver.getPort(port.id)).device_id, own('lb'))
      assert.equal(await it.driver.findPort(own('late')), null)
      await it.driver.updatePort(port.id, { device_id: 'in time' }, fence(2))
      await it.driver.updatePort(port.id, { device_id: 'another flow' }, fence(1, 'flow-2'))
    })
  })
}
