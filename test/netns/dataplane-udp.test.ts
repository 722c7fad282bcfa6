/** UDP listeners, seen from many sources of both families. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'

const SOURCES = 24
const NOTICED_WITHIN_MS = 15_000
const port = { turns: 5001, weights: 5002, source: 5003, monitored: 5004, allowed: 5005 } as const
const members = [9001, 9002, 9003]

describe('UDP listeners', () => {
  let plane: DataPlane
  let client: Client
  let client6: Client
  let stranger: Client
  let made: Made
  let sources: string[]
  let sources6: string[]

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_600 })
    const [web, web6] = await Promise.all([plane.members('web', { udp: members }), plane.members('web6', { family: 6, udp: members })])
    client = await plane.client('client')
    client6 = await plane.client('client6', 6)
    stranger = await plane.client('stranger')
    sources = await client.addAddresses(SOURCES)
    sources6 = await client6.addAddresses(SOURCES)
    const of = (ports: number[], fields: object = {}) =>
      [web, web6].flatMap((address) => ports.map((protocol_port) => ({ address, protocol_port, ...fields })))
    const listener = (name: string, protocol_port: number, pool: object, fields: object = {}) => ({
      name,
      protocol: 'UDP',
      protocol_port,
      default_pool: { name, protocol: 'UDP', lb_algorithm: 'ROUND_ROBIN', members: of(members), ...pool },
      ...fields,
    })
    made = await plane.loadBalancer({
      additional_vips: [{ subnet_id: plane.subnet('ipv6-private-subnet') }],
      listeners: [
        listener('turns', port.turns, {}),
        listener('weights', port.weights, { members: [...of([9001], { weight: 30 }), ...of([9002], { weight: 10 })] }),
        listener('source', port.source, { session_persistence: { type: 'SOURCE_IP' } }),
        listener('monitored', port.monitored, {
          // Nobody listens on 9009.
          members: of([9001, 9009]),
          healthmonitor: { type: 'UDP-CONNECT', delay: 4, timeout: 1, max_retries: 1, max_retries_down: 1 },
        }),
        listener('allowed', port.allowed, {}, { allowed_cidrs: [`${client.address}/32`] }),
      ],
    })
  })
  after(() => plane?.stop())

  const families = () => [
    { asker: client, from: sources, vip: made.vip },
    { asker: client6, from: sources6, vip: `[${made.additionalVips[0]}]` },
  ]
  /** The members that answered one datagram from each source. */
  async function behind(asker: Client, vip: string, port: number, from: string[]): Promise<number[]> {
    const answers = await asker.ask(...from.map((one) => ({ url: `udp://${vip}:${port}`, from: one, timeoutMs: 1_000 })))
    return answers.map(({ headers }) => Number(headers['x-member'] ?? 0))
  }
  const share = (values: number[], value: number) => values.filter((one) => one === value).length / values.length

  test('members of the same family take turns, and answers come from the VIP', async () => {
    for (const { asker, from, vip } of families()) {
      const answered = await behind(asker, vip, port.turns, from)
      for (const member of members) assert.ok(Math.abs(share(answered, member) - 1 / 3) < 0.1, `${vip}: ${answered}`)
    }
  })

  test('weights are followed', async () => {
    for (const { asker, from, vip } of families()) {
      const answered = await behind(asker, vip, port.weights, [...from, ...from])
      assert.ok(Math.abs(share(answered, 9001) - 0.75) < 0.1, `${vip}: ${answered}`)
    }
  })

  test('a flow stays at its member; SOURCE_IP keeps an address at its member, and spreads addresses', async () => {
    for (const { asker, from, vip } of families()) {
      const flow = { url: `udp://${vip}:${port.turns}`, from: from[0], fromPort: 40_001 }
      const answers = await asker.ask(flow, flow, flow, flow)
      assert.equal(new Set(answers.map(({ body }) => body)).size, 1, JSON.stringify(answers))
      const [first, second] = [await behind(asker, vip, port.source, from), await behind(asker, vip, port.source, from)]
      assert.deepEqual(first, second)
      assert.deepEqual([...new Set(first)].sort(), members)
    }
  })

  test('UDP-CONNECT takes a member out whose host refuses datagrams', async () => {
    await eventually(async () => assert.deepEqual(await statuses('monitored'), { 9001: 'ONLINE', 9009: 'ERROR' }), NOTICED_WITHIN_MS)
    for (const { asker, from, vip } of families()) {
      assert.deepEqual(new Set(await behind(asker, vip, port.monitored, from)), new Set([9001]))
    }
  })

  test("a removed member's flows go to another at once, other flows stay; one of weight 0 keeps its flows and gets no new ones", async () => {
    const flows = sources
      .slice(0, 12)
      .map((from, index) => ({ url: `udp://${made.vip}:${port.turns}`, from, fromPort: 41_000 + index, timeoutMs: 1_000 }))
    const answering = async () => (await client.ask(...flows)).map(({ headers }) => Number(headers['x-member'] ?? 0))
    const before = await answering()
    await plane.change(made, 'PUT', await memberOf('turns', 9002), { member: { weight: 0 } })
    assert.deepEqual(await answering(), before)
    assert.ok(!(await behind(client, made.vip, port.turns, sources)).includes(9002))
    await plane.change(made, 'DELETE', await memberOf('turns', 9001))
    const after = await answering()
    for (const [index, member] of before.entries()) {
      if (member === 9001) assert.ok([9002, 9003].includes(after[index]!), `${after}`)
      else assert.equal(after[index], member)
    }
  })

  test('allowed_cidrs holds for datagrams, too', async () => {
    const ask = async (from: Client) => (await from.ask({ url: `udp://${made.vip}:${port.allowed}`, timeoutMs: 700 }))[0]!.status
    assert.equal(await ask(client), 200)
    assert.equal(await ask(stranger), 0)
  })

  test('what went through is counted', async () => {
    await eventually(async () => {
      const { stats } = await plane.get<{ stats: Record<string, number> }>(`/v2/lbaas/listeners/${made.listeners.turns}/stats`)
      assert.ok(stats.total_connections! >= 20 && stats.bytes_in! > 0 && stats.bytes_out! > 0, JSON.stringify(stats))
    }, NOTICED_WITHIN_MS)
  })

  type Member = { id: string; address: string; protocol_port: number; operating_status: string }
  const membersOf = async (pool: string) => (await plane.get<{ members: Member[] }>(`/v2/lbaas/pools/${made.pools[pool]}/members`)).members

  async function statuses(pool: string): Promise<Record<string, string>> {
    return Object.fromEntries((await membersOf(pool)).map(({ protocol_port, operating_status }) => [protocol_port, operating_status]))
  }

  /** The path of the IPv4 member with this port. */
  async function memberOf(pool: string, protocol_port: number): Promise<string> {
    const member = (await membersOf(pool)).find((one) => one.protocol_port === protocol_port && !one.address.includes(':'))
    return `/v2/lbaas/pools/${made.pools[pool]}/members/${member!.id}`
  }
})
