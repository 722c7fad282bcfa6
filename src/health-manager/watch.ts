/**
 * Looks for dead amphorae, shows them and has them replaced: those that were not heard for `heartbeat_timeout`, and those whose machine or management
 * port is gone. While heartbeats may have been missed for a reason of our own, nobody's silence is judged.
 */

import { beginFailovers, type Decision } from './begin-failovers.ts'
import type { WatchContext } from './context.ts'
import { HeldBack, listSeeminglySilent } from './held-back.ts'
import { LostAmphorae } from './lost-amphorae.ts'
import { removeDeadSpares } from './remove-dead-spares.ts'
import { showSilentAmphorae } from './silent-amphorae.ts'

/** Why heartbeats may have been missed that amphorae did send. */
export type Absence = 'database away' | 'stood still' | 'packets lost' | 'clock set'

/** Told by whoever notices it, such as the receiver. */
export interface AbsenceObserver {
  wasAway(absence: Absence): void
}

/** What receives heartbeats. */
export interface Hearing {
  /** For how long at most a heartbeat has been waiting to be stored. */
  behindMs(): number
}

/** That failovers are held back is told this often at most. */
const COMPLAINT_INTERVAL_MS = 60_000

export class Watch implements AbsenceObserver {
  readonly #context: WatchContext
  readonly #heartbeatTimeoutMs: number
  readonly #intervalMs: number
  readonly #lost: LostAmphorae
  readonly #heldBack: HeldBack
  #hearing: Hearing | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #asking: Promise<void> | undefined
  /** By the monotonic clock: before that, silence may be our own fault. */
  #judgeFrom = 0
  #lastLook = 0
  /** By the other clock. */
  #lastLookAt = 0
  #silent = new Set<string>()
  #driversAnswer = true
  #lastComplaint = Number.NEGATIVE_INFINITY

  constructor(context: WatchContext) {
    const { heartbeat_timeout, health_check_interval } = context.config.health_manager
    this.#context = context
    this.#heartbeatTimeoutMs = heartbeat_timeout * 1000
    this.#intervalMs = health_check_interval * 1000
    this.#lost = new LostAmphorae(context)
    this.#heldBack = new HeldBack(context)
  }

