import assert from 'node:assert/strict'
import { aConfig, aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'
import type { AmphoraRow, LoadBalancerRow } from '../db/tables.ts'
import { NoopAmphora } from '../drivers/amphora/noop.ts'
import { NoopCompute } from '../drivers/compute/noop.ts'
import { NoopImages } from '../drivers/image/noop.ts'
import { NoopNetwork } from '../drivers/network/noop.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { createMetrics } from '../monitoring/metrics.ts'
import type { FailoverCause } from '../resources/amphora/failover-flow.ts'
import { beginFailovers } from './begin-failovers.ts'
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, MINUTE_MS, pauseAfter } from './failover-attempts.ts'

const START = 1_000_000_000
const TIMEOUT_MS = 60_000

/** Load balancers with one amphora each, `a0` and so on, last heard at START; no worker, so what begins is under way until `end`. */
async function served(db: Db, count: number, options: Partial<Config['health_manager']> = {}) {
  const drivers = { compute: new NoopCompute(), image: new NoopImages(), network: new NoopNetwork(), amphora: new NoopAmphora() }
  const context = {
    db,
    config: aConfig({ health_manager: options }),
    clock: systemClock,
    log: createLog('silent'),
    metrics: createMetrics(),
    ...drivers,
  }
  for (let i = 0; i < count; i++) {
    await db
      .insertInto('load_balancer')
      .values(aLoadBalancerRow({ id: `lb${i}` }))
      .execute()
    await db
      .insertInto('amphora')
      .values(anAmphoraRow({ id: `a${i}`, loadbalancer_id: `lb${i}` }))
      .execute()
    await db
      .insertInto('amphora_health')
      .values({ amphora_id: `a${i}`, last_update_ms: START, busy: false })
      .execute()
  }
  return {
    context,
    heard: (ids: string[], atMs: number) =>
      db.updateTable('amphora_health').set({ last_update_ms: atMs }).where('amphora_id', 'in', ids).execute(),
    change: (i: number, loadBalancer: Partial<LoadBalancerRow>, amphora: Partial<AmphoraRow> = {}) =>
      db.transaction().execute(async (tx) => {
        if (Object.keys(loadBalancer).length > 0)
          await tx.updateTable('load_balancer').set(loadBalancer).where('id', '=', `lb${i}`).execute()
        if (Object.keys(amphora).length > 0) await tx.updateTable('amphora').set(amphora).where('id', '=', `a${i}`).execute()
      }),
    async decide(
      afterMs: number,
      { lost = [], judges = true, db: on = db }: { lost?: [string, FailoverCause][]; judges?: boolean; db?: Db } = {},
    ) {
      const nowMs = START + afterMs
      const decision = await beginFailovers(
        { ...context, db: on },
        { nowMs, silentBefore: judges ? nowMs - TIMEOUT_MS : null, lost: new Map(lost) },
      )
      return { ...decision, ids: decision.begun.map(({ amphora_id }) => amphora_id).sort() }
    },
    /** The flow of that amphora's failover has ended so. */
    end: (i: number, outcome: 'done' | 'failed') =>
      db.transaction().execute(async (tx) => {
        await tx
          .updateTable('load_balancer')
          .set({ provisioning_status: outcome === 'done' ? 'ACTIVE' : 'ERROR' })
          .where('id', '=', `lb${i}`)
          .execute()
        await tx
          .updateTable('amphora')
          .set({ status: outcome === 'done' ? 'DELETED' : 'ERROR' })
          .where('id', '=', `a${i}`)
          .execute()
        if (outcome === 'done') await tx.deleteFrom('amphora_health').where('amphora_id', '=', `a${i}`).execute()
      }),
    statuses: async () =>
      Object.fromEntries(
        (await db.selectFrom('amphora').select(['id', 'status']).orderBy('id').execute()).map(({ id, status }) => [id, status]),
      ),
    flows: () => db.selectFrom('flow').select(['name', 'subject', 'params']).orderBy('subject').execute(),
  }
}

forEachDatabase('who was not heard for the whole timeout is replaced, and once', async (open) => {
  const db = await open()
  const { decide, heard, flows } = await served(db, 2)
  await heard(['a1'], START + 1)
  assert.deepEqual((await decide(TIMEOUT_MS)).ids, [])
  assert.deepEqual((await decide(TIMEOUT_MS + 1)).ids, ['a0'])
  assert.deepEqual((await decide(TIMEOUT_MS + 1)).ids, [])
  assert.deepEqual(
    (await flows()).map(({ name, subject, params }) => [name, subject, JSON.parse(params).cause]),
    [['failover-amphora', 'lb0', 'no_heartbeat']],
  )
  const loadBalancer = await db.selectFrom('load_balancer').select('provisioning_status').where('id', '=', 'lb0').executeTakeFirst()
  assert.equal(loadBalancer?.provisioning_status, 'PENDING_UPDATE')
  const health = await db.selectFrom('amphora_health').selectAll().where('amphora_id', '=', 'a0').executeTakeFirst()
  assert.equal(health?.busy, true)
})

