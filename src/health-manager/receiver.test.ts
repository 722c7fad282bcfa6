import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { pino } from 'pino'
import { aConfig, aListenerRow, aLoadBalancerRow, anAmphoraRow, aPoolRow } from '../../test/support/builders.ts'
import { aDatabase, forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { ownPacket, sign, upstreamPacket } from '../../test/support/heartbeats.ts'
import type { Db } from '../db/connection.ts'
import { NoopAmphora } from '../drivers/amphora/noop.ts'
import { NoopCompute } from '../drivers/compute/noop.ts'
import { NoopImages } from '../drivers/image/noop.ts'
import { NoopNetwork } from '../drivers/network/noop.ts'
import { systemClock } from '../lib/clock.ts'
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'
import { createMetrics } from '../monitoring/metrics.ts'
import { startHealthManager } from './health-manager.ts'

const key = 'heartbeat key'
const HERE = '127.0.0.1'
const ELSEWHERE = '127.0.0.2'
/** Each serves the load balancer `lb-<its id>` with the listener `l-<its id>`. */
const AMPHORAE = ['ours', 'upstreams', 'witness']

function aContext(db: Db) {
  const lines: { kind?: string; msg: string }[] = []
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const drivers = { compute: new NoopCompute(), image: new NoopImages(), network: new NoopNetwork(), amphora: new NoopAmphora() }
  return { context: { db, config: aConfig(), clock: systemClock, log, metrics: createMetrics(), ...drivers }, lines }
}

/** Three amphorae at HERE, and health managers that listen to them. */
async function withFleet(db: Db, body: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = await aFleet(db)
  try {
    await body(fleet)
  } finally {
    await fleet.stop()
  }
}

type Fleet = Awaited<ReturnType<typeof aFleet>>

async function aFleet(db: Db) {
  for (const id of AMPHORAE) {
    await db
      .insertInto('load_balancer')
      .values(aLoadBalancerRow({ id: `lb-${id}` }))
      .execute()
    await db
      .insertInto('listener')
      .values(aListenerRow({ id: `l-${id}`, load_balancer_id: `lb-${id}`, default_pool_id: `p-${id}` }))
      .execute()
    await db
      .insertInto('pool')
      .values(aPoolRow({ id: `p-${id}`, load_balancer_id: `lb-${id}` }))
      .execute()
    await db
      .insertInto('amphora')
      .values(anAmphoraRow({ id, loadbalancer_id: `lb-${id}`, lb_network_ip: HERE }))
      .execute()
  }
  const stops = new Set<() => Promise<void>>()
  return {
    async manager({ keys = [key] } = {}) {
      const { context, lines } = aContext(db)
      const { ports, stop } = await startHealthManager(context, { bind: [{ address: HERE, port: 0 }], keys: () => keys })
      stops.add(stop)
      const stopEarly = () => {
        stops.delete(stop)
        return stop()
      }
      return { port: ports[0]!, stop: stopEarly, log: lines }
    },
    async sender(address = HERE) {
      const socket = createSocket('udp4')
      await new Promise<void>((resolve) => socket.bind(0, address, resolve))
      stops.add(async () => {
        socket.close()
      })
      return (packet: Buffer, { port }: { port: number }) => new Promise((resolve) => socket.send(packet, port, HERE, resolve))
    },
    async connectionsOf(id: string) {
      const row = await db.selectFrom('listener_statistics').select('total_connections').where('amphora_id', '=', id).executeTakeFirst()
      return row?.total_connections ?? 0
    },
    async stop() {
      for (const stop of stops) await stop()
    },
  }
}

/** One more connection. */
function message(id: string, seq: number, given: object = {}) {
  const stats = { tx: 10, rx: 20, conns: 1, totconns: 1, ereq: 0 }
  return { id, seq, ver: 3, listeners: { [`l-${id}`]: { status: 'OPEN', stats } }, pools: {}, ...given }
}
const ours = (seq: number, given: { id?: string; to?: string } = {}) => {
  const { id = 'ours', to = 'controller-1:5555' } = given
  return ownPacket(message(id, seq, { to }), key)
}

forEachDatabase('every packet counts once, whichever agent sends it, however often it is sent', async (open) => {
  await withFleet(await open(), async (fleet) => {
    const manager = await fleet.manager()
    const send = await fleet.sender()
    for (let seq = 1; seq <= 20; seq++) {
      for (const packet of [ours(seq), upstreamPacket(message('upstreams', seq), key)]) {
        await send(packet, manager)
        await send(packet, manager)
      }
    }
    await eventually(async () => assert.deepEqual([await fleet.connectionsOf('ours'), await fleet.connectionsOf('upstreams')], [20, 20]))
  })
})

test('what is forged, sent again, cut off, blown up, or speaks for another does nothing, and has one line for each kind in the log', async () => {
  const db = await aDatabase()
  await withFleet(db, async (fleet) => {
    const manager = await fleet.manager()
    const [send, sendElsewhere] = [await fleet.sender(), await fleet.sender(ELSEWHERE)]
    const heard = upstreamPacket(message('upstreams', 1), key)
    await send(ours(100), manager)
    await send(heard, manager)
    await eventually(async () => assert.deepEqual([await fleet.connectionsOf('ours'), await fleet.connectionsOf('upstreams')], [1, 1]))
    const tables = ['amphora', 'amphora_health', 'heartbeat_number', 'listener_statistics', 'load_balancer', 'listener', 'event'] as const
    const all = async () => {
      const rows = tables.map((table) =>
        db
          .selectFrom(table as 'amphora')
          .selectAll()
          .execute(),
      )
      return JSON.stringify((await Promise.all(rows)).flat().filter((row) => !JSON.stringify(row).includes('witness')))
    }
    const before = await all()

    const TIMES = 20
    const blown = 'x'.repeat(4 * 1024 * 1024)
    const hostile: [string, (seq: number) => Buffer, typeof send][] = [
      ['signature', (seq) => upstreamPacket(message('upstreams', seq), 'a guess'), send],
      ['signature', (seq) => ours(seq).subarray(0, -1), send],
      ['signature', (seq) => Buffer.alloc(seq % 200, seq), send],
      // Who knows the own key of one amphora says what another would.
      ['signature', (seq) => sign(ours(seq, { id: 'ours' }).subarray(0, -64), heartbeatKeyOf('upstreams', key), 'hex'), send],
      ['content', (seq) => ownPacket(message('ours', seq, { to: 'controller-1:5555' }), key, 'upstreams'), send],
      ['size', () => upstreamPacket(message('upstreams', 2, { blown }), key), send],
      ['repeat', () => heard, send],
      ['repeat', () => ours(100), send],
      ['repeat', (seq) => ours(99 - (seq % 90)), send],
      ['common_key', (seq) => upstreamPacket(message('ours', seq), key), send],
      ['source', (seq) => upstreamPacket(message('upstreams', seq), key), sendElsewhere],
      ['unknown', (seq) => ours(seq, { id: 'stranger' }), send],
    ]
    for (let round = 0; round < TIMES; round++) for (const [, packet, from] of hostile) await from(packet(1_000 + round), manager)
    await send(ours(1, { id: 'witness' }), manager)
    await eventually(async () => assert.equal(await fleet.connectionsOf('witness'), 1))
    assert.equal(await all(), before)
    const kinds = manager.log.flatMap(({ kind }) => kind ?? [])
    assert.deepEqual(kinds.toSorted(), [...new Set(hostile.map(([kind]) => kind))].toSorted())
  }).finally(() => db.destroy())
})

forEachDatabase(
  'an amphora that has used its own key is believed with no other: another manager knows, and one that was restarted',
  async (open) => {
    await withFleet(await open(), async (fleet) => {
      const send = await fleet.sender()
      const common = (seq: number) => upstreamPacket(message('ours', seq), key)
      const first = await fleet.manager()
      await send(common(1), first)
      await eventually(async () => assert.equal(await fleet.connectionsOf('ours'), 1))
      await send(ours(10), first)
      await eventually(async () => assert.equal(await fleet.connectionsOf('ours'), 2))
      await first.stop()
      const second = await fleet.manager()
      await send(common(2), second)
      await send(ours(10), second)
      await send(ours(9), second)
      await send(ours(11, { id: 'witness' }), second)
      await eventually(async () => assert.equal(await fleet.connectionsOf('witness'), 1))
      assert.equal(await fleet.connectionsOf('ours'), 2)
      await send(ours(11), second)
      await eventually(async () => assert.equal(await fleet.connectionsOf('ours'), 3))
    })
  },
)

forEachDatabase('agents speak to several managers in turn, and none takes what was sent to another', async (open) => {
  await withFleet(await open(), async (fleet) => {
    const send = await fleet.sender()
    const managers = [await fleet.manager(), await fleet.manager()]
    // The second one lags: what it is sent arrives after what came later elsewhere.
    const packets = Array.from({ length: 10 }, (_, n) => ({ at: n % 2, packet: ours(100 + n, { to: `controller-${n % 2}:5555` }) }))
    for (const { at, packet } of packets.toSorted((a, b) => a.at - b.at)) await send(packet, managers[at]!)
    await eventually(async () => assert.equal(await fleet.connectionsOf('ours'), 10))
    for (const { at, packet } of packets) await send(packet, managers[1 - at]!)
    for (const [n, manager] of managers.entries()) await send(ours(n + 1, { id: 'witness', to: `controller-${n}:5555` }), manager)
    await eventually(async () => assert.equal(await fleet.connectionsOf('witness'), 2))
    assert.equal(await fleet.connectionsOf('ours'), 10)
  })
})

forEachDatabase(
  "an upstream's agent with a key of its own is known by its address; keys from before a rotation still count",
  async (open) => {
    await withFleet(await open(), async (fleet) => {
      const manager = await fleet.manager({ keys: ['newer', key] })
      const [send, sendElsewhere] = [await fleet.sender(), await fleet.sender(ELSEWHERE)]
      const own = (seq: number, id = 'upstreams') => upstreamPacket(message(id, seq), heartbeatKeyOf('upstreams', key))
      await sendElsewhere(own(1), manager)
      await send(own(2, 'ours'), manager)
      for (let seq = 3; seq < 8; seq++) {
        await send(own(seq), manager)
        await send(own(seq), manager)
      }
      await send(upstreamPacket(message('upstreams', 1), 'newer'), manager)
      await eventually(async () => assert.equal(await fleet.connectionsOf('upstreams'), 6))
      assert.equal(await fleet.connectionsOf('ours'), 0)
    })
  },
)

forEachDatabase('more amphorae than one transaction takes are all stored', async (open) => {
  const db = await open()
  const spares = Array.from({ length: 1_100 }, (_, n) => `spare-${n}`)
  for (let first = 0; first < spares.length; first += 100) {
    const rows = spares
      .slice(first, first + 100)
      .map((id) => anAmphoraRow({ id, loadbalancer_id: null, status: 'READY', lb_network_ip: HERE }))
    await db.insertInto('amphora').values(rows).execute()
  }
  await withFleet(db, async (fleet) => {
    const manager = await fleet.manager()
    const send = await fleet.sender()
    for (const id of spares) await send(ownPacket({ id, seq: 1, to: 'controller-1:5555' }, key), manager)
    const heard = () => db.selectFrom('amphora_health').select('amphora_id').execute()
    await eventually(async () => assert.equal((await heard()).length, spares.length))
  })
})

test('an address that is taken is an error at the start', async () => {
  const db = await aDatabase()
  await withFleet(db, async (fleet) => {
    const { port } = await fleet.manager()
    await assert.rejects(startHealthManager(aContext(db).context, { bind: [{ address: HERE, port }], keys: () => [key] }), /EADDRINUSE/)
  }).finally(() => db.destroy())
})
