/**
 * The image as `--kernel generic --ssh` makes it, and management addresses of all kinds: a machine that gets them by DHCP, from a router and by DHCPv6, on a
 * card each; then one on PCI Express that has an IPv6 address alone, and lets in who has the key.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkLocalOf } from '../../src/embedded/network/link-local.ts'
import { type ExecResult, exec } from '../../src/lib/exec.ts'
import { AgentStage, filesOf, get, haproxyCfg, ip, LOAD_BALANCER, type TestAgent, VIP } from '../netns/support/agent-stage.ts'
import { eventually } from '../support/eventually.ts'
import { aConfigDrive, agentAnswers, anAmphora, heartbeatsCome, STEP_TIMEOUT_MS } from './amphora.ts'
import { timed } from './timed.ts'
import { type Card, VirtualMachine } from './virtual-machine.ts'

const SSH_TIMEOUT_MS = 60_000
const fence = { flow_id: 'a flow', generation: 1 }

/** Networks that tell machines their addresses: our own address there, what Nova calls it, what the server of addresses is told. */
const networks = [
  {
    ...{ name: 'dhcp', type: 'ipv4_dhcp', own: '198.51.100.1', length: 24, mac: 'fa:16:3e:00:01:01' },
    server: ['--dhcp-range=198.51.100.11,198.51.100.11,1h'],
    theirs: '198.51.100.11',
  },
  {
    ...{ name: 'slaac', type: 'ipv6_slaac', own: '2001:db8:1::1', length: 64, mac: 'fa:16:3e:00:01:02' },
    server: ['--enable-ra', '--dhcp-range=2001:db8:1::,ra-only'],
    theirs: linkLocalOf('fa:16:3e:00:01:02').replace('fe80::', '2001:db8:1::'),
  },
  {
    ...{ name: 'dhcpv6', type: 'ipv6_dhcpv6-stateful', own: '2001:db8:2::1', length: 64, mac: 'fa:16:3e:00:01:03' },
    server: ['--enable-ra', '--dhcp-range=2001:db8:2::11,2001:db8:2::11,64,1h'],
    theirs: '2001:db8:2::11',
  },
] as const

export async function inVariants(image: string): Promise<void> {
  const stage = await AgentStage.open()
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-image-test-'))
  let machine: VirtualMachine | undefined
  /** The machine ends with the work. */
  const withMachine = async (boot: (place: string) => Promise<VirtualMachine>, work: (machine: VirtualMachine) => Promise<void>) => {
    const place = mkdtempSync(join(directory, 'machine-'))
    machine = await boot(place)
    await work(machine)
    await machine.close()
    machine = undefined
  }
  try {
    await toldItsAddresses(stage, image, withMachine)
    await onExpress(stage, image, withMachine)
  } catch (error) {
    console.error(`the machine's console ends with:\n${machine?.console().slice(-3_000)}`)
    throw error
  } finally {
    await machine?.close()
    await stage.close()
    rmSync(directory, { recursive: true })
  }
}

type WithMachine = (boot: (place: string) => Promise<VirtualMachine>, work: (machine: VirtualMachine) => Promise<void>) => Promise<void>

async function toldItsAddresses(stage: AgentStage, image: string, withMachine: WithMachine): Promise<void> {
  const agent = anAmphora(1, networks[0].theirs)
  const servers: ChildProcess[] = []
  for (const { name, own, length, server } of networks) {
    await ip(
      `link add ${name} type bridge`,
      `link set ${name} up`,
      `address add ${own}/${length} dev ${name}${length === 64 ? ' nodad' : ''}`,
    )
    servers.push(serveAddresses(name, server))
  }
  const network = {
    links: networks.map(({ name, mac }) => ({ id: name, ethernet_mac_address: mac, mtu: 1450 })),
    networks: networks.map(({ name, type }) => ({ link: name, type })),
  }
  const cards: Card[] = networks.map(({ name, mac }) => ({ bridge: name, mac }))
  const boot = async (place: string) => {
    const configDrive = await aConfigDrive(stage, agent, place, { network, controller: networks[0].own })
    return VirtualMachine.boot(place, { image, configDrive, cards })
  }
  try {
    await timed('three management cards: until the agent answers on all', () =>
      withMachine(boot, async () => {
        for (const { type, theirs } of networks) {
          await timed(`  ${type}: ${theirs}`, () => agentAnswers(stage, { ...agent, lb_network_ip: theirs }))
        }
        await heartbeatsCome(stage, agent)
      }),
    )
  } finally {
    for (const server of servers) server.kill('SIGKILL')
    await ip(...networks.map(({ name }) => `link delete ${name}`))
  }
}

