/** Tries from inside an amphora what an amphora must not be able to do. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findServer } from '../../src/embedded/compute/repository.ts'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from '../support/eventually.ts'
import { aCompute, MEMORY_LIMIT_MB, type TestCompute } from './support/a-compute.ts'

let it: TestCompute
let compute_id: string
let init_pid: number
before(async () => {
  it = await aCompute()
  const fence = { flow_id: 'flow-1', generation: 1 }
  ;({ compute_id } = await it.compute.ensureServer(it.wanted(), fence))
  await it.compute.ensureServer(it.wanted(), fence)
  init_pid = (await findServer(it.db, compute_id))!.init_pid!
})
after(() => it.close())

/** By number, from linux/capability.h. */
const MUST_NOT_HAVE = { SYS_MODULE: 16, SYS_RAWIO: 17, SYS_PTRACE: 19, SYS_BOOT: 22, SYS_TIME: 25, MKNOD: 27 }

test('nothing of the state directory is there, not even its path, by whatever way', async () => {
  writeFileSync(join(it.stateDirectory, 'secret'), 'the-secret-of-the-state')
  for (const root of ['', '/proc/1/root', '/proc/self/cwd/', '/proc/1/cwd/']) {
    assert.notEqual(await inside(`ls ${root}${it.stateDirectory}`), 0)
    assert.notEqual(await inside(`cat ${root}${it.stateDirectory}/secret`), 0)
  }
  assert.notEqual(await inside('grep -rqs the-secret-of-the-state /etc /run /tmp /var /root /opt/ottavia/agent.mjs'), 0)
})

test("another amphora's files and processes are not there", async () => {
  assert.equal(await inside('test "$(hostname)" = "$(cat /etc/hostname)"'), 0)
  assert.equal(await inside('test "$(wc -l < /var/lib/octavia/starts)" = 1'), 0)
  // The brackets keep the pattern from finding the shell that looks for it.
  assert.equal(await inside('test "$(ps -e -o args= | grep -c "^/opt/ottavia/nod[e]")" = 1'), 0)
})

test('the capabilities it does not need are dropped, for good, and no new ones can be had', async () => {
  const children = readFileSync(`/proc/${init_pid}/task/${init_pid}/children`, 'utf8').trim().split(' ').map(Number)
  for (const pid of children) {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    assert.match(text, /NoNewPrivs:\t1/)
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapInh', 'CapAmb']) {
      const bits = BigInt(`0x${new RegExp(`${set}:\t(\\w+)`).exec(text)![1]}`)
      for (const [name, number] of Object.entries(MUST_NOT_HAVE)) assert.equal((bits >> BigInt(number)) & 1n, 0n, `${set} has ${name}`)
    }
  }
})

test('a command that is put into an amphora has no more rights than the amphora', async () => {
  assert.equal(await inside('grep -q "NoNewPrivs:.1" /proc/self/status'), 0)
  assert.notEqual(await inside('mknod /tmp/disk b 8 0'), 0)
  assert.notEqual(await inside('date -s "@$(date +%s)"'), 0)
})

test("the host's programs and the agent cannot be written to, nor the kernel's settings but the network's", async () => {
  for (const path of ['/usr/bin', '/usr/lib', '/bin', '/opt/ottavia', '/', '/sys/kernel']) {
    assert.notEqual(await inside(`touch ${path}/written`), 0, path)
  }
  assert.notEqual(await inside('echo >> /opt/ottavia/agent.mjs'), 0)
  assert.notEqual(await inside('echo x > /proc/sys/kernel/core_pattern'), 0)
  assert.equal(await inside('sysctl -q -w net.ipv4.ip_forward=1'), 0)
  assert.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'), '0\n')
})

test('it has the host neither as files in /etc and /run nor as interfaces', async () => {
  assert.notEqual(await inside('test -e /etc/shadow'), 0)
  assert.notEqual(await inside(`ls /run/netns/*`), 0)
  assert.equal(await inside('test "$(ls /sys/class/net | sort | tr "\\n" " ")" = "eth0 lo "'), 0)
  assert.equal(await inside('test "$(ls /dev | grep -c -e vd -e sd -e mem -e kmsg)" = 0'), 0)
})

test('it has a process namespace of its own, whose process 1 reaps', async () => {
  assert.match(readFileSync(`/proc/${init_pid}/status`, 'utf8'), /NSpid:.*\t1\n/)
  await inside('setsid -f sleep 0.0123')
  await eventually(async () => assert.notEqual(await inside('ps -e -o args= | grep -q "0.01[2]3"'), 0))
  assert.notEqual(await inside('ps -e -o stat= | grep -q Z'), 0)
})

test('HAProxy can become nobody and keepalived can have its real-time priority', async () => {
  assert.equal(await inside('setpriv --reuid=65534 --regid=65534 --clear-groups test -x /usr/sbin/haproxy'), 0)
  assert.equal(await inside('chrt -f 40 true'), 0)
})

test('a network namespace can be made, named and entered inside, and the host does not see it', async () => {
  assert.equal(await inside('ip netns add amphora-haproxy && ip netns exec amphora-haproxy ip link set lo up'), 0)
  assert.doesNotMatch((await exec('ip', ['netns'])).stdout, /amphora-haproxy/)
})

test('secrets are readable by root alone, on the host and inside', async () => {
  const disk = join(it.stateDirectory, 'amphorae', compute_id)
  const { stdout } = await exec('stat', ['-c', '%a %u', `${disk}`, `${disk}/etc/octavia/certs/server.pem`])
  assert.deepEqual(stdout.trim().split('\n'), ['700 0', '600 0'])
  assert.notEqual(await inside('setpriv --reuid=65534 --regid=65534 --clear-groups cat /etc/octavia/certs/server.pem'), 0)
  assert.equal(await inside('stat -f -c %T /var/lib/octavia/certs | grep -q tmpfs'), 0)
})

const limited = readFileSync('/proc/self/cgroup', 'utf8').includes('memory') || existsSync('/sys/fs/cgroup/memory.stat')
test(`more memory than its limit ends the process that takes it${limited ? '' : ' (skipped: no memory cgroup)'}`, {
  skip: !limited,
}, async () => {
  const greedy = it.wanted({ files: { '/etc/octavia/amphora-agent.conf': `take ${2 * MEMORY_LIMIT_MB * 1024 * 1024}` } })
  const server = await it.compute.ensureServer(greedy, { flow_id: 'flow-1', generation: 1 })
  const log = join(it.stateDirectory, 'amphorae', server.compute_id, 'log/amphora-agent.log')
  await eventually(() => assert.match(readFileSync(log, 'utf8'), /the agent ended with status 137/))
  assert.equal((await it.compute.getServer(server.compute_id)).status, 'ACTIVE')
})

/** The status of a shell command run as the amphora. */
function inside(script: string): Promise<number> {
  return it.lab.execInAmphora(compute_id, ['sh', '-c', `exec 2>/dev/null; ${script}`], { inner: false })
}
