import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import type { Db } from '../../src/db/connection.ts'
import type { FoundNetworks } from '../../src/embedded/network/first-start.ts'
import type { PortCreate } from '../../src/embedded/network/ports.ts'
import type { EmbeddedNetwork } from '../../src/embedded/network/service.ts'
import { exec } from '../../src/lib/exec.ts'
import { aDatabase } from '../support/databases.ts'
import { aPreparedNetwork, DEMO_PROJECT } from '../support/embedded-network.ts'
import { eventually } from '../support/eventually.ts'
import { Machine } from './support/machine.ts'

const HEARTBEATS = 5555
const HOST_PORT = 8022
let db: Db
let service: EmbeddedNetwork
let first: FoundNetworks
const machines: Machine[] = []
const onHost: (Server | Socket)[] = []
/** What arrived at the host's UDP ports, as `port:text`. */
const heard: string[] = []

beforeEach(async () => {
  db = await aDatabase()
  ;({ service, first } = await aPreparedNetwork(db, { kernel: true, stateHash: 'a1b2c3' }))
  await service.reconcile()
  heard.length = 0
})
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.close()
  for (const socket of onHost.splice(0)) socket.close()
  await service.teardown()
  await db.destroy()
})

async function aMachine(name: string, network_id: string, port: Partial<PortCreate> = {}): Promise<Machine> {
  const row = await service.createPort({ project_id: DEMO_PROJECT, network_id, security_group_ids: [], ...port })
  const machine = await Machine.plugged(service, name, row)
  machines.push(machine)
  return machine
}

/** On all addresses of the host. */
async function hostListens(): Promise<void> {
  const server = createServer((socket) => socket.end('host'))
  onHost.push(server)
  await new Promise<void>((resolve) => server.listen(HOST_PORT, '::', resolve))
  for (const port of [HEARTBEATS, HEARTBEATS + 1]) {
    const socket = createSocket('udp6')
    onHost.push(socket)
    socket.on('message', (message, from) => {
      heard.push(`${port}:${message}`)
      socket.send(message, from.port, from.address)
    })
    await new Promise<void>((resolve) => socket.bind(port, '::', resolve))
  }
}

const hostAddress = async (subnet_id: string | null) => (await service.getSubnet(subnet_id!)).gateway_ip!
const hostPings = async (address: string) => (await exec('ping', ['-q', '-c', '1', '-W', '0.5', address], { anyStatus: true })).code === 0

async function aGroup(name: string): Promise<string> {
  return (await service.createSecurityGroup({ project_id: DEMO_PROJECT, name })).id
}

test('from private the host takes answers, ping and nothing else', async () => {
  await hostListens()
  const machine = await aMachine('machine', first.private_network_id)
  await machine.serves('tcp', 80)
  for (const subnet of [first.private_subnet_id, first.private_ipv6_subnet_id]) {
    const host = await hostAddress(subnet)
    assert.ok(await machine.pings(host))
    assert.equal(await machine.asks('tcp', host, HOST_PORT), null)
    assert.equal(await machine.asks('udp', host, HEARTBEATS), null)
  }
  const answer = await fetch(`http://${machine.address()}/`).catch((error: Error) => error)
  assert.match(String((answer as { cause?: Error }).cause ?? answer), /HTTP|Parse/i) // it was reached, and does not speak HTTP
  assert.deepEqual(heard, [])
})

test('from lb-mgmt-net the host takes heartbeats on their port, answers, and nothing else', async () => {
  await hostListens()
  const amphora = await aMachine('amphora', first.management_network_id)
  const host = await hostAddress(first.management_subnet_id)
  assert.equal(await amphora.asks('udp', host, HEARTBEATS), 'hello')
  assert.equal(await amphora.asks('udp', host, HEARTBEATS + 1), null)
  assert.equal(await amphora.asks('tcp', host, HOST_PORT), null)
  assert.equal(await amphora.pings(host), false)
  assert.ok(await hostPings(amphora.address()))
  assert.deepEqual(heard, [`${HEARTBEATS}:hello`])
})

