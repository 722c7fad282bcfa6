import assert from 'node:assert/strict'
import { aListenerRow, aLoadBalancerRow, aMemberRow, anAmphoraRow, aPoolRow } from '../../test/support/builders.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { aHeartbeat } from '../../test/support/heartbeats.ts'
import type { Db } from '../db/connection.ts'
import type { AmphoraRow, ListenerRow, LoadBalancerRow } from '../db/tables.ts'
import { deletePoolRows } from '../tasks/delete-rows.ts'
import { heardOnce } from './heard.ts'
import type { Heartbeat } from './packet.ts'
import { showSilentAmphorae } from './silent-amphorae.ts'
import { storeHeartbeats } from './store.ts'

interface Served {
  db: Db
  loadBalancer: LoadBalancerRow
  listener: ListenerRow
  amphorae: AmphoraRow[]
  hear(heartbeat?: Partial<Heartbeat>, options?: { amphora?: number; atMs?: number }): ReturnType<typeof storeHeartbeats>
  statuses(): Promise<Record<string, string>>
}

/** A load balancer with a listener, a pool and members `m1` and `m2`. */
async function served(
  db: Db,
  given: { loadBalancer?: Partial<LoadBalancerRow>; listener?: Partial<ListenerRow>; amphorae?: number } = {},
): Promise<Served> {
  const loadBalancer = aLoadBalancerRow({ id: 'lb', operating_status: 'OFFLINE', ...given.loadBalancer })
  const listener = aListenerRow({ id: 'l', load_balancer_id: 'lb', default_pool_id: 'p', operating_status: 'OFFLINE', ...given.listener })
  await db.insertInto('load_balancer').values(loadBalancer).execute()
  await db.insertInto('listener').values(listener).execute()
  await db
    .insertInto('pool')
    .values(aPoolRow({ id: 'p', load_balancer_id: 'lb', operating_status: 'OFFLINE' }))
    .execute()
  await db
    .insertInto('member')
    .values([aMemberRow({ id: 'm1', pool_id: 'p', protocol_port: 1 }), aMemberRow({ id: 'm2', pool_id: 'p', protocol_port: 2 })])
    .execute()
  const amphorae = Array.from({ length: given.amphorae ?? 1 }, (_, i) => anAmphoraRow({ id: `a${i}`, loadbalancer_id: 'lb' }))
  await db.insertInto('amphora').values(amphorae).execute()
  return {
    db,
    loadBalancer,
    listener,
    amphorae,
    hear(heartbeat = {}, { amphora = 0, atMs = 1_000_000 } = {}) {
      const origin = { format: 'upstream', address: amphorae[amphora]!.lb_network_ip! } as const
      const heard = heardOnce({ ...said({}), amphora_id: `a${amphora}`, ...heartbeat }, origin, atMs)
      return storeHeartbeats(db, [heard], { nowMs: atMs, heartbeatTimeoutMs: 60_000, checksSource: true })
    },
    async statuses() {
      const found: Record<string, string> = {}
      for (const table of ['load_balancer', 'listener', 'pool', 'member'] as const) {
        for (const { id, operating_status } of await db
          .selectFrom(table as 'member')
          .select(['id', 'operating_status'])
          .execute())
          found[id] = operating_status
      }
      return found
    },
  }
}

/** Everything well, but for what is given. */
function said(given: { listener?: string; pool?: string; m1?: string; m2?: string }): Heartbeat {
  return aHeartbeat({
    listeners: new Map([
      [
        'l',
        { status: given.listener ?? 'OPEN', bytes_in: 10, bytes_out: 100, active_connections: 3, total_connections: 5, request_errors: 1 },
      ],
    ]),
    pools: [
      {
        pool_id: 'p',
        status: given.pool ?? 'UP',
        members: new Map([
          ['m1', given.m1 ?? 'UP'],
          ['m2', given.m2 ?? 'UP'],
        ]),
      },
    ],
  })
}

