import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { flowSurvives } from '../../test/support/flow-survives.ts'
import { type Db, isPostgresql } from '../db/connection.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { createMetrics, exposeMetrics, type Metrics } from '../monitoring/metrics.ts'
import { startWorker, type Worker } from '../worker/worker.ts'
import { type Flow, flowKit, VisibleError } from './define.ts'
import { execute } from './execute.ts'
import { listFlows, pruneFlows, revertAgain, showFlow } from './history.ts'
import { type Claim, Interrupted, Journal } from './journal.ts'
import { startFlow } from './start.ts'
import { dismissWorker, enlistWorker, isDead } from './worker-identity.ts'

interface World {
  db: Db
  clock: Clock
  log: ReturnType<typeof createLog>
  metrics: Metrics
  /** What exists outside the database; tasks make and take away by name. */
  things: Set<string>
  said: string[]
  fail: Map<string, Error>
}

const { flow, task } = flowKit<World>()
const silent = createLog('silent')

function aWorld(db: Db): World {
  return { db, clock: systemClock, log: silent, metrics: createMetrics(), things: new Set(), said: [], fail: new Map() }
}

const make = task('make', {
  async execute({ things, said, fail }, name: string) {
    said.push(`make ${name}`)
    things.add(name)
    const error = fail.get(`make ${name}`)
    if (error) throw error
    return { made: name }
  },
  async revert({ things, said, fail }, name, output) {
    said.push(`unmake ${name}${output === undefined ? ' (half)' : ''}`)
    const error = fail.get(`unmake ${name}`)
    if (error) throw error
    things.delete(name)
  },
  retry: { attempts: 2, firstWaitMs: 1, longestWaitMs: 1 },
})

const say = task('say', {
  async execute({ said }, words: string) {
    said.push(words)
  },
})

const makeMany = flow('make-many', {
  async steps(run, { names }: { names: string[] }) {
    await run(say, 'begin')
    const { made } = await run(make, 'first', { key: 'first' })
    const results = await run.parallel(
      names,
      (name) => name,
      async (branch, name) => {
        const inner = await branch(make, `${made}-${name}`)
        await branch(say, `made ${inner.made}`)
        return inner.made
      },
    )
    await run(make, results.join('+'), { key: 'last' })
  },
  async afterRevert({ said }, { names }, reason) {
    said.push(`reverted ${names.length}: ${reason.message} / ${reason.details}`)
  },
})

flowSurvives(makeMany, {
  async given(db) {
    const context = aWorld(db)
    return { context, params: { names: ['a', 'b'] } }
  },
  async whenItSucceeds({ context }) {
    assert.deepEqual([...context.things].sort(), ['first', 'first-a', 'first-a+first-b', 'first-b'])
  },
  async whenItReverts({ context }) {
    assert.deepEqual([...context.things], [])
    assert.match(context.said.at(-1)!, /^reverted 2: The operation failed/)
  },
})

/** Claims and runs whatever there is, once. */
async function runOnce(db: Db, world: World, flows: Flow<World, never>[], journal = aJournal(db)): Promise<string[]> {
  const claims = await journal.claim([{ names: flows.map(({ name }) => name), room: 10 }])
  const signal = new AbortController().signal
  return Promise.all(
    claims.map((claim) => execute(flows.find(({ name }) => name === claim.name)!, claim, { context: world, journal, signal })),
  )
}

function aJournal(db: Db, leaseMs = 60_000): Journal {
  return new Journal({ db, clock: systemClock, leaseMs })
}

forEachDatabase(
  'a step that is never answered is undone by another generation, and says so; a late answer changes nothing',
  async (open) => {
    const db = await open()
    const world = { ...aWorld(db), late: Promise.withResolvers<void>() }
    const waits = flowKit<typeof world>().task('wait', {
      async execute({ late, db, said, signal }) {
        await late.promise
        said.push(`heard, ${signal.aborted ? 'too late' : 'in time'}`)
        await db.deleteFrom('flow').execute()
      },
      async revert({ said, generation }) {
        said.push(`undone by generation ${generation}`)
      },
    })
    const waiting = flowKit<typeof world>().flow('wait-for-ever', { steps: (run) => run(waits, undefined) })
    const id = await db.transaction().execute((tx) => startFlow(tx, waiting, {}))
    const worker = startWorker({ context: world, flows: [waiting], stepTimeoutMs: 50 })
    await eventually(async () => assert.equal((await showFlow(db, id))?.state, 'REVERTED'))
    world.late.resolve()
    await eventually(() => assert.deepEqual(world.said, ['undone by generation 2', 'heard, too late']))
    await worker.stop()
    assert.match((await showFlow(db, id))!.reason!.details, /^NoAnswer: it did not end within 0\.05 s/)
  },
)

