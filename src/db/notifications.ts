/** PostgreSQL's LISTEN: how one controller hears at once what another has committed. */
import pg from 'pg'
import { connectionOf, type Db } from './connection.ts'
import { clientConfig } from './postgresql-pool.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/**
 * Calls `hear` for each NOTIFY on the channel, and after each reconnection, since something may have been missed. On SQLite nothing is
 * heard. A listener that cannot connect keeps trying; callers must not depend on it and look for themselves now and then.
 */
export function listen(db: Db, channel: string, hear: () => void): { stop(): Promise<void> } {
  const connection = connectionOf(db)
  if (connection === undefined) return { async stop() {} }
  let stopped = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = FIRST_PAUSE_MS

  function connect(): void {
    const attempt = new pg.Client(clientConfig(connection!))
    client = attempt
    let over = false
    const again = () => {
      if (over || stopped) return
      over = true
      attempt.end().catch(() => {})
      timer = setTimeout(connect, pauseMs).unref()
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
    attempt.on('error', again)
    attempt.on('end', again)
    attempt.on('notification', hear)
    attempt
      .connect()
      .then(() => attempt.query(`listen ${attempt.escapeIdentifier(channel)}`))
      .then(() => {
        pauseMs = FIRST_PAUSE_MS
        hear()
      }, again)
  }

  connect()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await client?.end().catch(() => {})
    },
  }
}
