/** What listeners, pools and members of HTTP and TCP say about traffic, seen from clients and members. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'
import type { Echo } from './support/member-host.ts'
import type { ProxyHeader } from './support/proxy-header.ts'

const port = { headers: 81, roundRobin: 82, least: 83, source: 84, cookie: 85, appCookie: 86, sticky: 87, proxy: 88, proxyV2: 89 } as const
const more = {
  memberTimeout: 90,
  clientTimeout: 91,
  connectTimeout: 92,
  limit: 93,
  switched: 94,
  backup: 95,
  tcp: 96,
  sourcePort: 97,
  metrics: 98,
} as const
const insertedHeaders = ['X-Forwarded-For', 'X-Forwarded-Port', 'X-Forwarded-Proto', 'X-Forwarded-IP', 'X-Client-IP', 'X-Real-IP']
const TIMEOUT_MS = 400
const SOURCES = 24

describe('HTTP and TCP listeners', () => {
  let plane: DataPlane
  let client: Client
  let made: Made
  let web: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_100 })
    web = await plane.members('web', { http: [8001, 8002, 8003], proxy: [8101] })
    client = await plane.client('client')
    const members = (...ports: number[]) => ports.map((protocol_port) => ({ address: web, protocol_port }))
    const pool = (name: string, fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      members: members(8001, 8002, 8003),
      ...fields,
    })
    const listener = (name: string, protocol_port: number, default_pool: object, fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      protocol_port,
      default_pool,
      ...fields,
    })
    const tcp = { protocol: 'TCP' }
    made = await plane.loadBalancer({
      listeners: [
        listener('headers', port.headers, pool('headers'), {
          insert_headers: Object.fromEntries(insertedHeaders.map((name) => [name, 'true'])),
        }),
        listener(
          'weights',
          port.roundRobin,
          pool('weights', { members: [60, 30, 10].map((weight, i) => ({ ...members(8001 + i)[0], weight })) }),
        ),
        listener('least', port.least, pool('least', { lb_algorithm: 'LEAST_CONNECTIONS' })),
        listener('source', port.source, pool('source', { lb_algorithm: 'SOURCE_IP' })),
        listener('cookie', port.cookie, pool('cookie', { session_persistence: { type: 'HTTP_COOKIE' } })),
        listener('app', port.appCookie, pool('app', { session_persistence: { type: 'APP_COOKIE', cookie_name: 'JSESSIONID' } })),
        listener('sticky', port.sticky, pool('sticky', { ...tcp, session_persistence: { type: 'SOURCE_IP' } }), tcp),
        listener('proxy', port.proxy, pool('proxy', { protocol: 'PROXY', members: members(8101) })),
        listener('proxy 2', port.proxyV2, pool('proxy 2', { protocol: 'PROXYV2', members: members(8101) }), tcp),
        listener('member timeout', more.memberTimeout, pool('one', { members: members(8001) }), { timeout_member_data: TIMEOUT_MS }),
        listener('client timeout', more.clientTimeout, { name: 'one' }, { timeout_client_data: TIMEOUT_MS }),
        // Nobody has this address, so no connection is refused either.
        listener('connect timeout', more.connectTimeout, pool('nobody', { members: [{ address: '203.0.113.1', protocol_port: 80 }] }), {
          timeout_member_connect: TIMEOUT_MS,
        }),
        listener('limit', more.limit, pool('limit', { ...tcp, members: members(8001) }), { ...tcp, connection_limit: 2 }),
        listener('switched', more.switched, pool('switched', { members: members(8001, 8002) })),
        listener('backup', more.backup, pool('backup', { members: [...members(8001), { ...members(8002)[0], backup: true }] })),
        { name: 'metrics', protocol: 'PROMETHEUS', protocol_port: more.metrics },
        listener('source port', more.sourcePort, pool('source port', { lb_algorithm: 'SOURCE_IP_PORT' })),
        listener('tcp', more.tcp, pool('tcp', { ...tcp }), tcp),
      ],
    })
  })
  after(() => plane?.stop())

  const url = (port: number, path = '/') => `http://${made.vip}:${port}${path}`
  const behind = (port: number, times: number, asked: object = {}) => client.membersBehind(url(port), times, asked)

  test('members see who asked, on which port and by which protocol, whatever the client says', async () => {
    const headers = Object.fromEntries(insertedHeaders.map((name) => [name.toLowerCase(), '192.0.2.9']))
    const [echo] = await client.echo({ url: url(port.headers), headers })
    const seen = Object.fromEntries(Object.keys(headers).map((name) => [name, echo!.headers[name]?.join(', ')]))
    assert.deepEqual(seen, {
      'x-forwarded-for': `192.0.2.9, ${client.address}`,
      'x-forwarded-port': String(port.headers),
      'x-forwarded-proto': 'http',
      'x-forwarded-ip': client.address,
      'x-client-ip': client.address,
      'x-real-ip': client.address,
    })
    assert.notEqual(echo!.from, client.address)
  })

  test('ROUND_ROBIN follows the weights exactly', async () => {
    const counts = tally(await behind(port.roundRobin, 20))
    assert.deepEqual(counts, { 8001: 12, 8002: 6, 8003: 2 })
  })

  test('LEAST_CONNECTIONS sends no second request to a busy member while others are idle', async () => {
    const slow = client.echo({ url: url(port.least, '/?wait=2500') })
    const others = await eventually(async () => {
      const members = new Set(await behind(port.least, 6))
      return members.size === 2 && members
    })
    const [{ member }] = (await slow) as [Echo]
    assert.deepEqual(
      [...others].sort(),
      [8001, 8002, 8003].filter((one) => one !== member),
    )
  })

  test('SOURCE_IP keeps each address at its member while others leave and come, and spreads them', async () => {
    const sources = await client.addAddresses(SOURCES)
    const membersBySource = async () => {
      const answers = await client.ask(...sources.map((from) => ({ url: url(port.source), from })))
      return answers.map(({ headers }) => Number(headers['x-member']))
    }
    const first = await membersBySource()
    assert.deepEqual([...new Set(first)].sort(), [8001, 8002, 8003])
    assert.deepEqual(await membersBySource(), first)
    await plane.change(made, 'DELETE', await memberOf('source', 8002))
    const without = await membersBySource()
    for (const [index, member] of first.entries()) {
      if (member === 8002) assert.notEqual(without[index], 8002)
      else assert.equal(without[index], member, sources[index])
    }
    // A frontend's limit is nothing that a running HAProxy can be told.
    await plane.change(made, 'PUT', `/v2/lbaas/listeners/${made.listeners.tcp}`, { listener: { connection_limit: 778 } })
    assert.deepEqual(await membersBySource(), without)
    await plane.change(made, 'POST', `/v2/lbaas/pools/${made.pools.source}/members`, { member: { address: web, protocol_port: 8002 } })
    for (const [index, member] of (await membersBySource()).entries()) assert.ok([without[index], 8002].includes(member), sources[index])
  })

  test("SOURCE_IP_PORT spreads one address's connections", async () => {
    assert.deepEqual([...new Set(await behind(more.sourcePort, 40))].sort(), [8001, 8002, 8003])
  })

  test('HTTP_COOKIE keeps a client at its member, and members do not see the cookie', async () => {
    const [answer] = await client.ask({ url: url(port.cookie) })
    const cookie = String(answer!.headers['set-cookie']).split(';')[0]!
    assert.match(cookie, /^SRV=/)
    assert.deepEqual(tally(await behind(port.cookie, 6, { headers: { cookie } })), { [Number(answer!.headers['x-member'])]: 6 })
    const [echo] = await client.echo({ url: url(port.cookie), headers: { cookie: `${cookie}; mine=1` } })
    assert.deepEqual(echo!.headers.cookie, ['mine=1'])
  })

  test("APP_COOKIE follows the application's own cookie", async () => {
    const [answer] = await client.ask({ url: url(port.appCookie, '/?cookie=JSESSIONID=abc123') })
    const member = Number(answer!.headers['x-member'])
    assert.deepEqual(tally(await behind(port.appCookie, 6, { headers: { cookie: 'JSESSIONID=abc123' } })), { [member]: 6 })
    assert.equal(new Set(await behind(port.appCookie, 6, { headers: { cookie: 'JSESSIONID=unknown' } })).size, 3)
  })

  test('SOURCE_IP persistence keeps an address at its member, also over a reload', async () => {
    const before = await behind(port.sticky, 4)
    assert.equal(new Set(before).size, 1)
    // A frontend's limit is nothing that a running HAProxy can be told.
    await plane.change(made, 'PUT', `/v2/lbaas/listeners/${made.listeners.tcp}`, { listener: { connection_limit: 777 } })
    assert.deepEqual(await behind(port.sticky, 4), before)
  })

  test('PROXY and PROXYV2 members read where the client came from', async () => {
    for (const [number, version] of [
      [port.proxy, 1],
      [port.proxyV2, 2],
    ] as const) {
      const [answer] = await client.ask({ url: url(number) })
      const header = JSON.parse(answer!.body) as ProxyHeader | null
      assert.deepEqual(
        { ...header, sourcePort: 0 },
        {
          version,
          family: 'TCP4',
          source: client.address,
          sourcePort: 0,
          destination: made.vip,
          destinationPort: number,
        },
      )
    }
  })

  test('a member that does not answer in time is 504, one that cannot be connected to 503, both when their timeouts say', async () => {
    const late = await timed(() => client.ask({ url: url(more.memberTimeout, '/?wait=5000'), timeoutMs: 8_000 }))
    assert.equal(late.result[0]!.status, 504)
    assert.ok(late.ms >= TIMEOUT_MS && late.ms < TIMEOUT_MS * 4, `${late.ms} ms`)
    const [quick] = await client.ask({ url: url(more.memberTimeout, '/?wait=100') })
    assert.equal(quick!.status, 200)
    const lost = await timed(() => client.ask({ url: url(more.connectTimeout), timeoutMs: 15_000 }))
    assert.equal(lost.result[0]!.status, 503)
  })

  test('a client that says nothing is let go when its timeout says', async () => {
    const { ms } = await timed(() =>
      client.exec('curl', ['--silent', '--max-time', '5', `telnet://${made.vip}:${more.clientTimeout}`], { anyStatus: true }),
    )
    assert.ok(ms >= TIMEOUT_MS && ms < TIMEOUT_MS * 5, `${ms} ms`)
  })

  test('above its connection limit a listener lets clients wait', async () => {
    const slow = Promise.all([1, 2].map(() => client.echo({ url: url(more.limit, '/?wait=2500') })))
    await eventually(async () => {
      const [answer] = await client.ask({ url: url(more.limit), timeoutMs: 300 })
      assert.equal(answer!.error, 'TIMEOUT')
    }, 2_000)
    const waited = client.echo({ url: url(more.limit) })
    await slow
    await waited
  })

  test('a member of weight 0 gets no new clients but keeps those it has', async () => {
    const [answer] = await client.ask({ url: url(port.cookie) })
    const cookie = String(answer!.headers['set-cookie']).split(';')[0]!
    const drained = Number(answer!.headers['x-member'])
    const member = await memberOf('cookie', drained)
    await plane.change(made, 'PUT', member, { member: { weight: 0 } })
    assert.deepEqual(tally(await behind(port.cookie, 4, { headers: { cookie } })), { [drained]: 4 })
    assert.ok(!(await behind(port.cookie, 9)).includes(drained))
    await plane.change(made, 'PUT', member, { member: { weight: 1 } })
    await eventually(async () => (await behind(port.cookie, 6)).includes(drained))
  })

  test('a backup member serves when no other does', async () => {
    assert.deepEqual(tally(await behind(more.backup, 4)), { 8001: 4 })
    const member = await memberOf('backup', 8001)
    await plane.change(made, 'PUT', member, { member: { admin_state_up: false } })
    assert.deepEqual(tally(await behind(more.backup, 4)), { 8002: 4 })
    await plane.change(made, 'PUT', member, { member: { admin_state_up: true } })
    await eventually(async () => assert.deepEqual(tally(await behind(more.backup, 4)), { 8001: 4 }))
  })

  test('a PROMETHEUS listener shows what went through every listener, pool and member', async () => {
    const metrics = async () => (await client.ask({ url: url(more.metrics, '/metrics') }))[0]!.body
    const value = (text: string, name: string, id: string) =>
      Number(new RegExp(`^${name}\\{[^}]*${id}[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1])
    const before = await metrics()
    await behind(more.tcp, 6)
    const after = await metrics()
    const { tcp: listener } = made.listeners
    assert.equal(
      value(after, 'octavia_listener_sessions_total', listener!) - value(before, 'octavia_listener_sessions_total', listener!),
      6,
      after,
    )
    for (const name of ['octavia_pool_sessions_total', 'octavia_member_sessions_total'])
      assert.ok(value(after, name, made.pools.tcp!) > 0, name)
  })

  test('what is switched off serves nothing: member, pool, listener, load balancer', async () => {
    const member = await memberOf('switched', 8002)
    const switches: { path: string; key: string; off: Record<string, number> }[] = [
      { path: member, key: 'member', off: { 8001: 4 } },
      { path: `/v2/lbaas/pools/${made.pools.switched}`, key: 'pool', off: { 0: 4 } },
      { path: `/v2/lbaas/listeners/${made.listeners.switched}`, key: 'listener', off: { 0: 4 } },
      { path: `/v2/lbaas/loadbalancers/${made.id}`, key: 'loadbalancer', off: { 0: 4 } },
    ]
    for (const { path, key, off } of switches) {
      await plane.change(made, 'PUT', path, { [key]: { admin_state_up: false } })
      assert.deepEqual(tally(await behind(more.switched, 4, { timeoutMs: 300 })), off, `${key} off`)
      await plane.change(made, 'PUT', path, { [key]: { admin_state_up: true } })
      await eventually(async () => assert.deepEqual(tally(await behind(more.switched, 4)), { 8001: 2, 8002: 2 }, `${key} on`))
    }
  })

  /** The path of a pool's member by its port. */
  async function memberOf(pool: string, protocol_port: number): Promise<string> {
    const path = `/v2/lbaas/pools/${made.pools[pool]}/members`
    const { members } = await plane.get<{ members: { id: string; protocol_port: number }[] }>(path)
    return `${path}/${members.find((member) => member.protocol_port === protocol_port)!.id}`
  }
})

function tally(values: number[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now()
  const result = await run()
  return { result, ms: performance.now() - started }
}
