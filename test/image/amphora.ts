/** An amphora of the tests' stage that is a machine of its own. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkData } from '../../src/agent/boot/config-drive.ts'
import { amphoraFiles } from '../../src/lib/amphora-files.ts'
import { type AgentStage, HEARTBEAT_KEY, type TestAgent } from '../netns/support/agent-stage.ts'
import { writeConfigDrive } from '../support/config-drive.ts'
import { eventually } from '../support/eventually.ts'

/** Everything in the machine is emulated, beside whatever else this computer does. */
export const BOOT_TIMEOUT_MS = 300_000
export const STEP_TIMEOUT_MS = 120_000
const HEARTBEAT_SECONDS = 2

export function anAmphora(number: number, lb_network_ip: string): TestAgent {
  return {
    id: `00000000-0000-4000-8000-00000000000${number}`,
    lb_network_ip,
    outer: '',
    inner: 'amphora-haproxy',
    mac_address: `fa:16:3e:00:02:0${number}`,
    vrrp_ip: `10.0.0.1${number}`,
    base: '/var/lib/octavia',
    configuration: '',
    process: undefined as unknown as ChildProcess,
  }
}

export interface Told {
  network: NetworkData
  /** Where it sends heartbeats; an IPv6 address in brackets. */
  controller: string
  publicKeys?: Record<string, string>
}

/** A directory below this one, laid out as Nova would for this amphora. */
export async function aConfigDrive(stage: AgentStage, agent: TestAgent, directory: string, told: Told): Promise<string> {
  const { certificate, key } = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 24 * 3600 })
  const configuration = `[amphora_agent]
amphora_id = ${agent.id}
[health_manager]
heartbeat_key = ${HEARTBEAT_KEY}
heartbeat_interval = ${HEARTBEAT_SECONDS}
controller_ip_port_list = ${told.controller}:${stage.heartbeatPort}
`
  const files = {
    [amphoraFiles.agentConfiguration]: configuration,
    [amphoraFiles.serverCertificate]: `${certificate}${key}`,
    [amphoraFiles.clientCa]: stage.clientCa.certificate,
  }
  const place = join(directory, 'config')
  mkdirSync(place)
  const { network, publicKeys } = told
  writeConfigDrive(place, { uuid: agent.id, hostname: `${hostnameOf(agent)}.novalocal`, files, network, publicKeys })
  return place
}

export function hostnameOf({ id }: TestAgent): string {
  return `amphora-${id.slice(-1)}`
}

export async function agentAnswers(stage: AgentStage, agent: TestAgent, withinMs = BOOT_TIMEOUT_MS): Promise<void> {
  await eventually(async () => assert.equal((await stage.raw(agent, 'GET', '/1.0/info')).status, 200), withinMs)
}

/** From now on. */
export async function heartbeatsCome(stage: AgentStage, agent: TestAgent): Promise<void> {
  const before = stage.heartbeats.length
  await eventually(() => stage.heartbeats.slice(before).some(({ heartbeat }) => heartbeat.id === agent.id), STEP_TIMEOUT_MS)
}
