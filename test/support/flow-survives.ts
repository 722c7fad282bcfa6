/**
 * The test that every flow gets: it is run once to learn its steps; then, each time from a fresh beginning, its worker dies at each moment
 * of each step, each step fails before and after it did its work, and the worker dies while it reverts. Whatever happens, the flow must end with the
 * effects of a run without mishap, or with none.
 */
import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { type Db, isPostgresql } from '../../src/db/connection.ts'
import type { Flow } from '../../src/flow/define.ts'
import { execute, type Moment, type Outcome, type Probe } from '../../src/flow/execute.ts'
import { Interrupted, Journal } from '../../src/flow/journal.ts'
import { startFlow } from '../../src/flow/start.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Json } from '../../src/lib/json.ts'
import { forEachDatabase } from './databases.ts'

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

/**
 * Registers the tests, on each database. `npm test` runs a fixed part of them: all moments and steps on SQLite; on PostgreSQL, where a run costs several
 * times as much, some that are spread over the flow. `npm run test:matrix` runs them all.
 */
export function flowSurvives<C, P extends Json, G extends Given<C, P>>(flow: Flow<C, P>, survival: Survival<C, P, G>): void {
  forEachDatabase(`${flow.name} succeeds and survives a crash at every moment`, async (open) => {
    const db = await open()
    const { outcome, moments } = await once(db, flow, survival)
    assert.equal(outcome, 'DONE')
    for (const crash of chosen(range(0, moments.length), amount(db).crashes)) {
      await told(`after a crash at ${moments[crash]}`, async () => {
        assert.equal((await once(db, flow, survival, { crash })).outcome, 'DONE')
      })
    }
  })

  forEachDatabase(`${flow.name} leaves nothing when a step fails, also where reverting crashes`, async (open) => {
    const db = await open()
    const { moments } = await once(db, flow, survival)
    const { failures, revertingCrashes } = amount(db)
    // A step that failed at its very start, and one that did all its work first; the latter of the last step reverts the most.
    const steps = moments.filter((moment) => moment.startsWith('started '))
    const failing = chosen([...steps, ...steps.map((step) => step.replace('started ', 'executed '))], failures)
    for (const [number, moment] of failing.entries()) {
      await told(`when the flow fails at ${moment}`, async () => {
        const failed = await once(db, flow, survival, { failing: moment })
        assert.equal(failed.outcome, 'REVERTED')
        const reverting = range(failed.moments.indexOf(moment) + 1, failed.moments.length)
        const isLast = moment === failing.at(-1)
        if (!isLast && number % revertingCrashes.oneOf > 0) return
        // All moments of all failures would be a square of the flow's length.
        for (const crash of isLast ? chosen(reverting, revertingCrashes.ofLast) : middleOf(reverting)) {
          await told(`and its worker dies at ${failed.moments[crash]}`, async () => {
            assert.equal((await once(db, flow, survival, { failing: moment, crash })).outcome, 'REVERTED')
          })
        }
      })
    }
  })
}

interface Amount {
  crashes: number
  failures: number
  revertingCrashes: {
    /** In one of so many failures the worker dies while it reverts, too. */
    oneOf: number
    /** How often with the failure that reverts the most. */
    ofLast: number
  }
}

const everything: Amount = {
  crashes: Number.POSITIVE_INFINITY,
  failures: Number.POSITIVE_INFINITY,
  revertingCrashes: { oneOf: 1, ofLast: Number.POSITIVE_INFINITY },
}
const onSqlite: Amount = { ...everything, revertingCrashes: { oneOf: 3, ofLast: 12 } }
const onPostgresql: Amount = { crashes: 8, failures: 6, revertingCrashes: { oneOf: 3, ofLast: 3 } }

function amount(db: Db): Amount {
  if (process.env.OTTAVIA_TEST_MATRIX === 'full') return everything
  return isPostgresql(db) ? onPostgresql : onSqlite
}

/** At most so many, spread evenly, always the same; the first and the last among them. */
function chosen<T>(all: readonly T[], atMost: number): T[] {
  if (all.length <= atMost) return [...all]
  const count = Math.max(2, atMost)
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]!)
}

interface Mishap {
  /** At the moment of this number the worker dies. */
  crash?: number
  /** The step fails at this moment, as often as it is tried. */
  failing?: string
}

/** One life of the flow from an empty database to its end, checked; several workers, if the first ones die. */
async function once<C, P extends Json, G extends Given<C, P>>(
  db: Db,
  flow: Flow<C, P>,
  survival: Survival<C, P, G>,
  mishap: Mishap = {},
): Promise<{ outcome: Outcome; moments: string[] }> {
  await emptyTables(db)
  const given = await survival.given(db)
  const id = await db.transaction().execute((tx) => startFlow(tx, flow, given.params))
  const moments: string[] = []
  const probe: Probe = (moment: Moment, step: string) => {
    const name = `${moment} ${step}`
    const number = moments.push(name) - 1
    if (number === mishap.crash) throw new Interrupted(`a crash at ${name}`)
    if (name === mishap.failing) throw new Error(`a failure at ${name}`)
  }
  let outcome = await life(db, flow, id, given.context, probe)
  if (outcome === 'INTERRUPTED') outcome = await life(db, flow, id, given.context, probe)
  if (flow.onStart !== undefined) await tellsOfItself(db, id, outcome)
  if (outcome === 'DONE') await survival.whenItSucceeds(given)
  if (outcome === 'REVERTED') await survival.whenItReverts(given)
  return { outcome, moments }
}

/** Whatever died on the way, its owner finds one event, with its end. */
async function tellsOfItself(db: Db, flow_id: string, outcome: Outcome): Promise<void> {
  const events = await db.selectFrom('event').select(['id', 'outcome']).execute()
  assert.deepEqual(events, [{ id: flow_id, outcome: outcome === 'DONE' ? 'success' : 'failure' }])
}

async function life<C, P extends Json>(db: Db, flow: Flow<C, P>, id: string, context: C, probe: Probe): Promise<Outcome> {
  const journal = new Journal({ db, clock: systemClock, leaseMs: 60_000 })
  try {
    await journal.expireDeadWorkers()
    const [claim] = await journal.claim([flow.name], 1)
    assert.equal(claim?.flow_id, id, 'the flow can be claimed')
    return await execute(flow, claim, { context, journal, signal: new AbortController().signal, probe })
  } finally {
    journal.close()
  }
}

const tablesOf = new WeakMap<Db, string[]>()

/** Instead of a new database for each of hundreds of runs. */
async function emptyTables(db: Db): Promise<void> {
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

async function told(circumstances: string, body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (error instanceof Error) error.message = `${circumstances}: ${error.message}`
    throw error
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}

function middleOf(moments: readonly number[]): number[] {
  return moments.slice(Math.floor(moments.length / 2)).slice(0, 1)
}