forEachDatabase(
  'who is lost is replaced at once, also where it never sent a heartbeat, and counts as silent from then on',
  async (open) => {
    const db = await open()
    const { decide } = await served(db, 3)
    await db.deleteFrom('amphora_health').where('amphora_id', '=', 'a2').execute()
    const lost: [string, FailoverCause][] = [
      ['a0', 'machine_gone'],
      ['a1', 'management_port_down'],
      ['a2', 'machine_gone'],
      ['nobody', 'machine_gone'],
    ]
    const { begun } = await decide(0, { lost, judges: false })
    assert.deepEqual(begun.map(({ amphora_id, cause, attempt }) => [amphora_id, cause, attempt]).sort(), [
      ['a0', 'machine_gone', 1],
      ['a1', 'management_port_down', 1],
      ['a2', 'machine_gone', 1],
    ])
    const health = await db.selectFrom('amphora_health').selectAll().execute()
    assert.ok(health.every(({ last_update_ms, busy }) => last_update_ms === 0 && busy))
  },
)

forEachDatabase('only what serves is replaced, from ACTIVE or ERROR, enabled or not', async (open) => {
  const { decide, change, statuses } = await served(await open(), 9)
  await change(0, {}, { status: 'BOOTING' })
  await change(1, {}, { status: 'READY' })
  await change(2, {}, { status: 'PENDING_DELETE' })
  await change(3, {}, { status: 'DELETED' })
  await change(4, { provisioning_status: 'PENDING_UPDATE' })
  await change(5, { provisioning_status: 'PENDING_DELETE' })
  await change(6, { provisioning_status: 'ERROR' }, { status: 'ERROR' })
  await change(7, { admin_state_up: false })
  const before = await statuses()
  assert.deepEqual((await decide(TIMEOUT_MS + 1)).ids, ['a6', 'a7', 'a8'])
  assert.deepEqual(await statuses(), before)
  await change(4, { provisioning_status: 'ACTIVE' })
  assert.deepEqual((await decide(TIMEOUT_MS + 2)).ids, ['a4'], 'when the flow that was at work has ended')
})

forEachDatabase(
  'while heartbeats may have been missed nobody is silent; where drivers cannot replace, nobody is replaced',
  async (open) => {
    const { decide, context } = await served(await open(), 1)
    assert.deepEqual((await decide(TIMEOUT_MS * 10, { judges: false })).ids, [])
    const unable = new NoopAmphora()
    const amphora = { capabilities: { ...unable.capabilities, failover: false } }
    const nowMs = START + TIMEOUT_MS * 10
    const judgement = { nowMs, silentBefore: nowMs - TIMEOUT_MS, lost: new Map() }
    assert.deepEqual((await beginFailovers({ ...context, amphora }, judgement)).begun, [])
    assert.deepEqual((await decide(TIMEOUT_MS * 10)).ids, ['a0'])
  },
)

forEachDatabase('several health managers begin each failover once, within the limits of all of them', async (open) => {
  const db = await open()
  const { decide, flows } = await served(db, 20, { failovers_per_minute: 12 })
  const others = [db, await open(), await open()]
  const begun: string[] = []
  // One that finds another deciding leaves it to that one.
  for (let round = 0; round < 4; round++) {
    const decisions = await Promise.all(others.map((on) => decide(TIMEOUT_MS + 1 + round, { db: on })))
    begun.push(...decisions.flatMap(({ ids }) => ids))
  }
  // As many as may be under way at once.
  assert.equal(begun.length, 10)
  assert.equal(new Set(begun).size, 10)
  assert.equal((await flows()).length, 10)
})

forEachDatabase('no more are begun than may be under way at once, and than there may be in a minute', async (open) => {
  const { decide, end } = await served(await open(), 8, { failover_threads: 2, failovers_per_minute: 3 })
  const first = await decide(TIMEOUT_MS + 1)
  assert.equal(first.ids.length, 2)
  assert.deepEqual(first.heldBack, { limit: 'failover_threads', waiting: 6 })
  await end(Number(first.ids[0]!.slice(1)), 'done')
  const second = await decide(TIMEOUT_MS + 1_000)
  assert.equal(second.ids.length, 1)
  assert.deepEqual(second.heldBack, { limit: 'failovers_per_minute', waiting: 5 })
  for (const id of [...first.ids.slice(1), ...second.ids]) await end(Number(id.slice(1)), 'done')
  assert.deepEqual((await decide(TIMEOUT_MS + MINUTE_MS)).ids, [], 'also those that are done by now count')
  const third = await decide(TIMEOUT_MS + 1 + MINUTE_MS)
  assert.equal(third.ids.length, 2)
  assert.equal((await decide(TIMEOUT_MS + 1_000 + 2 * MINUTE_MS)).heldBack?.limit, 'failover_threads')
})

