import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { ownCompressedPacket, ownPacket, sign, upstreamPacket } from '../../test/support/heartbeats.ts'
import { buildHeartbeat, encodeHeartbeat } from '../agent/heartbeat.ts'
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'
import { amphoraNamedIn, type Heartbeat, openSignature, RefusedPacket, unpack } from './packet.ts'

const key = 'heartbeat key'
const stats = { tx: 100, rx: 10, conns: 3, totconns: 5, ereq: 1 }
const counted = { bytes_in: 10, bytes_out: 100, active_connections: 3, total_connections: 5, request_errors: 1 }

/** As the receiver does, but for upstream's agents with a key of their own. */
function open(packet: Buffer, keys = [key]): Heartbeat {
  const named = amphoraNamedIn(packet)
  const signed = openSignature(packet, named, named === null ? keys : keys.map((each) => heartbeatKeyOf(named, each)))
  if (signed === null) throw new RefusedPacket('signature', 'its signature is wrong')
  return unpack(signed)
}

const refusedAs = (refusal: string) => (error: unknown) => error instanceof RefusedPacket && error.refusal === refusal

test("upstream's agents are understood, with either signature", () => {
  const message = {
    id: 'a',
    seq: 1,
    ver: 3,
    listeners: { l: { status: 'OPEN', stats } },
    pools: { 'p:l': { status: 'UP', members: { m: 'UP 1/3' } } },
  }
  for (const signature of ['hex', 'raw'] as const) {
    const heartbeat = open(upstreamPacket(message, key, signature))
    assert.deepEqual([heartbeat.amphora_id, heartbeat.seq, heartbeat.deltas, heartbeat.controller], ['a', 1, true, null])
    assert.deepEqual(heartbeat.listeners.get('l'), { status: 'OPEN', ...counted })
    assert.deepEqual(heartbeat.pools, [{ pool_id: 'p', status: 'UP', members: new Map([['m', 'UP 1/3']]) }])
  }
})

test('older formats count from the start of their HAProxy, and the oldest has its pools in the listeners', () => {
  const pools = { p: { status: 'UP', members: { m: 'DOWN' } } }
  const rocky = open(upstreamPacket({ id: 'a', seq: 1, listeners: { l: { status: 'OPEN', stats, pools } } }, key, 'raw'))
  const combined = { id: 'a', seq: 1, listeners: { l: { status: 'OPEN', stats } }, pools: { 'p:l': pools.p } }
  for (const heartbeat of [rocky, ...[1, 2].map((ver) => open(upstreamPacket({ ...combined, ver }, key)))]) {
    assert.equal(heartbeat.deltas, false)
    assert.deepEqual(heartbeat.listeners.get('l'), { status: 'OPEN', ...counted })
    assert.deepEqual(heartbeat.pools, [{ pool_id: 'p', status: 'UP', members: new Map([['m', 'DOWN']]) }])
  }
})

test("our agents' packets, short and long, are opened with a key that is the amphora's alone, also with one from before a rotation", () => {
  const short = { ...buildHeartbeat('a', 7, [], null), to: '192.0.2.1:5555' }
  const members = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`m${n}`, 'UP']))
  const long = { ...short, pools: { 'p:l': { status: 'UP', members } } }
  for (const [heartbeat, expected] of [
    [short, 0],
    [long, 100],
  ] as const) {
    const packet = encodeHeartbeat(heartbeat, { key: heartbeatKeyOf('a', key), isOwn: true })
    for (const keys of [[key], ['newer', key]]) {
      const { amphora_id, seq, controller, pools } = open(packet, keys)
      assert.deepEqual([amphora_id, seq, controller, pools[0]?.members.size ?? 0], ['a', 7, '192.0.2.1:5555', expected])
    }
    assert.throws(() => open(packet, ['newer']), refusedAs('signature'))
  }
})

