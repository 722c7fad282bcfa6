import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { Db } from '../../src/db/connection.ts'
import type { FoundNetworks } from '../../src/embedded/network/first-start.ts'
import { networkNames } from '../../src/embedded/network/names.ts'
import type { EmbeddedNetwork } from '../../src/embedded/network/service.ts'
import { exec } from '../../src/lib/exec.ts'
import { aDatabase } from '../support/databases.ts'
import { anEmbeddedNetwork, aPreparedNetwork, DEMO_PROJECT } from '../support/embedded-network.ts'
import { eventually } from '../support/eventually.ts'
import { Machine } from './support/machine.ts'

const HASH = 'a1b2c3'
const names = networkNames(HASH)
let db: Db
let service: EmbeddedNetwork
let first: FoundNetworks
const machines: Machine[] = []

beforeEach(async () => {
  db = await aDatabase()
  ;({ service, first } = await aPreparedNetwork(db, { kernel: true, stateHash: HASH }))
  await service.reconcile()
})
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.close()
  await service.teardown()
  await db.destroy()
})

/** Open to everybody; on the IPv4 subnet unless the address says otherwise. */
async function aMachine(name: string, network_id: string, ip_address?: string): Promise<Machine> {
  const port = await service.createPort({
    project_id: DEMO_PROJECT,
    network_id,
    security_group_ids: [],
    ...(ip_address === undefined ? {} : { fixed_ips: [{ ip_address }] }),
  })
  const machine = await Machine.plugged(service, name, port)
  machines.push(machine)
  return machine
}

async function aNetwork(cidr: string): Promise<string> {
  const { id } = await service.createNetwork({ project_id: DEMO_PROJECT })
  await service.createSubnet({ project_id: DEMO_PROJECT, network_id: id, cidr })
  return id
}

/** All that is in the tables, in an order of its own, without what counts the changes. */
async function walls(): Promise<string[]> {
  const text = await output('nft', 'list', 'ruleset')
  const objects = text.replace(/set stamp_[^}]*\}/, '').split(/\n(?=\t\w|table)/)
  return objects
    .map((object) =>
      object.replace(/elements = \{([^}]*)\}/, (_, list: string) =>
        list
          .split(/,\s*/)
          .map((e) => e.trim())
          .sort()
          .join(),
      ),
    )
    .sort()
}

const succeeds = async (command: string, ...args: string[]) => (await exec(command, args, { anyStatus: true })).code === 0
const hostPings = (address: string) => succeeds('ping', '-q', '-c', '1', '-W', '0.5', address)
const output = async (command: string, ...args: string[]) => (await exec(command, args)).stdout

test('machines of a network reach each other and, on private, the host, by IPv4 and IPv6', async () => {
  const one = await aMachine('one', first.private_network_id)
  const two = await aMachine('two', first.private_network_id)
  assert.ok(await one.pings(two.address()))
  assert.ok(await one.pings(two.address(6)))
  assert.ok(await hostPings(one.address()))
  assert.ok(await hostPings(one.address(6)))
  const subnet = await service.getSubnet(first.private_subnet_id!)
  assert.ok(await one.pings(subnet.gateway_ip!))
})

test('an attached port has its MAC address and MTU, is plugged and ACTIVE; attaching again does nothing', async () => {
  const one = await aMachine('one', first.private_network_id)
  assert.match(await output('ip', '-n', 'one', 'link', 'show', 'eth0'), new RegExp(`mtu 1500[^]*${one.port.mac_address}`))
  assert.ok(await service.plugged(one.port.id))
  assert.equal((await service.getPort(one.port.id)).status, 'ACTIVE')
  await one.ip('link set eth0 name moved0')
  await service.attachPort(one.port.id, { netnsPath: '/run/netns/one', ifname: 'eth0' })
  assert.doesNotMatch(await output('ip', '-n', 'one', 'link', 'show'), /eth0/)
  await service.detachPort(one.port.id)
  await service.detachPort(one.port.id)
  assert.doesNotMatch(await output('ip', '-n', 'one', 'link', 'show'), /moved0/)
  assert.equal((await service.getPort(one.port.id)).status, 'DOWN')
})

test('a port is gone with its machine, and can be attached to another one', async () => {
  const one = await aMachine('one', first.private_network_id)
  await one.close()
  await eventually(async () => assert.equal(await service.plugged(one.port.id), false))
  const again = await Machine.plugged(service, 'again', one.port)
  machines.push(again)
  assert.ok(await hostPings(one.address()))
})

