/** Looks for amphorae that have gone silent; while heartbeats may have been missed for a reason of our own, none is judged. */
import type { HealthManagerContext } from './context.ts'
import { showSilentAmphorae } from './silent-amphorae.ts'

/** Why heartbeats may have been missed that amphorae did send. */
export type Absence = 'database away' | 'stood still' | 'packets lost'

/** Told by whoever notices it, such as the receiver. */
export interface AbsenceObserver {
  wasAway(absence: Absence): void
}

export class Watch implements AbsenceObserver {
  readonly #context: HealthManagerContext
  readonly #heartbeatTimeoutMs: number
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  /** By the monotonic clock: before that, silence may be our own fault. */
  #judgeFrom = 0
  #lastLook = 0
  #silent = new Set<string>()

  constructor(context: HealthManagerContext) {
    this.#context = context
    this.#heartbeatTimeoutMs = context.config.health_manager.heartbeat_timeout * 1000
  }

  start(): void {
    this.#listenAnew()
    const intervalMs = this.#context.config.health_manager.health_check_interval * 1000
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look(intervalMs).finally(() => {
        this.#looking = undefined
      })
    }, intervalMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  wasAway(absence: Absence): void {
    const waited = this.#context.clock.monotonic() >= this.#judgeFrom
    this.#listenAnew()
    if (waited) this.#context.log.warn({ absence }, 'heartbeats may have been missed: no amphora is judged for one heartbeat_timeout')
  }

  async #look(intervalMs: number): Promise<void> {
    const { db, clock, log } = this.#context
    const now = clock.monotonic()
    // We stood still ourselves, so heartbeats may be in the kernel's buffer, or lost.
    if (now - this.#lastLook > intervalMs + this.#heartbeatTimeoutMs / 2) this.wasAway('stood still')
    this.#lastLook = now
    if (now < this.#judgeFrom) return
    try {
      const silent = new Set(await showSilentAmphorae(db, { nowMs: clock.now(), heartbeatTimeoutMs: this.#heartbeatTimeoutMs }))
      for (const id of silent) if (!this.#silent.has(id)) log.warn({ amphora_id: id }, 'no heartbeat for too long')
      for (const id of this.#silent) if (!silent.has(id)) log.info({ amphora_id: id }, 'no longer silent')
      this.#silent = silent
    } catch (error) {
      this.wasAway('database away')
      log.error({ error: String(error) }, 'cannot look for silent amphorae')
    }
  }

  /** Amphorae get a whole heartbeat_timeout to be heard again before one counts as silent. */
  #listenAnew(): void {
    this.#lastLook = this.#context.clock.monotonic()
    this.#judgeFrom = this.#lastLook + this.#heartbeatTimeoutMs
  }
}
