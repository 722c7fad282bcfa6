/** One life of a flow under test, in a database that is empty but for what it is given, and what of many lives is tried and told. */
import { appendFileSync } from 'node:fs'
import { sql } from 'kysely'
import { type Db, isPostgresql } from '../../src/db/connection.ts'
import type { Flow } from '../../src/flow/define.ts'
import { type ExecuteOptions, execute, type Outcome } from '../../src/flow/execute.ts'
import { type Claim, Journal } from '../../src/flow/journal.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Json } from '../../src/lib/json.ts'
import { eventually } from './eventually.ts'

/** What the flow is given. The rest of `G` is for the assertions: drivers in memory, functions that look into the database. */
export interface Given<C, P> {
  context: C
  params: P
}

export interface Survival<C, P, G extends Given<C, P>> {
  /** Called with an empty, migrated database for every single run, dozens of times: keep it quick. Everything outside the database is made anew here. */
  given(db: Db): Promise<G>
  /** Also after crashes, so that steps may have run twice. */
  whenItSucceeds(given: G): Promise<void>
  /** Every step is reverted and afterRevert has run. */
  whenItReverts(given: G): Promise<void>
}

/** Everything is tried, instead of a part that is always the same. */
export const isFull = process.env.OTTAVIA_TEST_MATRIX === 'full'

/** One worker takes the flow and runs it until its end, or the worker's. */
export async function life<C, P extends Json>(
  db: Db,
  flow: Flow<C, P>,
  id: string,
  contextOf: (journal: Journal, claim: Claim) => C,
  options: Pick<ExecuteOptions<C>, 'probe' | 'sleep' | 'stepTimeoutMs'> = {},
): Promise<Outcome> {
  const journal = new Journal({ db, clock: systemClock, leaseMs: 60_000 })
  try {
    // As a worker does: what the one before had under way may hold the row for a moment still.
    const claim = await eventually(async () => {
      await journal.expireDeadWorkers()
      const [taken] = await journal.claim([{ names: [flow.name], room: 1 }])
      if (taken?.flow_id !== id) throw new Error(`the flow ${flow.name} cannot be claimed`)
      return taken
    })
    return await execute(flow, claim, { context: contextOf(journal, claim), journal, signal: new AbortController().signal, ...options })
  } finally {
    journal.close()
  }
}

const tablesOf = new WeakMap<Db, string[]>()

/** Instead of a new database for each of hundreds of runs. */
export async function emptyTables(db: Db): Promise<void> {
  let tables = tablesOf.get(db)
  if (tables === undefined) {
    const found = await db.introspection.getTables()
    tables = [...new Set(found.map(({ name }) => name))].filter((name) => !name.startsWith('kysely'))
    tablesOf.set(db, tables)
  }
  if (isPostgresql(db)) {
    // In one round trip, since there are hundreds of runs.
    await sql.raw(tables.map((name) => `delete from "${name}"`).join('; ')).execute(db)
    return
  }
  await db.transaction().execute(async (tx) => {
    for (const name of tables) await tx.deleteFrom(name as 'flow').execute()
  })
}

/** At most so many, spread evenly, always the same; the first and the last among them. */
export function chosen<T>(all: readonly T[], atMost: number): T[] {
  if (all.length <= atMost) return [...all]
  const count = Math.max(2, atMost)
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]!)
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}

export const mishaps = ['worker', 'step', 'database', 'agent', 'error', 'hang', 'service'] as const
export type MishapKind = (typeof mishaps)[number]

/** What became of the runs of one flow with one kind of mishap on one database. */
export interface Told {
  flow: string
  mishap: MishapKind
  database: 'SQLite' | 'PostgreSQL'
  runs: number
  done: number
  reverted: number
  defects: string[]
}

/** Counts runs; with the full matrix a defect does not keep the others from being found. */
export class Tally {
  readonly #told: Told

  constructor(flow: { name: string }, mishap: MishapKind, db: Db) {
    const database = isPostgresql(db) ? 'PostgreSQL' : 'SQLite'
    this.#told = { flow: flow.name, mishap, database, runs: 0, done: 0, reverted: 0, defects: [] }
  }

  async run(circumstances: string, body: () => Promise<Outcome>): Promise<void> {
    this.#told.runs += 1
    try {
      if ((await body()) === 'DONE') this.#told.done += 1
      else this.#told.reverted += 1
    } catch (error) {
      if (!(error instanceof Error)) throw error
      error.message = `${circumstances}: ${error.message}`
      if (!isFull) throw error
      this.#told.defects.push(error.message)
    }
  }

  /** Throws when a run had a defect. */
  end(): void {
    const file = process.env.OTTAVIA_TEST_MATRIX_RESULTS
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(this.#told)}\n`)
    const { defects, runs } = this.#told
    if (defects.length > 0) throw new Error(`${defects.length} of ${runs} runs ended badly:\n${defects.join('\n')}`)
  }
}
