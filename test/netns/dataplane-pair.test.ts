/** What clients of a pair keep when the amphora that serves them dies. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'

const CONFIG = '[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n'
const SOURCES = 16
const port = { source: 81, app: 82, cookie: 83, udp: 5001 } as const

describe('a pair', () => {
  let plane: DataPlane
  let client: Client
  let made: Made
  let sources: string[]

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_800, config: CONFIG })
    const address = await plane.members('web', { http: [8001, 8002, 8003], udp: [9001, 9002, 9003] })
    client = await plane.client('client')
    sources = await client.addAddresses(SOURCES)
    const listener = (name: string, protocol_port: number, protocol: string, session_persistence: object, first = 8001) => ({
      name,
      protocol,
      protocol_port,
      default_pool: {
        ...{ name, protocol, lb_algorithm: 'ROUND_ROBIN', session_persistence },
        members: [0, 1, 2].map((n) => ({ address, protocol_port: first + n })),
      },
    })
    made = await plane.loadBalancer({
      listeners: [
        listener('source', port.source, 'TCP', { type: 'SOURCE_IP' }),
        listener('app', port.app, 'HTTP', { type: 'APP_COOKIE', cookie_name: 'SESSION' }),
        listener('cookie', port.cookie, 'HTTP', { type: 'HTTP_COOKIE' }),
        listener('udp', port.udp, 'UDP', { type: 'SOURCE_IP' }, 9001),
      ],
    })
  })
  after(() => plane?.stop())

  const url = (port: number, path = '/') => `http://${made.vip}:${port}${path}`

  test('each client stays at its member when the amphora that serves it is killed', async () => {
    await eventually(async () => assert.equal((await client.ask({ url: url(port.source), timeoutMs: 500 }))[0]!.status, 200))
    // Each application session has its number; the members choose the cookies' values, as applications do.
    const sessions = await client.ask(...sources.map((from, n) => ({ url: url(port.app, `/?cookie=SESSION=s${n}`), from })))
    const cookies = await client.ask(...sources.map(() => ({ url: url(port.cookie) })))
    const seen = async () => {
      const answers = await client.ask(
        ...sources.map((from) => ({ url: url(port.source), from, timeoutMs: 1_000 })),
        ...sources.map((_, n) => ({ url: url(port.app), headers: { cookie: `SESSION=s${n}` }, timeoutMs: 1_000 })),
        ...cookies.map(({ headers }) => ({
          url: url(port.cookie),
          headers: { cookie: String(headers['set-cookie']).split(';')[0]! },
          timeoutMs: 1_000,
        })),
        ...sources.map((from) => ({ url: `udp://${made.vip}:${port.udp}`, from, timeoutMs: 1_000 })),
      )
      return answers.map(({ headers }) => headers['x-member'])
    }
    const before = await seen()
    assert.deepEqual(
      before.slice(SOURCES, 2 * SOURCES),
      sessions.map(({ headers }) => headers['x-member']),
    )
    assert.equal(new Set(before).size, 6, 'all members have some of them')

    await plane.controller.ottavia('lab', 'amphora', 'kill', await whoHasTheVip())
    await eventually(async () => assert.equal((await client.ask({ url: url(port.source), timeoutMs: 200 }))[0]!.status, 200))
    assert.deepEqual(await seen(), before)
  })

  async function whoHasTheVip(): Promise<string> {
    const { amphorae } = await plane.get<{ amphorae: { compute_id: string }[] }>(`/v2/octavia/amphorae?loadbalancer_id=${made.id}`)
    for (const { compute_id } of amphorae) {
      const command = ['--inner', '--', 'ip', '-brief', 'address', 'show', 'eth1']
      if ((await plane.controller.ottavia('lab', 'amphora', 'exec', compute_id, ...command)).includes(`${made.vip}/`)) return compute_id
    }
    throw new Error('no amphora has the VIP')
  }
})
