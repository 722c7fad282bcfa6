import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { anAddress, conflict, FakeNova } from '../../../test/support/fake-nova.ts'
import { type ConfigSource, loadConfig } from '../../config/config.ts'
import { createLog } from '../../lib/log.ts'
import { NotFoundError, type ServiceError } from '../errors.ts'
import { type OpenStackSession, openStackSession } from '../openstack/session.ts'
import type { WantedServer } from './driver.ts'
import { NovaCompute } from './nova.ts'

const amphora_id = '6e8dbe1c-3c0c-4b0a-8f5e-0a4a3b1b7a01'
const name = `amphora-${amphora_id}`
const files = { '/etc/octavia/amphora-agent.conf': '[DEFAULT]\n', '/etc/octavia/certs/server.pem': 'the key: #"\n' }
const wanted: WantedServer = {
  amphora_id,
  name,
  network_ids: ['management', 'storage'],
  security_group_ids: ['group'],
  compute_flavor: 'flavor',
  image_id: 'image',
  server_group_id: null,
  availability_zone: null,
  files,
  made_by: 'flow-1',
}
const busy = conflict("Cannot 'attach_interface' instance while it is in task_state spawning")

describe('a Nova that has its moods', () => {
  let keystone: FakeKeystone
  let nova: FakeNova
  let session: OpenStackSession
  let driver: NovaCompute
  /** Milliseconds that somebody slept; the clock goes by nothing else. */
  let waits: number[]

  beforeEach(async () => {
    keystone = new FakeKeystone(Date.now)
    nova = new FakeNova()
    const url = await nova.start()
    keystone.catalog = [{ type: 'compute', name: 'nova', endpoints: [{ interface: 'public', url }] }]
    await open()
  })
  afterEach(async () => {
    session.close()
    await keystone.stop()
    await nova.stop()
  })

  async function open(overrides: ConfigSource['overrides'] = {}): Promise<void> {
    waits = []
    const service_auth = { auth_url: await keystone.start(), username: 'octavia', password: 'secret', project_name: 'service' }
    const config = loadConfig({ stateDirectory: '/nonexistent', overrides: { service_auth, ...overrides } })
    const clock = { now: Date.now, monotonic: () => waits.reduce((sum, ms) => sum + ms, 0) }
    const sleep = async (ms: number) => void waits.push(ms)
    session = openStackSession({ config, clock, sleep, log: createLog('silent') })
    driver = new NovaCompute({ config, session, clock, sleep })
  }

  const reopen = async (overrides: ConfigSource['overrides']) => {
    session.close()
    await keystone.stop()
    await open(overrides)
  }
  const decoded = (text: unknown) => Buffer.from(String(text), 'base64').toString()

  test('a server is asked for with all that makes it an amphora', async () => {
    await reopen({ controller_worker: { amp_ssh_key_name: 'operators' } })
    const { compute_id } = await driver.ensureServer({ ...wanted, server_group_id: 'pair', availability_zone: 'north' })
    assert.equal(nova.servers[0]?.id, compute_id)
    const [{ server, ...hints }] = nova.boots as [{ server: Record<string, unknown> }]
    const { personality, user_data, ...rest } = server
    assert.deepEqual(hints, { 'os:scheduler_hints': { group: 'pair' } })
    assert.deepEqual(rest, {
      name,
      flavorRef: 'flavor',
      imageRef: 'image',
      networks: [{ uuid: 'management' }, { uuid: 'storage' }],
      security_groups: [{ name: 'group' }],
      availability_zone: 'north',
      key_name: 'operators',
      config_drive: true,
      metadata: { ottavia_made_by: 'flow-1', ottavia_name: name, ottavia_management_network: 'management' },
    })
    const sent = (personality as { path: string; contents: string }[]).map(({ path, contents }) => [path, decoded(contents)])
    assert.deepEqual(Object.fromEntries(sent), files)
    assert.match(decoded(user_data), /^#cloud-config\n/)
    assert.doesNotMatch(decoded(user_data), /the key/)
  })

  test('with user_data_config_drive cloud-init gets the files, however they are written', async () => {
    await reopen({ controller_worker: { user_data_config_drive: true, amp_timezone: 'Europe/Rome' } })
    await driver.ensureServer(wanted)
    const { personality, user_data } = (nova.boots[0] as { server: Record<string, unknown> }).server
    assert.equal(personality, undefined)
    const [head, ...lines] = decoded(user_data).split('\n')
    assert.equal(head, '#cloud-config')
    const { write_files, timezone } = JSON.parse(lines.join('\n')) as { write_files: { path: string; content: string }[]; timezone: string }
    assert.deepEqual(Object.fromEntries(write_files.map(({ path, content }) => [path, content])), files)
    assert.equal(timezone, 'Europe/Rome')
  })

  test('a random name is in upstream’s form, and finds its server all the same', async () => {
    await reopen({ nova: { random_amphora_name_length: 12 } })
    const { compute_id } = await driver.ensureServer(wanted)
    assert.match(nova.servers[0]!.name, /^a[A-Z0-9]{11}$/)
    assert.deepEqual(await driver.ensureServer(wanted), { compute_id })
    assert.equal(await driver.findServer(name), compute_id)
    assert.deepEqual(await driver.listMadeServers(), [{ id: compute_id, name, made_by: 'flow-1' }])
    assert.equal(nova.boots.length, 1)
  })

  test('without a flavor nobody asks Nova for anything', async () => {
    await assert.rejects(driver.ensureServer({ ...wanted, compute_flavor: null }), /\[controller_worker\] amp_flavor_id: missing/)
    assert.deepEqual(nova.asked, [])
  })

  test('a server whose answer was lost is found, and not made twice', async () => {
    nova.next(/^POST \/servers$/, 'lost')
    const { compute_id } = await driver.ensureServer(wanted)
    assert.deepEqual([nova.servers.map(({ id }) => id), nova.boots.length], [[compute_id], 1])
  })

  test('a server that Nova did not make for a gateway’s fault is asked for again', async () => {
    nova.next(/^POST \/servers$/, { status: 504 }, { status: 503 })
    const { compute_id } = await driver.ensureServer(wanted)
    assert.deepEqual([nova.servers.map(({ id }) => id), nova.boots.length], [[compute_id], 1])
    nova.next(
      /^POST \/servers$/,
      { status: 500 },
      { status: 500 },
      { status: 500, body: { computeFault: { code: 500, message: 'Unexpected API Error.' } } },
    )
    await assert.rejects(
      driver.ensureServer({ ...wanted, name: 'amphora-2' }),
      /Nova answered POST \/servers with 500: Unexpected API Error\./,
    )
  })

  test('of servers that came twice after all the first stays', async () => {
    nova.next(/^POST \/servers$/, 'lost')
    nova.next(/^GET \/servers\/detail\?name/, ...Array.from({ length: 11 }, () => ({ status: 200, body: { servers: [] } })))
    const { compute_id } = await driver.ensureServer(wanted)
    assert.equal(nova.boots.length, 2)
    assert.deepEqual(
      nova.servers.map(({ id, created }) => [id, created]),
      [[compute_id, '1970-01-01T00:00:01.000Z']],
    )
  })

  test('what Nova refuses is said in its words, and not asked again', async () => {
    const message = 'Quota exceeded for instances: Requested 1, but already used 10 of 10 instances'
    nova.next(/^POST \/servers$/, { status: 403, body: { forbidden: { code: 403, message } } })
    await assert.rejects(driver.ensureServer(wanted), { message: `Nova answered POST /servers with 403: ${message}` })
    assert.equal(nova.count(/^POST/), 1)
  })

  test('a Nova that asks for patience gets it', async () => {
    nova.next(/^POST \/servers$/, { status: 429, headers: { 'retry-after': '7' } })
    await driver.ensureServer(wanted)
    assert.deepEqual(waits, [7_000])
    nova.next(/^GET \/servers\//, { status: 500 }, 'reset', { status: 503 })
    assert.equal((await driver.getServer(nova.servers[0]!.id)).status, 'ACTIVE')
  })

  test('why a server is in ERROR is told, and its states are those that matter to a load balancer', async () => {
    const fault = { code: 500, message: 'No valid host was found. There are not enough hosts available.', created: '' }
    const { id } = nova.add({ status: 'ERROR', fault })
    const { status, fault: told } = await driver.getServer(id)
    assert.deepEqual([status, told], ['ERROR', fault.message])
    const states = {
      BUILD: 'BOOTING',
      REBOOT: 'BOOTING',
      ACTIVE: 'ACTIVE',
      MIGRATING: 'ACTIVE',
      SHUTOFF: 'GONE',
      DELETED: 'GONE',
      UNHEARD_OF: 'BOOTING',
    }
    for (const [shown, meant] of Object.entries(states))
      assert.equal((await driver.getServer(nova.add({ status: shown }).id)).status, meant)
  })

  test('the management address costs no question while a server has one interface, and one when it has several', async () => {
    const server = nova.add({ metadata: { ottavia_management_network: 'management' } })
    const mac = 'fa:16:3e:00:00:01'
    server.addresses = {
      management: [
        anAddress('192.0.2.1', mac),
        { ...anAddress('203.0.113.1', mac), 'OS-EXT-IPS:type': 'floating' },
        anAddress('2001:db8::1', mac),
      ],
    }
    assert.equal((await driver.getServer(server.id)).lb_network_ip, '192.0.2.1')
    assert.deepEqual(nova.asked, [`GET /servers/${server.id}`])
    server.addresses = { private: [anAddress('10.0.0.4', 'fa:16:3e:00:00:02')], ...server.addresses }
    const [vip, management] = [
      { net_id: 'private', fixed_ips: [{ ip_address: '10.0.0.4' }] },
      { net_id: 'management', fixed_ips: [{ ip_address: '192.0.2.1' }] },
    ]
    nova.interfaces.set(
      server.id,
      [vip, management].map((one) => ({ port_id: one.net_id, ...one })),
    )
    assert.equal((await driver.getServer(server.id)).lb_network_ip, '192.0.2.1')
  })

  test('a port is attached once Nova has time for it, and only once', async () => {
    const { id } = nova.add({})
    nova.next(/^POST .*os-interface/, busy, busy, 'lost')
    await driver.attachPort(id, 'port-1')
    await driver.attachPort(id, 'port-1')
    assert.deepEqual(
      nova.interfaces.get(id)?.map(({ port_id }) => port_id),
      ['port-1'],
    )
    assert.ok(nova.count(/^POST .*os-interface/) <= 5)
    await assert.rejects(driver.attachPort('nobody', 'port-2'), new NotFoundError('Server', 'nobody'))
    nova.next(/^POST .*os-interface/, { status: 404, body: { itemNotFound: { message: 'Port port-3 could not be found.' } } })
    await assert.rejects(driver.attachPort(id, 'port-3'), new NotFoundError('Port', 'port-3'))
  })

  test('a server that stays busy is an error in Nova’s words, after as many attempts as configured', async () => {
    await reopen({ compute: { max_retries: 3 } })
    const { id } = nova.add({})
    nova.next(/^POST .*os-interface/, busy, busy, busy)
    await assert.rejects(
      driver.attachPort(id, 'port-1'),
      (error: ServiceError) => error.status === 409 && /task_state spawning/.test(error.message),
    )
    assert.deepEqual(waits, [1_000, 2_000])
  })

  test('a port counts as detached when Nova no longer shows it, and not before', async () => {
    const { id } = nova.add({})
    await driver.attachPort(id, 'port-1')
    nova.looksUntilGone = 3
    await driver.detachPort(id, 'port-1')
    assert.deepEqual(nova.interfaces.get(id), [])
    assert.equal(nova.count(/^GET .*os-interface\/port-1$/), 4)
    await driver.detachPort(id, 'port-1')
    await driver.detachPort('nobody', 'port-1')
  })

  test('a machine that keeps its port is an error, or is told of soon', async () => {
    await reopen({ networking: { port_detach_timeout: 5 } })
    const { id } = nova.add({})
    await driver.attachPort(id, 'port-1')
    nova.looksUntilGone = 1_000
    await assert.rejects(driver.detachPort(id, 'port-1'), /after that it is still attached/)
    waits.length = 0
    assert.equal(await driver.detachPort(id, 'port-1', { soon: true }), false)
    assert.ok(waits.reduce((sum, ms) => sum + ms) < 20_000)
    assert.equal(nova.servers.length, 1)
  })

  test('a host that is silent is not waited for: neither to attach a port nor to detach it', async () => {
    const noAnswer = { status: 500, body: { computeFault: { code: 500, message: 'Unexpected API Error. MessagingTimeout' } } }
    const { id } = nova.add({})
    nova.next(/^POST .*os-interface/, noAnswer)
    await driver.attachPort(id, 'port-1')
    assert.equal(nova.count(/^POST .*os-interface/), 2)

    for (const host_status of ['DOWN', 'UNKNOWN']) {
      const { id } = nova.add({ host_status })
      nova.next(/^POST .*os-interface/, noAnswer)
      await assert.rejects(driver.attachPort(id, 'port-2'), /POST .*os-interface: the host of the server is silent/)
      nova.interfaces.set(id, [{ port_id: 'port-3', net_id: 'net', fixed_ips: [] }])
      nova.looksUntilGone = 1_000
      waits.length = 0
      await assert.rejects(driver.detachPort(id, 'port-3'), /the host of the server is silent/)
      assert.ok(waits.reduce((sum, ms) => sum + ms) < 20_000)
      nova.asked.length = 0
      assert.equal(await driver.detachPort(id, 'port-3', { soon: true }), false)
      assert.equal(nova.count(/os-interface/), 0, 'what is asked of a silent host is done when it is back')
    }
  })

  test('a port that Nova never manages to attach is an error, within minutes', async () => {
    const { id } = nova.add({})
    nova.next(/^POST .*os-interface/, ...Array.from({ length: 100 }, () => ({ status: 503 })))
    await assert.rejects(driver.attachPort(id, 'port-1'), (error: ServiceError) => error.status === 503)
    assert.ok(waits.reduce((sum, ms) => sum + ms) < 180_000)
  })

  test('a server is deleted when Nova no longer shows it; one that stays says in which state', async () => {
    const { id } = nova.add({ metadata: { ottavia_made_by: 'flow-1' } })
    await driver.deleteServer(id, { made_by: 'flow-2' })
    assert.equal(nova.servers.length, 1)
    nova.looksUntilGone = 3
    nova.next(/^DELETE/, conflict('Instance is locked'))
    await driver.deleteServer(id, { made_by: 'flow-1' })
    assert.deepEqual(nova.servers, [])
    await driver.deleteServer(id)
    nova.looksUntilGone = 1_000
    const stuck = nova.add({ status: 'ERROR', 'OS-EXT-STS:task_state': 'deleting', fault: { message: 'the host is on fire' } })
    await assert.rejects(driver.deleteServer(stuck.id), /still ERROR with the task deleting: the host is on fire/)
    assert.ok(nova.count(new RegExp(`^DELETE /servers/${stuck.id}`)) > 1)
  })

  test('all servers of a long list are found, and only those that were made here', async () => {
    nova.pageSize = 2
    for (let i = 0; i < 5; i++) nova.add({ id: `id-${i}`, name: `amphora-${i}`, metadata: { ottavia_made_by: `flow-${i}` } })
    nova.add({ name: 'amphora-of-another-octavia' })
    assert.deepEqual(
      (await driver.listMadeServers()).map(({ id }) => id),
      ['id-0', 'id-1', 'id-2', 'id-3', 'id-4'],
    )
  })

  test('only a server with exactly that name is found', async () => {
    nova.add({ name: `${name}-eth0` })
    nova.add({ name: `x${name}` })
    assert.equal(await driver.findServer(name), null)
  })

  test('who is gone is asked of all at once, then of what changed, and each is confirmed before it is told', async () => {
    const servers = Array.from({ length: 30 }, () => nova.add({}))
    const ids = servers.map(({ id }) => id)
    assert.deepEqual(await driver.listGone(ids), [])
    assert.equal(nova.asked.length, 1)
    servers[3]!.status = 'SHUTOFF'
    servers[4]!.status = 'DELETED'
    assert.deepEqual(await driver.listGone(ids), [ids[3], ids[4]])
    assert.match(nova.asked[1]!, /^GET \/servers\/detail\?changes-since=\d{4}-/)
    assert.equal(nova.asked.length, 4)
    // Missing in a list alone is no proof.
    nova.next(/changes-since/, { status: 200, body: { servers: [{ ...servers[5], status: 'DELETED' }] } })
    assert.deepEqual(await driver.listGone([ids[5]!]), [])
    assert.deepEqual(await driver.listGone(['nobody']), ['nobody'])
  })

  test('of many that are gone each is told within some calls', async () => {
    const ids = Array.from({ length: 45 }, (_, number) => `gone-${number}`)
    const told = new Set<string>()
    for (let call = 0; call < 3; call++) for (const id of await driver.listGone(ids)) told.add(id)
    assert.equal(told.size, ids.length)
  })

  test('a server group is made once, also when its answer is lost', async () => {
    const group = { name: 'octavia-lb-1', policy: 'soft-anti-affinity', made_by: 'flow-1' }
    nova.next(/^POST \/os-server-groups/, 'lost')
    const id = await driver.ensureServerGroup(group)
    assert.equal(await driver.ensureServerGroup(group), id)
    assert.deepEqual(nova.groups, [{ id, name: group.name, policies: ['soft-anti-affinity'] }])
    nova.next(/^DELETE \/os-server-groups/, { status: 204 })
    await driver.deleteServerGroup(id)
    await driver.deleteServerGroup('nobody')
  })
})