forEachDatabase('a step that finds the database busy is tried again a few times', async (open) => {
  const db = await open()
  for (const [times, state] of [
    [3, 'DONE'],
    [100, 'REVERTED'],
  ] as const) {
    const world = aWorld(db)
    let left: number = times
    const meetsOthers = task('meet-others', {
      async execute() {
        if (left-- > 0) throw new Error('could not store it', { cause: Object.assign(new Error('database is locked'), { errcode: 5 }) })
      },
    })
    const meeting = flow('meeting', { steps: (run) => run(meetsOthers, undefined) })
    const id = await db.transaction().execute((tx) => startFlow(tx, meeting, {}))
    const worker = startWorker({ context: world, flows: [meeting] })
    await eventually(async () => assert.equal((await showFlow(db, id))?.state, state))
    await worker.stop()
    assert.match(await exposeMetrics(world.metrics), new RegExp(`ottavia_database_retries_total\\{work="step"\\} ${Math.min(times, 5)}`))
  }
})

forEachDatabase('a flow runs its steps, and its history tells of them', async (open) => {
  const db = await open()
  const world = aWorld(db)
  const id = await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: ['a', 'b'] }, { subject: 'lb-1' }))
  assert.deepEqual(await runOnce(db, world, [makeMany]), ['DONE'])
  const shown = await showFlow(db, id)
  assert.equal(shown?.state, 'DONE')
  assert.equal(shown.subject, 'lb-1')
  assert.ok(shown.ended_at_ms! >= shown.created_at_ms)
  assert.deepEqual(
    shown.steps.map(({ step, state, input, output }) => ({ step, state, input, output })),
    [
      { step: 'say', state: 'DONE', input: 'begin', output: undefined },
      { step: 'make[first]', state: 'DONE', input: 'first', output: { made: 'first' } },
      { step: 'a/make', state: 'DONE', input: 'first-a', output: { made: 'first-a' } },
      { step: 'b/make', state: 'DONE', input: 'first-b', output: { made: 'first-b' } },
      { step: 'a/say', state: 'DONE', input: 'made first-a', output: undefined },
      { step: 'b/say', state: 'DONE', input: 'made first-b', output: undefined },
      { step: 'make[last]', state: 'DONE', input: 'first-a+first-b', output: { made: 'first-a+first-b' } },
    ],
  )
})

forEachDatabase('a failure reverts backwards: the step that failed, then the finished ones, the latest first', async (open) => {
  const db = await open()
  const world = aWorld(db)
  world.fail.set('make first-b', new VisibleError('There is no address left.', 'neutron at 10.0.0.1 said 409'))
  const id = await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: ['a', 'b'] }))
  assert.deepEqual(await runOnce(db, world, [makeMany]), ['REVERTED'])
  assert.deepEqual(world.said.slice(world.said.indexOf('unmake first-b (half)')), [
    'unmake first-b (half)',
    'unmake first-a',
    'unmake first',
    'reverted 2: There is no address left. / neutron at 10.0.0.1 said 409',
  ])
  assert.deepEqual([...world.things], [])
  const shown = await showFlow(db, id)
  assert.deepEqual(shown?.reason, { message: 'There is no address left.', details: 'neutron at 10.0.0.1 said 409' })
  assert.match(shown.steps.find(({ step }) => step === 'b/make')?.error ?? '', /no address left/)
  assert.equal(shown.state, 'REVERTED')
})

forEachDatabase("a driver's own words are kept from the object's owner", async (open) => {
  const db = await open()
  const world = aWorld(db)
  world.fail.set('make first', new Error('connect ECONNREFUSED 10.9.8.7', { cause: new Error('no route') }))
  await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: [] }))
  assert.deepEqual(await runOnce(db, world, [makeMany]), ['REVERTED'])
  assert.equal(
    world.said.at(-1),
    'reverted 0: The operation failed; what it had done was undone. An administrator can see the details. / Error: connect ECONNREFUSED 10.9.8.7; because of Error: no route',
  )
  assert.equal(world.said.filter((words) => words === 'make first').length, 2, 'the task was tried as often as it says')
})

