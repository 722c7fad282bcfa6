/**
 * A heartbeat's packet: compressed JSON and its signature (`octavia/amphorae/backends/health_daemon/status_message.py`). Nothing of it is
 * unpacked before the signature has been checked, and never more than a bound.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { inflateSync } from 'node:zlib'

const HEX_SIGNATURE_BYTES = 64
/** Of agents before Train. */
const RAW_SIGNATURE_BYTES = 32
/** Unpacked; a packet of 64 KiB could hold a thousand times as much, which no agent says. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
const DELTAS_SINCE_VERSION = 3

export interface CounterReport {
  bytes_in: number
  bytes_out: number
  active_connections: number
  total_connections: number
  request_errors: number
}

export interface ListenerReport extends CounterReport {
  status: string
}

export interface PoolReport {
  pool_id: string
  status: string
  /** By member's id. */
  members: Map<string, string>
}

export interface Heartbeat {
  amphora_id: string
  /** The counters are growth since the last heartbeat; otherwise since HAProxy's start. */
  deltas: boolean
  listeners: Map<string, ListenerReport>
  /** A pool of two listeners is there twice. */
  pools: PoolReport[]
  /** By member's id, of some or of all; always growth. Of our agents. */
  members: Map<string, CounterReport>
}

/** Throws an Error that says what is wrong with the packet. */
export function openPacket(packet: Buffer, key: string): Heartbeat {
  const json = inflateSync(signedPart(packet, key), { maxOutputLength: MAX_JSON_BYTES }).toString('utf8')
  return parseHeartbeat(JSON.parse(json))
}

function signedPart(packet: Buffer, key: string): Buffer {
  for (const [length, encoding] of [
    [HEX_SIGNATURE_BYTES, 'hex'],
    [RAW_SIGNATURE_BYTES, undefined],
  ] as const) {
    if (packet.length <= length) continue
    const body = packet.subarray(0, -length)
    const digest = createHmac('sha256', key).update(body).digest()
    const expected = encoding === undefined ? digest : Buffer.from(digest.toString(encoding))
    if (timingSafeEqual(expected, packet.subarray(-length))) return body
  }
  throw new Error('the signature is wrong')
}

/** The signature is right, but agents of other versions sign too, so nothing is taken for granted. */
function parseHeartbeat(json: unknown): Heartbeat {
  const message = objectOf(json)
  if (typeof message.id !== 'string') throw new Error('it has no amphora id')
  const version = typeof message.ver === 'number' ? message.ver : 0
  const listeners = new Map<string, ListenerReport>()
  const pools: PoolReport[] = []
  for (const [id, value] of Object.entries(objectOf(message.listeners))) {
    const listener = objectOf(value)
    const stats = objectOf(listener.stats)
    listeners.set(id, {
      status: textOf(listener.status),
      bytes_in: countOf(stats.rx),
      bytes_out: countOf(stats.tx),
      active_connections: countOf(stats.conns),
      total_connections: countOf(stats.totconns),
      request_errors: countOf(stats.ereq),
    })
    // Where an agent runs one HAProxy for each listener, pools are inside.
    pools.push(...poolsOf(listener.pools))
  }
  pools.push(...poolsOf(message.pools))
  const members = new Map(Object.entries(objectOf(message.member_stats)).map(([id, stats]) => [id, memberCounters(stats)]))
  return { amphora_id: message.id, deltas: version >= DELTAS_SINCE_VERSION, listeners, pools, members }
}

function poolsOf(json: unknown): PoolReport[] {
  return Object.entries(objectOf(json)).map(([id, value]) => {
    const pool = objectOf(value)
    const members = new Map(Object.entries(objectOf(pool.members)).map(([member, status]) => [member, textOf(status)]))
    return { pool_id: id.split(':')[0]!, status: textOf(pool.status), members }
  })
}

function memberCounters(json: unknown): CounterReport {
  const [bytes_in, bytes_out, active_connections, total_connections, request_errors] = (Array.isArray(json) ? json : []).map(countOf)
  return {
    bytes_in: bytes_in ?? 0,
    bytes_out: bytes_out ?? 0,
    active_connections: active_connections ?? 0,
    total_connections: total_connections ?? 0,
    request_errors: request_errors ?? 0,
  }
}

function objectOf(json: unknown): Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : {}
}

function textOf(json: unknown): string {
  return typeof json === 'string' ? json : ''
}

function countOf(json: unknown): number {
  return typeof json === 'number' && Number.isSafeInteger(json) && json > 0 ? json : 0
}
