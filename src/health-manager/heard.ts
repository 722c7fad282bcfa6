/** What waits of an amphora to be stored: its newest heartbeat, and the counters of all that were accepted. */
import type { CounterReport, Heartbeat } from './packet.ts'

/** By what it is known that a heartbeat is no repetition, and whose it is. */
export type Origin =
  /** Of our agents: numbers that rise for each controller, and a key of the amphora's own. */
  | { format: 'ottavia'; controller: string; firstSeq: number; lastSeq: number }
  /** Of upstream's: the address it came from. */
  | { format: 'upstream'; address: string }

export interface Heard {
  /** The newest; of its counters only the connections there are now count. */
  heartbeat: Heartbeat
  receivedAtMs: number
  /** When the first of them came, and how many they are. */
  firstReceivedAtMs: number
  packets: number
  origin: Origin
  /** By listener. Sums where heartbeats tell growth, else the highest. */
  counters: Map<string, CounterReport>
  /** By member: sums. */
  members: Map<string, CounterReport>
}

/** A heartbeat that is numbered lower by no more than this was overtaken on its way; by more, the agent has started over. */
const MAX_OVERTAKEN = 64

export function heardOnce(heartbeat: Heartbeat, origin: Origin, receivedAtMs: number): Heard {
  return {
    heartbeat,
    receivedAtMs,
    firstReceivedAtMs: receivedAtMs,
    packets: 1,
    origin,
    counters: heartbeat.listeners,
    members: heartbeat.members,
  }
}

/** Only what has the same key may be joined: another origin or another way of counting is judged and stored for itself. */
export function keyOf({ heartbeat: { amphora_id, deltas }, origin }: Heard): string {
  return `${amphora_id} ${deltas} ${origin.format === 'ottavia' ? origin.controller : origin.address}`
}

/** Both as one. Counters of listeners that the newer one does not name any more are kept: their connections were there. */
export function join(earlier: Heard, later: Heard): Heard {
  const lead = earlier.heartbeat.seq - later.heartbeat.seq
  const [newer, older] = lead > 0 && lead <= MAX_OVERTAKEN ? [earlier, later] : [later, earlier]
  const combine = newer.heartbeat.deltas ? sum : highest
  return {
    heartbeat: newer.heartbeat,
    receivedAtMs: later.receivedAtMs,
    firstReceivedAtMs: earlier.firstReceivedAtMs,
    packets: earlier.packets + later.packets,
    origin: joinOrigins(earlier.origin, later.origin),
    counters: combineAll(older.counters, newer.counters, combine),
    members: combineAll(older.members, newer.members, sum),
  }
}

function joinOrigins(earlier: Origin, later: Origin): Origin {
  if (earlier.format !== 'ottavia' || later.format !== 'ottavia') return later
  return {
    ...later,
    firstSeq: Math.min(earlier.firstSeq, later.firstSeq),
    lastSeq: Math.max(earlier.lastSeq, later.lastSeq),
  }
}

type Combine = (older: number, newer: number) => number

const sum: Combine = (older, newer) => older + newer
const highest: Combine = (older, newer) => Math.max(older, newer)

function combineAll(older: Map<string, CounterReport>, newer: Map<string, CounterReport>, combine: Combine): Map<string, CounterReport> {
  if (older.size === 0) return newer
  const all = new Map(newer)
  for (const [id, before] of older) {
    const now = newer.get(id)
    all.set(id, {
      bytes_in: combine(before.bytes_in, now?.bytes_in ?? 0),
      bytes_out: combine(before.bytes_out, now?.bytes_out ?? 0),
      total_connections: combine(before.total_connections, now?.total_connections ?? 0),
      request_errors: combine(before.request_errors, now?.request_errors ?? 0),
      active_connections: now?.active_connections ?? 0,
    })
  }
  return all
}
