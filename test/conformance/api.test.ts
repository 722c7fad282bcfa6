/**
 * The exchanges recorded from a real octavia-api, asked again of ours: same status, and a body that has everything the recorded one has.
 * Ours may have more keys (later versions of the API), ids and times differ, and a few answers are better on purpose: those are skipped
 * with their reason.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sql } from 'kysely'
import { ApiClient } from '../support/api-client.ts'
import { aCloud, type Cloud } from '../support/cloud.ts'
import { type Exchange, parseTranscript } from './transcript.ts'

const shared = process.env.OTTAVIA_SHARED ?? join(import.meta.dirname, '..', '..', '..', 'shared')
const transcript = join(shared, 'oracle', 'transcript.txt')

const notSent = 'the recording lacks what was sent'

/** By the number of the exchange in the recording. */
const skipped: Record<number, string> = {
  12: 'XML is not imitated',
  13: 'upstream fails with 500',
  19: notSent,
  78: 'the answer is cut off',
  92: 'upstream takes the id for a body',
  113: 'upstream fails with 500, later versions do not',
  114: 'upstream fails with 500, later versions do not',
  116: 'XML is not imitated',
  117: notSent,
  128: 'later versions word it otherwise',
}

const subnet = '11111111-1111-4111-8111-111111111111'
const secondSubnet = '11111111-1111-4111-8111-111111111112'
const inTree = (parts: object) => ({ loadbalancer: { project_id: 'p1', vip_subnet_id: subnet, ...parts } })
const http = { protocol: 'HTTP', protocol_port: 80 }
const roundRobin = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
const ofTree = '462ae2df-865a-4f20-bcab-bbb10bf10993'

/** What was sent where the recording cut it off, or keeps no trace of it. */
const sent: Record<number, { body?: unknown; headers?: Record<string, string> }> = {
  11: { headers: { accept: 'text/html' } },
  15: { body: '{"loadbalancer":' },
  32: {
    body: {
      listener: { loadbalancer_id: 'fc9719ff-a349-4521-9daa-dbc3cf13692e', ...http, insert_headers: { 'X-Forwarded-For': 'true' } },
    },
  },
  42: {
    body: {
      pool: {
        listener_id: '4c3b71d6-461e-4cf4-896d-f85db5ed24e7',
        ...roundRobin,
        session_persistence: { type: 'APP_COOKIE', cookie_name: 'c' },
      },
    },
  },
  118: {
    body: inTree({
      name: 'tree',
      provider: 'noop_driver',
      additional_vips: [{ subnet_id: secondSubnet }],
      listeners: [
        {
          ...http,
          name: 'l1',
          default_pool: {
            ...roundRobin,
            name: 'p1',
            members: [{ address: '10.0.0.4', protocol_port: 80 }],
            healthmonitor: { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 },
          },
          l7policies: [
            {
              action: 'REDIRECT_TO_POOL',
              redirect_pool: { ...roundRobin, name: 'p2' },
              rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/x' }],
            },
          ],
        },
        { ...http, protocol_port: 81, default_pool: { name: 'p1' } },
      ],
      pools: [{ name: 'p3', protocol: 'TCP', lb_algorithm: 'SOURCE_IP' }],
    }),
  },
  125: { body: { pool: { loadbalancer_id: ofTree, ...roundRobin, session_persistence: { type: 'APP_COOKIE' } } } },
  126: { body: { pool: { loadbalancer_id: ofTree, ...roundRobin, session_persistence: { type: 'HTTP_COOKIE', cookie_name: 'c' } } } },
  135: { body: inTree({ listeners: [{ ...http, default_pool: roundRobin }] }) },
  136: { body: inTree({ listeners: [{ ...http, default_pool: { name: 'q' } }] }) },
  137: { body: inTree({ listeners: [http, { ...http, protocol: 'TCP' }] }) },
}

/** Keys whose values are the cloud's and not the API's, or that later versions fill in. */
const notCompared = new Set([
  'created_at',
  'updated_at',
  'vip_address',
  'vip_network_id',
  'vip_port_id',
  'additional_vips',
  'healthmonitor',
  'href',
])

/** Lists that later versions made longer. */
const grown = new Set(['flavor_capabilities', 'availability_zone_capabilities'])

