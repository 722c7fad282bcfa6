/** PostgreSQL's lock_not_available and deadlock_detected. */
const BUSY_STATES: ReadonlySet<unknown> = new Set(['55P03', '40P01'])
const SQLITE_BUSY = 5

/** Another transaction held for too long what this one needed, or each waited for the other. Nothing is wrong with it, and trying again helps. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  return BUSY_STATES.has(code) || errcode === SQLITE_BUSY
}