test('amphorae do not reach each other on lb-mgmt-net', async () => {
  const one = await aMachine('one', first.management_network_id)
  const two = await aMachine('two', first.management_network_id)
  await two.serves('tcp', 9443)
  assert.equal(await one.asks('tcp', two.address(), 9443), null)
  assert.equal(await one.pings(two.address()), false)
})

test('an isolated network does not reach the host, whatever addresses it has, nor another network', async () => {
  await hostListens()
  const mine = await service.createNetwork({ project_id: DEMO_PROJECT })
  const { cidr } = await service.getSubnet(first.private_subnet_id!)
  await service.createSubnet({ project_id: DEMO_PROJECT, network_id: mine.id, cidr })
  const prefix = cidr.slice(0, cidr.lastIndexOf('.'))
  const scanner = await aMachine('scanner', mine.id, { fixed_ips: [{ ip_address: `${prefix}.66` }] })
  const victim = await aMachine('victim', first.private_network_id, { fixed_ips: [{ ip_address: `${prefix}.67` }] })
  await victim.serves('tcp', 80)
  await exec('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
  const management = await hostAddress(first.management_subnet_id)
  await scanner.ip(`route add ${management} dev eth0`)
  for (const host of [await hostAddress(first.private_subnet_id), management]) {
    assert.equal(await scanner.asks('tcp', host, HOST_PORT), null)
    assert.equal(await scanner.asks('udp', host, HEARTBEATS), null)
    assert.equal(await scanner.pings(host), false)
  }
  assert.equal(await scanner.asks('tcp', victim.address(), 80), null)
  const { stdout } = await exec('ip', ['-n', 'scanner', 'neigh', 'show', 'nud', 'reachable'])
  assert.equal(stdout, '')
  assert.deepEqual(heard, [])
})

test('nothing is forwarded between networks or to an uplink, also when the host forwards', async () => {
  await exec('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
  // The uplink's other side is a namespace with a server.
  await exec('ip', ['netns', 'add', 'outside'])
  try {
    await exec('ip', ['link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside'])
    await exec('ip', ['addr', 'add', '203.0.113.1/24', 'dev', 'uplink'])
    await exec('ip', ['link', 'set', 'uplink', 'up'])
    const { cidr } = await service.getSubnet(first.private_subnet_id!)
    const inside = ['addr add 203.0.113.2/24 dev eth0', 'link set eth0 up', `route add ${cidr} via 203.0.113.1`]
    await exec('ip', ['-n', 'outside', '-batch', '-'], { input: inside.join('\n') })
    assert.ok(await hostPings('203.0.113.2'))
    const machine = await aMachine('machine', first.private_network_id)
    const amphora = await aMachine('amphora', first.management_network_id)
    await machine.ip(`route add default via ${await hostAddress(first.private_subnet_id)}`)
    await amphora.ip(`route add default via ${await hostAddress(first.management_subnet_id)}`)
    assert.equal(await machine.pings('203.0.113.2'), false)
    assert.equal(await machine.pings(amphora.address()), false)
    assert.equal(await amphora.pings(machine.address()), false)
    const back = await exec('ip', ['netns', 'exec', 'outside', 'ping', '-q', '-c', '1', '-W', '0.5', machine.address()], {
      anyStatus: true,
    })
    assert.notEqual(back.code, 0)
  } finally {
    await exec('ip', ['netns', 'del', 'outside'])
  }
})

test('a machine cannot take an IP address that is not its own, but for allowed address pairs', async () => {
  const machine = await aMachine('machine', first.private_network_id)
  const other = await aMachine('other', first.private_network_id)
  const taken = await service.createPort({ project_id: DEMO_PROJECT, network_id: first.private_network_id })
  const [vip, vip6] = taken.fixed_ips.map((fixed) => fixed.ip_address) as [string, string]
  await machine.ip(`addr add ${vip}/24 dev eth0`, `addr add ${vip6}/64 dev eth0 nodad`)
  assert.equal(await other.pings(vip), false) // its ARP answer is dropped
  assert.equal(await other.pings(vip6), false) // its neighbour advertisement is dropped
  assert.equal(await machine.pings(other.address(), '-I', vip), false)
  assert.equal(await machine.pings(other.address(6), '-I', vip6), false)
  await service.updatePort(machine.port.id, { allowed_address_pairs: [{ ip_address: vip }, { ip_address: vip6 }] })
  // The neighbour asks again a second after it got no answer.
  await eventually(() => other.pings(vip))
  await eventually(() => other.pings(vip6))
  assert.ok(await machine.pings(other.address(), '-I', vip))
  await service.updatePort(machine.port.id, { allowed_address_pairs: [] })
  assert.equal(await machine.pings(other.address(), '-I', vip), false)
})

test('allowed address pairs may be ranges, overlap, and come with a MAC address of their own', async () => {
  const machine = await aMachine('machine', first.private_network_id)
  const other = await aMachine('other', first.private_network_id)
  const { cidr } = await service.getSubnet(first.private_subnet_id!)
  const { cidr: cidr6 } = await service.getSubnet(first.private_ipv6_subnet_id!)
  const [address, address6] = [cidr.replace('.0/24', '.250'), cidr6.replace('/64', '250')]
  const anything = [{ ip_address: '0.0.0.0/0' }, { ip_address: '::/0' }]
  const pairs = [{ ip_address: cidr }, { ip_address: cidr6.toUpperCase() }, { ip_address: address }, { ip_address: '10.9.8.7/16' }]
  await service.updatePort(machine.port.id, { allowed_address_pairs: anything })
  await service.updatePort(machine.port.id, {
    allowed_address_pairs: [...pairs, { ip_address: address, mac_address: 'FA:16:3E:00:00:99' }],
  })
  await machine.ip(`addr add ${address}/24 dev eth0`, `addr add ${address6}/64 dev eth0 nodad`)
  assert.ok(await other.pings(address))
  assert.ok(await other.pings(address6))
  await machine.ip('link set eth0 down', 'link set eth0 address fa:16:3e:00:00:99', 'link set eth0 up')
  await exec('ip', ['-n', 'other', 'neigh', 'flush', 'all'])
  assert.ok(await other.pings(address))
  assert.equal(await other.pings(machine.address()), false) // goes with the port's own MAC address only
})

test("a machine cannot take another's MAC address, nor poison a neighbour", async () => {
  const machine = await aMachine('machine', first.private_network_id)
  const other = await aMachine('other', first.private_network_id)
  assert.ok(await machine.pings(other.address()))
  await machine.ip('link set eth0 down', 'link set eth0 address fa:16:3e:00:00:99', 'link set eth0 up')
  assert.equal(await machine.pings(other.address()), false)
  // A gratuitous ARP for the host's own address, sent as the address is added.
  const host = await hostAddress(first.private_subnet_id)
  await machine.ip('link set eth0 down', `link set eth0 address ${machine.port.mac_address}`, 'link set eth0 up')
  await exec('ip', ['netns', 'exec', 'machine', 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_notify=1', 'net.ipv4.conf.eth0.arp_accept=1'])
  await exec('ip', ['netns', 'exec', 'other', 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_accept=1'])
  await machine.ip(`addr add ${host}/24 dev eth0`)
  assert.ok(await other.pings(host))
  const { stdout } = await exec('ip', ['-n', 'other', 'neigh', 'show', host])
  assert.ok(!stdout.includes(machine.port.mac_address), stdout)
})

test('without port security a machine may use any address', async () => {
  const machine = await aMachine('machine', first.private_network_id, { port_security_enabled: false })
  const other = await aMachine('other', first.private_network_id)
  const { ip_address } = (await service.createPort({ project_id: DEMO_PROJECT, network_id: first.private_network_id })).fixed_ips[0]!
  await machine.ip(`addr add ${ip_address}/24 dev eth0`)
  assert.ok(await other.pings(ip_address))
})

test('a disabled port passes nothing until it is enabled again', async () => {
  const machine = await aMachine('machine', first.private_network_id)
  await service.updatePort(machine.port.id, { admin_state_up: false })
  assert.equal((await service.getPort(machine.port.id)).status, 'DOWN')
  assert.equal(await hostPings(machine.address()), false)
  await service.updatePort(machine.port.id, { admin_state_up: true })
  assert.equal((await service.getPort(machine.port.id)).status, 'ACTIVE')
  assert.ok(await hostPings(machine.address()))
})

test('a group lets in what its rules say and the answers to what its member asks; the change of a rule counts at once', async () => {
  const group = await aGroup('web')
  const server = await aMachine('server', first.private_network_id, { security_group_ids: [group] })
  const client = await aMachine('client', first.private_network_id)
  await server.serves('tcp', 80)
  await server.serves('tcp', 8080)
  await server.serves('udp', 53)
  await client.serves('tcp', 8080)
  await client.serves('udp', 53)
  assert.equal(await client.asks('tcp', server.address(), 80), null)
  const rule = await service.createSecurityGroupRule({
    security_group_id: group,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 80,
    port_range_max: 80,
  })
  assert.equal(await client.asks('tcp', server.address(), 80), `::ffff:${client.address()}`)
  assert.equal(await client.asks('tcp', server.address(), 8080), null)
  // To come from an allowed server's port does not open a connection.
  assert.equal(await client.asks('tcp', server.address(), 8080, 80), null)
  assert.equal(await client.asks('tcp', server.address(6), 80), null) // the rule is for IPv4
  assert.equal(await client.asks('udp', server.address(), 53), null)
  assert.equal(await client.pings(server.address()), false)
  assert.equal(await server.asks('tcp', client.address(), 8080), `::ffff:${server.address()}`)
  assert.equal(await server.asks('tcp', client.address(6), 8080), server.address(6))
  assert.equal(await server.asks('udp', client.address(), 53), 'hello')
  assert.ok(await server.pings(client.address()))
  await service.deleteSecurityGroupRule(rule.id)
  assert.equal(await client.asks('tcp', server.address(), 80), null)
  await service.setIngressRules(group, [{ ethertype: 'IPv4', protocol: 'udp', port_range_min: 53, port_range_max: 53 }])
  assert.equal(await client.asks('udp', server.address(), 53), 'hello')
  // A rule that names a port makes it a service's: what others send there is no answer to anything.
  await server.serves('udp', 5353)
  const served = { protocol: 'udp', port_range_min: 5353, port_range_max: 5353 }
  await service.setIngressRules(group, [{ ethertype: 'IPv4', ...served, remote_ip_prefix: '192.0.2.0/24' }])
  assert.equal(await client.asks('udp', server.address(), 5353), null)
})

test('without egress rules a group lets out only the answers to what it let in', async () => {
  const group = await aGroup('closed')
  for (const rule of (await service.getSecurityGroup(group)).rules) await service.deleteSecurityGroupRule(rule.id)
  const { cidr } = await service.getSubnet(first.private_subnet_id!)
  await service.setIngressRules(group, [
    { protocol: 'tcp', port_range_min: 80, port_range_max: 90, remote_ip_prefix: cidr },
    { protocol: 'icmp' },
  ])
  const server = await aMachine('server', first.private_network_id, { security_group_ids: [group] })
  const client = await aMachine('client', first.private_network_id)
  await server.serves('tcp', 85)
  await client.serves('tcp', 85)
  assert.equal(await client.asks('tcp', server.address(), 85), `::ffff:${client.address()}`)
  assert.ok(await client.pings(server.address()))
  assert.equal(await server.asks('tcp', client.address(), 85), null)
  assert.equal(await server.asks('tcp', client.address(), 85, 85), null)
  assert.equal(await server.pings(client.address()), false)
})

test("members of a project's default group reach each other, others do not reach them", async () => {
  const member = { security_group_ids: undefined }
  const one = await aMachine('one', first.private_network_id, member)
  const two = await aMachine('two', first.private_network_id, member)
  const stranger = await aMachine('stranger', first.private_network_id, { ...member, project_id: 'e'.repeat(32) })
  await one.serves('tcp', 80)
  assert.equal(await two.asks('tcp', one.address(), 80), `::ffff:${two.address()}`)
  assert.equal(await two.asks('tcp', one.address(6), 80), two.address(6))
  assert.equal(await stranger.asks('tcp', one.address(), 80), null)
  await service.updatePort(stranger.port.id, { security_group_ids: one.port.security_group_ids })
  assert.equal(await stranger.asks('tcp', one.address(), 80), `::ffff:${stranger.address()}`)
})

test('what changes of a port or group that is in no machine counts where it matters', async () => {
  const group = await aGroup('unused')
  const waiting = await service.createPort({ project_id: DEMO_PROJECT, network_id: first.private_network_id, security_group_ids: [] })
  const client = await aMachine('client', first.private_network_id)
  const member = await aMachine('member', first.private_network_id, { security_group_ids: undefined })
  await member.serves('tcp', 80)
  assert.equal(await client.asks('tcp', member.address(), 80), null)
  // The port joins a group that lets its members in, with the client's address, and another with a rule of its own.
  await service.setIngressRules(group, [{ protocol: 'tcp', port_range_min: 81, port_range_max: 81 }])
  await service.updatePort(waiting.id, {
    security_group_ids: [...member.port.security_group_ids, group],
    allowed_address_pairs: [{ ip_address: client.address() }],
  })
  assert.equal(await client.asks('tcp', member.address(), 80), `::ffff:${client.address()}`)
  const plugged = await Machine.plugged(service, 'waiting', await service.getPort(waiting.id))
  machines.push(plugged)
  await plugged.serves('tcp', 81)
  assert.equal(await client.asks('tcp', plugged.address(), 81), `::ffff:${client.address()}`)
})

test("a pair of amphorae exchanges VRRP and its peers' tables, by the load balancer's group, and answers for the VIP", async () => {
  const group = await aGroup('lb-1')
  await service.setIngressRules(group, [
    { protocol: 'tcp', port_range_min: 80, port_range_max: 80 },
    { protocol: 'tcp', port_range_min: 1025, port_range_max: 1025 },
    { protocol: '112' },
  ])
  const vip = (await service.createPort({ project_id: DEMO_PROJECT, network_id: first.private_network_id, admin_state_up: false }))
    .fixed_ips[0]!
  const pair = { security_group_ids: [group], allowed_address_pairs: [{ ip_address: vip.ip_address }] }
  const master = await aMachine('master', first.private_network_id, pair)
  const backup = await aMachine('backup', first.private_network_id, pair)
  const client = await aMachine('client', first.private_network_id)
  await master.ip(`addr add ${vip.ip_address}/32 dev eth0`)
  await master.serves('tcp', 80)
  await backup.serves('tcp', 1025)
  assert.equal(await client.asks('tcp', vip.ip_address, 80), `::ffff:${client.address()}`)
  assert.equal(await master.asks('tcp', backup.address(), 1025), `::ffff:${master.address()}`)
  assert.ok(await vrrpArrives(master, backup))
  await service.setIngressRules(group, [])
  assert.equal(await vrrpArrives(master, backup), false)
})

/** Whether a packet of IP protocol 112 gets from one machine to the other. */
async function vrrpArrives(from: Machine, to: Machine): Promise<boolean> {
  const receive = 'use Socket; socket(S, AF_INET, SOCK_RAW, 112) or die; alarm 2; recv(S, $packet, 100, 0) or die'
  const send = `use Socket; socket(S, AF_INET, SOCK_RAW, 112) or die;
    for (1..20) { send(S, "advertisement", 0, sockaddr_in(0, inet_aton("${to.address()}"))); select(undef, undef, undef, 0.05) }`
  const perl = (machine: Machine, program: string) =>
    exec('ip', ['netns', 'exec', machine.name, 'perl', '-e', program], { anyStatus: true })
  // The receiver is ended by its alarm when nothing comes.
  const [received] = await Promise.all([perl(to, receive).catch(() => null), perl(from, send)])
  return received?.code === 0
}
