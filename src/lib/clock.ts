/** Where code takes the time from, so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970, for what is stored and shown. */
  now(): number
  /** Milliseconds of a clock that never jumps, for leases and timeouts. */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** `2026-11-22T17:19:15`: naive UTC, whole seconds, as a MySQL-backed Octavia shows it. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19)
}