forEachDatabase('the words of a heartbeat become operating statuses', async (open) => {
  const well = { lb: 'ONLINE', l: 'ONLINE', p: 'ONLINE', m1: 'ONLINE', m2: 'ONLINE' }
  const cases: [Parameters<typeof said>[0], Record<string, string>][] = [
    [{}, well],
    [{ m1: 'UP 1/3' }, well],
    [{ listener: 'FULL' }, { ...well, l: 'DEGRADED', lb: 'DEGRADED' }],
    [{ m1: 'DOWN 1/2' }, { ...well, m1: 'ERROR', p: 'DEGRADED', lb: 'DEGRADED' }],
    [
      { pool: 'DOWN', m1: 'DOWN', m2: 'DOWN' },
      { ...well, m1: 'ERROR', m2: 'ERROR', p: 'ERROR', lb: 'ERROR' },
    ],
    [
      { m1: 'DRAIN', m2: 'MAINT' },
      { ...well, m1: 'DRAINING', m2: 'OFFLINE' },
    ],
    [
      { m1: 'no check', m2: 'RESTARTING' },
      { ...well, m1: 'NO_MONITOR', m2: 'OFFLINE' },
    ],
    [{}, well],
  ]
  const { hear, statuses } = await served(await open())
  for (const [words, expected] of cases) {
    await hear(said(words))
    assert.deepEqual(await statuses(), expected)
  }
  assert.deepEqual((await hear()).changes, [], 'what did not change is not written')
  await hear({ pools: [], listeners: new Map() })
  assert.deepEqual(await statuses(), { lb: 'ONLINE', l: 'ERROR', p: 'OFFLINE', m1: 'OFFLINE', m2: 'OFFLINE' })
})

forEachDatabase('a disabled load balancer is OFFLINE', async (open) => {
  const { hear, statuses } = await served(await open(), { loadBalancer: { admin_state_up: false, operating_status: 'ONLINE' } })
  await hear({ listeners: new Map(), pools: [] })
  assert.deepEqual(await statuses(), { lb: 'OFFLINE', l: 'OFFLINE', p: 'OFFLINE', m1: 'NO_MONITOR', m2: 'NO_MONITOR' })
})

forEachDatabase('of a pool that two listeners use, the worse news of a member count', async (open) => {
  const { hear, statuses } = await served(await open())
  const { pools } = said({ m1: 'DOWN' })
  await hear({ pools: [...pools, ...said({}).pools] })
  assert.equal((await statuses()).m1, 'ERROR')
  await hear({ pools: [...said({}).pools, ...pools] })
  assert.equal((await statuses()).m1, 'ERROR')
})

forEachDatabase(
  'an amphora that does not report every enabled listener counts as silent, but not while a flow is at work',
  async (open) => {
    const { db, hear } = await served(await open())
    const lastUpdate = async () => (await db.selectFrom('amphora_health').select('last_update_ms').executeTakeFirst())?.last_update_ms
    await hear({ listeners: new Map() })
    assert.equal(await lastUpdate(), undefined)
    await hear({}, { atMs: 1_000_000 })
    assert.equal(await lastUpdate(), 1_000_000)
    await hear({}, { atMs: 900_000 })
    assert.equal(await lastUpdate(), 1_000_000, 'a late packet does not turn the clock back')
    await hear({ listeners: new Map() }, { atMs: 1_100_000 })
    assert.equal(await lastUpdate(), 1_000_000)
    await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
    await hear({ listeners: new Map() }, { atMs: 1_200_000 })
    assert.equal(await lastUpdate(), 1_200_000)
    // What is in ERROR may be there or not.
    await db.updateTable('load_balancer').set({ provisioning_status: 'ACTIVE' }).execute()
    await db.updateTable('listener').set({ provisioning_status: 'ERROR' }).execute()
    await hear({ listeners: new Map() }, { atMs: 1_300_000 })
    assert.equal(await lastUpdate(), 1_300_000)
    await hear({}, { atMs: 1_400_000 })
    assert.equal(await lastUpdate(), 1_400_000)
    const [report] = said({}).listeners.values()
    await hear({ listeners: new Map([...said({}).listeners, ['another', report!]]) }, { atMs: 1_500_000 })
    assert.equal(await lastUpdate(), 1_400_000)
  },
)

