/** The heartbeat, format 3 (`octavia/amphorae/backends/health_daemon/health_daemon.py`): its contents, its counters, its packet. */
import { createHmac } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { readIfThere, writeAtomically } from './files.ts'
import type { StatRow } from './haproxy-socket.ts'

const FORMAT_VERSION = 3
const COMPRESSION_LEVEL = 9
const SIGNATURE_BYTES = 64
/** What goes in one piece everywhere: IPv6's smallest MTU (RFC 8200, section 5) without the headers of IPv6 and UDP. */
const MAX_PLAIN_BYTES = 1_280 - 40 - 8

export interface Heartbeat {
  id: string
  seq: number
  ver: typeof FORMAT_VERSION
  /** The controller it is sent to, as `host:port`; of those with a key of their own. Numbers rise for each controller. */
  to?: string
  listeners: Record<string, { status: string; stats: { tx: number; rx: number; conns: number; totconns: number; ereq: number } }>
  /** By `<pool>:<listener>`. */
  pools: Record<string, { status: string; members: Record<string, string> }>
  /** Ours; other controllers take no notice. */
  member_stats?: Record<string, MemberStats>
}

/** What a member's counters grew by, and how many connections it has: bytes in and out, connections now, connections, errors. */
export type MemberStats = [rx: number, tx: number, conns: number, totconns: number, ereq: number]

export interface SigningKey {
  key: string
  /** It is this amphora's alone. */
  isOwn: boolean
}

/**
 * The signed packet: the compressed JSON, then the HMAC-SHA256 of it as 64 hexadecimal digits. Where the key is the amphora's own, the amphora's id and a
 * line feed come first, signed as well, by which a controller knows the key before it unpacks anything; and JSON that needs no fragments as it is stays
 * as it is, for inflating is half of what a heartbeat costs a controller.
 */
export function encodeHeartbeat(heartbeat: Heartbeat, { key, isOwn }: SigningKey): Buffer {
  const json = Buffer.from(JSON.stringify(heartbeat))
  const name = Buffer.from(isOwn ? `${heartbeat.id}\n` : '')
  const staysPlain = isOwn && name.length + json.length + SIGNATURE_BYTES <= MAX_PLAIN_BYTES
  const signed = Buffer.concat([name, staysPlain ? json : deflateSync(json, { level: COMPRESSION_LEVEL })])
  return Buffer.concat([signed, Buffer.from(createHmac('sha256', key).update(signed).digest('hex'))])
}

/**
 * Numbers heartbeats by the clock, in milliseconds, and each higher than the one before: also where the clock steps back, or did while no agent ran. A
 * controller takes no lower one.
 */
export class Sequence {
  private readonly path: string
  private last: number

  constructor(path: string) {
    this.path = path
    this.last = Number(readIfThere(path)) || 0
  }

  next(nowMs = Date.now()): number {
    this.last = Math.max(this.last + 1, nowMs)
    writeAtomically(this.path, String(this.last))
    return this.last
  }
}

/**
 * What HAProxy says of itself as a heartbeat's contents; the counters' growth since the last heartbeat comes from `counters`, without which nothing
 * has grown.
 */
export function buildHeartbeat(id: string, seq: number, rows: readonly StatRow[], counters: Counters | null): Heartbeat {
  const heartbeat: Heartbeat = { id, seq, ver: FORMAT_VERSION, listeners: {}, pools: {} }
  for (const row of rows) {
    if (row.server === 'FRONTEND') {
      const grown = counters?.take(row) ?? NOTHING
      heartbeat.listeners[row.proxy] = {
        status: row.status,
        stats: { tx: grown.bout, rx: grown.bin, conns: row.currentSessions, totconns: grown.stot, ereq: grown.ereq },
      }
    } else {
      heartbeat.pools[row.proxy] ??= { status: '', members: {} }
      const pool = heartbeat.pools[row.proxy]!
      if (row.server === 'BACKEND') pool.status = row.status
      else pool.members[row.server] = memberStatus(row)
    }
  }
  return heartbeat
}

