/** UDP listeners with packets: an agent that forwards by nftables, members of both families, clients of many sources. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { AgentError } from '../../src/drivers/errors.ts'
import { aTree } from '../../src/render/golden/pairs.ts'
import { renderLvs } from '../../src/render/lvs.ts'
import { eventually } from '../support/eventually.ts'
import { AgentStage, inside, ip, LISTENER, LOAD_BALANCER, POOL, type TestAgent, VIP, VIP_IPV6 } from './support/agent-stage.ts'
import { UDP_PORT, UdpClient, UdpMember } from './support/udp-member.ts'

const PORT = 53
const SOURCES = Array.from({ length: 48 }, (_, i) => `10.0.0.${100 + i}`)
const fence = { flow_id: 'a flow', generation: 1 }
/** An IPv4 header, one of UDP, and what is sent. */
const bytesOf = (payload: string) => 20 + 8 + payload.length

type Input = Parameters<typeof aTree>[0] & object
type PoolInput = NonNullable<Input['pools']>[number]
type MemberInput = NonNullable<PoolInput['members']>[number]

describe('UDP listeners', () => {
  let stage: AgentStage
  let agent: TestAgent
  const members: UdpMember[] = []
  const clients: UdpClient[] = []

  before(async () => {
    stage = await AgentStage.open()
    agent = await stage.agent(1, { heartbeatIntervalSeconds: 1 })
    for (const number of [21, 22, 23]) members.push(await UdpMember.open(stage, `member-${number}`, number))
    await ip(...SOURCES.map((source) => `address add ${source}/24 dev tenant`))
    const subnet = { subnet_cidr: '10.0.0.0/24', gateway: null, host_routes: [] }
    await stage.driver.plugVip(
      agent,
      {
        vip_address: VIP,
        ...subnet,
        mac_address: agent.mac_address,
        vrrp_ip: agent.vrrp_ip,
        mtu: 1450,
        additional_vips: [{ ip_address: VIP_IPV6, subnet_cidr: 'fd00:5::/64', gateway: null, host_routes: [] }],
      },
      fence,
    )
    // IPv6 has no address of the interface's own among the VIP's, as a leg in that subnet would give it.
    await inside(agent.inner, 'ip', 'address', 'add', 'fd00:5::11/64', 'dev', 'eth1', 'nodad')
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await stage.driver.deleteUdpListener(agent, LISTENER, fence)
  })
  after(async () => {
    for (const member of members) await member.kill()
    await stage.close()
  })

  const idOf = (member: UdpMember) => `44444444-0000-4000-8000-0000000000${member.name.slice(-2)}`
  const both = (member: UdpMember, input: MemberInput = {}): MemberInput[] => [
    { id: idOf(member), address: member.address, protocol_port: UDP_PORT, ...input },
    { id: idOf(member).replace('4444', '6666'), address: member.addressIpv6, protocol_port: UDP_PORT, ...input },
  ]
  const fileOf = (list: MemberInput[], pool: PoolInput = {}, listener: Partial<NonNullable<Input['listeners']>[number]> = {}) => {
    const tree = aTree({
      id: LOAD_BALANCER,
      vip_address: VIP,
      additional_vips: [{ ip_address: VIP_IPV6, subnet_id: null, port_id: null }] as never,
      listeners: [{ id: LISTENER, protocol: 'UDP', protocol_port: PORT, default_pool_id: POOL, ...listener }],
      pools: [{ id: POOL, protocol: 'UDP', ...pool, members: list }],
    })
    return renderLvs(tree, tree.listeners[0]!)
  }
  const serve = (...given: Parameters<typeof fileOf>) => stage.driver.applyUdpListener(agent, LISTENER, fileOf(...given), fence)

  const client = async (from?: string, address = VIP) => {
    const opened = await UdpClient.open({ address, port: PORT }, from)
    clients.push(opened)
    return opened
  }
  /** New connections, one after the other; how many each member got. */
  const spread = async (connections: number, address = VIP) => {
    const counts: Record<string, number> = {}
    for (let i = 0; i < connections; i++) {
      const name = await (await client(undefined, address)).ask()
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }
  /** The member of each source, by new connections. */
  const bySource = () => Promise.all(SOURCES.map(async (source) => (await client(source)).ask()))
  const statusOf = (member: UdpMember) => stage.heartbeats.at(-1)!.heartbeat.pools[`${POOL}:${LISTENER}`]?.members[idOf(member)]
  const monitor = (more: object) =>
    ({ health_monitor: { delay: 1, timeout: 1, max_retries: 1, max_retries_down: 1, ...more } }) as PoolInput

  test('members take turns as their weights say, in both families', async () => {
    const [a, b, c] = members as [UdpMember, UdpMember, UdpMember]
    await serve([...both(a, { weight: 4 }), ...both(b, { weight: 2 }), ...both(c, { weight: 1 })])
    const wanted = { 'member-21': 20, 'member-22': 10, 'member-23': 5 }
    assert.deepEqual(await spread(35), wanted)
    assert.deepEqual(await spread(35, VIP_IPV6), wanted)
  })

  test('who asks where nobody serves is told so at once, and is served when somebody does', async () => {
    const [a] = members as [UdpMember]
    const early = await client()
    await assert.rejects(early.ask(), /ECONNREFUSED/)
    await serve([])
    await assert.rejects(early.ask(), /ECONNREFUSED/)
    await serve(both(a, { weight: 0 }))
    await assert.rejects(early.ask(), /ECONNREFUSED/)
    await serve(both(a))
    assert.equal(await early.ask(), a.name, 'the same connection, which had been refused')
    await stage.driver.deleteUdpListener(agent, LISTENER, fence)
    await assert.rejects(early.ask(), /ECONNREFUSED/)
  })

  test('connections stay when members come, drain or get other weights, and move when their member leaves', async () => {
    const [a, b, c] = members as [UdpMember, UdpMember, UdpMember]
    await serve([...both(a), ...both(b)])
    const open = await Promise.all(Array.from({ length: 8 }, () => client()))
    const ofEach = () => Promise.all(open.map((each) => each.ask()))
    const first = await ofEach()
    assert.deepEqual(new Set(first), new Set([a.name, b.name]))
    await serve([...both(a), ...both(b, { weight: 9 }), ...both(c)])
    assert.deepEqual(await ofEach(), first)
    await serve([...both(a), ...both(b, { weight: 0 }), ...both(c)])
    assert.deepEqual(await ofEach(), first, 'b drains')
    assert.deepEqual(await spread(6), { [a.name]: 3, [c.name]: 3 })
    await serve([...both(a), ...both(c)])
    const moved = await ofEach()
    for (const [i, name] of first.entries()) {
      if (name === a.name) assert.equal(moved[i], a.name)
      else assert.notEqual(moved[i], b.name)
    }
    await serve([...both(a, { admin_state_up: false }), ...both(c)])
    assert.deepEqual(new Set(await ofEach()), new Set([c.name]), 'disabled is gone')
  })

  test('sources stay with their member, and only those of one that leaves move', async () => {
    const [a, b, c] = members as [UdpMember, UdpMember, UdpMember]
    const session_persistence = { type: 'SOURCE_IP' as const, cookie_name: null, persistence_timeout: null, persistence_granularity: null }
    for (const pool of [{ lb_algorithm: 'SOURCE_IP' as const }, { session_persistence }]) {
      await serve([...both(a), ...both(b), ...both(c)], pool)
      const first = await bySource()
      assert.deepEqual(await bySource(), first)
      assert.equal(new Set(first).size, 3)
      await serve([...both(a), ...both(b)], pool)
      const moved = await bySource()
      for (const [i, name] of first.entries()) if (name !== c.name) assert.equal(moved[i], name)
      await stage.driver.deleteUdpListener(agent, LISTENER, fence)
    }
    const wide = { session_persistence: { ...session_persistence, persistence_granularity: '255.255.255.0' } }
    await serve([...both(a), ...both(b), ...both(c)], wide)
    assert.equal(new Set(await bySource()).size, 1, 'all are of one network')
  })

  test('SOURCE_IP_PORT spreads the connections of one source', async () => {
    const [a, b] = members as [UdpMember, UdpMember]
    await serve([...both(a), ...both(b)], { lb_algorithm: 'SOURCE_IP_PORT' })
    const counts = await spread(40)
    assert.ok(counts[a.name]! > 5 && counts[b.name]! > 5, JSON.stringify(counts))
    const one = await client()
    const name = await one.ask()
    await serve([...both(b), ...both(a)], { lb_algorithm: 'SOURCE_IP_PORT' })
    assert.equal(await one.ask(), name)
  })

  test('LEAST_CONNECTIONS gives new ones to who has the fewest', async () => {
    const [a, b] = members as [UdpMember, UdpMember]
    const pool = { lb_algorithm: 'LEAST_CONNECTIONS' as const }
    await serve([...both(a), ...both(b, { weight: 0 })], pool)
    assert.deepEqual(await spread(20), { [a.name]: 20 })
    await serve([...both(a), ...both(b)], pool)
    // As soon as they are counted, a second at most.
    await eventually(async () =>
      assert.match(
        await inside(agent.inner, 'nft', 'list', 'table', 'inet', `udp-${LISTENER}`),
        /mod \d+ map \{( \d+ : 10\.0\.0\.22 \. 5353,?)+ \}/,
      ),
    )
    assert.deepEqual(await spread(6), { [b.name]: 6 })
    await eventually(async () => assert.equal((await spread(1))[a.name] ?? 0, 0))
  })

  test('a member takes no more connections than the limit; others get the rest, then nobody', async () => {
    const [a, b] = members as [UdpMember, UdpMember]
    await serve([...both(a), ...both(b)], {}, { connection_limit: 3 })
    assert.deepEqual(await spread(6), { [a.name]: 3, [b.name]: 3 })
    await assert.rejects(spread(1), /ECONNREFUSED/)
    assert.ok(await clients[0]!.ask(), 'who is in stays in')
    await serve([...both(a), ...both(b)], {}, { connection_limit: 4 })
    await eventually(() => spread(1))
  })

  for (const [kind, health_monitor] of [
    ['UDP-CONNECT', { type: 'UDP-CONNECT', max_retries_down: 2 }],
    ['TCP', { type: 'TCP' }],
    [
      'HTTP',
      {
        type: 'HTTP',
        http_method: 'HEAD',
        url_path: '/well',
        expected_codes: '200-204',
        http_version: 1.1,
        domain_name: 'www.example.com',
      },
    ],
  ] as const)
    test(`${kind} checks find who fell and who rose, and connections move`, async () => {
      const [a, b] = members as [UdpMember, UdpMember]
      await serve([...both(a), ...both(b)], monitor(health_monitor))
      await eventually(() => assert.deepEqual([statusOf(a), statusOf(b)], ['UP', 'UP']))
      const open = await Promise.all([client(), client()])
      assert.deepEqual(new Set(await Promise.all(open.map((each) => each.ask()))), new Set([a.name, b.name]))
      await b.kill()
      try {
        await eventually(() => assert.equal(statusOf(b), 'DOWN'))
        assert.deepEqual(await Promise.all(open.map((each) => each.ask())), [a.name, a.name])
        assert.deepEqual(await spread(4), { [a.name]: 4 })
      } finally {
        await b.start()
      }
      await eventually(() => assert.equal(statusOf(b), 'UP'))
      assert.deepEqual(await spread(4), { [a.name]: 2, [b.name]: 2 })
    })

  test('backups serve while no other member can', async () => {
    const [a, b] = members as [UdpMember, UdpMember]
    await serve([...both(a), ...both(b, { backup: true })], monitor({ type: 'UDP-CONNECT' }))
    assert.deepEqual(await spread(4), { [a.name]: 4 })
    await a.kill()
    try {
      await eventually(() => assert.equal(statusOf(a), 'DOWN'))
      assert.deepEqual(await spread(4), { [b.name]: 4 })
    } finally {
      await a.start()
    }
    await eventually(async () => assert.deepEqual(await spread(1), { [a.name]: 1 }))
  })

  test('heartbeats tell statuses, connections and bytes, each once', async () => {
    const [a, b, c] = members as [UdpMember, UdpMember, UdpMember]
    const sum = (name: 'rx' | 'tx' | 'totconns') =>
      stage.heartbeats.reduce((sum, { heartbeat }) => sum + (heartbeat.listeners[LISTENER]?.stats[name] ?? 0), 0)
    await serve([both(a)[0]!, both(b, { weight: 0 })[0]!, both(c, { admin_state_up: false })[0]!])
    const before = { rx: sum('rx'), tx: sum('tx'), totconns: sum('totconns') }
    const [one, two] = [await client(), await client()]
    for (const each of [one, one, two]) await each.ask()
    await eventually(() => {
      assert.equal(sum('totconns') - before.totconns, 2)
      assert.equal(sum('rx') - before.rx, 3 * bytesOf('who?'))
      assert.equal(sum('tx') - before.tx, 3 * bytesOf(a.name))
    })
    await eventually(() => assert.equal(stage.heartbeats.at(-1)!.heartbeat.listeners[LISTENER]?.stats.conns, 2))
    const { heartbeat } = stage.heartbeats.at(-1)!
    assert.equal(heartbeat.listeners[LISTENER]!.status, 'OPEN')
    assert.deepEqual(heartbeat.pools[`${POOL}:${LISTENER}`], {
      status: 'UP',
      members: { [idOf(a)]: 'no check', [idOf(b)]: 'DRAIN', [idOf(c)]: 'MAINT' },
    })
    assert.deepEqual(JSON.parse((await stage.raw(agent, 'GET', '/1.0/listeners')).body), [
      { status: 'ACTIVE', uuid: LISTENER, type: 'UDP' },
    ])
    const details = JSON.parse((await stage.raw(agent, 'GET', '/1.0/details')).body)
    assert.deepEqual([details.listeners, details.lvs_listener_process_count], [[LISTENER], 1])

    await serve([both(a)[0]!])
    await one.ask()
    await eventually(() => assert.equal(sum('rx') - before.rx, 4 * bytesOf('who?')), 3_000)
    assert.equal(sum('totconns') - before.totconns, 2, 'a change makes no connection anew')
  })

  test('a listener without a pool is reported, one that is deleted is not', async () => {
    await serve([], {}, { default_pool_id: null })
    await eventually(() => {
      const { listeners, pools } = stage.heartbeats.at(-1)!.heartbeat
      assert.deepEqual([Object.keys(listeners), pools], [[LISTENER], {}])
    })
    await stage.driver.deleteUdpListener(agent, LISTENER, fence)
    await eventually(() => assert.deepEqual(stage.heartbeats.at(-1)!.heartbeat.listeners, {}))
    assert.doesNotMatch(await inside(agent.inner, 'nft', 'list', 'tables'), /udp-/)
  })

  test('a killed agent leaves connections and knowledge; the next one goes on', async () => {
    const [a, b] = members as [UdpMember, UdpMember]
    await serve([...both(a), ...both(b)], monitor({ type: 'UDP-CONNECT', max_retries: 10 }))
    await b.kill()
    try {
      await eventually(() => assert.equal(statusOf(b), 'DOWN'))
    } finally {
      await b.start()
    }
    const total = () => stage.heartbeats.reduce((sum, { heartbeat }) => sum + (heartbeat.listeners[LISTENER]?.stats.totconns ?? 0), 0)
    const before = total()
    const open = await client()
    assert.equal(await open.ask(), a.name)
    await eventually(() => assert.equal(total(), before + 1))
    const probes = probeProcess()
    assert.notEqual(probes, undefined)
    agent.process.kill('SIGKILL')
    await eventually(() => probeProcess() === undefined)
    assert.equal(await open.ask(), a.name)
    const heard = stage.heartbeats.length
    agent.process = stage.startAgent(agent)
    await stage.driver.waitForAgent(agent, 'booting')
    assert.equal(await open.ask(), a.name)
    assert.deepEqual(await spread(2), { [a.name]: 2 }, 'b is still down: it has ten checks to pass')
    await eventually(() => stage.heartbeats.length > heard + 2)
    assert.equal(statusOf(b), 'DOWN')
    assert.equal(total(), before + 3)
    assert.notEqual(probeProcess(), undefined)
  })

  test('after a restart of the amphora everything is laid anew', async () => {
    const [a] = members as [UdpMember]
    await serve(both(a), {}, { connection_limit: 100 })
    agent.process.kill('SIGKILL')
    await inside(agent.inner, 'nft', 'flush', 'ruleset')
    await inside(agent.inner, 'conntrack', '-F')
    agent.process = stage.startAgent(agent)
    await stage.driver.waitForAgent(agent, 'booting')
    assert.deepEqual(await spread(2), { [a.name]: 2 })
    await serve(both(a), {}, { connection_limit: 50 })
    assert.deepEqual(await spread(2), { [a.name]: 2 })
  })

  test('other tables are left alone, and what cannot be served is refused with a reason', async () => {
    const [a] = members as [UdpMember]
    await inside(agent.inner, 'nft', 'add', 'table', 'inet', 'amphora_table')
    await serve(both(a))
    await stage.driver.deleteUdpListener(agent, LISTENER, fence)
    assert.match(await inside(agent.inner, 'nft', 'list', 'tables'), /amphora_table/)
    await inside(agent.inner, 'nft', 'delete', 'table', 'inet', 'amphora_table')

    const sctp = fileOf(both(a)).replaceAll('protocol UDP', 'protocol SCTP')
    const refusal = (error: unknown) =>
      error instanceof AgentError && error.status === 500 && /no IPVS, which SCTP listeners need/.test(error.message)
    await assert.rejects(stage.driver.applyUdpListener(agent, LISTENER, sctp, fence), refusal)
    const path = `/1.0/listeners/${agent.id}/${LISTENER}/udp_listener`
    const broken = await stage.raw(agent, 'PUT', path, { body: 'virtual_server 10.0.0.10 53 {\n' })
    assert.deepEqual([broken.status, JSON.parse(broken.body).message], [400, 'Invalid request'])
    assert.equal((await stage.raw(agent, 'GET', `/1.0/listeners/${LISTENER}/udp_listener`)).body, sctp)
    const info = await stage.driver.waitForAgent(agent, 'active')
    assert.ok(info.capabilities?.includes('nftables-udp'))
  })

  /** The number of the process that checks members of this agent, if one runs. */
  function probeProcess(): string | undefined {
    const log = readFileSync(`${agent.base}/agent.log`, 'utf8')
    const pid = log
      .match(/checks members is (\d+)/g)
      ?.at(-1)
      ?.split(' ')
      .at(-1)
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '' ? undefined : pid
    } catch {
      return undefined
    }
  }
})
