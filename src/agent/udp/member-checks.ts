/** Which members of UDP listeners are well: each is checked at its interval, and falls or rises after so many checks in a row. */

import type { Check, MonitoredCheck } from './lvs-file.ts'
import type { Verdict } from './prober.ts'

/** The first checks after a start come within this time, not all at once. */
const FIRST_CHECK_WITHIN_MS = 1_000

/** By the member's key. */
export type Monitors = ReadonlyMap<string, MonitoredCheck>

interface Watched {
  monitor: MonitoredCheck
  isUp: boolean
  /** Checks in a row that say otherwise. */
  streak: number
  timer: NodeJS.Timeout | undefined
}

export interface CheckEvents {
  check(check: Check): Promise<Verdict>
  /** A member fell or rose; `why` is null for one that is well again. */
  onChange(listener_id: string, member: string, why: string | null): void
  /** Nobody is left to be checked. */
  onIdle(): void
}

export class MemberChecks {
  private readonly watched = new Map<string, Map<string, Watched>>()
  private readonly events: CheckEvents

  constructor(events: CheckEvents) {
    this.events = events
  }

  /** From now on these members of a listener are checked, and no others of it. Members are up until they fall, but for those known to be `down`. */
  watch(listener_id: string, monitors: Monitors, down: ReadonlySet<string>): void {
    const before = this.watched.get(listener_id) ?? new Map<string, Watched>()
    const after = new Map<string, Watched>()
    for (const [member, monitor] of monitors) {
      const known = before.get(member)
      if (known !== undefined && JSON.stringify(known.monitor) === JSON.stringify(monitor)) {
        after.set(member, known)
        before.delete(member)
        continue
      }
      const watched: Watched = { monitor, isUp: known?.isUp ?? !down.has(member), streak: 0, timer: undefined }
      after.set(member, watched)
      this.schedule(listener_id, member, watched, Math.random() * Math.min(monitor.delayMs, FIRST_CHECK_WITHIN_MS))
    }
    for (const { timer } of before.values()) clearTimeout(timer)
    if (after.size > 0) this.watched.set(listener_id, after)
    else this.watched.delete(listener_id)
    if (this.watched.size === 0) this.events.onIdle()
  }

  unwatch(listener_id: string): void {
    this.watch(listener_id, new Map(), new Set())
  }

  /** True also for who is not checked. */
  isUp(listener_id: string, member: string): boolean {
    return this.watched.get(listener_id)?.get(member)?.isUp ?? true
  }

  /** No more checks; what is known stays known. */
  stop(): void {
    for (const members of this.watched.values()) for (const { timer } of members.values()) clearTimeout(timer)
    this.watched.clear()
    this.events.onIdle()
  }

  private schedule(listener_id: string, member: string, watched: Watched, inMs: number): void {
    watched.timer = setTimeout(async () => {
      const began = performance.now()
      const verdict = await this.events.check(watched.monitor.check)
      // It may have been let go of meanwhile.
      if (this.watched.get(listener_id)?.get(member) !== watched) return
      this.schedule(listener_id, member, watched, Math.max(watched.monitor.delayMs - (performance.now() - began), 0))
      this.note(listener_id, member, watched, verdict)
    }, inMs)
  }

  private note(listener_id: string, member: string, watched: Watched, verdict: Verdict): void {
    if (verdict === 'unknown') return
    if ((verdict === 'well') === watched.isUp) {
      watched.streak = 0
      return
    }
    watched.streak++
    const { fall, rise } = watched.monitor
    if (watched.streak < (watched.isUp ? fall : rise)) return
    watched.isUp = !watched.isUp
    watched.streak = 0
    this.events.onChange(listener_id, member, verdict === 'well' ? null : verdict.failure)
  }
}
