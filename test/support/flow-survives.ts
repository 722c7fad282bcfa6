/**
 * The test that every flow gets: it is run once to learn its steps; then, each time from a fresh beginning, its worker dies at each moment
 * of each step, each step fails before and after it did its work, and the worker dies while it reverts. Whatever happens, the flow must end with the
 * effects of a run without mishap, or with none.
 */
import assert from 'node:assert/strict'
import { type Db, isPostgresql } from '../../src/db/connection.ts'
import type { Flow } from '../../src/flow/define.ts'
import type { Moment, Outcome, Probe } from '../../src/flow/execute.ts'
import { Interrupted } from '../../src/flow/journal.ts'
import { startFlow } from '../../src/flow/start.ts'
import type { Json } from '../../src/lib/json.ts'
import { forEachDatabase, type Open, sqlite } from './databases.ts'
import { chosen, emptyTables, type Given, isFull, life, range, type Survival, Tally } from './flow-life.ts'
import { flowMeetsMishaps } from './flow-mishaps.ts'

/**
 * Registers the tests, on each database. `npm test` runs a fixed part of them: all moments and steps on SQLite; on PostgreSQL, where a run costs several
 * times as much, some that are spread over the flow. `npm run test:matrix` runs them all.
 */
export function flowSurvives<C, P extends Json, G extends Given<C, P>>(flow: Flow<C, P>, survival: Survival<C, P, G>): void {
  forEachDatabase(`${flow.name} succeeds and survives a crash at every moment`, async (open) => {
    const db = await open()
    const { outcome, moments } = await once(db, flow, survival)
    assert.equal(outcome, 'DONE')
    const tally = new Tally(flow, 'worker', db)
    for (const crash of chosen(range(0, moments.length), amount(db).crashes)) {
      await tally.run(`after a crash at ${moments[crash]}`, async () => {
        const { outcome } = await once(db, flow, survival, { crash })
        assert.equal(outcome, 'DONE')
        return outcome
      })
    }
    tally.end()
  })

  const whenAStepFails = async (open: Open) => {
    const db = await open()
    const { moments } = await once(db, flow, survival)
    const { failures, revertingCrashes } = amount(db)
    // A step that failed at its very start, and one that did all its work first; the latter of the last step reverts the most.
    const steps = moments.filter((moment) => moment.startsWith('started '))
    const failing = chosen([...steps, ...steps.map((step) => step.replace('started ', 'executed '))], failures)
    const tally = new Tally(flow, 'step', db)
    const reverts = async (mishap: Mishap) => {
      const failed = await once(db, flow, survival, mishap)
      assert.equal(failed.outcome, 'REVERTED')
      return failed
    }
    for (const [number, moment] of failing.entries()) {
      const during: { at: number; name: string }[] = []
      await tally.run(`when the flow fails at ${moment}`, async () => {
        const { moments, outcome } = await reverts({ failing: moment })
        const points = range(moments.indexOf(moment) + 1, moments.length).map((at) => ({ at, name: moments[at]! }))
        // All moments of all failures would be a square of the flow's length.
        if (moment === failing.at(-1)) during.push(...chosen(points, revertingCrashes.ofLast))
        else if (number % revertingCrashes.oneOf === 0) during.push(...points.slice(Math.floor(points.length / 2)).slice(0, 1))
        return outcome
      })
      for (const { at, name } of during) {
        await tally.run(`when the flow fails at ${moment} and its worker dies at ${name}`, async () => {
          return (await reverts({ failing: moment, crash: at })).outcome
        })
      }
    }
    tally.end()
  }
  const databases = isFull ? undefined : [sqlite]
  forEachDatabase(`${flow.name} leaves nothing when a step fails, also where reverting crashes`, whenAStepFails, databases)

  flowMeetsMishaps(flow, survival)
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
const onSqlite: Amount = { crashes: 20, failures: 12, revertingCrashes: { oneOf: 3, ofLast: 5 } }
/** A run costs several times as much there. */
const ON_POSTGRESQL = { crashes: 4 }

function amount(db: Db): Amount {
  if (isFull) return everything
  return isPostgresql(db) ? { ...onSqlite, ...ON_POSTGRESQL } : onSqlite
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
  let outcome = await life(db, flow, id, () => given.context, { probe })
  if (outcome === 'INTERRUPTED') outcome = await life(db, flow, id, () => given.context, { probe })
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
