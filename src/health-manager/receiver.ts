/** Receives heartbeats and stores what they say, in batches. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { HealthManagerContext } from './context.ts'
import { type CounterReport, type Heartbeat, openPacket } from './packet.ts'
import { type Heard, storeHeartbeats } from './store.ts'
import type { AbsenceObserver, Hearing } from './watch.ts'

/** Heartbeats wait this long for others, so that all of them cost one transaction. */
const BATCH_MS = 100
/** Amphorae in one transaction. */
const MAX_BATCH = 500
/** Amphorae that wait to be stored, for instance while the database is away; of further ones nothing is kept. */
const MAX_WAITING = 50_000
/** What the kernel keeps for us while we are busy. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** Packets that are refused are counted and told this often at most: anybody can send them. */
const COMPLAINT_INTERVAL_MS = 10_000

export interface ReceiverOptions {
  /** Signs heartbeats. */
  key: string
  /** Hears when heartbeats may have been missed. */
  absences: AbsenceObserver
}

export class Receiver implements Hearing {
  readonly #context: HealthManagerContext
  readonly #options: ReceiverOptions
  readonly #sockets: Socket[] = []
  /** By amphora. */
  readonly #waiting = new Map<string, Heard>()
  readonly #lastSignature = new Map<string, string>()
  readonly #heartbeatTimeoutMs: number
  #batchTimer: NodeJS.Timeout | undefined
  #storing: Promise<void> | undefined
  #storingSince = 0
  #complaints = 0
  #lastComplaint = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(context: HealthManagerContext, options: ReceiverOptions) {
    this.#context = context
    this.#options = options
    this.#heartbeatTimeoutMs = context.config.health_manager.heartbeat_timeout * 1000
  }

  /** Answers the port, which the kernel chose where 0 was asked for. */
  async bind(address: string, port: number): Promise<number> {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) })
    this.#sockets.push(socket)
    socket.on('message', (packet) => this.#receive(packet))
    socket.bind(port, address)
    await once(socket, 'listening')
    socket.on('error', (error) => this.#context.log.error({ error: String(error) }, 'heartbeat socket'))
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    return socket.address().port
  }

  behindMs(): number {
    return this.#storing === undefined ? 0 : this.#context.clock.monotonic() - this.#storingSince
  }

  /** Stores what was received. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#batchTimer)
    for (const socket of this.#sockets) socket.close()
    await this.#storing
    await this.#store()
  }

  #receive(packet: Buffer): void {
    let heartbeat: Heartbeat
    try {
      heartbeat = openPacket(packet, this.#options.key)
    } catch (error) {
      this.#complain(`a heartbeat is refused: ${(error as Error).message}`)
      return
    }
    // A packet that the network or somebody else sends again would be counted again.
    const signature = packet.subarray(-64).toString('latin1')
    if (this.#lastSignature.get(heartbeat.amphora_id) === signature) return
    const waiting = this.#waiting.get(heartbeat.amphora_id)
    if (waiting === undefined && this.#waiting.size >= MAX_WAITING) {
      this.#complain(`heartbeats of more than ${MAX_WAITING} amphorae wait to be stored; others are dropped`)
      return
    }
    if (this.#lastSignature.size > MAX_WAITING) this.#lastSignature.clear()
    this.#lastSignature.set(heartbeat.amphora_id, signature)
    if (waiting !== undefined) addCounters(heartbeat, waiting.heartbeat)
    this.#waiting.set(heartbeat.amphora_id, { heartbeat, receivedAtMs: this.#context.clock.now() })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#batchTimer !== undefined || this.#storing !== undefined || this.#stopped) return
    this.#batchTimer = setTimeout(() => {
      this.#batchTimer = undefined
      this.#storingSince = this.#context.clock.monotonic()
      this.#storing = this.#store().finally(() => {
        this.#storing = undefined
        if (this.#waiting.size > 0) this.#schedule()
      })
    }, BATCH_MS)
  }

  /** Whatever waits now, in bounded portions. A portion that fails waits for the next time. */
  async #store(): Promise<void> {
    const { db, clock, log } = this.#context
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (let from = 0; from < all.length; from += MAX_BATCH) {
      const batch = all.slice(from, from + MAX_BATCH)
      try {
        const options = { nowMs: clock.now(), heartbeatTimeoutMs: this.#heartbeatTimeoutMs }
        const { changes, misconfigured, unknown } = await storeHeartbeats(db, batch, options)
        for (const { table, id, from, to } of changes) log.info({ table, id, from, to }, 'operating status changed')
        if (misconfigured.length > 0) this.#complain(`amphorae without all their listeners: ${misconfigured.slice(0, 5).join(' ')}`)
        if (unknown.length > 0) this.#complain(`heartbeats of amphorae that serve no load balancer: ${unknown.slice(0, 5).join(' ')}`)
      } catch (error) {
        this.#options.absences.wasAway('database away')
        log.error({ error: String(error) }, 'heartbeats could not be stored; they wait')
        for (const heard of batch) this.#putBack(heard)
      }
    }
  }

  #putBack(heard: Heard): void {
    const { amphora_id } = heard.heartbeat
    const newer = this.#waiting.get(amphora_id)
    if (newer === undefined) this.#waiting.set(amphora_id, heard)
    else addCounters(newer.heartbeat, heard.heartbeat)
  }

  #complain(text: string): void {
    this.#complaints++
    const now = this.#context.clock.monotonic()
    if (now - this.#lastComplaint < COMPLAINT_INTERVAL_MS) return
    this.#context.log.warn({ since_last: this.#complaints }, text)
    this.#lastComplaint = now
    this.#complaints = 0
  }
}

/** `newer` gets the growth that an older heartbeat told and that is not stored yet. */
function addCounters(newer: Heartbeat, older: Heartbeat): void {
  if (!newer.deltas || !older.deltas) return
  for (const [id, report] of older.listeners) {
    const now = newer.listeners.get(id)
    if (now !== undefined) addGrowth(now, report)
  }
  for (const [id, report] of older.members) {
    const now = newer.members.get(id)
    if (now === undefined) newer.members.set(id, report)
    else addGrowth(now, report)
  }
}

function addGrowth(now: CounterReport, before: CounterReport): void {
  now.bytes_in += before.bytes_in
  now.bytes_out += before.bytes_out
  now.total_connections += before.total_connections
  now.request_errors += before.request_errors
}
