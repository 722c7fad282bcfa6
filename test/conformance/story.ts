/**
 * The story of the README, told by the `openstack` command: from an empty cloud to a load balancer that answers, with a shared pool, a
 * policy and a monitor, and back to nothing. One function, because both topologies have to pass the same.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { exec } from '../../src/lib/exec.ts'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { OpenstackClient } from '../support/openstack-client.ts'

/** Delay, down retries and timeout of the story's monitor, in seconds, and what the reporting may add. */
const MONITOR = { delay: 1, max_retries_down: 2, timeout: 1 }
const REPORTING_SECONDS = 2
const REPLACED_WITHIN_MS = 20_000

const webServer = (name: string) => `require('node:http').createServer((q, r) => r.end(${JSON.stringify(name)})).listen(80, '0.0.0.0')`

/** The answer to one request on a connection of its own. */
export async function curl(vip: string, path = '/'): Promise<string> {
  const { stdout } = await exec('curl', ['--silent', '--fail', '--max-time', '3', `http://${vip}${path}`])
  return stdout
}

/** Waits for a success that may take the amphora's first moments, within a bound. */
export const eventuallyAnswers = (vip: string, wanted: string) =>
  eventually(async () => (await curl(vip).catch(() => '')) === wanted, 5_000)

const webHost = async (controller: Controller, name: string) =>
  (
    await controller.ottavia('lab', 'host', 'create', name, '--subnet', 'private-subnet', '--', process.execPath, '-e', webServer(name))
  ).trim()

/** What of the machine belongs to this state; empty but for the standing networks when nothing is left of a load balancer. */
function namespaces(): string[] {
  return readdirSync('/run/netns').sort()
}

export async function tellStory(topology: 'SINGLE' | 'ACTIVE_STANDBY', portBase: number): Promise<void> {
  const controller = await new Controller({ portBase, config: `[controller_worker]\nloadbalancer_topology = ${topology}\n` }).start()
  const session = new ClientSession('openstack', controller.credentials('openrc'))
  try {
    await story(controller, topology, session)
  } finally {
    session.close()
    await controller.down()
  }
  assert.deepEqual(namespaces(), [], 'down leaves no namespace')
}

