/**
 * The journal as one worker sees it: claims flows, keeps their leases, writes their steps. Every write holds only while the flow is still this
 * worker's, at the generation it claimed; a worker that was frozen and wakes later writes nothing.
 */
import { type KyselyPlugin, type RawBuilder, sql } from 'kysely'
import { type Db, databaseNow, guardedBy, isPostgresql, type Tx, unhurried } from '../db/connection.ts'
import type { Clock } from '../lib/clock.ts'
import { wakeAfterCommit } from './start.ts'
import type { FlowRow, FlowState, FlowStepRow } from './tables.ts'
import { dismissWorker, enlistWorker, isDead } from './worker-identity.ts'

/** While the database is away, writes are tried again at this pace, until their lease ends. */
const WRITE_RETRY_PAUSE_MS = 100

/** The flow is no longer ours: the lease ended, another worker has it, or this one was told to stop. Nothing more may be done for it. */
export class Interrupted extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'Interrupted'
  }
}

/** A flow that this worker has claimed. */
export interface Claim {
  readonly flow_id: string
  readonly name: string
  readonly params: string
  /** RUNNING or REVERTING. */
  readonly state: FlowState
  readonly reason: { message: string; details: string }
  readonly generation: number
  readonly created_at_ms: number
  /** What the flow works on. */
  readonly subject: string | null
  readonly request_id: string | null
  readonly global_request_id: string | null
  readonly traceparent: string | null
  /** By the monotonic clock; moved on by each write and renewal. */
  leaseEndsAt: number
}

/** A kind of flow, and how many of it may be claimed now. */
export interface Claimable {
  names: readonly string[]
  /** True: only those that a request asked for; false: only those that a controller began of itself. */
  asked?: boolean
  room: number
}

export interface FlowChange {
  state?: FlowState
  reason_message?: string
  reason_details?: string
  /** The flow ends: nobody claims it any more. */
  ended?: boolean
  /** With `ended`: what else is written then, in the same transaction. */
  also?(tx: Tx): Promise<void>
}

interface Entry {
  claim: Claim
  change: FlowChange
  steps: FlowStepRow[]
  resolve(): void
  reject(error: Error): void
}

export class Journal {
  readonly worker: string
  readonly leaseMs: number
  readonly #db: Db
  readonly #clock: Clock
  #queue: Entry[] = []
  #flushing = false

  constructor(options: { db: Db; clock: Clock; leaseMs: number }) {
    this.worker = enlistWorker()
    this.leaseMs = options.leaseMs
    this.#db = options.db
    this.#clock = options.clock
  }

  /** The worker has stopped; what it still holds may be taken over at once. */
  close(): void {
    dismissWorker(this.worker)
  }

