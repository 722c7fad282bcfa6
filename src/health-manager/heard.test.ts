import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aHeartbeat } from '../../test/support/heartbeats.ts'
import { type Heard, heardOnce, join } from './heard.ts'
import type { CounterReport } from './packet.ts'

const RUNS = Number(process.env.OTTAVIA_TEST_HEARTBEATS ?? 200)
const here = { format: 'upstream', address: '192.0.2.1' } as const
const counters = (total_connections: number, active_connections = 1): CounterReport => ({
  ...{ bytes_in: 2 * total_connections, bytes_out: 3 * total_connections, request_errors: 4 * total_connections },
  ...{ total_connections, active_connections },
})

function heard(given: {
  seq: number
  listeners: Record<string, number>
  members?: Record<string, number>
  deltas?: boolean
  atMs?: number
}): Heard {
  const listeners = Object.entries(given.listeners).map(
    ([id, count]) => [id, { status: `as of ${given.seq}`, ...counters(count) }] as const,
  )
  const members = Object.entries(given.members ?? {}).map(([id, count]) => [id, counters(count)] as const)
  const { seq, deltas = true } = given
  return heardOnce(aHeartbeat({ seq, deltas, listeners: new Map(listeners), members: new Map(members) }), here, given.atMs ?? seq)
}

const totals = (all: Map<string, CounterReport>) => Object.fromEntries([...all].map(([id, each]) => [id, each.total_connections]))
const statusOf = ({ heartbeat }: Heard) => heartbeat.listeners.get('l')?.status

test('of what waits the newest status is kept, and the sum of what every packet counted', () => {
  const joined = [
    heard({ seq: 1, listeners: { l: 5 } }),
    heard({ seq: 2, listeners: { l: 7 } }),
    heard({ seq: 3, listeners: { l: 0 } }),
  ].reduce(join)
  assert.equal(statusOf(joined), 'as of 3')
  assert.deepEqual(joined.counters.get('l'), counters(12))
})

test('a listener or member that vanishes between two packets loses no connection, and is not reported as being there', () => {
  const joined = join(
    heard({ seq: 1, listeners: { l: 5, gone: 3 }, members: { m: 2, n: 4 } }),
    heard({ seq: 2, listeners: { l: 1 }, members: { n: 1 } }),
  )
  assert.deepEqual(totals(joined.counters), { l: 6, gone: 3 })
  assert.deepEqual(totals(joined.members), { m: 2, n: 5 })
  assert.equal(joined.counters.get('gone')!.active_connections, 0)
  assert.deepEqual([...joined.heartbeat.listeners.keys()], ['l'])
})

test("a packet that was overtaken adds its counters but not its status; an agent's start does not count as overtaken", () => {
  const overtaken = join(heard({ seq: 8, listeners: { l: 5 } }), heard({ seq: 7, listeners: { l: 7 }, atMs: 9 }))
  assert.deepEqual([statusOf(overtaken), totals(overtaken.counters), overtaken.receivedAtMs], ['as of 8', { l: 12 }, 9])
  const started = join(heard({ seq: 8_000, listeners: { l: 5 } }), heard({ seq: 1, listeners: { l: 7 } }))
  assert.deepEqual([statusOf(started), totals(started.counters)], ['as of 1', { l: 12 }])
})

test('counters of old agents, which are totals, are not added: the highest counts', () => {
  const old = (seq: number, l: number) => heard({ seq, listeners: { l }, deltas: false })
  assert.deepEqual(totals([old(1, 100), old(2, 120), old(3, 4)].reduce(join).counters), { l: 120 })
})

test('however packets are joined, no connection is lost and none is counted twice', () => {
  const packet = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(1_000), { maxKeys: 3 })
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 20 }), fc.nat(), (packets, cut) => {
      const all = packets.map((listeners, at) => heard({ seq: at + 1, listeners, members: listeners }))
      // As when a part was put into an earlier batch.
      const at = cut % all.length
      const parts = [all.slice(0, at), all.slice(at)].filter((part) => part.length > 0).map((part) => part.reduce(join))
      for (const kind of ['counters', 'members'] as const) {
        const got: Record<string, number> = {}
        for (const part of parts) for (const [id, count] of Object.entries(totals(part[kind]))) got[id] = (got[id] ?? 0) + count
        const wanted: Record<string, number> = {}
        for (const each of packets) for (const [id, count] of Object.entries(each)) wanted[id] = (wanted[id] ?? 0) + count
        assert.deepEqual(got, wanted)
      }
    }),
    { numRuns: RUNS },
  )
})
