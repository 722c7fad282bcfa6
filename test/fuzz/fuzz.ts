/**
 * Sends a control plane what no client should, and reports what it must not do: answer with a server error, break, leak, or leave an object
 * pending.
 */
import { type Db, isPostgresql } from '../../src/db/connection.ts'
import { startControlPlane } from './control-plane.ts'
import { Dice } from './dice.ts'
import { judge } from './judge.ts'
import { Known } from './known.ts'
import { bytesOf, type FuzzRequest, makeRequest } from './requests.ts'
import { shrink } from './shrink.ts'
import { type Reply, Wire } from './wire.ts'

/** Clients at the same time, so that requests meet each other's locks. */
const LANES = 4
/** Others delete what is there, so more is made now and then. */
const CASES_PER_LOAD_BALANCER = 50
/** After so many the rest would be the same. */
const MAX_FINDINGS = 10
const SHOWN_BYTES = 2_000

export interface FuzzResult {
  cases: number
  byStatus: Map<number, number>
  /** What went wrong, each with the smallest request that shows it. */
  findings: string[]
}

export async function fuzz(db: Db, options: { cases: number; seed: number }): Promise<FuzzResult> {
  const { cases, seed } = options
  const result: FuzzResult = { cases: 0, byStatus: new Map(), findings: [] }
  const unhandled = (error: unknown) => result.findings.push(`an error that nobody handled: ${(error as Error)?.stack ?? String(error)}`)
  process.on('unhandledRejection', unhandled)
  process.on('uncaughtException', unhandled)
  const plane = await startControlPlane(db)
  const known = new Known()
  const seen = new Set<string>()

  async function lane(index: number): Promise<void> {
    const dice = new Dice(seed * LANES + index)
    const wire = new Wire(plane.port)
    while (result.cases < cases && result.findings.length < MAX_FINDINGS) {
      const number = ++result.cases
      if (number % CASES_PER_LOAD_BALANCER === 1) await furnish(plane.port, known, number)
      const request = makeRequest(plane.routes, dice, known)
      const found = await attempt(wire, request)
      if (found === null) continue
      // One of a kind is enough; a client that makes it smaller must not disturb the others' connections.
      const kind = `${found} ${request.bytes === undefined ? `${request.method} ${request.path.split('/')[3]}` : ''}`
      if (seen.has(kind)) continue
      seen.add(kind)
      const smallest = await shrink(request, async (smaller) => {
        const own = new Wire(plane.port)
        const again = await attempt(own, smaller)
        own.close()
        return again === found
      })
      result.findings.push(`case ${number} of seed ${seed}: ${found}\n${shown(bytesOf(smallest))}`)
    }
    wire.close()
  }

  async function attempt(wire: Wire, request: FuzzRequest): Promise<string | null> {
    let replies: Reply[]
    try {
      const isWhole = request.bytes === undefined
      replies = await wire.exchange(bytesOf(request), {
        expected: isWhole ? 1 : 100,
        keep: isWhole,
        withoutBodies: request.method === 'HEAD',
      })
    } catch (error) {
      return (error as Error).message
    }
    if (replies.length === 0 && request.bytes === undefined) return 'the connection was closed without an answer'
    for (const reply of replies) {
      result.byStatus.set(reply.status, (result.byStatus.get(reply.status) ?? 0) + 1)
      const wrong = judge(request, reply)
      if (wrong !== null) return wrong
      if (reply.status === 404) known.forget(request.path)
      if (reply.status < 300 && request.bytes === undefined && reply.body !== '') known.learn(request.path, JSON.parse(reply.body))
    }
    return null
  }

  try {
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)))
    await plane.idle()
    result.findings.push(...(await leftBehind(db)))
    const last = new Wire(plane.port)
    if ((await last.exchange(greeting, { expected: 1, keep: true, withoutBodies: false }))[0]?.status !== 200) {
      result.findings.push('afterwards nobody answers')
    }
    last.close()
  } finally {
    await plane.stop()
    process.off('unhandledRejection', unhandled)
    process.off('uncaughtException', unhandled)
  }
  return result
}

