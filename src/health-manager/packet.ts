/**
 * A heartbeat's packet: compressed JSON and its signature (`octavia/amphorae/backends/health_daemon/status_message.py`); of our agents with the
 * amphora's id and a line feed before it, by which its key is known, and not compressed where it is short. Nothing of it is unpacked before the signature
 * has been checked, and never more than a bound.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { inflateSync } from 'node:zlib'

const HEX_SIGNATURE_BYTES = 64
/** Of agents before Train. */
const RAW_SIGNATURE_BYTES = 32
/** With which every packet of upstream's format begins, and no amphora's id. */
const ZLIB_FIRST_BYTE = 0x78
/** With which JSON that is not compressed begins. */
const OPENING_BRACE = 0x7b
const MAX_ID_BYTES = 64
/** A name of the DNS and a port. */
const MAX_CONTROLLER_LENGTH = 260
/** Unpacked; agents say a tenth of that in their largest packets, which could hold 64 times as much. */
const MAX_JSON_BYTES = 1024 * 1024
/** What most unpack to. With zlib's 16 KiB for each, memory that is outside of the heap would have the whole heap collected several times a second. */
const USUAL_JSON_BYTES = 2 * 1024
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
  /** Rises; of upstream's agents from 0 at each start, of ours never lower than before for the same controller. */
  seq: number
  /** Of our agents: the controller it was sent to, in the agent's words. */
  controller: string | null
  /** The counters are growth since the last heartbeat; otherwise since HAProxy's start. */
  deltas: boolean
  listeners: Map<string, ListenerReport>
  /** A pool of two listeners is there twice. Put together where it is asked for: under load most heartbeats are superseded before. */
  readonly pools: PoolReport[]
  /** By member's id, of some or of all; always growth. Of our agents. */
  members: Map<string, CounterReport>
}

/** Why nothing of a packet is taken. */
export type Refusal = 'signature' | 'size' | 'content' | 'repeat' | 'source' | 'common_key' | 'unknown' | 'overload'

export class RefusedPacket extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal, message: string) {
    super(message)
    this.refusal = refusal
  }
}

/** A packet whose signature is right, still packed. */
export interface SignedPacket {
  /** Of upstream's format always compressed. */
  body: Buffer
  /** Of an amphora with a key of its own, which is the one named in the packet. */
  named: string | null
  /** A part of the digest, however the signature is written, that tells this packet from any other. Put together where it is asked for. */
  readonly mark: bigint
}

/** The amphora that a packet in our agents' format names, null for upstream's format. */
export function amphoraNamedIn(packet: Buffer): string | null {
  if (packet[0] === ZLIB_FIRST_BYTE) return null
  const end = packet.subarray(0, MAX_ID_BYTES + 1).indexOf('\n')
  return end < 1 ? null : packet.toString('latin1', 0, end)
}

/** Null when it was signed with none of the keys. `named` is what `amphoraNamedIn` says, whose keys these are then. */
export function openSignature(packet: Buffer, named: string | null, keys: readonly string[]): SignedPacket | null {
  const start = named === null ? 0 : named.length + 1
  for (const length of named === null ? [HEX_SIGNATURE_BYTES, RAW_SIGNATURE_BYTES] : [HEX_SIGNATURE_BYTES]) {
    if (packet.length <= start + length) continue
    const signed = packet.subarray(0, -length)
    const signature = packet.subarray(-length)
    const encoding = length === HEX_SIGNATURE_BYTES ? 'hex' : 'binary'
    for (const key of keys) {
      // As text: a digest's buffer would be memory of its own outside of the heap, which costs more than the digest.
      const digest = createHmac('sha256', key).update(signed).digest(encoding)
      if (!timingSafeEqual(Buffer.from(digest, 'binary'), signature)) continue
      return {
        body: signed.subarray(start),
        named,
        get mark() {
          return Buffer.from(digest, encoding).readBigUInt64LE()
        },
      }
    }
  }
  return null
}

/** Throws RefusedPacket. */
export function unpack({ body, named }: SignedPacket): Heartbeat {
  const isPlain = named !== null && body[0] === OPENING_BRACE
  const text = (isPlain ? body : inflate(body)).toString('utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new RefusedPacket('content', 'it is no JSON')
  }
  const heartbeat = parseHeartbeat(json)
  if (named === null) return heartbeat
  if (heartbeat.amphora_id !== named) throw new RefusedPacket('content', 'it speaks for another amphora')
  if (heartbeat.seq === 0 || heartbeat.controller === null) throw new RefusedPacket('content', 'it has no number or no receiver')
  return heartbeat
}

function inflate(body: Buffer): Buffer {
  try {
    return inflateSync(body, { maxOutputLength: MAX_JSON_BYTES, chunkSize: USUAL_JSON_BYTES })
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    if (isTooLarge) throw new RefusedPacket('size', `it is larger than ${MAX_JSON_BYTES} bytes`)
    throw new RefusedPacket('content', 'it is not compressed as it must be')
  }
}

/** The signature is right, but agents of other versions sign too, so nothing is taken for granted. */
function parseHeartbeat(json: unknown): Heartbeat {
  const message = objectOf(json)
  if (typeof message.id !== 'string') throw new RefusedPacket('content', 'it has no amphora id')
  const version = typeof message.ver === 'number' ? message.ver : 0
  const listeners = new Map<string, ListenerReport>()
  const pools: unknown[] = [message.pools]
  for (const [id, listener] of mapOf(message.listeners, objectOf)) {
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
    pools.push(listener.pools)
  }
  return {
    amphora_id: message.id,
    seq: countOf(message.seq),
    controller: typeof message.to === 'string' && message.to.length <= MAX_CONTROLLER_LENGTH ? message.to : null,
    deltas: version >= DELTAS_SINCE_VERSION,
    listeners,
    get pools() {
      return pools.flatMap(poolsOf)
    },
    members: mapOf(message.member_stats, memberCounters),
  }
}

function poolsOf(json: unknown): PoolReport[] {
  const pools = mapOf(json, objectOf)
  return Array.from(pools, ([id, { status, members }]) => ({
    pool_id: id.split(':')[0]!,
    status: textOf(status),
    members: mapOf(members, textOf),
  }))
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

function mapOf<T>(json: unknown, convert: (json: unknown) => T): Map<string, T> {
  const object = objectOf(json)
  const map = new Map<string, T>()
  for (const key in object) map.set(key, convert(object[key]))
  return map
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