forEachDatabase(
  'from failover_threshold on all dead ones are FAILOVER_STOPPED, until they are heard again or fewer are dead',
  async (open) => {
    const { decide, heard, statuses } = await served(await open(), 4, { failover_threshold: 3 })
    await heard(['a3'], START + TIMEOUT_MS)
    const { ids, stopped, heldBack } = await decide(TIMEOUT_MS + 1)
    assert.deepEqual([ids, stopped, heldBack], [[], 3, { limit: 'failover_threshold', waiting: 3 }])
    assert.deepEqual(await statuses(), { a0: 'FAILOVER_STOPPED', a1: 'FAILOVER_STOPPED', a2: 'FAILOVER_STOPPED', a3: 'ALLOCATED' })
    assert.equal((await decide(TIMEOUT_MS + 2)).stopped, 0)
    await heard(['a0', 'a3'], START + TIMEOUT_MS + 3)
    const { resumed, ids: rest } = await decide(TIMEOUT_MS + 4)
    assert.deepEqual([resumed, rest], [1, ['a1', 'a2']])
    assert.deepEqual(await statuses(), { a0: 'ALLOCATED', a1: 'FAILOVER_STOPPED', a2: 'FAILOVER_STOPPED', a3: 'ALLOCATED' })
  },
)

forEachDatabase('machines that drivers call gone count for failover_threshold, too, and stay stopped as long as they do', async (open) => {
  const { decide, heard, statuses } = await served(await open(), 3, { failover_threshold: 2 })
  const lost: [string, FailoverCause][] = [
    ['a0', 'machine_gone'],
    ['a1', 'machine_gone'],
  ]
  assert.equal((await decide(0, { lost })).stopped, 2)
  await heard(['a0', 'a1'], START + 1)
  assert.equal((await decide(1, { lost })).resumed, 0)
  assert.equal((await decide(2)).resumed, 2)
  assert.deepEqual(await statuses(), { a0: 'ALLOCATED', a1: 'ALLOCATED', a2: 'ALLOCATED' })
})

forEachDatabase('what failed is tried again with growing pauses, whichever health manager began it', async (open) => {
  const db = await open()
  const { decide, end } = await served(db, 1)
  const other = await open()
  let atMs = TIMEOUT_MS + 1
  for (let attempt = 1; attempt <= 8; attempt++) {
    const [begun] = (await decide(atMs, { db: attempt % 2 === 0 ? other : db })).begun
    assert.equal(begun?.attempt, attempt)
    atMs += 300_000
    await end(0, 'failed')
    // The pause begins when it is seen to have failed.
    const { failed } = await decide(atMs)
    assert.deepEqual(failed, [{ amphora_id: 'a0', attempts: attempt, retry_at_ms: START + atMs + pauseAfter(attempt) }])
    assert.deepEqual((await decide(atMs + pauseAfter(attempt) - 1)).ids, [])
    atMs += pauseAfter(attempt)
  }
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 100].map(pauseAfter),
    [1, 2, 4, 8, 16, 30, 30, 30].map((times) => times * FIRST_PAUSE_MS),
  )
  assert.equal(LONGEST_PAUSE_MS, 30 * FIRST_PAUSE_MS)
})

forEachDatabase('a failover that fails again and again keeps no other from beginning', async (open) => {
  const { decide, end } = await served(await open(), 4, { failover_threshold: 2, failovers_per_minute: 1 })
  assert.deepEqual((await decide(0, { lost: [['a0', 'machine_gone']] })).ids, ['a0'])
  await end(0, 'failed')
  await decide(1)
  const bothMs = pauseAfter(1) + MINUTE_MS
  // Its time has come, too, but it had its turn; and it does not count for the threshold.
  const { ids, heldBack } = await decide(bothMs, {
    judges: false,
    lost: [
      ['a0', 'machine_gone'],
      ['a1', 'machine_gone'],
    ],
  })
  assert.deepEqual([ids, heldBack], [['a1'], { limit: 'failovers_per_minute', waiting: 1 }])
})

forEachDatabase('of an amphora that is replaced nothing is kept', async (open) => {
  const db = await open()
  const { decide, end } = await served(db, 2)
  assert.deepEqual((await decide(0, { lost: [['a0', 'machine_gone']], judges: false })).ids, ['a0'])
  await end(0, 'done')
  assert.deepEqual((await decide(1)).failed, [])
  await decide(MINUTE_MS, { judges: false })
  assert.deepEqual(await db.selectFrom('amphora_failover').selectAll().execute(), [])
})
