/** Receives heartbeats and stores what they say, in batches. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LateRefusal } from './admission.ts'
import { Complaints } from './complaints.ts'
import type { HealthManagerContext } from './context.ts'
import { type Heard, heardOnce, join, keyOf, type Origin } from './heard.ts'
import { KernelDrops } from './kernel-drops.ts'
import { Keys } from './keys.ts'
import { amphoraNamedIn, openSignature, type Refusal, RefusedPacket, type SignedPacket, unpack } from './packet.ts'
import { Repeats } from './repeats.ts'
import { type Stored, storeHeartbeats } from './store.ts'
import type { AbsenceObserver, Hearing } from './watch.ts'

/** Heartbeats wait this long for others, so that all of them cost one transaction. */
const BATCH_MS = 100
/**
 * They wait longer where storing takes long, in proportion, so that most of the time is left for receiving: the more come in, the more of them are
 * stored as one. Of several portions each is waited after, since the kernel does not keep much of what comes in meanwhile.
 */
const WAIT_PER_STORING = 4
/** For all portions of what waits. */
const LONGEST_BATCH_MS = 2_000
/** Amphorae in one transaction. */
const MAX_BATCH = 500
/** While the database is away it is tried this often. */
const RETRY_MS = 1_000
/** Amphorae that wait to be stored, for instance while the database is away; of further ones nothing is kept. */
const MAX_WAITING = 50_000
/** Packets that wait until the amphorae of their addresses are looked up, with the next batch. */
const MAX_STRANGERS = 256
/** What the kernel keeps for us while we are busy: as much of it as the host's net.core.rmem_max allows. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
const LOSS_CHECK_MS = 1_000
/** If more than this part of the packets was lost, amphorae may be silent for no fault of theirs; losing a few makes nobody silent. */
const MAX_LOSS = 0.05
const SHOWN_IDS = 5

export interface ReceiverOptions {
  /** `[health_manager] heartbeat_key` and those before it that still count, newest first; the same array while they are the same. */
  keys: () => readonly string[]
  /** Heartbeats of upstream's agents must come from their amphora's lb_network_ip. */
  checksSource: boolean
  /** Hears when heartbeats may have been missed. */
  absences: AbsenceObserver
}

export class Receiver implements Hearing {
  readonly #context: HealthManagerContext
  readonly #options: ReceiverOptions
  readonly #keys: Keys
  readonly #repeats = new Repeats()
  readonly #complaints: Complaints
  readonly #sockets: Socket[] = []
  readonly #waiting = new Map<string, Heard>()
  /** Their key has to be found first. */
  #strangers: { packet: Buffer; address: string }[] = []
  /** A batch that could not be stored is tried again as it was, for it may have been stored after all. */
  #unstored: Heard[] = []
  readonly #heartbeatTimeoutMs: number
  #batchTimer: NodeJS.Timeout | undefined
  #storing: Promise<void> | undefined
  /** What waited then is not stored yet, while there is any. */
  #storingSince = 0
  /** The next portion is stored so much later than the last. */
  #batchMs = BATCH_MS
  #lossTimer: NodeJS.Timeout | undefined
  readonly #drops = new KernelDrops()
  #received = 0
  #lost = 0
  readonly #stopping = new AbortController()

  constructor(context: HealthManagerContext, options: ReceiverOptions) {
    this.#context = context
    this.#options = options
    this.#keys = new Keys(context, options.keys)
    this.#complaints = new Complaints(context)
    this.#heartbeatTimeoutMs = context.config.health_manager.heartbeat_timeout * 1000
  }