forEachDatabase('a failed revert stops the others, is seen, tells the object, and can be tried again', async (open) => {
  const db = await open()
  const world = aWorld(db)
  world.fail.set('make first-a', new Error('broken'))
  world.fail.set('unmake first-a', new Error('still broken'))
  const id = await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: ['a'] }))
  assert.deepEqual(await runOnce(db, world, [makeMany]), ['REVERT_FAILURE'])
  assert.deepEqual([...world.things].sort(), ['first', 'first-a'], 'what came before is left as it was')
  assert.match(world.said.at(-1)!, /reverted 1: .*a\/make could not be reverted: Error: still broken/s)
  assert.deepEqual(
    (await listFlows(db, { state: 'REVERT_FAILURE' })).map((found) => found.id),
    [id],
  )
  assert.equal(await pruneFlows(db, { beforeMs: Date.now() + 1, limit: 10 }), 0, 'it is kept until somebody has looked')
  world.fail.clear()
  assert.equal(await db.transaction().execute((tx) => revertAgain(tx, id)), true)
  assert.deepEqual(await runOnce(db, world, [makeMany]), ['REVERTED'])
  assert.deepEqual([...world.things], [])
  assert.equal(await db.transaction().execute((tx) => revertAgain(tx, id)), false)
})

forEachDatabase('a flow of a transaction that is rolled back never runs', async (open) => {
  const db = await open()
  const started = db.transaction().execute(async (tx) => {
    await startFlow(tx, makeMany, { names: [] })
    throw new Error('no quota')
  })
  await assert.rejects(started, /no quota/)
  assert.deepEqual(await runOnce(db, aWorld(db), [makeMany]), [])
})

forEachDatabase('many workers claim many flows, each once', async (open) => {
  const db = await open()
  for (let i = 0; i < 30; i++) await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: [] }))
  const journals = Array.from({ length: 4 }, () => aJournal(db))
  const claims = (await Promise.all(journals.map((journal) => journal.claim([{ names: ['make-many'], room: 10 }])))).flat()
  assert.equal(new Set(claims.map(({ flow_id }) => flow_id)).size, claims.length)
  assert.equal((await journals[0]!.claim([{ names: ['make-many'], room: 100 }])).length, 30 - claims.length)
})

/** A clock that a test can stop, as SIGSTOP stops a process. */
function aFrozenClock(): Clock & { frozen: boolean } {
  let stopped: number | undefined
  return {
    now: () => Date.now(),
    monotonic: () => stopped ?? performance.now(),
    get frozen() {
      return stopped !== undefined
    },
    set frozen(frozen) {
      stopped = frozen ? performance.now() : undefined
    },
  }
}

forEachDatabase('a worker that was frozen and has a successor writes nothing', async (open) => {
  const db = await open()
  const world = aWorld(db)
  await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: [] }))
  const clock = aFrozenClock()
  const frozen = new Journal({ db, clock, leaseMs: 50 })
  const [claim] = (await frozen.claim([{ names: ['make-many'], room: 1 }])) as [Claim]
  // It believes that no time has passed, so only the fence in the database can stop it.
  clock.frozen = true
  const successor = await eventually(async () => (await aJournal(db).claim([{ names: ['make-many'], room: 1 }]))[0] ?? false)
  assert.equal(successor.generation, claim.generation + 1)
  const before = await showFlow(db, claim.flow_id)
  await assert.rejects(frozen.write(claim, [], { state: 'DONE', ended: true }), Interrupted)
  assert.deepEqual(await frozen.renew([{ ...claim, leaseEndsAt: 0 }]), [{ ...claim, leaseEndsAt: 0 }])
  assert.deepEqual(await showFlow(db, claim.flow_id), before)
  const outcome = await execute(makeMany, claim, { context: world, journal: frozen, signal: new AbortController().signal })
  assert.equal(outcome, 'INTERRUPTED')
  assert.deepEqual(world.said, [], 'not a single task was begun')
  clock.frozen = false
})

forEachDatabase('no task begins after the lease has ended', async (open) => {
  const db = await open()
  const world = aWorld(db)
  let now = 0
  const clock: Clock = { now: () => Date.now(), monotonic: () => now }
  const slow = flow('slow', {
    async steps(run) {
      await run(sleepLong, null)
      await run(say, 'after')
    },
  })
  const sleepLong = task('sleep-long', {
    async execute() {
      now += 10_000
    },
  })
  await db.transaction().execute((tx) => startFlow(tx, slow, null))
  const journal = new Journal({ db, clock, leaseMs: 5_000 })
  assert.deepEqual(await runOnce(db, world, [slow], journal), ['INTERRUPTED'])
  assert.deepEqual(world.said, [])
})

forEachDatabase('a worker runs what is started, and its lease is kept while a step takes long', async (open) => {
  const db = await open()
  const world = aWorld(db)
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let begun = 0
  const waits = task('waits', {
    async execute() {
      begun++
      await held
    },
  })
  const long = flow('long', {
    async steps(run) {
      await run(waits, null)
    },
  })
  const workers = [await open(), await open()].map((each) =>
    startWorker({ context: { ...world, db: each }, flows: [long, makeMany], leaseMs: 200 }),
  )
  const id = await db.transaction().execute((tx) => startFlow(tx, long, null))
  const other = await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: ['a'] }))
  await eventually(async () => (await showFlow(db, other))?.state === 'DONE')
  const since = performance.now()
  // Three leases long.
  await eventually(() => performance.now() - since > 600)
  assert.equal((await showFlow(db, id))?.generation, 1)
  release()
  await eventually(async () => (await showFlow(db, id))?.state === 'DONE')
  assert.equal(begun, 1)
  await Promise.all(workers.map((worker) => worker.stop()))
})

