import assert from 'node:assert/strict'
import { aListenerRow, aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { aHeartbeat } from '../../test/support/heartbeats.ts'
import type { Db } from '../db/connection.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { forgetAmphora } from '../tasks/remove-amphora.ts'
import { type Heard, heardOnce, join, type Origin } from './heard.ts'
import { storeHeartbeats } from './store.ts'

const OWN_ADDRESS = '192.0.2.10'

async function aBalancer(db: Db, amphora: Partial<AmphoraRow> = {}) {
  await db
    .insertInto('load_balancer')
    .values(aLoadBalancerRow({ id: 'lb' }))
    .execute()
  await db
    .insertInto('listener')
    .values(aListenerRow({ id: 'l', load_balancer_id: 'lb', default_pool_id: null }))
    .execute()
  await db
    .insertInto('amphora')
    .values(anAmphoraRow({ id: 'a0', loadbalancer_id: 'lb', lb_network_ip: OWN_ADDRESS, ...amphora }))
    .execute()
  return {
    async store(...batch: Heard[]) {
      const { refused } = await storeHeartbeats(db, batch, { nowMs: 1_000, heartbeatTimeoutMs: 60_000, checksSource: true })
      return refused.map(({ refusal }) => refusal)
    },
    async connections() {
      const rows = await db.selectFrom('listener_statistics').select('total_connections').execute()
      return rows.reduce((sum, { total_connections }) => sum + total_connections, 0)
    },
    numbers: () => db.selectFrom('heartbeat_number').selectAll().orderBy('controller').execute(),
  }
}

/** One more connection. */
function heard(origin: Origin, given: { deltas?: boolean } = {}): Heard {
  const counters = { bytes_in: 1, bytes_out: 1, active_connections: 1, total_connections: 1, request_errors: 1 }
  return heardOnce(aHeartbeat({ listeners: new Map([['l', { status: 'OPEN', ...counters }]]), ...given }), origin, 1_000)
}

function numbered(seq: number, controller = 'one'): Heard {
  return heard({ format: 'ottavia', controller, firstSeq: seq, lastSeq: seq })
}

forEachDatabase('a batch that was stored, though nobody was told, is not counted again', async (open) => {
  const { store, connections, numbers } = await aBalancer(await open())
  const batch = [[numbered(5), numbered(6)].reduce(join), numbered(7, 'two')]
  assert.deepEqual(await store(...batch), [])
  assert.deepEqual(await store(...batch), ['repeat', 'repeat'])
  assert.equal(await connections(), 3)
  assert.deepEqual(await numbers(), [
    { amphora_id: 'a0', controller: 'one', seq: 6 },
    { amphora_id: 'a0', controller: 'two', seq: 7 },
  ])
})

forEachDatabase('of an amphora that invents controllers a few are known, and nothing that was sent to one counts twice', async (open) => {
  const { store, connections, numbers } = await aBalancer(await open())
  for (let seq = 1; seq <= 40; seq++) await store(numbered(seq, `invented-${seq}`))
  assert.equal((await numbers()).length, 16)
  for (let seq = 1; seq <= 40; seq++) assert.deepEqual(await store(numbered(seq, `invented-${seq}`)), ['repeat'])
  assert.equal(await connections(), 40)
})

forEachDatabase('an address counts however it is written, and no other does', async (open) => {
  const { store, connections } = await aBalancer(await open(), { lb_network_ip: '2001:DB8:0::10' })
  assert.deepEqual(await store(heard({ format: 'upstream', address: '2001:db8::10' })), [])
  assert.deepEqual(await store(heard({ format: 'upstream', address: '2001:db8::11' })), ['source'])
  assert.equal(await connections(), 1)
})

forEachDatabase('what an amphora says in two ways at once is counted each once', async (open) => {
  const { store, connections } = await aBalancer(await open())
  const origin = { format: 'upstream', address: OWN_ADDRESS } as const
  assert.deepEqual(await store(heard(origin), heard(origin, { deltas: false })), [])
  assert.equal(await connections(), 1, 'a total of one is no more than what was counted')
})

forEachDatabase('a spare amphora is heard, and stays', async (open) => {
  const db = await open()
  const { store } = await aBalancer(db, { status: 'READY', loadbalancer_id: null })
  assert.deepEqual(await store(numbered(1)), [])
  assert.deepEqual(await db.selectFrom('amphora').select(['id', 'status']).execute(), [{ id: 'a0', status: 'READY' }])
  assert.deepEqual(await db.selectFrom('amphora_health').select(['amphora_id', 'last_update_ms']).execute(), [
    { amphora_id: 'a0', last_update_ms: 1_000 },
  ])
})

forEachDatabase('of an amphora that is gone no number is kept', async (open) => {
  const db = await open()
  const { store, numbers } = await aBalancer(db)
  await store(numbered(1))
  await db.transaction().execute((tx) => forgetAmphora(tx, 'a0', 2_000))
  assert.deepEqual(await store(numbered(2)), ['unknown'])
  assert.deepEqual(await numbers(), [])
})
