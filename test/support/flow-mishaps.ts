/**
 * What happens to a flow from outside: each call to a driver fails or is never answered, the agent that it was for dies, the database goes away
 * in the middle. Whatever happens, everything ends ACTIVE, or in ERROR with a reason; nothing is left that no row knows, and what is counted is what is there.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import { type Db, isPostgresql, sqliteFile } from '../../src/db/connection.ts'
import type { AgentAddress } from '../../src/drivers/amphora/driver.ts'
import type { Flow } from '../../src/flow/define.ts'
import type { Outcome } from '../../src/flow/execute.ts'
import { revertAgain } from '../../src/flow/history.ts'
import type { Claim, Journal } from '../../src/flow/journal.ts'
import { startFlow } from '../../src/flow/start.ts'
import type { Json } from '../../src/lib/json.ts'
import type { Sleep } from '../../src/lib/retry.ts'
import { deleteLoadBalancer } from '../../src/resources/load-balancer/delete-flow.ts'
import { forEachDatabase, type Open, sqlite } from './databases.ts'
import { chosen, emptyTables, type Given, isFull, life, type MishapKind, range, type Survival, Tally } from './flow-life.ts'
import { runFlow } from './run-flow.ts'
import { Stage } from './stage.ts'
import { unsound } from './unsound.ts'

/** How often the fixed part of `npm test` tries each mishap; the full matrix does at every call. */
const TRIED = 2

type Call = { number: number; name: string; amphora_id: string | undefined }
type Work = () => Promise<unknown>

/** Does instead of a call what the mishap makes of it. */
interface Mishap {
  kind: MishapKind
  name: string
  at(world: World, call: Call, work: Work): Promise<unknown>
  /** Also after that call. */
  later?(world: World, call: Call, work: Work): Promise<unknown>
  /** Where the flow could not be undone its owner does not wait for that, but deletes the load balancer. */
  isLeftBehind?: boolean
  /** Whether the flow may end in another way than all or nothing: what it could not reach stays as it was. */
  partly?: boolean
  only?: 'agents'
}

const failed = () => new Error('the driver was told to fail')

/** As when a service goes away while it answers. */
const outage: Omit<Mishap, 'kind' | 'name'> = {
  partly: true,
  async at(world, { name }, work) {
    await work()
    world.broken = driverOf(name)
    throw failed()
  },
  later: (world, { name }, work) => (driverOf(name) === world.broken ? Promise.reject(failed()) : work()),
}

const driverOf = (call: string): string => call.split('.')[0]!

const mishaps: readonly Mishap[] = [
  { kind: 'error', name: 'fails', at: () => Promise.reject(failed()) },
  { kind: 'error', name: 'fails, having had its effect', at: (_, _call, work) => work().then(() => Promise.reject(failed())) },
  {
    kind: 'error',
    name: 'fails from then on',
    partly: true,
    async at(world, { name }) {
      world.broken = name
      throw failed()
    },
    later: (world, { name }, work) => (name === world.broken ? Promise.reject(failed()) : work()),
  },
  { kind: 'error', name: 'has its effect, and its driver fails from then on', ...outage },
  { kind: 'error', name: 'has its effect, and its driver fails from then on; all is deleted then', ...outage, isLeftBehind: true },
  { kind: 'hang', name: 'is never answered', at: (world) => world.hang() },
  {
    kind: 'hang',
    name: 'is answered too late',
    async at(world, _call, work) {
      const answer = await work()
      await world.hang()
      return answer
    },
  },
  {
    kind: 'agent',
    name: 'finds its agent dead for a while',
    only: 'agents',
    partly: true,
    async at({ stage }, { amphora_id }, work) {
      stage.amphora.disconnect(amphora_id!)
      try {
        return await work()
      } finally {
        stage.amphora.reconnect(amphora_id!)
      }
    },
  },
  {
    kind: 'agent',
    name: 'finds its agent dead',
    only: 'agents',
    partly: true,
    at({ stage }, { amphora_id }, work) {
      stage.amphora.disconnect(amphora_id!)
      return work()
    },
  },
  {
    kind: 'database',
    name: 'finds the database gone',
    partly: true,
    async at({ breakDatabase }, _call, work) {
      await breakDatabase()
      return work()
    },
  },
]

