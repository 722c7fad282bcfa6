import { setTimeout as realSleep } from 'node:timers/promises'

/** As Node's own. Tests pass another, for which hours are a moment. */
export type Sleep = (ms: number, value?: undefined, options?: { signal?: AbortSignal }) => Promise<void>

export interface RetryOptions {
  attempts: number
  /** The first wait; each further one is twice as long, up to `longestWaitMs`. */
  firstWaitMs: number
  longestWaitMs: number
  /** No further attempt is begun after that time. Default: only their number counts. */
  withinMs?: number
  /** Errors for which trying again is pointless are thrown at once. Default: all are tried again. */
  when?: (error: unknown) => boolean
  signal?: AbortSignal
  sleep?: Sleep
}

/** Calls `work` until it succeeds, at most `attempts` times; throws its last error. */
export async function retry<T>(options: RetryOptions, work: (attempt: number) => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + (options.withinMs ?? Number.POSITIVE_INFINITY)
  const sleep: Sleep = options.sleep ?? realSleep
  let waitMs = options.firstWaitMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt >= options.attempts || performance.now() >= giveUpAt || options.when?.(error) === false) throw error
      await sleep(waitMs, undefined, { signal: options.signal })
      waitMs = Math.min(waitMs * 2, options.longestWaitMs)
    }
  }
}
