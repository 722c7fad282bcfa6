/**
 * The image under QEMU by itself: it boots, gets network cards while it runs, and balances HTTP, UDP and SCTP, these by its own kernel's IPVS; then it is
 * restarted.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CAPABILITIES } from '../../src/agent/details.ts'
import { exec } from '../../src/lib/exec.ts'
import { aTree } from '../../src/render/golden/pairs.ts'
import { renderLvs } from '../../src/render/lvs.ts'
import { AgentStage, CONTROLLER, filesOf, get, haproxyCfg, LISTENER, LOAD_BALANCER, POOL, VIP } from '../netns/support/agent-stage.ts'
import { UDP_PORT, UdpClient, UdpMember } from '../netns/support/udp-member.ts'
import { eventually } from '../support/eventually.ts'
import { aConfigDrive, agentAnswers, anAmphora, BOOT_TIMEOUT_MS, heartbeatsCome, hostnameOf, STEP_TIMEOUT_MS } from './amphora.ts'
import { timed } from './timed.ts'
import { VirtualMachine } from './virtual-machine.ts'

const SCTP = fileURLToPath(new URL('sctp.py', import.meta.url))
const SCTP_PORT = 3868
const fence = { flow_id: 'a flow', generation: 1 }

const directory = mkdtempSync(join(tmpdir(), 'ottavia-image-test-'))
const stage = await AgentStage.open()
const helpers: ChildProcess[] = []
let machine: VirtualMachine | undefined

export async function underQemu(image: string): Promise<void> {
  try {
    await story(image)
  } catch (error) {
    console.error(`the machine's console ends with:\n${machine?.console().slice(-3_000)}`)
    throw error
  } finally {
    for (const helper of helpers) helper.kill('SIGKILL')
    await machine?.close()
    await stage.close()
    rmSync(directory, { recursive: true })
  }
}

async function story(image: string): Promise<void> {
  const agent = anAmphora(1, '192.0.2.11')
  const card = { bridge: 'mgmt', mac: 'fa:16:3e:00:01:01' }
  const network = {
    links: [{ id: 'tap0', ethernet_mac_address: card.mac, mtu: 1500 }],
    networks: [{ link: 'tap0', type: 'ipv4', ip_address: agent.lb_network_ip, netmask: '255.255.255.0', routes: [] }],
  }
  const configDrive = await aConfigDrive(stage, agent, directory, { network, controller: CONTROLLER })

  await timed('boot, from power to the answering agent', async () => {
    machine = await VirtualMachine.boot(directory, { image, configDrive, cards: [card] })
    await agentAnswers(stage, agent)
  })
  await heartbeatsCome(stage, agent)
  const info = await stage.driver.waitForAgent(agent, 'booting')
  console.log(`           HAProxy ${info.haproxy_version}, keepalived ${info.keepalived_version}, ipvsadm ${info.ipvsadm_version}`)
  assert.deepEqual(info.capabilities, [...CAPABILITIES, 'lvs'])
  assert.equal(info.hostname, hostnameOf(agent))
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