/** The client is kept running through all commands but the first, which costs a third of the time. */
async function story(controller: Controller, topology: 'SINGLE' | 'ACTIVE_STANDBY', openstack: ClientSession): Promise<void> {
  const services = await new OpenstackClient(controller).list('service', 'list')
  assert.ok(services.some((service) => service.Name === 'octavia' && service.Type === 'load-balancer'))

  const [a, b, c] = await Promise.all(['web-a', 'web-b', 'web-c'].map((name) => webHost(controller, name)))
  const before = {
    namespaces: namespaces(),
    ports: await openstack.list('port', 'list'),
    groups: await ownGroups(openstack),
  }

  const created = await openstack.show('loadbalancer', 'create', '--name', 'test_1', '--vip-subnet-id', 'private-subnet', '--wait')
  assert.equal(created.provisioning_status, 'ACTIVE')
  const vip = String(created.vip_address)

  await openstack.run(
    'loadbalancer',
    'listener',
    'create',
    '--name',
    'l1',
    '--protocol',
    'HTTP',
    '--protocol-port',
    '80',
    'test_1',
    '--wait',
  )
  await openstack.run(
    'loadbalancer',
    'pool',
    'create',
    '--name',
    'p1',
    '--protocol',
    'HTTP',
    '--listener',
    'l1',
    '--lb-algorithm',
    'ROUND_ROBIN',
    '--wait',
  )
  const member = (name: string, address: string, pool: string) =>
    openstack.run(
      'loadbalancer',
      'member',
      'create',
      '--name',
      name,
      '--address',
      address,
      '--subnet-id',
      'private-subnet',
      '--protocol-port',
      '80',
      pool,
      '--wait',
    )
  await member('a', a!, 'p1')
  await member('b', b!, 'p1')
  await eventuallyAnswers(vip, 'web-a')
  const answers = [await curl(vip), await curl(vip), await curl(vip), await curl(vip)]
  assert.equal(answers[0], answers[2])
  assert.equal(answers[1], answers[3])
  assert.deepEqual(answers.slice(0, 2).sort(), ['web-a', 'web-b'], 'the members take turns')

  await openstack.run(
    'loadbalancer',
    'pool',
    'create',
    '--name',
    'p2',
    '--protocol',
    'HTTP',
    '--loadbalancer',
    'test_1',
    '--lb-algorithm',
    'ROUND_ROBIN',
    '--wait',
  )
  await member('c', c!, 'p2')
  await openstack.run(
    'loadbalancer',
    'l7policy',
    'create',
    '--name',
    'policy',
    '--action',
    'REDIRECT_TO_POOL',
    '--redirect-pool',
    'p2',
    'l1',
    '--wait',
  )
  // Not with --wait: the client then asks for the policy below the rule, which no Octavia knows.
  await openstack.run('loadbalancer', 'l7rule', 'create', '--type', 'PATH', '--compare-type', 'STARTS_WITH', '--value', '/', 'policy')
  await eventually(async () => (await openstack.show('loadbalancer', 'show', 'test_1')).provisioning_status === 'ACTIVE')
  await eventuallyAnswers(vip, 'web-c')
  await openstack.run('loadbalancer', 'l7policy', 'delete', 'policy', '--wait')

  const { delay, max_retries_down, timeout } = MONITOR
  await openstack.run(
    ...[
      'loadbalancer',
      'healthmonitor',
      'create',
      '--name',
      'hm',
      '--type',
      'HTTP',
      '--delay',
      String(delay),
      '--timeout',
      String(timeout),
    ],
    ...['--max-retries', '1', '--max-retries-down', String(max_retries_down), 'p1', '--wait'],
  )
  const token = await controller.token()
  const pool = await openstack.show('loadbalancer', 'pool', 'show', 'p1')
  const memberStatus = async (name: string) => {
    const { body } = await controller.request<{ members: { name: string; operating_status: string }[] }>(
      'GET',
      `/v2/lbaas/pools/${pool.id}/members`,
      token,
    )
    return body.members.find((one) => one.name === name)?.operating_status
  }
  await eventually(async () => (await memberStatus('a')) === 'ONLINE' && (await memberStatus('b')) === 'ONLINE', 10_000)
  await controller.ottavia('lab', 'host', 'delete', 'web-a')
  const bound = (delay * max_retries_down + timeout + REPORTING_SECONDS) * 1000
  await eventually(async () => (await memberStatus('a')) === 'ERROR', bound)
  // Of a pair, the amphora that does not serve may have told it first.
  await eventually(async () => {
    for (let request = 0; request < 6; request++) assert.equal(await curl(vip), 'web-b', 'no request goes to a member in ERROR')
  }, bound)

  assert.equal((await openstack.show('loadbalancer', 'show', 'test_1')).operating_status, 'DEGRADED')
  const { loadbalancer: tree } = JSON.parse(await openstack.run('loadbalancer', 'status', 'show', 'test_1')) as {
    loadbalancer: { listeners: { pools: unknown[] }[] }
  }
  assert.equal(tree.listeners[0]?.pools.length, 1)
  await eventually(async () => Number((await openstack.show('loadbalancer', 'stats', 'show', 'test_1')).total_connections) >= 10, 20_000)

  const amphorae = await openstack.list('loadbalancer', 'amphora', 'list')
  assert.equal(amphorae.length, topology === 'SINGLE' ? 1 : 2)
  const amphora = await openstack.show('loadbalancer', 'amphora', 'show', String(amphorae[0]!.id))
  const ports = await openstack.list('port', 'list', '--device-id', String(amphora.compute_id))
  assert.equal(ports.length, 2, 'the management port and the VRRP port')
  const servers = await openstack.list('server', 'list')
  assert.deepEqual(servers.map((server) => server.Name).sort(), amphorae.map(({ id }) => `amphora-${id}`).sort())
  const inner = await controller.ottavia(
    'lab',
    'amphora',
    'exec',
    String(amphora.compute_id),
    '--inner',
    '--',
    'ip',
    '-brief',
    'address',
    'show',
    'eth1',
  )
  assert.ok(inner.includes(String(amphora.vrrp_ip)), 'the VIP interface is in the inner namespace')
  await checkAgent(controller, String(amphora.id), String(amphora.lb_network_ip))

  const demo = new OpenstackClient(controller, 'openrc-demo')
  assert.deepEqual(await demo.list('server', 'list'), [])

  if (topology === 'ACTIVE_STANDBY') await killMaster(controller, openstack, vip)

  await openstack.run('loadbalancer', 'delete', '--cascade', 'test_1', '--wait')
  await controller.ottavia('lab', 'host', 'create', 'web-a', '--subnet', 'private-subnet', '--', process.execPath, '-e', webServer('web-a'))
  assert.deepEqual(await openstack.list('loadbalancer', 'list'), [])
  assert.deepEqual(namespaces().length, before.namespaces.length)
  assert.equal((await openstack.list('port', 'list')).length, before.ports.length)
  assert.deepEqual(await ownGroups(openstack), before.groups)
  assert.deepEqual(processesMentioning(String(created.id)), [])
}