const kinds = ['error', 'hang', 'agent', 'database'] as const
const driverNames = ['compute', 'network', 'image', 'amphora', 'certificates'] as const

/** Registers the tests. What the flow is given has a `stage`, or there is nothing that could meet a mishap. */
export function flowMeetsMishaps<C, P extends Json, G extends Given<C, P>>(flow: Flow<C, P>, survival: Survival<C, P, G>): void {
  for (const kind of kinds) {
    // What drivers and agents do has little to do with the kind of database.
    const databases = isFull || kind === 'database' ? undefined : [sqlite]
    const body = async (open: Open, connection: string) => {
      const db = await open()
      const breakDatabase = databaseBreaker(db, open, connection)
      const learnt = await meets(db, flow, survival, { breakDatabase })
      const tally = new Tally(flow, kind, db)
      for (const mishap of mishaps.filter((known) => known.kind === kind)) {
        const calls = range(0, learnt.calls.length).filter((at) => mishap.only === undefined || learnt.calls[at]!.amphora_id !== undefined)
        for (const at of chosen(calls, isFull ? Number.POSITIVE_INFINITY : TRIED)) {
          await tally.run(`when call ${at + 1}, ${learnt.calls[at]!.name}, ${mishap.name}`, async () => {
            return (await meets(db, flow, survival, { breakDatabase, mishap, at })).outcome
          })
        }
      }
      tally.end()
    }
    forEachDatabase(`${flow.name} meets mishaps: ${kind}`, body, databases)
  }
}

/** What a run of a flow plays in. */
class World {
  readonly stage: Stage
  readonly breakDatabase: () => Promise<void>
  readonly calls: Call[] = []
  /** The method, or driver, that fails from now on. */
  broken: string | undefined
  readonly #timeouts = new Set<() => void>()
  readonly #late: (() => void)[] = []

  constructor(stage: Stage, breakDatabase: () => Promise<void>) {
    this.stage = stage
    this.breakDatabase = breakDatabase
  }

