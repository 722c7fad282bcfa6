/** A machine that Nova boots, in place of which stands a namespace: it becomes an amphora by its config drive alone. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readIfThere } from '../../src/agent/files.ts'
import { amphoraFiles } from '../../src/lib/amphora-files.ts'
import { exec } from '../../src/lib/exec.ts'
import { writeConfigDrive } from '../support/config-drive.ts'
import { eventually } from '../support/eventually.ts'
import { AgentStage, filesOf, get, haproxyCfg, LOAD_BALANCER, type TestAgent, VIP } from './support/agent-stage.ts'

const GUEST = fileURLToPath(new URL('../support/netns-guest.ts', import.meta.url))
const MEMBER = '10.0.0.21'
const NAMESPACE = 'server-1'

describe('a machine with a config drive', () => {
  let stage: AgentStage
  let agent: TestAgent
  let guest: ChildProcess
  before(async () => {
    stage = await AgentStage.open()
    agent = await aMachine()
    const args = ['netns', 'exec', NAMESPACE, process.execPath, GUEST, join(agent.base, 'config')]
    guest = spawn('ip', args, { cwd: agent.base, detached: true, stdio: ['ignore', 'ignore', 'inherit'] })
  })
  after(async () => {
    if (guest?.exitCode === null && guest.signalCode === null) process.kill(-guest.pid!, 'SIGKILL')
    await stage?.close()
  })

  async function aMachine(): Promise<TestAgent> {
    const id = '00000000-0000-4000-8000-000000000001'
    const machine: TestAgent = {
      id,
      lb_network_ip: '192.0.2.11',
      outer: NAMESPACE,
      inner: 'amphora-haproxy',
      mac_address: 'fa:16:3e:00:00:01',
      vrrp_ip: '10.0.0.11',
      base: join(stage.directory, 'server'),
      configuration: '',
      process: undefined as unknown as ChildProcess,
    }
    await stage.namespace(NAMESPACE, 'mgmt', `${machine.lb_network_ip}/24`)
    const { certificate, key } = await stage.serverCa.issue({ common_name: id, usage: 'server', validitySeconds: 3600 })
    const files: Record<string, string> = {
      [amphoraFiles.agentConfiguration]: `[amphora_agent]\namphora_id = ${id}\n[health_manager]\nheartbeat_key = key\n`,
      [amphoraFiles.serverCertificate]: `${certificate}${key}`,
      [amphoraFiles.clientCa]: stage.clientCa.certificate,
    }
    mkdirSync(machine.base)
    writeConfigDrive(join(machine.base, 'config'), { uuid: id, hostname: 'amphora-1', files })
    return machine
  }

  test('has an agent that answers its controller, and no other', async () => {
    const info = await stage.driver.waitForAgent(agent, 'booting')
    assert.equal(info.hostname, 'amphora-1')
    const stranger = await stage.serverCa.issue({ common_name: 'x', usage: 'client', validitySeconds: 3600 })
    await assert.rejects(stage.raw(agent, 'GET', '/1.0/info', { as: stranger }))
  })

  test('takes an interface that appears while it runs, and balances', async () => {
    await stage.port(agent, 'tenant', agent.mac_address)
    await stage.plugVip(agent)
    await stage.member('one', MEMBER)
    const configuration = haproxyCfg({ ...agent, base: '/var/lib/octavia' }, { one: MEMBER })
    await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(configuration), { flow_id: 'apply', generation: 1 })
    assert.equal(await eventually(() => get(`http://${VIP}/`)), 'one')
  })

  test('ends with its process group, and no process is left', async () => {
    const { stdout: before } = await exec('ip', ['netns', 'pids', NAMESPACE])
    assert.ok(before.trim().split('\n').length > 1)
    process.kill(-guest.pid!, 'SIGKILL')
    await eventually(async () => assert.equal((await exec('ip', ['netns', 'pids', NAMESPACE])).stdout, ''))
    // HAProxy lived in a network namespace that only its own processes know.
    const commandLines = () => readdirSync('/proc').map((name) => (/^\d+$/.test(name) ? readIfThere(`/proc/${name}/cmdline`) : null) ?? '')
    await eventually(() => assert.ok(!commandLines().some((line) => line.includes(LOAD_BALANCER))))
  })
})
