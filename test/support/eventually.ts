import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50

/** Calls `check` until it neither throws nor answers false; throws its last error when `timeoutMs` is over. */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 5_000): Promise<Exclude<T, false>> {
  const deadline = performance.now() + timeoutMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    let failure: unknown
    try {
      const result = await check()
      if (result !== false) return result as Exclude<T, false>
      failure = new Error(`still false after ${timeoutMs} ms: ${check}`)
    } catch (error) {
      failure = error
    }
    if (performance.now() >= deadline) throw failure
    await sleep(pauseMs)
  }
}
