import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { Command } from 'commander'
import { addLabCommands } from '../../src/cli/lab.ts'
import { listNetns } from '../../src/embedded/compute/sandbox.ts'
import { findLabHost, updateLabHost } from '../../src/embedded/lab/repository.ts'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from '../support/eventually.ts'
import { aCompute, type TestCompute } from './support/a-compute.ts'

let it: TestCompute
beforeEach(async () => {
  it = await aCompute()
})
afterEach(() => it.close())

const fence = { flow_id: 'flow-1', generation: 1 }
/** Answers each connection with its host's name. */
const SERVE = ['node', '-e', "require('node:net').createServer((s) => s.end(require('node:os').hostname())).listen(80)"]

test('a host is given an address on the subnet of that name, and its command serves there', async () => {
  const { printed, errors } = await ottavia('lab', 'host', 'create', 'web1', '--subnet', 'private-subnet', '--', ...SERVE)
  assert.deepEqual(errors, [])
  const [address] = printed
  assert.match(address!, /^198\.19\.241\.\d+$/)
  await eventually(async () => assert.equal(await ask(address!), 'web1'))
  const list = await ottavia('lab', 'host', 'list')
  assert.deepEqual(list.printed, [`web1\t${address}\trunning\t${SERVE.join(' ')}`])
})

test('hosts reach each other, and see neither the processes nor the interfaces of the machine', async () => {
  const first = await it.lab.createHost({ name: 'first', subnet: it.tenant.subnet.id, command: ['sleep', '600'], working_directory: '/' })
  await it.lab.createHost({ name: 'second', subnet: it.tenant.subnet.id, command: ['sleep', '600'], working_directory: '/' })
  assert.equal((await ottavia('lab', 'exec', 'second', '--', 'ping', '-q', '-c', '1', '-W', '2', first.ip_address)).status, 0)
  assert.equal(
    await it.lab.execOnHost('second', ['sh', '-c', `test $(ls /sys/class/net | wc -l) = 2 && ! test -e /proc/${process.pid}`]),
    0,
  )
  assert.equal(await it.lab.execOnHost('second', ['sh', '-c', 'test $(hostname) = second && test -z "$(ls /run/netns)"']), 0)
})

test("exec ends with the command's status", async () => {
  await it.lab.createHost({ name: 'host', subnet: it.tenant.subnet.id, command: ['sleep', '600'], working_directory: '/' })
  assert.equal((await ottavia('lab', 'exec', 'host', '--', 'sh', '-c', 'exit 7')).status, 7)
})

test('a host whose command has ended is still there for exec, until it is deleted', async () => {
  await it.lab.createHost({ name: 'short', subnet: it.tenant.subnet.id, command: ['true'], working_directory: '/' })
  await eventually(async () => assert.equal((await it.lab.listHosts())[0]!.running, false))
  assert.equal(await it.lab.execOnHost('short', ['ip', 'address', 'show', 'dev', 'eth0']), 0)
  await it.lab.deleteHost('short')
  assert.deepEqual(await it.lab.listHosts(), [])
  assert.deepEqual(it.network.ports, [])
  assert.ok(!(await listNetns()).some((name) => name.includes(it.hash)))
})

test('what a host cannot be is said, with status 1, and leaves nothing', async () => {
  await it.lab.createHost({ name: 'taken', subnet: it.tenant.subnet.id, command: ['sleep', '600'], working_directory: '/' })
  const cases: [string[], RegExp][] = [
    [['host', 'create', 'taken', '--subnet', 'private-subnet', '--', 'true'], /already a lab host 'taken'/],
    [['host', 'create', '../x', '--subnet', 'private-subnet', '--', 'true'], /cannot be a host's name/],
    [['host', 'create', 'new', '--subnet', 'nowhere', '--', 'true'], /no subnet 'nowhere'/],
    [['host', 'delete', 'nobody'], /no lab host 'nobody'/],
    [['amphora', 'kill', 'nobody'], /no amphora/],
  ]
  for (const [args, message] of cases) {
    const { status, errors } = await ottavia('lab', ...args)
    assert.equal(status, 1)
    assert.match(errors.join('\n'), message)
  }
  assert.equal(it.network.ports.length, 1)
})

test("hosts go on without the controller and are started again after the machine's restart", async () => {
  const { ip_address } = await it.lab.createHost({ name: 'web1', subnet: it.tenant.subnet.id, command: SERVE, working_directory: '/' })
  await it.lab.reconcile()
  await eventually(async () => assert.equal(await ask(ip_address), 'web1'))
  const before = (await findLabHost(it.db, 'web1'))!
  await exec('ip', ['netns', 'del', `ottavia-${it.hash}-lab-web1`])
  process.kill(before.init_pid!, 'SIGKILL')
  await updateLabHost(it.db, before.id, { boot_id: 'another boot' })
  await it.network.detachPort(before.port_id)
  await it.lab.reconcile()
  await eventually(async () => assert.equal(await ask(ip_address), 'web1'))
})

test('an amphora is entered in its outer and inner namespace, and killed', async () => {
  const { compute_id } = await it.compute.ensureServer(it.wanted(), fence)
  const { lb_network_ip } = await it.compute.getServer(compute_id)
  const grep = ['sh', '-c', `ip -brief address | grep -q ${lb_network_ip}`]
  assert.equal((await ottavia('lab', 'amphora', 'exec', compute_id, '--', ...grep)).status, 0)
  const early = await ottavia('lab', 'amphora', 'exec', compute_id, '--inner', '--', 'true')
  assert.match(early.errors.join(), /no namespace amphora-haproxy yet/)
  assert.equal((await ottavia('lab', 'amphora', 'exec', compute_id, '--', 'ip', 'netns', 'add', 'amphora-haproxy')).status, 0)
  assert.equal((await ottavia('lab', 'amphora', 'exec', compute_id, '--inner', '--', ...grep)).status, 1)
  assert.equal((await ottavia('lab', 'amphora', 'kill', compute_id)).status, 0)
  assert.equal((await it.compute.getServer(compute_id)).status, 'GONE')
  assert.match((await ottavia('lab', 'amphora', 'exec', compute_id, '--', 'true')).errors.join(), /is dead/)
})

test('a command that cannot be found ends the host, and its log says why', async () => {
  const { name } = await it.lab.createHost({
    name: 'wrong',
    subnet: it.tenant.subnet.id,
    command: ['no-such-program'],
    working_directory: '/',
  })
  await eventually(async () => assert.equal((await it.lab.listHosts())[0]!.running, false))
  const { stdout } = await exec('cat', [`${it.stateDirectory}/lab/${name}/output.log`])
  assert.match(stdout, /no-such-program: not found/)
})

/** The command line, on this test's lab. */
async function ottavia(...args: string[]): Promise<{ status: number; printed: string[]; errors: string[] }> {
  const printed: string[] = []
  const errors: string[] = []
  const program = new Command('ottavia').exitOverride()
  addLabCommands(program, {
    openLab: async () => ({ lab: it.lab, async close() {} }),
    print: (line) => printed.push(line),
    printError: (line) => errors.push(line),
  })
  process.exitCode = 0
  await program.parseAsync(args, { from: 'user' })
  const status = Number(process.exitCode)
  process.exitCode = 0
  return { status, printed, errors }
}

/** What the server at port 80 says to whoever connects. */
async function ask(address: string): Promise<string> {
  let text = ''
  for await (const chunk of connect({ host: address, port: 80 }).setTimeout(2_000).setEncoding('utf8')) text += chunk
  return text
}