test('deleting a port takes its interface out of the machine', async () => {
  const one = await aMachine('one', first.private_network_id)
  await service.deletePort(one.port.id)
  assert.doesNotMatch(await output('ip', '-n', 'one', 'link', 'show'), /eth0/)
  assert.doesNotMatch(await output('nft', 'list', 'ruleset'), new RegExp(names.port(one.port.id)))
})

test("isolated networks with the same range, and with the host's own, do not meet", async () => {
  const { cidr } = await service.getSubnet(first.management_subnet_id!)
  const [left, right] = [await aNetwork(cidr), await aNetwork(cidr)]
  const prefix = cidr.slice(0, cidr.lastIndexOf('.'))
  const leftOne = await aMachine('left-one', left, `${prefix}.11`)
  const leftTwo = await aMachine('left-two', left, `${prefix}.12`)
  const rightTwo = await aMachine('right-two', right, `${prefix}.12`)
  await leftTwo.serves('tcp', 80)
  await rightTwo.serves('tcp', 81)
  assert.equal(await leftOne.asks('tcp', leftTwo.address(), 80), `::ffff:${leftOne.address()}`)
  assert.equal(await leftOne.asks('tcp', leftTwo.address(), 81), null)
  assert.equal(await hostPings(leftOne.address()), false)
})

test('a range of ours has a blackhole under it, so that nothing for it ever leaves by another way', async () => {
  const { cidr } = await service.getSubnet(first.private_subnet_id!)
  assert.match(await output('ip', 'route'), new RegExp(`blackhole ${cidr} metric ${names.blackholeMetric}`))
  await exec('ip', ['link', 'del', names.bridge(first.private_network_id)])
  const { stdout } = await exec('ip', ['route', 'get', cidr.replace('.0/24', '.77')], { anyStatus: true })
  assert.equal(stdout, '')
})

test('what was changed behind its back is put right, and what no row knows is removed', async () => {
  const one = await aMachine('one', first.private_network_id)
  const isolated = await aNetwork('10.3.0.0/24')
  const link = names.port(one.port.id)
  for (const destroy of [
    ['ip', 'link', 'del', names.bridge(first.private_network_id)],
    ['ip', 'link', 'del', names.bridge(isolated)],
    ['ip', 'link', 'set', link, 'down'],
    ['nft', 'flush', 'ruleset'],
    ['ip', 'link', 'add', names.bridge('nobody'), 'type', 'bridge'],
    ['ip', 'link', 'add', names.port('nobody'), 'type', 'veth', 'peer', 'name', 'lonely'],
    ['ip', 'link', 'add', 'br-other', 'type', 'bridge'],
  ]) {
    await exec(destroy[0]!, destroy.slice(1))
  }
  // A controller that starts anew finds and adopts it.
  await anEmbeddedNetwork(db, { kernel: true, stateHash: HASH }).reconcile()
  assert.ok(await hostPings(one.address()))
  const links = await output('ip', '-o', 'link', 'show')
  assert.match(links, new RegExp(names.bridge(isolated)))
  assert.match(links, /br-other/)
  assert.doesNotMatch(links, new RegExp(`${names.bridge('nobody')}|lonely`))
  await exec('ip', ['link', 'del', 'br-other'])
})

test('walls that somebody has flushed are laid anew', async () => {
  await aMachine('one', first.private_network_id)
  const before = await walls()
  await service.checkWalls()
  assert.deepEqual(await walls(), before)
  await exec('nft', ['flush', 'ruleset'])
  await service.checkWalls()
  assert.deepEqual(await walls(), before)
})

test('many small changes leave the walls that one rebuild lays', async () => {
  const group = await service.createSecurityGroup({ project_id: DEMO_PROJECT, name: 'web' })
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((name) => aMachine(name, first.private_network_id)))
  await service.updatePort(one!.port.id, { security_group_ids: [group.id], allowed_address_pairs: [{ ip_address: '198.18.0.0/28' }] })
  const rule = { security_group_id: group.id, direction: 'ingress' } as const
  const web = await service.createSecurityGroupRule({ ...rule, protocol: 'tcp', port_range_min: 80, port_range_max: 90 })
  await service.createSecurityGroupRule({ ...rule, remote_group_id: group.id })
  await service.updatePort(two!.port.id, { security_group_ids: [group.id, await service.ensureDefaultSecurityGroup(DEMO_PROJECT)] })
  await service.deleteSecurityGroupRule(web.id)
  await service.updatePort(one!.port.id, { allowed_address_pairs: [], security_group_ids: [] })
  await service.deletePort(three!.port.id)
  await service.deleteNetwork(await aNetwork('10.3.0.0/24'))
  const grown = await walls()
  await service.reconcile()
  assert.deepEqual(await walls(), grown)
})