/** But for the `default` groups, which each project gets when it is first needed. */
async function ownGroups(openstack: ClientSession): Promise<Record<string, unknown>[]> {
  return (await openstack.list('security', 'group', 'list')).filter((group) => group.Name !== 'default')
}

/** With the controller's certificate the agent answers; without, or with an amphora's own, the handshake is refused. */
async function checkAgent(controller: Controller, id: string, lb_network_ip: string): Promise<void> {
  const certs = `${controller.stateDirectory}/certs`
  const connect = [
    '--silent',
    '--show-error',
    '--max-time',
    '5',
    '--connect-to',
    `${id}:9443:${lb_network_ip}:9443`,
    '--cacert',
    `${certs}/server_ca.pem`,
  ]
  const asController = [...connect, '--cert', `${certs}/client.pem`]
  const info = JSON.parse((await exec('curl', [...asController, `https://${id}:9443/1.0/info`])).stdout)
  assert.equal(info.api_version, '1.0')
  const details = JSON.parse((await exec('curl', [...asController, `https://${id}:9443/1.0/details`])).stdout)
  assert.equal(details.haproxy_count, 1)
  await assert.rejects(exec('curl', [...connect, `https://${id}:9443/1.0/info`]))
}

/** When the amphora that has the VIP dies, nobody answers for 0.4 s at most; then another takes its place by itself. */
async function killMaster(controller: Controller, openstack: ClientSession, vip: string): Promise<void> {
  const amphorae = await openstack.list('loadbalancer', 'amphora', 'list', '--long')
  const shown = await Promise.all(amphorae.map(({ id }) => openstack.show('loadbalancer', 'amphora', 'show', String(id))))
  let master: string | undefined
  for (const { compute_id } of shown) {
    const addresses = await controller.ottavia(
      'lab',
      'amphora',
      'exec',
      String(compute_id),
      '--inner',
      '--',
      'ip',
      '-brief',
      'address',
      'show',
      'eth1',
    )
    if (addresses.includes(`${vip}/`)) master = String(compute_id)
  }
  assert.ok(master !== undefined, 'one amphora has the VIP')
  const probe = probing(vip)
  await controller.ottavia('lab', 'amphora', 'kill', master)
  const gapMs = await probe.gapEnded()
  assert.ok(gapMs <= 400, `the VIP was silent for ${gapMs} ms`)
  await eventually(async () => {
    const now = await openstack.list('loadbalancer', 'amphora', 'list', '--status', 'ALLOCATED')
    const isNew = now.some(({ id }) => amphorae.every((old) => old.id !== id))
    const { provisioning_status } = await openstack.show('loadbalancer', 'show', 'test_1')
    assert.deepEqual([now.length, isNew, provisioning_status], [2, true, 'ACTIVE'])
  }, REPLACED_WITHIN_MS)
}

/** Asks every few milliseconds until an answer comes after at least one failure; tells the longest time between two answers. */
function probing(vip: string): { gapEnded(): Promise<number> } {
  const deadline = performance.now() + 15_000
  let last = performance.now()
  let longest = 0
  let failed = false
  const run = (async () => {
    let after = 0
    while (performance.now() < deadline && after < 50) {
      const answered = await fetch(`http://${vip}/`, { signal: AbortSignal.timeout(60), headers: { connection: 'close' } })
        .then(async (response) => response.ok && (await response.text()) !== '')
        .catch(() => false)
      const now = performance.now()
      if (answered) {
        longest = Math.max(longest, now - last)
        last = now
        if (failed) after++
      } else failed = true
    }
    assert.ok(failed, 'the death of the amphora was noticed')
    return Math.round(longest)
  })()
  return { gapEnded: () => run }
}

function processesMentioning(word: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ')
      if (command.includes(word)) found.push(command)
    } catch {
      // It ended while it was looked at.
    }
  }
  return found
}