  /**
   * Claims flows, the oldest first: new ones, and those whose worker's lease has ended. Of each kind no more than there is room for; who asks again until
   * nothing comes fills all rooms.
   */
  async claim(kinds: readonly Claimable[], except: readonly string[] = []): Promise<Claim[]> {
    const open = kinds.filter(({ room }) => room > 0)
    if (open.length === 0) return []
    // One question for all kinds: should all that comes be of one kind, it has room for them.
    const limit = Math.min(...open.map(({ room }) => room))
    const leaseEndsAt = this.#clock.monotonic() + this.leaseMs
    const now = databaseNow(this.#db)
    let claimable = this.#db
      .selectFrom('flow')
      .select('id')
      .where('ended_at_ms', 'is', null)
      .where('lease_until_ms', '<', now)
      .where(({ or, and, eb }) =>
        or(
          open.map(({ names, asked }) => {
            const isNamed = eb('name', 'in', names)
            return asked === undefined ? isNamed : and([isNamed, eb('request_id', asked ? 'is not' : 'is', null)])
          }),
        ),
      )
      .orderBy('created_at_ms')
      .orderBy('id')
      .limit(limit)
    if (except.length > 0) claimable = claimable.where('id', 'not in', except)
    // Several controllers ask at the same time: each gets others.
    if (isPostgresql(this.#db)) claimable = claimable.forUpdate().skipLocked()
    // Looking costs nothing on SQLite, where an update, even of no row, takes the one writer's place.
    const ids = isPostgresql(this.#db) ? claimable : (await claimable.execute()).map(({ id }) => id)
    if (Array.isArray(ids) && ids.length === 0) return []
    // Before anything is done for the flow its first step is written, and waited for.
    const rows = await unhurried(this.#db)
      .updateTable('flow')
      .set((expression) => ({
        worker: this.worker,
        generation: expression('generation', '+', 1),
        lease_until_ms: sql<number>`${now} + ${sql.lit(this.leaseMs)}`,
        state: sql<FlowState>`case when state = 'READY' then 'RUNNING' else state end`,
      }))
      .where('id', 'in', ids)
      // Again, for SQLite, where another process may have been in between.
      .where('ended_at_ms', 'is', null)
      .where('lease_until_ms', '<', now)
      .returningAll()
      .execute()
    return rows.sort(byAge).map((row) => ({
      flow_id: row.id,
      name: row.name,
      params: row.params,
      state: row.state,
      reason: { message: row.reason_message ?? '', details: row.reason_details ?? '' },
      generation: row.generation,
      created_at_ms: row.created_at_ms,
      subject: row.subject,
      request_id: row.request_id,
      global_request_id: row.global_request_id,
      traceparent: row.traceparent,
      leaseEndsAt,
    }))
  }

  /** Ends the leases of workers of this host that are dead, so that `claim` finds their flows at once. */
  async expireDeadWorkers(): Promise<void> {
    const rows = await this.#db
      .selectFrom('flow')
      .select('worker')
      .distinct()
      .where('ended_at_ms', 'is', null)
      .where('worker', 'is not', null)
      .where('lease_until_ms', '>', 0)
      .execute()
    for (const { worker } of rows) {
      if (worker === null || !isDead(worker)) continue
      await this.#db.updateTable('flow').set({ lease_until_ms: 0 }).where('worker', '=', worker).where('ended_at_ms', 'is', null).execute()
    }
  }

  async steps(flow_id: string): Promise<FlowStepRow[]> {
    return this.#db.selectFrom('flow_step').selectAll().where('flow_id', '=', flow_id).orderBy('started_order').execute()
  }

  /**
   * Writes steps and a change of the flow, and renews its lease. What is asked for within one turn of the event loop, by all flows of the worker,
   * is one transaction, so that a step costs one commit: its predecessor's end is written together with its start.
   * Throws Interrupted if the flow is no longer ours, or the database was away until the lease ended.
   */
  write(claim: Claim, steps: readonly FlowStepRow[], change: FlowChange = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      // Copies: the caller goes on changing its rows.
      this.#queue.push({ claim, change, steps: steps.map((step) => ({ ...step })), resolve, reject })
      this.#schedule()
    })
  }

  /** Extends the leases of those flows that did not write lately; returns those that are lost. */
  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    const startedAt = this.#clock.monotonic()
    const due = claims.filter((claim) => claim.leaseEndsAt - startedAt < (this.leaseMs * 2) / 3)
    if (due.length === 0) return []
    const rows = await this.#db
      .updateTable('flow')
      .set({ lease_until_ms: this.#leaseEnd() })
      .where('worker', '=', this.worker)
      .where('ended_at_ms', 'is', null)
      .where(
        'id',
        'in',
        due.map(({ flow_id }) => flow_id),
      )
      .returning(['id', 'generation'])
      .execute()
    const ours = new Set(rows.map(({ id, generation }) => `${id} ${generation}`))
    const lost: Claim[] = []
    for (const claim of due) {
      if (ours.has(`${claim.flow_id} ${claim.generation}`)) claim.leaseEndsAt = Math.max(claim.leaseEndsAt, startedAt + this.leaseMs)
      else lost.push(claim)
    }
    return lost
  }

  /** Gives a flow back before its end; another worker may claim it at once. */
  async release(claim: Claim): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await tx
        .updateTable('flow')
        .set({ worker: null, lease_until_ms: 0 })
        .where('id', '=', claim.flow_id)
        .where('worker', '=', this.worker)
        .where('generation', '=', claim.generation)
        .where('ended_at_ms', 'is', null)
        .execute()
      await wakeAfterCommit(tx)
    })
    claim.leaseEndsAt = Number.NEGATIVE_INFINITY
  }

  /**
   * The database for what this flow's tasks write: on PostgreSQL they write nothing any more once another worker has claimed the flow; on SQLite, where
   * that is of the same process, once this one's lease has ended or was given back.
   */
  guardedDb(db: Db, claim: Claim): Db {
    if (!isPostgresql(db)) return db.withPlugin(beforeEachQuery(() => this.checkLease(claim)))
    const { flow_id, generation } = claim
    const held = sql`
      select 1 from flow
      where id = ${sql.lit(flow_id)} and worker = ${sql.lit(this.worker)} and generation = ${sql.lit(generation)} and ended_at_ms is null
      for share`
    return guardedBy(db, {
      query: held.compile(db).sql,
      refusal: () => new Interrupted(`flow ${flow_id} has another worker`),
    })
  }

  /** Throws Interrupted once the lease has ended: another worker may have begun. */
  checkLease(claim: Claim): void {
    if (this.#clock.monotonic() >= claim.leaseEndsAt) throw new Interrupted(`the lease of flow ${claim.flow_id} has ended`)
  }

  #schedule(pauseMs = 0): void {
    if (this.#flushing) return
    this.#flushing = true
    const flush = () => void this.#flush()
    if (pauseMs === 0) setImmediate(flush)
    else setTimeout(flush, pauseMs)
  }

  async #flush(): Promise<void> {
    const entries = this.#queue
    this.#queue = []
    let pauseMs = 0
    try {
      const startedAt = this.#clock.monotonic()
      const live = entries.filter((entry) => {
        if (startedAt < entry.claim.leaseEndsAt) return true
        entry.reject(new Interrupted(`the lease of flow ${entry.claim.flow_id} has ended`))
        return false
      })
      const lost = live.length === 0 ? new Set<Entry>() : await this.#db.transaction().execute((tx) => this.#store(tx, live))
      for (const entry of live) {
        if (lost.has(entry)) {
          entry.reject(new Interrupted(`flow ${entry.claim.flow_id} has another worker`))
        } else {
          entry.claim.leaseEndsAt = Math.max(entry.claim.leaseEndsAt, startedAt + this.leaseMs)
          entry.resolve()
        }
      }
    } catch (error) {
      // The database is away. Those whose lease still runs try again, before what came meanwhile.
      const now = this.#clock.monotonic()
      for (const { claim, reject } of entries.filter(({ claim }) => now >= claim.leaseEndsAt)) {
        reject(new Interrupted(`flow ${claim.flow_id} could not be written until its lease ended`, { cause: error }))
      }
      this.#queue = [...entries.filter(({ claim }) => now < claim.leaseEndsAt), ...this.#queue]
      pauseMs = WRITE_RETRY_PAUSE_MS
    }
    this.#flushing = false
    if (this.#queue.length > 0) this.#schedule(pauseMs)
  }

  /** Returns the entries whose flow is not ours any more; of those nothing is written. */
  async #store(tx: Tx, entries: readonly Entry[]): Promise<Set<Entry>> {
    const lost = new Set<Entry>()
    const steps = new Map<string, FlowStepRow>()
    for (const [, ofFlow] of groupByFlow(entries)) {
      const { claim } = ofFlow[0]!
      const { ended, also, ...columns } = Object.assign({}, ...ofFlow.map(({ change }) => change)) as FlowChange
      const end = ended ? { worker: null, lease_until_ms: 0, ended_at_ms: Date.now() } : { lease_until_ms: this.#leaseEnd() }
      // Locks the row too, so that no claim can come between this check and the commit.
      const { numUpdatedRows } = await tx
        .updateTable('flow')
        .set({ ...columns, ...end })
        .where('id', '=', claim.flow_id)
        .where('worker', '=', this.worker)
        .where('generation', '=', claim.generation)
        .where('ended_at_ms', 'is', null)
        .executeTakeFirst()
      for (const entry of ofFlow) {
        if (numUpdatedRows === 0n) lost.add(entry)
        else for (const step of entry.steps) steps.set(`${step.flow_id} ${step.step}`, step)
      }
      if (numUpdatedRows > 0n) await also?.(tx)
    }
    if (steps.size > 0) {
      await tx
        .insertInto('flow_step')
        .values([...steps.values()])
        .onConflict((conflict) =>
          conflict.columns(['flow_id', 'step']).doUpdateSet((expression) => ({
            state: expression.ref('excluded.state'),
            input: expression.ref('excluded.input'),
            output: expression.ref('excluded.output'),
            error: expression.ref('excluded.error'),
            finished_order: expression.ref('excluded.finished_order'),
            started_at_ms: expression.ref('excluded.started_at_ms'),
            ended_at_ms: expression.ref('excluded.ended_at_ms'),
          })),
        )
        .execute()
    }
    return lost
  }

  #leaseEnd(): RawBuilder<number> {
    return sql<number>`${databaseNow(this.#db)} + ${sql.lit(this.leaseMs)}`
  }
}

function beforeEachQuery(check: () => void): KyselyPlugin {
  return {
    transformQuery({ node }) {
      check()
      return node
    },
    transformResult: async ({ result }) => result,
  }
}

function groupByFlow(entries: readonly Entry[]): Map<Claim, Entry[]> {
  const groups = new Map<Claim, Entry[]>()
  for (const entry of entries) {
    const group = groups.get(entry.claim)
    if (group === undefined) groups.set(entry.claim, [entry])
    else group.push(entry)
  }
  return groups
}

function byAge(a: FlowRow, b: FlowRow): number {
  return a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1)
}
