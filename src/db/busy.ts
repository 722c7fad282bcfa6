/** PostgreSQL's lock_not_available and deadlock_detected. */
const BUSY_STATES: ReadonlySet<unknown> = new Set(['55P03', '40P01'])
const SQLITE_BUSY = 5

/**
 * Another transaction held for too long what this one needed, or each waited for the other. Nothing is wrong with it, and trying again helps. Also where a
 * caller has put words of its own around it.
 */
export function isBusy(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, errcode } = cause as { code?: unknown; errcode?: unknown }
    if (BUSY_STATES.has(code) || errcode === SQLITE_BUSY) return true
  }
  return false
}