  /** Resolves only when all is over. */
  hang(): Promise<void> {
    for (const pass of this.#timeouts) pass()
    return new Promise((resolve) => this.#late.push(resolve))
  }

  /** The timeouts of the steps that are under way come once a call hangs; all other waits are over at once. */
  readonly sleep: Sleep = async (ms, _value, options) => {
    if (ms !== STEP_TIMEOUT_MS) return turn()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#timeouts.add(resolve)
    options?.signal?.addEventListener('abort', () => resolve())
    await promise
    this.#timeouts.delete(resolve)
  }

  /** Who still waits for an answer gets it now, and does with it what it may. */
  async answerLate(): Promise<void> {
    for (const answer of this.#late.splice(0)) answer()
    for (let turns = 0; turns < 20; turns++) await turn()
  }
}

const STEP_TIMEOUT_MS = 1_800_000
/** A flow that hangs goes on with another generation. */
const MAX_LIVES = 4

interface Meeting {
  breakDatabase: () => Promise<void>
  mishap?: Mishap
  /** The number of the call that it happens to. */
  at?: number
}

/** One run from an empty database to its end, looked at. */
async function meets<C, P extends Json, G extends Given<C, P>>(
  db: Db,
  flow: Flow<C, P>,
  survival: Survival<C, P, G>,
  { breakDatabase, mishap, at }: Meeting,
): Promise<{ outcome: Outcome; calls: Call[] }> {
  await emptyTables(db)
  const given = await survival.given(db)
  const { stage } = given as { stage?: unknown }
  if (!(stage instanceof Stage)) return { outcome: 'DONE', calls: [] }
  const world = new World(stage, breakDatabase)
  const contextOf = (journal: Journal, claim: Claim) => contextWith(given.context, world, { mishap, at, journal, claim })
  const id = await db.transaction().execute((tx) => startFlow(tx, flow, given.params))
  const run = async () => {
    let outcome: Outcome = 'INTERRUPTED'
    for (let lives = 0; outcome === 'INTERRUPTED' && lives < MAX_LIVES; lives++) {
      outcome = await life(db, flow, id, contextOf, { sleep: world.sleep, stepTimeoutMs: STEP_TIMEOUT_MS })
    }
    await world.answerLate()
    return outcome
  }
  let outcome = await run()
  assert.deepEqual(await unsound(stage, { mayLeak: outcome === 'REVERT_FAILURE' }), [], `sound after ${outcome}`)
  if (outcome === 'REVERT_FAILURE') {
    // An operator mends what was broken, and has it reverted again.
    world.broken = undefined
    if (mishap?.isLeftBehind && (await isDeleted(db, stage))) {
      assert.deepEqual(await unsound(stage), [], 'nothing is left')
      return { outcome, calls: world.calls }
    }
    assert.ok(await db.transaction().execute((tx) => revertAgain(tx, id)))
    outcome = await run()
    assert.equal(outcome, 'REVERTED')
    assert.deepEqual(await unsound(stage), [], 'sound after another revert')
  }
  if (outcome === 'DONE' && mishap?.partly !== true) await survival.whenItSucceeds(given)
  return { outcome, calls: world.calls }
}

/** False where the flow was about no load balancer. */
async function isDeleted(db: Db, { load_balancer_id, context }: Stage): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('load_balancer')
    .set({ provisioning_status: 'PENDING_DELETE' })
    .where('id', '=', load_balancer_id)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return false
  assert.equal(await runFlow(db, deleteLoadBalancer, { load_balancer_id, cascade: true }, context), 'DONE')
  return true
}

interface Happening {
  mishap: Mishap | undefined
  at: number | undefined
  journal: Journal
  claim: Claim
}

/** As a worker gives it to a flow, but that something happens to one of the calls. */
function contextWith<C>(context: C, world: World, { mishap, at, journal, claim }: Happening): C {
  const happens = (call: Call, work: Work): Promise<unknown> => {
    journal.checkLease(claim)
    if (mishap === undefined || at === undefined || call.number < at) return work()
    if (call.number === at) return mishap.at(world, call, work)
    return mishap.later === undefined ? work() : mishap.later(world, call, work)
  }
  const { db } = context as { db: Db }
  const changed: Record<string, unknown> = { ...context, db: journal.guardedDb(db, claim) }
  for (const driver of driverNames) changed[driver] = watched(driver, changed[driver] as object, world.calls, happens)
  return changed as C
}

function watched<T extends object>(name: string, driver: T, calls: Call[], happens: (call: Call, work: Work) => Promise<unknown>): T {
  return new Proxy(driver, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        const amphora_id = name === 'amphora' ? (args[0] as AgentAddress).id : undefined
        const call = { number: calls.length, name: `${name}.${String(property)}`, amphora_id }
        calls.push(call)
        return happens(call, async () => member.apply(target, args))
      }
    },
  })
}

/** How long another process keeps the file to itself; whoever writes to it gives up sooner. */
const LOCKED_MS = 60
const BUSY_MS = 5

/** PostgreSQL: all sessions end, as when it restarts. SQLite: another process holds the lock for longer than is waited for it. */
function databaseBreaker(db: Db, open: Open, connection: string): () => Promise<void> {
  if (!isPostgresql(db)) {
    const file = sqliteFile(connection)!
    return async () => {
      await sql.raw(`pragma busy_timeout = ${BUSY_MS}`).execute(db)
      const other = new DatabaseSync(file)
      other.exec('begin immediate')
      setTimeout(() => other.close(), LOCKED_MS)
    }
  }
  let admin: Promise<Db> | undefined
  return async () => {
    admin ??= open()
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
      await admin,
    )
  }
}