const greeting = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n')

/** Something to ask about: a load balancer with all kinds of children. */
async function furnish(port: number, known: Known, number: number): Promise<void> {
  const members = [10, 11].map((host) => ({ address: `203.0.113.${host}`, protocol_port: 80 }))
  const rules = [{ type: 'PATH', compare_type: 'STARTS_WITH', value: '/x' }]
  const pool = (protocol: string, type: string) => ({
    name: `pool-${protocol}`,
    protocol,
    lb_algorithm: 'ROUND_ROBIN',
    members,
    healthmonitor: { type, delay: 5, timeout: 3, max_retries: 3 },
  })
  const listeners = [
    { protocol: 'HTTP', protocol_port: 80, default_pool: pool('HTTP', 'HTTP'), l7policies: [{ action: 'REJECT', rules }] },
    { protocol: 'TCP', protocol_port: 81, default_pool: pool('TCP', 'TCP') },
    { protocol: 'UDP', protocol_port: 82, default_pool: pool('UDP', 'UDP-CONNECT') },
  ]
  const loadbalancer = { name: `lb-${number}`, vip_subnet_id: '7e9d2b3c-1111-4a4a-9b9b-000000000001', listeners }
  const request = {
    method: 'POST',
    path: '/v2/lbaas/loadbalancers',
    query: [],
    headers: jsonHeaders,
    body: JSON.stringify({ loadbalancer }),
  }
  const wire = new Wire(port)
  const [reply] = await wire.exchange(bytesOf(request), { expected: 1, keep: true, withoutBodies: false })
  wire.close()
  if (reply?.status !== 201) throw new Error(`nothing to ask about: ${reply?.status} ${reply?.body}`)
  known.learnTree(JSON.parse(reply.body).loadbalancer)
}

const jsonHeaders: [string, string][] = [
  ['Host', '127.0.0.1'],
  ['X-Project-Id', 'project-1'],
  ['Content-Type', 'application/json'],
]

const owned = ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule'] as const

/** What must not be there when everything has come to rest. */
async function leftBehind(db: Db): Promise<string[]> {
  const left: string[] = []
  for (const table of owned) {
    const rows = await db
      .selectFrom(table)
      .select(['id', 'provisioning_status'])
      .where('provisioning_status', 'not in', ['ACTIVE', 'ERROR', 'DELETED'])
      .execute()
    left.push(...rows.map(({ id, provisioning_status }) => `${table} ${id} is left ${provisioning_status}`))
  }
  const flows = await db.selectFrom('flow').selectAll().where('state', 'not in', ['DONE', 'REVERTED']).execute()
  left.push(...flows.map(({ id, name, state, reason_details }) => `flow ${name} ${id} is left ${state}: ${reason_details}`))
  const reservations = await db.selectFrom('vip_reservation').select('load_balancer_id').execute()
  left.push(...reservations.map(({ load_balancer_id }) => `a reservation for ${load_balancer_id} is left`))
  const amphorae = await db
    .selectFrom('amphora')
    .select(['id', 'status'])
    .where('status', 'not in', ['ALLOCATED', 'DELETED', 'ERROR'])
    .execute()
  left.push(...amphorae.map(({ id, status }) => `amphora ${id} is left ${status}`))
  return left
}

/** As a shell's `printf` takes it; what is too long is cut. */
function shown(bytes: Buffer): string {
  const text = JSON.stringify(bytes.toString('latin1').slice(0, SHOWN_BYTES)).replaceAll('\\r\\n', '\\r\\n\n')
  return bytes.length > SHOWN_BYTES ? `${text} and ${bytes.length - SHOWN_BYTES} bytes more` : text
}

export function summary(db: Db, { cases, byStatus, findings }: FuzzResult): string {
  const statuses = [...byStatus].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  const where = isPostgresql(db) ? 'PostgreSQL' : 'SQLite'
  return `${cases} cases on ${where}; answers by status ${statuses.join(', ')}; ${findings.length} findings`
}