if (existsSync(transcript)) {
  test('recorded exchanges get the same answers', async (t) => {
    const { cloud } = await aCloud({
      worker: false,
      config: {
        api_settings: {
          healthcheck_enabled: true,
          default_provider_driver: 'noop_driver',
          enabled_provider_drivers: { noop_driver: 'noop', amphora: 'The Octavia Amphora driver.', octavia: 'alias' },
        },
      },
    }).empty()
    cloud.network.addSubnet({ id: subnet, network_id: cloud.vipNetwork.id, cidr: '198.0.2.0/24' })
    cloud.network.addSubnet({ id: secondSubnet, network_id: cloud.vipNetwork.id, cidr: '198.0.3.0/24' })
    const replay = new Replay(cloud)
    for (const [number, exchange] of parseTranscript(readFileSync(transcript, 'utf8')).entries()) {
      const title = `${number} ${exchange.method} ${exchange.path} -> ${exchange.status}`
      const reason = skipped[number]
      if (reason === undefined) await t.test(title, () => replay.ask(exchange, sent[number] ?? {}))
      else await t.test(`${title} (skipped: ${reason})`, { skip: true }, () => {})
    }
  })
} else {
  test(`recorded exchanges get the same answers (skipped: no ${transcript})`, { skip: true }, () => {})
}

class Replay {
  readonly #cloud: Cloud
  readonly #api: ApiClient
  /** Recorded ids to ours. */
  readonly #ids = new Map<string, string>()

  constructor(cloud: Cloud) {
    this.#cloud = cloud
    // Unlike other tests' client it names no project: bodies do.
    this.#api = new ApiClient(cloud.server)
  }

  async ask(
    exchange: Exchange,
    { body = exchange.body, headers = {} }: { body?: unknown; headers?: Record<string, string> },
  ): Promise<void> {
    if (!expectsPending(exchange)) await endFlows(this.#cloud)
    this.#cloud.clock.passSeconds(1)
    const asked = typeof body === 'string' ? body : (this.#translated(body) as object | undefined)
    // The recording was made without an Accept header at first, later with one.
    const accept = exchange.contentType === 'text/plain' ? '' : 'application/json'
    const path = this.#translated(exchange.path) as string
    const answer = await this.#api.request(exchange.method, path, asked, { accept, ...headers })
    assert.equal(answer.status, exchange.status, JSON.stringify(answer.body))
    if (exchange.contentType === 'text/html' || exchange.answerIsCut) return
    this.#learn(exchange.answer, answer.body)
    const expected = this.#translated(exchange.answer ?? '')
    assert.ok(isLike(expected, answer.body), `${JSON.stringify(answer.body)}\nlacks something of\n${JSON.stringify(expected)}`)
  }

  /** New ids stand at the same places. */
  #learn(recorded: unknown, ours: unknown): void {
    if (Array.isArray(recorded) && Array.isArray(ours)) {
      for (const [index, item] of recorded.entries()) this.#learn(item, ours[index])
    } else if (isObject(recorded) && isObject(ours)) {
      for (const [key, value] of Object.entries(recorded)) {
        if (key === 'id' && typeof value === 'string' && !this.#ids.has(value)) this.#ids.set(value, String(ours.id))
        this.#learn(value, ours[key])
      }
    }
  }

  #translated(value: unknown): unknown {
    if (value === undefined) return undefined
    const text = JSON.stringify(value).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => this.#ids.get(id) ?? id)
    return JSON.parse(text)
  }
}

/** Whether the recording was made before the worker had done anything. */
function expectsPending({ method, answer }: Exchange): boolean {
  const text = JSON.stringify(answer ?? '')
  return /Invalid state PENDING|is immutable/.test(text) || (method === 'GET' && text.includes('PENDING_'))
}

/** As if the worker had ended every flow well. A load balancer under deletion stays, as it did in the recording. */
async function endFlows({ db }: Cloud): Promise<void> {
  for (const table of ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule']) {
    const active = ['PENDING_CREATE', 'PENDING_UPDATE']
    await sql`update ${sql.table(table)} set provisioning_status = 'ACTIVE' where provisioning_status in (${sql.join(active)})`.execute(db)
    if (table !== 'load_balancer') await sql`delete from ${sql.table(table)} where provisioning_status = 'PENDING_DELETE'`.execute(db)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `actual` has everything that `expected` has. Objects in a list may stand in another order: all were made in one second. */
function isLike(expected: unknown, actual: unknown, mayBeLonger = false): boolean {
  if (isObject(expected)) {
    if (!isObject(actual)) return false
    return Object.entries(expected).every(([key, value]) => notCompared.has(key) || isLike(value, actual[key], grown.has(key)))
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || (actual.length !== expected.length && !mayBeLonger)) return false
    const rest = [...actual]
    return expected.every((item) => {
      const index = rest.findIndex((candidate) => isLike(item, candidate))
      if (index >= 0) rest.splice(index, 1)
      return index >= 0
    })
  }
  if (typeof expected === 'string' && typeof actual === 'string') return normalized(expected) === normalized(actual)
  // What a description says when there is nothing to say.
  return expected === actual || (expected === null && actual === '')
}

/** Upstream lists a set's members in any order, and pads its texts with blanks. */
function normalized(text: string): string {
  const [head = '', choices] = text.split('Value should be one of: ')
  const sorted = choices?.split(', ').sort().join(', ') ?? ''
  return `${head}${sorted}`.replace(/\s+/g, ' ').trim()
}
