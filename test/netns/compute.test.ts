import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { computeContract } from '../../src/drivers/compute/contract.ts'
import { EmbeddedComputeDriver } from '../../src/drivers/compute/embedded.ts'
import { initOf, isAlive } from '../../src/embedded/compute/init-process.ts'
import { findServer, listServers, updateServer } from '../../src/embedded/compute/repository.ts'
import { listNetns } from '../../src/embedded/compute/sandbox.ts'
import { teardownCompute } from '../../src/embedded/compute/teardown.ts'
import { exec } from '../../src/lib/exec.ts'
import { createLog } from '../../src/lib/log.ts'
import { eventually } from '../support/eventually.ts'
import { aCompute, type TestCompute } from './support/a-compute.ts'

let it: TestCompute
const fence = { flow_id: 'flow-1', generation: 1 }
const opened = async () => {
  it = await aCompute()
  return it
}

computeContract('embedded', async () => {
  const { compute, network, management, tenant, lab, wanted, close, db } = await opened()
  return {
    driver: new EmbeddedComputeDriver(compute, { flavor: 'amphora', availability_zone: 'nova' }),
    network,
    management_network_id: management.network.id,
    image_id: 'amphora',
    compute_flavor: null,
    refusesOldFences: true,
    tenant: { network_id: tenant.network.id, subnet_id: tenant.subnet.id },
    files: wanted().files,
    kill: (compute_id) => lab.killAmphora(compute_id),
    async macAddresses(compute_id) {
      const { init_pid } = (await findServer(db, compute_id))!
      const { stdout } = await exec('nsenter', [`--net=/proc/${init_pid}/ns/net`, 'ip', '-json', 'link'])
      return (JSON.parse(stdout) as { address: string }[]).map(({ address }) => address)
    },
    eventually: (condition) => eventually(condition),
    close,
  }
})