  start(hearing: Hearing): void {
    this.listen(hearing)
    this.#timer = setInterval(() => {
      this.#looking ??= this.look().finally(() => {
        this.#looking = undefined
      })
      // Beside it, since a driver may take its time.
      this.#asking ??= this.askDrivers().finally(() => {
        this.#asking = undefined
      })
    }, this.#intervalMs)
  }

  /** From now on heartbeats are heard. */
  listen(hearing: Hearing): void {
    this.#hearing = hearing
    this.#listenAnew()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    await this.#asking
  }

  wasAway(absence: Absence): void {
    const waited = this.#context.clock.monotonic() >= this.#judgeFrom
    this.#listenAnew()
    if (waited) this.#context.log.warn({ absence }, 'heartbeats may have been missed: no amphora is judged for one heartbeat_timeout')
  }

  /** One round over what was heard. */
  async look(): Promise<void> {
    const { db, clock, log } = this.#context
    try {
      await this.#notice()
      const silentBefore = this.#silentBefore()
      if (silentBefore !== null) {
        const silent = new Set(await showSilentAmphorae(db, { nowMs: clock.now(), silentBefore }))
        for (const id of silent) if (!this.#silent.has(id)) log.warn({ amphora_id: id }, 'no heartbeat for too long')
        for (const id of this.#silent) if (!silent.has(id)) log.info({ amphora_id: id }, 'no longer silent')
        this.#silent = silent
        this.#context.metrics.amphorae_silent.set({}, silent.size)
      } else {
        const waiting = await listSeeminglySilent(db, clock.now() - this.#heartbeatTimeoutMs)
        await this.#heldBack.tell(waiting, 'listening', clock.now())
      }
      await this.#replaceDead()
    } catch (error) {
      this.wasAway('database away')
      log.error({ error: String(error) }, 'cannot look for dead amphorae')
    }
  }

  /** One round over what drivers say of machines and management ports. */
  async askDrivers(): Promise<void> {
    const { log } = this.#context
    try {
      await this.#lost.ask()
      if (!this.#driversAnswer) log.info({}, 'drivers tell of machines and ports again')
      this.#driversAnswer = true
    } catch (error) {
      if (this.#driversAnswer)
        log.warn({ error: String(error) }, 'cannot ask for machines and management ports; heartbeats alone tell who is dead')
      this.#driversAnswer = false
      return
    }
    if (this.#lost.known.size === 0) return
    await this.#replaceDead().catch((error) => log.error({ error: String(error) }, 'cannot replace lost amphorae; trying again'))
  }

  /** Whether we stood still, so that heartbeats may be in the kernel's buffer, or lost; or somebody set the clock that heartbeats are stored by. */
  async #notice(): Promise<void> {
    const { db, clock } = this.#context
    const elapsedMs = clock.monotonic() - this.#lastLook
    const jumpMs = clock.now() - this.#lastLookAt - elapsedMs
    if (elapsedMs > this.#intervalMs + this.#heartbeatTimeoutMs / 2) this.wasAway('stood still')
    if (Math.abs(jumpMs) > this.#heartbeatTimeoutMs / 2) {
      this.wasAway('clock set')
      // Or those that die would count as heard until the clock is there again.
      const now = clock.now()
      await db.updateTable('amphora_health').set({ last_update_ms: now }).where('last_update_ms', '>', now).execute()
    }
    this.#lastLook = clock.monotonic()
    this.#lastLookAt = clock.now()
  }

  #silentBefore(): number | null {
    const { clock } = this.#context
    if (clock.monotonic() < this.#judgeFrom) return null
    // What waits to be stored may be of anybody.
    return clock.now() - (this.#hearing?.behindMs() ?? 0) - this.#heartbeatTimeoutMs
  }

  async #replaceDead(): Promise<void> {
    const judgement = { nowMs: this.#context.clock.now(), silentBefore: this.#silentBefore(), lost: this.#lost.known }
    const decision = await beginFailovers(this.#context, judgement)
    this.#tell(decision)
    if (decision.heldBack !== null) await this.#heldBack.tell(decision.waiting, decision.heldBack.limit, judgement.nowMs)
    // A spare one is no less likely to be called dead by mistake.
    if (decision.heldBack?.limit === 'failover_threshold') return
    for (const amphora_id of await removeDeadSpares(this.#context, judgement)) {
      this.#context.log.warn({ amphora_id }, 'a dead spare amphora is removed')
    }
  }

  #tell({ begun, failed, heldBack, stopped, resumed }: Decision): void {
    const { log, clock, metrics } = this.#context
    for (const failover of begun) {
      log.warn(failover, 'a dead amphora is being replaced')
      metrics.failovers_total.add({ cause: failover.cause })
    }
    for (const { retry_at_ms, ...attempt } of failed) {
      log.error({ ...attempt, retry_in_seconds: Math.round((retry_at_ms - clock.now()) / 1000) }, 'a dead amphora could not be replaced')
    }
    if (stopped > 0) log.error({ stopped }, 'amphorae are FAILOVER_STOPPED: too many are dead at once')
    if (resumed > 0) log.info({ resumed }, 'amphorae that were FAILOVER_STOPPED are heard again')
    const now = clock.monotonic()
    if (heldBack !== null) metrics.failovers_held_back_total.add({ reason: heldBack.limit })
    if (heldBack === null || now - this.#lastComplaint < COMPLAINT_INTERVAL_MS) return
    this.#lastComplaint = now
    log.error(heldBack, 'failovers are held back')
  }

  /** Amphorae get a whole heartbeat_timeout to be heard again before one counts as silent. */
  #listenAnew(): void {
    const { clock } = this.#context
    this.#lastLook = clock.monotonic()
    this.#lastLookAt = clock.now()
    this.#judgeFrom = this.#lastLook + this.#heartbeatTimeoutMs
  }
}