forEachDatabase('counters are added per amphora, and never fall', async (open) => {
  const { db, hear } = await served(await open(), { amphorae: 2 })
  const sum = async () => {
    const rows = await db.selectFrom('listener_statistics').selectAll().orderBy('amphora_id').execute()
    return rows.map(({ amphora_id, load_balancer_id, bytes_in, total_connections, active_connections }) => [
      amphora_id,
      load_balancer_id,
      bytes_in,
      total_connections,
      active_connections,
    ])
  }
  await hear()
  await hear()
  await hear({}, { amphora: 1 })
  assert.deepEqual(await sum(), [
    ['a0', 'lb', 20, 10, 3],
    ['a1', 'lb', 10, 5, 3],
  ])
  // An older agent's are totals, which start over with its HAProxy.
  await hear({ deltas: false })
  assert.deepEqual((await sum())[0], ['a0', 'lb', 20, 10, 3])
  await hear({ listeners: new Map([['gone', said({}).listeners.get('l')!]]) })
  assert.equal((await sum()).length, 2, 'of a listener that is deleted nothing is kept')
})

forEachDatabase("members' counters are added per amphora, and go with the member", async (open) => {
  const { db, hear } = await served(await open(), { amphorae: 2 })
  const counters = (bytes_in: number, active_connections: number) => ({
    ...{ bytes_in, bytes_out: 2 * bytes_in, active_connections },
    ...{ total_connections: 1, request_errors: 0 },
  })
  const sum = async () =>
    (await db.selectFrom('member_statistics').selectAll().orderBy('member_id').orderBy('amphora_id').execute()).map(
      ({ member_id, amphora_id, load_balancer_id, bytes_in, active_connections, total_connections }) =>
        [member_id, amphora_id, load_balancer_id, bytes_in, active_connections, total_connections].join(' '),
    )
  await hear({ members: new Map([['m1', counters(10, 3)]]) })
  await hear({
    members: new Map([
      ['m1', counters(5, 1)],
      ['m2', counters(7, 0)],
      ['of another load balancer', counters(1, 1)],
    ]),
  })
  await hear({ members: new Map([['m1', counters(100, 2)]]) }, { amphora: 1 })
  await hear()
  assert.deepEqual(await sum(), ['m1 a0 lb 15 1 2', 'm1 a1 lb 100 2 1', 'm2 a0 lb 7 0 1'])
  await db.transaction().execute((tx) => deletePoolRows(tx, ['p']))
  assert.deepEqual(await sum(), [])
})

forEachDatabase('heartbeats of unknown and of deleted amphorae change nothing', async (open) => {
  const { db, hear, statuses } = await served(await open())
  const before = await statuses()
  assert.deepEqual((await hear({ amphora_id: 'stranger' })).refused, [{ amphora_id: 'stranger', refusal: 'unknown', packets: 1 }])
  await db.updateTable('amphora').set({ status: 'DELETED' }).execute()
  assert.deepEqual((await hear()).refused, [{ amphora_id: 'a0', refusal: 'unknown', packets: 1 }])
  assert.deepEqual(await statuses(), before)
  assert.deepEqual(await db.selectFrom('amphora_health').selectAll().execute(), [])
  assert.equal((await db.selectFrom('amphora').selectAll().execute()).length, 1, 'no amphora is ever deleted for what was heard')
})

forEachDatabase('silence makes a single load balancer ERROR and a pair DEGRADED, until the missing one is heard again', async (open) => {
  const { db, hear, statuses } = await served(await open(), { amphorae: 2 })
  const start = 1_000_000
  const look = (nowMs: number) => showSilentAmphorae(db, { nowMs, silentBefore: nowMs - 60_000 })
  await hear({}, { amphora: 0, atMs: start })
  await hear({}, { amphora: 1, atMs: start })
  assert.deepEqual(await look(start + 60_000), [])
  await hear({}, { amphora: 1, atMs: start + 60_000 })
  assert.deepEqual(await look(start + 61_000), ['a0'])
  assert.equal((await statuses()).lb, 'DEGRADED')
  await hear({}, { amphora: 1, atMs: start + 62_000 })
  assert.equal((await statuses()).lb, 'DEGRADED', 'the other one does not cover it up')
  assert.deepEqual((await look(start + 200_000)).sort(), ['a0', 'a1'])
  assert.equal((await statuses()).lb, 'ERROR')
  await hear({}, { amphora: 1, atMs: start + 201_000 })
  assert.equal((await statuses()).lb, 'DEGRADED')
  await hear({}, { amphora: 0, atMs: start + 202_000 })
  assert.equal((await statuses()).lb, 'ONLINE')
})