  /** Answers the port, which the kernel chose where 0 was asked for. */
  async bind(address: string, port: number): Promise<number> {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) })
    this.#sockets.push(socket)
    socket.on('message', (packet, { address }: RemoteInfo) => this.#receive(packet, address))
    socket.bind(port, address)
    await once(socket, 'listening')
    socket.on('error', (error) => this.#context.log.error({ error: String(error) }, 'heartbeat socket'))
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    this.#lossTimer ??= setInterval(() => this.#checkLoss(), LOSS_CHECK_MS)
    return socket.address().port
  }

  behindMs(): number {
    const isBehind = this.#storing !== undefined || this.#unstored.length > 0
    // Whole milliseconds, as the database keeps them.
    return isBehind ? Math.ceil(this.#context.clock.monotonic() - this.#storingSince) : 0
  }

  /** Stores what was received. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#batchTimer)
    clearInterval(this.#lossTimer)
    for (const socket of this.#sockets) socket.close()
    await this.#storing
    await this.#store()
  }

  #receive(packet: Buffer, address: string): void {
    this.#received++
    this.#context.metrics.heartbeats_received_total.add({})
    try {
      const opened = this.#openSignature(packet, address)
      if (opened !== null) this.#accept(opened.packet, opened.signer, address)
    } catch (error) {
      if (!(error instanceof RefusedPacket)) throw error
      this.#refuse(error.refusal, `a heartbeat is refused: ${error.message}`, { address }, 1)
    }
  }

  /** Null when it waits for its key. `signer` is whose key it is; null for one that all share. */
  #openSignature(packet: Buffer, address: string): { packet: SignedPacket; signer: string | null } | null {
    const named = amphoraNamedIn(packet)
    const keys = named === null ? this.#keys.common() : this.#keys.of(named)
    const signed = openSignature(packet, named, keys)
    if (signed !== null) return { packet: signed, signer: named }
    if (named === null && this.#options.checksSource) {
      for (const signer of this.#keys.amphoraeAt(address)) {
        const signed = openSignature(packet, null, this.#keys.of(signer))
        if (signed !== null) return { packet: signed, signer }
      }
      if (this.#keys.mayLookUp(address) && this.#strangers.length < MAX_STRANGERS) {
        this.#strangers.push({ packet, address })
        this.#schedule(this.#batchMs)
        return null
      }
    }
    throw new RefusedPacket('signature', 'its signature is wrong')
  }

  #accept(packet: SignedPacket, signer: string | null, address: string): void {
    const heartbeat = unpack(packet)
    const { amphora_id, controller, seq } = heartbeat
    if (signer !== null && signer !== amphora_id) throw new RefusedPacket('content', 'it speaks for another amphora')
    const isOurs = packet.named !== null && controller !== null
    const origin: Origin = isOurs ? { format: 'ottavia', controller, firstSeq: seq, lastSeq: seq } : { format: 'upstream', address }
    const heard = heardOnce(heartbeat, origin, this.#context.clock.now())
    const key = keyOf(heard)
    const waiting = this.#waiting.get(key)
    if (waiting === undefined && this.#waiting.size >= MAX_WAITING) {
      this.#lost++
      throw new RefusedPacket('overload', `more than ${MAX_WAITING} amphorae wait to be stored`)
    }
    const isRepeat = isOurs ? this.#repeats.hasNumber(amphora_id, controller, seq) : this.#repeats.hasMark(amphora_id, address, packet.mark)
    if (isRepeat) throw new RefusedPacket('repeat', 'it was heard before')
    this.#waiting.set(key, waiting === undefined ? heard : join(waiting, heard))
    this.#schedule(this.#batchMs)
  }

  #schedule(ms: number): void {
    if (this.#batchTimer !== undefined || this.#storing !== undefined || this.#stopping.signal.aborted) return
    this.#batchTimer = setTimeout(() => {
      this.#batchTimer = undefined
      if (this.#unstored.length === 0) this.#storingSince = this.#context.clock.monotonic()
      this.#storing = this.#openStrangers()
        .then(() => this.#store())
        .finally(() => {
          this.#storing = undefined
          if (this.#unstored.length > 0) this.#schedule(RETRY_MS)
          else if (this.#waiting.size + this.#strangers.length > 0) this.#schedule(this.#batchMs)
        })
    }, ms)
  }

  async #openStrangers(): Promise<void> {
    const strangers = this.#strangers
    if (strangers.length === 0) return
    this.#strangers = []
    try {
      await this.#keys.lookUp([...new Set(strangers.map(({ address }) => address))])
    } catch (error) {
      this.#options.absences.wasAway('database away')
      this.#complaints.add('database', 'heartbeats of unknown senders are lost', { error: String(error) }, strangers.length)
      return
    }
    for (const { packet, address } of strangers) this.#receive(packet, address)
  }

  /** Whatever waits now, in bounded portions; it ends with the first that fails. */
  async #store(): Promise<void> {
    const { db, clock, log, metrics } = this.#context
    const portions = Math.ceil(this.#waiting.size / MAX_BATCH)
    for (let left = this.#waiting.size; left > 0 || this.#unstored.length > 0; ) {
      if (this.#unstored.length === 0) {
        this.#unstored = this.#take(Math.min(left, MAX_BATCH))
        left -= this.#unstored.length
      }
      try {
        const began = clock.monotonic()
        const { checksSource } = this.#options
        const stored = await storeHeartbeats(db, this.#unstored, {
          nowMs: clock.now(),
          heartbeatTimeoutMs: this.#heartbeatTimeoutMs,
          checksSource,
        })
        const took = clock.monotonic() - began
        this.#batchMs = Math.min(Math.max(BATCH_MS, took * WAIT_PER_STORING), LONGEST_BATCH_MS / Math.max(portions, 1))
        metrics.heartbeat_batch_duration_seconds.observe({}, took / 1000)
        metrics.heartbeats_applied_total.add({}, stored.applied)
        for (const [table, count] of Object.entries(stored.rows)) metrics.heartbeat_rows_total.add({ table }, count)
        const oldest = this.#unstored.reduce((least, { firstReceivedAtMs }) => Math.min(least, firstReceivedAtMs), clock.now())
        metrics.heartbeat_lag_seconds.set({}, (clock.now() - oldest) / 1000)
        metrics.heartbeats_waiting.set({}, this.#waiting.size)
        this.#unstored = []
        for (const { table, id, from, to } of stored.changes) log.info({ table, id, from, to }, 'operating status changed')
        this.#complainOf(stored)
      } catch (error) {
        this.#options.absences.wasAway('database away')
        this.#complaints.add('database', 'heartbeats could not be stored; they wait', { error: String(error) })
        return
      }
      // Not while everything stops.
      if (left > 0) await sleep(this.#batchMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  /** The first that came. */
  #take(count: number): Heard[] {
    const taken: Heard[] = []
    for (const [key, heard] of this.#waiting) {
      if (taken.length === count) break
      taken.push(heard)
      this.#waiting.delete(key)
    }
    return taken
  }

  #complainOf({ misconfigured, refused }: Stored): void {
    if (misconfigured.length > 0) {
      const amphorae = misconfigured.slice(0, SHOWN_IDS)
      this.#complaints.add('listeners', 'amphorae without all their listeners', { amphorae }, misconfigured.length)
    }
    for (const [refusal, those] of Map.groupBy(refused, ({ refusal }) => refusal)) {
      const amphorae = those.slice(0, SHOWN_IDS).map(({ amphora_id }) => amphora_id)
      const count = those.reduce((sum, { packets }) => sum + packets, 0)
      this.#refuse(refusal, `heartbeats are refused: ${LATE_REFUSALS[refusal]}`, { amphorae }, count)
    }
  }

  #refuse(reason: Refusal, text: string, details: Record<string, unknown>, count: number): void {
    this.#context.metrics.heartbeats_refused_total.add({ reason }, count)
    this.#complaints.add(reason, text, details, count)
  }

  /** A process that gets too little of the machine loses packets, too, and must not take it for the silence of amphorae. */
  #checkLoss(): void {
    this.#lost += this.#drops.count(this.#sockets.map((socket) => socket.address().port))
    const [lost, received] = [this.#lost, this.#received]
    this.#lost = 0
    this.#received = 0
    if (lost === 0) return
    this.#complaints.add('overload', 'heartbeats are lost: more come in than can be taken', {}, lost)
    if (lost > (lost + received) * MAX_LOSS) this.#options.absences.wasAway('packets lost')
  }
}

const LATE_REFUSALS: Record<LateRefusal, string> = {
  repeat: 'they were heard before',
  source: 'they come from another address than lb_network_ip',
  common_key: 'these amphorae have keys of their own',
  unknown: 'these amphorae serve no load balancer',
}
