/**
 * The amphora image, made and used: `npm run test:image [-- --image FILE] [-- --keep FILE]`. It is built, boots under QEMU without KVM in a sandbox without uplink, gets
 * network cards while it runs, and balances HTTP, UDP and SCTP, these by its own kernel's IPVS. Prints how long each took. Needs root and Debian's package mirror.
 * `--image` takes one that is there; `--keep FILE` keeps the one that is built.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CAPABILITIES } from '../../src/agent/details.ts'
import { amphoraFiles } from '../../src/lib/amphora-files.ts'
import { exec } from '../../src/lib/exec.ts'
import { aTree } from '../../src/render/golden/pairs.ts'
import { renderLvs } from '../../src/render/lvs.ts'
import { AgentStage, filesOf, get, haproxyCfg, LISTENER, LOAD_BALANCER, POOL, type TestAgent, VIP } from '../netns/support/agent-stage.ts'
import { UDP_PORT, UdpClient, UdpMember } from '../netns/support/udp-member.ts'
import { writeConfigDrive } from '../support/config-drive.ts'
import { eventually } from '../support/eventually.ts'
import { enterSandbox, insideSandbox } from '../support/sandbox.ts'
import { VirtualMachine } from './virtual-machine.ts'

const MOST_BUILD_SECONDS = 300
const MOST_MIB = 500
/** Everything in the machine is emulated, beside whatever else this computer does. */
const BOOT_TIMEOUT_MS = 300_000
const STEP_TIMEOUT_MS = 120_000
const SCTP = fileURLToPath(new URL('sctp.py', import.meta.url))
const SCTP_PORT = 3868
const fence = { flow_id: 'a flow', generation: 1 }

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const { values: options } = parseArgs({ options: { image: { type: 'string' }, keep: { type: 'string' } } })
// Packages come from outside of the sandbox; what is made of them goes into it.
if (process.env.OTTAVIA_SANDBOX !== '1' && options.image === undefined) {
  const { image, isWithinBounds } = await build()
  const status = await enterSandbox([process.execPath, fileURLToPath(import.meta.url), '--image', image])
  process.exit(isWithinBounds ? status : 1)
}
await insideSandbox(fileURLToPath(import.meta.url))

const directory = mkdtempSync(join(tmpdir(), 'ottavia-image-test-'))
const stage = await AgentStage.open()
const helpers: ChildProcess[] = []
let machine: VirtualMachine | undefined
try {
  await story(resolve(options.image!))
  console.log('the image works')
} catch (error) {
  console.error(error)
  console.error(`the machine's console ends with:\n${machine?.console().slice(-3_000)}`)
  process.exitCode = 1
} finally {
  for (const helper of helpers) helper.kill('SIGKILL')
  await machine?.close()
  await stage.close()
  rmSync(directory, { recursive: true })
}
process.exit()

/** Beyond the bounds an image is looked at all the same. */
async function build(): Promise<{ image: string; isWithinBounds: boolean }> {
  const output = options.keep === undefined ? join(mkdtempSync(join(tmpdir(), 'ottavia-image-')), 'amphora.qcow2') : resolve(options.keep)
  if (options.keep === undefined) process.on('exit', () => rmSync(join(output, '..'), { recursive: true, force: true }))
  const beganAt = performance.now()
  const child = spawn('bin/ottavia', ['image', 'build', '--output', output], { stdio: 'inherit' })
  const status = await new Promise((ended) => child.once('exit', ended))
  if (status !== 0) process.exit(1)
  const seconds = (performance.now() - beganAt) / 1000
  const mib = statSync(output).size / 1024 / 1024
  console.log(`${seconds.toFixed(1).padStart(7)} s  built, ${mib.toFixed(0)} MiB`)
  const isWithinBounds = seconds <= MOST_BUILD_SECONDS && mib <= MOST_MIB
  if (!isWithinBounds) console.error(`an image should take ${MOST_BUILD_SECONDS} s and ${MOST_MIB} MiB at most`)
  return { image: output, isWithinBounds }
}