forEachDatabase('a worker that stops gives its flow back, and the next one goes on where it was', async (open) => {
  const db = await open()
  const world = aWorld(db)
  const waits = task('waits', {
    async execute({ signal, said }) {
      if (said.includes('stopped')) return
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  })
  const long = flow('long', {
    async steps(run) {
      await run(say, 'one')
      await run(waits, null)
      await run(say, 'two', { key: 'two' })
    },
  })
  const id = await db.transaction().execute((tx) => startFlow(tx, long, null))
  const first = startWorker({ context: world, flows: [long] })
  await eventually(async () => (await showFlow(db, id))?.steps.length === 2)
  await first.stop()
  world.said.push('stopped')
  const second: Worker = startWorker({ context: world, flows: [long] })
  await second.idle()
  assert.equal((await showFlow(db, id))?.state, 'DONE')
  assert.deepEqual(world.said, ['one', 'stopped', 'two'])
  await second.stop()
})

forEachDatabase('a worker goes on when its connections to the database are cut', async (open) => {
  const [db, other] = [await open(), await open()]
  const world = aWorld(db)
  const worker = startWorker({ context: world, flows: [makeMany] })
  await worker.idle()
  for (let round = 0; round < 3; round++) {
    await cutOtherConnections(other)
    const id = await other.transaction().execute((tx) => startFlow(tx, makeMany, { names: [`${round}`] }))
    await eventually(async () => (await showFlow(other, id))?.state === 'DONE')
  }
  await worker.stop()
})

/** All of this test's but the one that asks; SQLite has none that could be cut. */
async function cutOtherConnections(db: Db): Promise<void> {
  if (!isPostgresql(db)) return
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = current_setting('application_name') and pid <> pg_backend_pid()`.execute(db)
}

forEachDatabase('history is listed by page, subject and state, and pruned', async (open) => {
  const db = await open()
  const ids: string[] = []
  for (let i = 0; i < 5; i++)
    ids.push(await db.transaction().execute((tx) => startFlow(tx, makeMany, { names: [] }, { subject: `lb-${i % 2}` })))
  const all = (await listFlows(db)).map(({ id }) => id)
  assert.deepEqual([...all].sort(), [...ids].sort())
  assert.deepEqual(
    (await listFlows(db, { limit: 2, marker: all[1]! })).map(({ id }) => id),
    all.slice(2, 4),
  )
  assert.equal((await listFlows(db, { subject: 'lb-1' })).length, 2)
  await runOnce(db, aWorld(db), [makeMany])
  assert.equal((await listFlows(db, { state: 'DONE' })).length, 5)
  assert.equal(await pruneFlows(db, { beforeMs: Date.now() - 60_000, limit: 10 }), 0)
  assert.equal(await pruneFlows(db, { beforeMs: Date.now() + 1, limit: 3 }), 3)
  assert.equal((await listFlows(db)).length, 2)
  assert.equal(await showFlow(db, 'none'), null)
})

forEachDatabase('a step that comes twice without a key is refused, not mistaken for the first', async (open) => {
  const db = await open()
  const twice = flow('twice', {
    async steps(run) {
      await run(say, 'one')
      await run(say, 'two')
    },
  })
  const id = await db.transaction().execute((tx) => startFlow(tx, twice, null))
  assert.deepEqual(await runOnce(db, aWorld(db), [twice]), ['REVERTED'])
  assert.match((await showFlow(db, id))?.reason?.details ?? '', /the step say comes twice; give it a key/)
})

test('a worker of this host is dead when its process, its boot or its registration is gone, and of others nothing is known', () => {
  const worker = enlistWorker()
  assert.equal(isDead(worker), false)
  const [host, boot, namespace, pid, started, dice] = worker.split('/')
  assert.equal(isDead([host, boot, namespace, pid, `${Number(started) - 1}`, dice].join('/')), true)
  assert.equal(isDead([host, 'earlier', namespace, pid, started, dice].join('/')), true)
  assert.equal(isDead([host, boot, 'pid:[1]', '4000000', started, dice].join('/')), false)
  assert.equal(isDead(['elsewhere', boot, namespace, '4000000', started, dice].join('/')), false)
  dismissWorker(worker)
  assert.equal(isDead(worker), true)
})