/** DHCP and router advertisements on that bridge. */
function serveAddresses(bridge: string, options: readonly string[]): ChildProcess {
  const nothingElse = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--no-resolv',
    '--no-hosts',
    '--leasefile-ro',
    '--user=root',
  ]
  const args = [...nothingElse, '--pid-file', `--interface=${bridge}`, '--except-interface=lo', '--bind-interfaces', ...options]
  return spawn('dnsmasq', args, { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function onExpress(stage: AgentStage, image: string, withMachine: WithMachine): Promise<void> {
  const [own, theirs] = ['2001:db8::1', '2001:db8::11']
  await ip(`address add ${own}/64 dev mgmt nodad`)
  const agent = anAmphora(2, theirs)
  const card = { bridge: 'mgmt', mac: 'fa:16:3e:00:01:04' }
  const network = {
    links: [{ id: 'tap0', ethernet_mac_address: card.mac, mtu: 1450 }],
    networks: [
      {
        ...{ link: 'tap0', type: 'ipv6', ip_address: theirs, netmask: 'ffff:ffff:ffff:ffff::' },
        routes: [{ network: '::', netmask: '::', gateway: own }],
      },
    ],
  }
  const keys = await aKeyPair()
  const boot = async (place: string) => {
    const publicKeys = { operator: readFileSync(`${keys.file}.pub`, 'utf8') }
    const configDrive = await aConfigDrive(stage, agent, place, { network, controller: `[${own}]`, publicKeys })
    return VirtualMachine.boot(place, { image, configDrive, cards: [card], chipset: 'q35' })
  }
  try {
    await timed('q35, config drive by SATA, one IPv6 address: all of it', () =>
      withMachine(boot, async (machine) => {
        await timed('  until the agent answers', () => agentAnswers(stage, agent))
        await heartbeatsCome(stage, agent)
        await timed('  SSH, by the key alone', () => letsIn(theirs, keys.file))
        await timed('  a network card plugged in, and HTTP', () => balances(stage, agent, machine))
      }),
    )
  } finally {
    keys.remove()
  }
}

async function balances(stage: AgentStage, agent: TestAgent, machine: VirtualMachine): Promise<void> {
  await machine.plug({ bridge: 'tenant', mac: agent.mac_address })
  await eventually(() => stage.plugVip(agent), STEP_TIMEOUT_MS)
  await stage.member('web', '10.0.0.20')
  await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(haproxyCfg(agent, { web: '10.0.0.20' })), fence)
  assert.equal(await eventually(() => get(`http://${VIP}/`), STEP_TIMEOUT_MS), 'web')
  // SSH is not for tenants and their clients.
  assert.equal((await exec('ssh-keyscan', ['-T', '5', VIP], { anyStatus: true })).stdout, '')
}

async function letsIn(address: string, key: string): Promise<void> {
  const { stdout } = await eventually(
    () => ssh(address, ['-i', key], 'uname -r; cat /sys/class/net/eth0/mtu; ip -6 route show default'),
    STEP_TIMEOUT_MS,
  )
  const [release, mtu, route] = stdout.trim().split('\n')
  assert.match(release!, /^\d\S*-amd64$/)
  assert.doesNotMatch(release!, /cloud/)
  assert.equal(mtu, '1450')
  assert.match(route!, /via 2001:db8::1 /)
  const stranger = await ssh(address, ['-o', 'PubkeyAuthentication=no'], 'true', true)
  assert.match(stranger.stderr, /Permission denied \(publickey\)/)
}

function ssh(address: string, options: string[], command: string, anyStatus = false): Promise<ExecResult> {
  const batch = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'ConnectTimeout=10']
  const args = ['-F', 'none', ...batch.flatMap((option) => ['-o', option]), ...options, `root@${address}`, command]
  return exec('ssh', args, { timeoutMs: SSH_TIMEOUT_MS, anyStatus })
}

async function aKeyPair(): Promise<{ file: string; remove(): void }> {
  const directory = mkdtempSync(join(tmpdir(), 'ssh-'))
  const file = join(directory, 'key')
  await exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return { file, remove: () => rmSync(directory, { recursive: true }) }
}