/** Everything of a heartbeat that is worth one out of turn: the statuses, not the counters. */
export function statusesOf(rows: readonly StatRow[]): string {
  return rows.map((row) => `${row.proxy}/${row.server}=${memberStatus(row)}`).join('\n')
}

/** HAProxy shows a server that gets no new connections because its weight is 0 as UP. */
function memberStatus({ status, weight }: StatRow): string {
  return status === 'UP' && weight === 0 ? 'DRAIN' : status
}

interface Counts {
  bin: number
  bout: number
  ereq: number
  stot: number
}

const NOTHING: Counts = { bin: 0, bout: 0, ereq: 0, stot: 0 }

/** Counters of so many proxies and members are kept that are shown no more; they may come back. */
const MAX_UNSEEN = 1_000

/** HAProxy counts from its start, heartbeats since the last one. Kept in a file, so that a restarted agent reports nothing twice. */
export class Counters {
  private readonly path: string
  /** By listener, and by `<pool>:<listener>/<member>`. */
  private last: Record<string, Counts>
  /** Read from workers that are gone and not yet sent. */
  private pending: Record<string, Counts> = {}

  constructor(path: string) {
    this.path = path
    this.last = parseCounts(readIfThere(path))
  }

  /** The growth of the counters of a listener or member; it counts as reported from now on. */
  take(row: StatRow): Counts {
    const key = keyOf(row)
    const now = countsOf(row)
    const grown = add(difference(now, this.last[key]), this.pending[key])
    this.last[key] = now
    delete this.pending[key]
    return grown
  }

  /** Keeps the growth for the next heartbeat, since the worker that counted it will not be there to ask. */
  keep(rows: readonly StatRow[]): void {
    for (const row of rows) {
      if (row.server === 'BACKEND') continue
      const key = keyOf(row)
      this.pending[key] = add(difference(countsOf(row), this.last[key]), this.pending[key])
      this.last[key] = countsOf(row)
    }
  }

  /** Members come and go without a new worker. */
  forgetUnseen(rows: readonly StatRow[]): void {
    if (Object.keys(this.last).length < rows.length + MAX_UNSEEN) return
    const seen = new Set(rows.map(keyOf))
    const onlySeen = (counts: Record<string, Counts>) => Object.fromEntries(Object.entries(counts).filter(([key]) => seen.has(key)))
    this.last = onlySeen(this.last)
    this.pending = onlySeen(this.pending)
  }

  /** A new HAProxy counts from zero; those `kept` are counted by others. */
  startOver(kept: ReadonlySet<string>): void {
    this.last = Object.fromEntries(Object.entries(this.last).filter(([key]) => kept.has(key.split('/')[0]!)))
  }

  /** Not synced to the disk: a loss of power costs a few counts. */
  save(): void {
    writeAtomically(this.path, JSON.stringify(this.last))
  }
}

function keyOf({ proxy, server }: StatRow): string {
  return server === 'FRONTEND' ? proxy : `${proxy}/${server}`
}

function countsOf(row: StatRow): Counts {
  return { bin: row.bytesIn, bout: row.bytesOut, ereq: row.requestErrors, stot: row.totalSessions }
}

function difference(now: Counts, before: Counts | undefined): Counts {
  // A smaller number than before: another process began to count, all of it is new.
  const grown = (name: keyof Counts) => (now[name] < (before?.[name] ?? 0) ? now[name] : now[name] - (before?.[name] ?? 0))
  return { bin: grown('bin'), bout: grown('bout'), ereq: grown('ereq'), stot: grown('stot') }
}

function add(a: Counts, b: Counts | undefined): Counts {
  return b === undefined ? a : { bin: a.bin + b.bin, bout: a.bout + b.bout, ereq: a.ereq + b.ereq, stot: a.stot + b.stot }
}

function parseCounts(text: string | null): Record<string, Counts> {
  try {
    return text === null ? {} : (JSON.parse(text) as Record<string, Counts>)
  } catch {
    return {} // written half-way by another agent: counting starts over
  }
}