test('forged, changed and truncated packets are refused before anything is unpacked', () => {
  const bomb = deflateSync(Buffer.alloc(32 * 1024 * 1024))
  for (const packet of [
    upstreamPacket({ id: 'a' }, 'other'),
    ownPacket({ id: 'a' }, 'other'),
    // The common key opens no packet of an amphora with its own, and another's key none of this one.
    sign(Buffer.concat([Buffer.from('a\n'), deflateSync('{"id":"a"}')]), key, 'hex'),
    sign(Buffer.concat([Buffer.from('a\n'), deflateSync('{"id":"a"}')]), heartbeatKeyOf('b', key), 'hex'),
    sign(bomb, 'other', 'hex'),
  ])
    assert.throws(() => open(packet), refusedAs('signature'))
  for (const packet of [upstreamPacket({ id: 'a' }, key), ownPacket({ id: 'a' }, key), ownCompressedPacket({ id: 'a' }, key)]) {
    for (let length = 0; length < packet.length; length++) assert.throws(() => open(packet.subarray(0, length)), refusedAs('signature'))
    for (let at = 0; at < packet.length; at++) {
      const changed = Buffer.from(packet)
      changed[at]! ^= 1
      assert.throws(() => open(changed), refusedAs('signature'))
    }
  }
})

test('what is signed and wrong is refused: a bomb, what is no JSON, nobody, another amphora', () => {
  assert.throws(() => open(upstreamPacket('x'.repeat(8 * 1024 * 1024), key)), refusedAs('size'))
  assert.throws(() => open(ownCompressedPacket({ id: 'a', to: 'x'.repeat(8 * 1024 * 1024) }, key)), refusedAs('size'))
  for (const packed of [Buffer.from('x'), deflateSync('{'), deflateSync('')])
    assert.throws(() => open(sign(Buffer.concat([Buffer.from([0x78]), packed.subarray(1)]), key, 'hex')), refusedAs('content'))
  for (const body of ['{', 'x', '"a"', '{"id":"a"} '.padEnd(2_000, '}')])
    assert.throws(() => open(sign(Buffer.from(`a\n${body}`), heartbeatKeyOf('a', key), 'hex')), refusedAs('content'))
  // Octavia's are always compressed.
  assert.throws(() => open(sign(Buffer.from('{"id":"a"}'), key, 'hex')), refusedAs('content'))
  assert.throws(() => open(upstreamPacket({ listeners: {} }, key)), refusedAs('content'))
  const message = { seq: 1, to: 'here' }
  assert.equal(open(ownPacket({ id: 'a', ...message }, key)).amphora_id, 'a')
  assert.throws(() => open(ownPacket({ id: 'b', ...message }, key, 'a')), refusedAs('content'))
  assert.throws(() => open(ownPacket({ id: 'a' }, key)), refusedAs('content'))
  assert.throws(() => open(ownPacket({ id: 'a', ...message, to: 'x'.repeat(1_000) }, key)), refusedAs('content'))
})

test('numbers that are none count nothing', () => {
  const { listeners, seq } = open(upstreamPacket({ id: 'a', seq: -1, listeners: { l: { stats: { rx: -5, tx: 'x', conns: 1e300 } } } }, key))
  const { bytes_in, bytes_out, active_connections } = listeners.get('l')!
  assert.deepEqual([seq, bytes_in, bytes_out, active_connections], [0, 0, 0, 0])
})

test("members' counters are read from a packet, whatever is in it", () => {
  const read = (member_stats: unknown) => [...open(upstreamPacket({ id: 'a', member_stats }, key)).members]
  assert.deepEqual(read({ m1: [1, 2, 3, 4, 5] }), [
    ['m1', { bytes_in: 1, bytes_out: 2, active_connections: 3, total_connections: 4, request_errors: 5 }],
  ])
  const none = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 }
  for (const wrong of [null, 'x', [], [-1, 'x', null, 1e300], { rx: 1 }]) assert.deepEqual(read({ m1: wrong }), [['m1', none]])
  for (const wrong of [undefined, null, 'x', 3, []]) assert.deepEqual(read(wrong), [])
})