describe('embedded compute', () => {
  beforeEach(opened)
  afterEach(() => it.close())

  test('a server is reached on its management address, and is seen in `ip netns` by state and compute id', async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    const { lb_network_ip } = await it.compute.getServer(compute_id)
    await exec('ping', ['-c', '1', '-W', '2', lb_network_ip!])
    assert.ok((await listNetns()).includes(`ottavia-${it.hash}-amphora-${compute_id}`))
  })

  test('different servers start side by side', async () => {
    const ids = await Promise.all([1, 2, 3].map(() => it.compute.ensureServer(it.wanted(), fence)))
    for (const { compute_id } of ids) assert.equal((await it.compute.getServer(compute_id)).status, 'ACTIVE')
  })

  test('the same server asked for twice at once is one', async () => {
    const wanted = it.wanted()
    const [first, second] = await Promise.all([it.compute.ensureServer(wanted, fence), it.compute.ensureServer(wanted, fence)])
    assert.equal(first.compute_id, second.compute_id)
    assert.equal((await listServers(it.db)).length, 1)
  })

  test('the agent is started again when it dies', async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    await eventually(() => hasStarted(compute_id, 1))
    const [agent] = agentsOf(compute_id)
    assert.equal(await it.lab.execInAmphora(compute_id, ['sh', '-c', `kill -9 ${agent}`], { inner: false }), 0)
    await eventually(() => hasStarted(compute_id, 2))
    assert.equal((await it.compute.getServer(compute_id)).status, 'ACTIVE')
  })

  test('killing the init kills everything in the amphora, daemons included', async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    await it.lab.execInAmphora(compute_id, ['sh', '-c', 'setsid sleep 4711 & setsid -f sleep 4711'], { inner: false })
    await eventually(async () => assert.equal((await processes('sleep 4711')).length, 2))
    await it.lab.killAmphora(compute_id)
    assert.equal((await it.compute.getServer(compute_id)).status, 'GONE')
    await eventually(async () => assert.deepEqual(await processes('sleep 4711'), []))
  })

  test('SIGKILL of the whole process group of the controller leaves the server running, and the next controller adopts it', async () => {
    const script = fileURLToPath(new URL('support/controller-process.ts', import.meta.url))
    const controller = spawn(process.execPath, [script, it.stateDirectory, it.hash], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(controller.stdout!, 'data')) as [Buffer]
    const compute_id = line.toString().trim()
    process.kill(-controller.pid!, 'SIGKILL')
    await once(controller, 'exit')
    const before = (await findServer(it.db, compute_id))!
    const next = it.again()
    await next.reconcile()
    assert.equal((await next.getServer(compute_id)).status, 'ACTIVE')
    assert.ok(isAlive(initOf(before)))
    assert.equal((await findServer(it.db, compute_id))!.init_pid, before.init_pid)
    await next.deleteServer(compute_id)
    assert.ok(!isAlive(initOf(before)))
  })

  test("after the host's restart the server is built again on its disk and with its ports; one that only died is not", async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    const port = await it.network.ensurePort({ ...legOf(it), name: 'leg' })
    await it.compute.attachPort(compute_id, port.id, fence)
    const died = await it.compute.ensureServer(it.wanted(), fence)
    await it.lab.killAmphora(died.compute_id)
    await eventually(() => hasStarted(compute_id, 1))
    const before = await it.compute.getServer(compute_id)
    await it.lab.killAmphora(compute_id)
    await updateServer(it.db, compute_id, { boot_id: 'another boot' })
    await it.network.detachPort(port.id)
    for (const { id } of await it.network.listPortsOfDevice(compute_id)) await it.network.detachPort(id)

    const next = it.again()
    await next.reconcile()
    assert.deepEqual(await next.getServer(compute_id), before)
    await eventually(() => hasStarted(compute_id, 2))
    await exec('ping', ['-c', '1', '-W', '2', before.lb_network_ip!])
    const { stdout } = await exec('ip', ['-n', `ottavia-${it.hash}-amphora-${compute_id}`, 'link'])
    assert.match(stdout, new RegExp(port.mac_address))
    assert.equal((await next.getServer(died.compute_id)).status, 'GONE')
  })

  test('a start that fails says why, leaves nothing running, and may be tried again', async () => {
    const wanted = it.wanted()
    it.network.failNext('getSubnet', new Error('the network is out of order'))
    await assert.rejects(it.compute.ensureServer(wanted, fence), /out of order/)
    const compute_id = (await it.compute.findServer(wanted.name))!
    const failed = await it.compute.getServer(compute_id)
    assert.deepEqual([failed.status, failed.fault], ['ERROR', 'the network is out of order'])
    assert.deepEqual(await it.compute.ensureServer(wanted, fence), { compute_id })
    assert.equal((await it.compute.getServer(compute_id)).status, 'ACTIVE')
    await it.compute.deleteServer(compute_id)
    assert.deepEqual(await leftovers(), [])
  })

  test('deleting leaves no process, namespace, cgroup, file or port', async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    await it.compute.deleteServer(compute_id)
    assert.deepEqual(await leftovers(), [])
    assert.deepEqual(it.network.ports, [])
    assert.deepEqual(readdirSync(join(it.stateDirectory, 'amphorae')), [])
  })

  test('what no row knows is removed at the start', async () => {
    const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
    await it.db.deleteFrom('embedded_server').execute()
    await it.again().reconcile()
    assert.deepEqual(await leftovers(), [])
    assert.ok(!existsSync(join(it.stateDirectory, 'amphorae', compute_id)))
  })

  test('teardown takes everything away without the database', async () => {
    await it.compute.ensureServer(it.wanted(), fence)
    await it.lab.createHost({ name: 'left', subnet: it.tenant.subnet.id, command: ['sleep', '4712'], working_directory: '/' })
    await teardownCompute({ hash: it.hash, log: createLog('silent') })
    assert.deepEqual(await leftovers(), [])
    assert.deepEqual(await processes('sleep 4712'), [])
  })
})

after(() => assert.ok(process.env.OTTAVIA_SANDBOX, 'these tests run in the sandbox of test/run.ts'))

/** The pids, as the amphora sees them, of the agents started so far. */
function agentsOf(compute_id: string): string[] {
  const file = join(it.stateDirectory, 'amphorae', compute_id, 'lib/starts')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

const hasStarted = (compute_id: string, times: number) => agentsOf(compute_id).length === times

async function processes(command: string): Promise<string[]> {
  const { stdout } = await exec('ps', ['-eo', 'stat,args'])
  return stdout.split('\n').filter((line) => line.endsWith(` ${command}`) && !line.startsWith('Z'))
}

/** Namespaces, cgroups and processes that carry the state's hash. */
async function leftovers(): Promise<string[]> {
  const netns = (await listNetns()).filter((name) => name.includes(it.hash))
  const cgroups = (await exec('find', ['/sys/fs/cgroup', '-mindepth', '3', '-path', `*ottavia-${it.hash}/*`, '-type', 'd'])).stdout
  const { stdout } = await exec('ps', ['-eo', 'stat,args'])
  const running = stdout.split('\n').filter((line) => line.includes(it.stateDirectory) && !line.startsWith('Z') && line.includes('bwrap'))
  return [...netns, ...cgroups.split('\n').filter(Boolean), ...running]
}

function legOf({ tenant }: TestCompute) {
  return {
    network_id: tenant.network.id,
    fixed_ips: [{ subnet_id: tenant.subnet.id }],
    project_id: null,
    device_owner: '',
    device_id: '',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'flow-1',
  }
}