test('the rows are what counts when a machine died while nobody looked', async () => {
  const one = await aMachine('one', first.private_network_id)
  await one.close()
  await eventually(async () => assert.equal(await service.plugged(one.port.id), false))
  await service.reconcile()
  assert.equal((await service.getPort(one.port.id)).status, 'DOWN')
})

test('ports are attached side by side', async () => {
  const many = await Promise.all(Array.from({ length: 12 }, (_, i) => aMachine(`m${i}`, first.private_network_id)))
  const answers = await Promise.all(many.map((machine) => hostPings(machine.address())))
  assert.ok(answers.every(Boolean))
})

test('two processes on one state do not undo each other', async () => {
  const lab = anEmbeddedNetwork(db, { kernel: true, stateHash: HASH })
  for (let i = 0; i < 4; i++) {
    const plug = async (by: EmbeddedNetwork, name: string) => {
      const port = await by.createPort({ project_id: DEMO_PROJECT, network_id: first.private_network_id, security_group_ids: [] })
      machines.push(await Machine.plugged(by, name, port))
    }
    await Promise.all([plug(lab, `lab${i}`), plug(service, `amphora${i}`)])
  }
  const answers = await Promise.all(machines.map((machine) => hostPings(machine.address())))
  assert.ok(answers.every(Boolean))
})

test('teardown leaves nothing, without a database', async () => {
  await exec('ip', ['route', 'add', 'blackhole', '203.0.113.0/24', 'metric', '4294967295'])
  await aMachine('one', first.private_network_id)
  await aMachine('two', first.management_network_id)
  await aNetwork('10.3.0.0/24')
  const emptyDatabase = await aDatabase()
  await anEmbeddedNetwork(emptyDatabase, { kernel: true, stateHash: HASH }).teardown()
  await emptyDatabase.destroy()
  assert.doesNotMatch(await output('ip', 'link', 'show'), new RegExp(HASH))
  assert.doesNotMatch(await output('nft', 'list', 'ruleset'), new RegExp(HASH))
  assert.equal(
    (await output('ip', 'route', 'show', 'table', 'all', 'type', 'blackhole')).trim(),
    'blackhole 203.0.113.0/24 metric 4294967295',
  )
  await exec('ip', ['route', 'del', 'blackhole', '203.0.113.0/24', 'metric', '4294967295'])
})

test('several states run side by side', async () => {
  const otherDatabase = await aDatabase()
  const other = await aPreparedNetwork(otherDatabase, { kernel: true, stateHash: 'd4e5f6' })
  await other.service.reconcile()
  const ranges = [await service.getSubnet(first.private_subnet_id!), await other.service.getSubnet(other.first.private_subnet_id!)]
  assert.notEqual(ranges[0]!.cidr, ranges[1]!.cidr)
  const mine = await aMachine('mine', first.private_network_id)
  await other.service.teardown()
  await otherDatabase.destroy()
  assert.ok(await hostPings(mine.address()))
})

test('a range that this host uses is refused when given, and passed over when chosen', async () => {
  await exec('ip', ['link', 'add', 'uplink', 'type', 'dummy']).catch(() => exec('ip', ['link', 'add', 'uplink', 'type', 'bridge']))
  await exec('ip', ['addr', 'add', '198.18.2.1/24', 'dev', 'uplink'])
  await exec('ip', ['link', 'set', 'uplink', 'up'])
  const empty = await aDatabase()
  try {
    const given = aPreparedNetwork(empty, { kernel: true, stateHash: 'd4e5f6', embedded: { private_cidr: '198.18.2.128/25' } })
    await assert.rejects(given, /private_cidr: 198\.18\.2\.128\/25 overlaps an address of uplink \(198\.18\.2\.0\/24\)/)
    const { service: chosen, first: found } = await aPreparedNetwork(empty, { kernel: true, stateHash: 'd4e5f6' })
    // The first two are this state's, the third is the uplink's.
    assert.equal((await chosen.getSubnet(found.private_subnet_id!)).cidr, '198.18.3.0/24')
    assert.equal((await chosen.getSubnet(found.management_subnet_id!)).cidr, '198.18.4.0/24')
  } finally {
    await exec('ip', ['link', 'del', 'uplink'])
    await empty.destroy()
  }
})
