/** The database could not be reached, or went away in the middle, for longer than was worth waiting. What was asked of it may or may not have been done. */
export class DatabaseUnavailable extends Error {
  constructor(why: string, cause: unknown) {
    super(`the database is unavailable: ${why}`, { cause })
    this.name = new.target.name
  }
}

/** The same, before anything was committed: whoever began the transaction may begin it again. */
export class NothingCommitted extends DatabaseUnavailable {}

/** The database is back, and nothing tells any more whether a transaction was committed that was under way when it went. */
export class OutcomeUnknown extends DatabaseUnavailable {}

/** Also where a caller has put words of its own around it. */
export function isUnavailable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof DatabaseUnavailable) return true
  return false
}

/** How long whoever is waited for waits himself for a database that restarts, or for another that takes its place. */
export const PATIENCE_MS = 10_000

/**
 * Work that stores something in one transaction, of which nothing outside may be left when it ends early: it is done again while the database goes
 * away before the commit; `onRetry` is told of that. Work that `mayRepeat` is done again also where nobody can say whether it was committed. Throws
 * DatabaseUnavailable when that lasts too long, or where nobody can say and it may not be repeated.
 */
export async function onceDatabaseIsBack<T>(
  work: () => Promise<T>,
  { mayRepeat = false, onRetry }: { mayRepeat?: boolean; onRetry?(): void } = {},
): Promise<T> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const isWorthIt = error instanceof NothingCommitted || (mayRepeat && error instanceof OutcomeUnknown)
      if (!isWorthIt || performance.now() >= giveUpAt) throw error
      onRetry?.()
    }
  }
}