async function story(image: string): Promise<void> {
  const agent = anAmphora()
  const configDrive = await aConfigDrive(agent)
  const card = { bridge: 'mgmt', mac: 'fa:16:3e:00:01:01' }

  await timed('boot, from power to the answering agent', async () => {
    machine = await VirtualMachine.boot(directory, { image, configDrive, card })
    await agentAnswers(agent)
  })
  const info = await stage.driver.waitForAgent(agent, 'booting')
  console.log(`           HAProxy ${info.haproxy_version}, keepalived ${info.keepalived_version}, ipvsadm ${info.ipvsadm_version}`)
  assert.deepEqual(info.capabilities, [...CAPABILITIES, 'lvs'])
  assert.equal(info.hostname, 'amphora-1')
  const stranger = await stage.serverCa.issue({ common_name: 'x', usage: 'client', validitySeconds: 3600 })
  await assert.rejects(stage.raw(agent, 'GET', '/1.0/info', { as: stranger }))

  await timed('a network card plugged in, and the VIP on it', async () => {
    await machine!.plug({ bridge: 'tenant', mac: agent.mac_address })
    await eventually(() => stage.plugVip(agent), STEP_TIMEOUT_MS)
  })

  await stage.member('web', '10.0.0.20')
  const configuration = haproxyCfg(agent, { web: '10.0.0.20' })
  await timed('HTTP: from the configuration to the first answer', async () => {
    await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(configuration), fence)
    assert.equal(await eventually(() => get(`http://${VIP}/`), STEP_TIMEOUT_MS), 'web')
  })

  const members = [await UdpMember.open(stage, 'udp-21', 21), await UdpMember.open(stage, 'udp-22', 22)]
  await timed('UDP: from the configuration to answers of both members', async () => {
    await stage.driver.applyUdpListener(agent, LISTENER, lvsFile('UDP', UDP_PORT, 'UDP-CONNECT'), fence)
    await eventually(async () => assert.deepEqual(await udpAnswers(), ['udp-21', 'udp-22']), STEP_TIMEOUT_MS)
  })
  await members[0]!.kill()
  await timed('UDP: a member fell, and only the other answers', () =>
    eventually(async () => assert.deepEqual(await udpAnswers(), ['udp-22']), STEP_TIMEOUT_MS),
  )
  await members[0]!.start()
  await stage.driver.deleteUdpListener(agent, LISTENER, fence)

  const sctpMembers = [await sctpMember(members[0]!.name), await sctpMember(members[1]!.name)]
  await timed('SCTP: from the configuration to answers of both members', async () => {
    await stage.driver.applyUdpListener(agent, LISTENER, lvsFile('SCTP', SCTP_PORT, 'SCTP'), fence)
    await eventually(async () => assert.deepEqual(await sctpAnswers(), ['udp-21', 'udp-22']), STEP_TIMEOUT_MS)
  })
  sctpMembers[0]!.kill('SIGKILL')
  await timed('SCTP: a member fell, and only the other answers', () =>
    eventually(async () => assert.deepEqual(await sctpAnswers(), ['udp-22']), STEP_TIMEOUT_MS),
  )
  for (const member of members) await member.kill()

  await timed('restart: from the reset to the first HTTP answer', async () => {
    await machine!.reset()
    // Until it is gone, the old one answers.
    await eventually(async () => assert.rejects(get(`http://${VIP}/`)), STEP_TIMEOUT_MS)
    assert.equal(await eventually(() => get(`http://${VIP}/`), BOOT_TIMEOUT_MS), 'web')
  })
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const beganAt = performance.now()
  await work()
  console.log(`${((performance.now() - beganAt) / 1000).toFixed(1).padStart(7)} s  ${what}`)
}

function anAmphora(): TestAgent {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    lb_network_ip: '192.0.2.11',
    outer: '',
    inner: 'amphora-haproxy',
    mac_address: 'fa:16:3e:00:02:01',
    vrrp_ip: '10.0.0.11',
    base: '/var/lib/octavia',
    configuration: '',
    process: undefined as unknown as ChildProcess,
  }
}

async function aConfigDrive(agent: TestAgent): Promise<string> {
  const { certificate, key } = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 24 * 3600 })
  const files = {
    [amphoraFiles.agentConfiguration]: `[amphora_agent]\namphora_id = ${agent.id}\n[health_manager]\nheartbeat_key = key\n`,
    [amphoraFiles.serverCertificate]: `${certificate}${key}`,
    [amphoraFiles.clientCa]: stage.clientCa.certificate,
  }
  const network = {
    links: [{ id: 'tap0', ethernet_mac_address: 'fa:16:3e:00:01:01', mtu: 1500 }],
    networks: [{ link: 'tap0', type: 'ipv4', ip_address: agent.lb_network_ip, netmask: '255.255.255.0', routes: [] }],
  }
  const place = join(directory, 'config')
  mkdirSync(place)
  writeConfigDrive(place, { uuid: agent.id, hostname: 'amphora-1.novalocal', files, network })
  return place
}

async function agentAnswers(agent: TestAgent): Promise<void> {
  await eventually(async () => assert.equal((await stage.raw(agent, 'GET', '/1.0/info')).status, 200), BOOT_TIMEOUT_MS)
}

function lvsFile(protocol: 'UDP' | 'SCTP', port: number, type: 'UDP-CONNECT' | 'SCTP'): string {
  const member = (number: number) => ({
    id: `44444444-0000-4000-8000-0000000000${number}`,
    address: `10.0.0.${number}`,
    protocol_port: port,
  })
  const health_monitor = { type, delay: 1, timeout: 3, max_retries: 1, max_retries_down: 1 }
  const tree = aTree({
    id: LOAD_BALANCER,
    vip_address: VIP,
    listeners: [{ id: LISTENER, protocol, protocol_port: port, default_pool_id: POOL }],
    pools: [{ id: POOL, protocol, members: [member(21), member(22)], health_monitor }],
  } as Parameters<typeof aTree>[0])
  return renderLvs(tree, tree.listeners[0]!)
}

/** Who answers some new connections; sorted, each once. Throws when nobody answers one of them. */
async function udpAnswers(): Promise<string[]> {
  const answers = new Set<string>()
  for (let count = 0; count < 6; count++) {
    const client = await UdpClient.open({ address: VIP, port: UDP_PORT })
    try {
      answers.add(await client.ask())
    } finally {
      client.close()
    }
  }
  return [...answers].sort()
}

async function sctpAnswers(): Promise<string[]> {
  const answers = new Set<string>()
  for (let count = 0; count < 6; count++) answers.add((await exec('python3', [SCTP, 'ask', VIP, String(SCTP_PORT)])).stdout.trim())
  return [...answers].sort()
}

async function sctpMember(namespace: string): Promise<ChildProcess> {
  const args = [`--net=/run/netns/${namespace}`, 'python3', SCTP, 'serve', String(SCTP_PORT), namespace]
  const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  helpers.push(child)
  await new Promise((listens) => child.stdout!.once('data', listens))
  return child
}
