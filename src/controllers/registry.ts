/** Which processes of `ottavia serve` there are: each says in the database now and then that it is there. */
import { hostname } from 'node:os'
import { sql } from 'kysely'
import { type Db, databaseNow, unhurried } from '../db/connection.ts'
import type { Log } from '../lib/log.ts'
import type { ControllerRow } from './tables.ts'

const SAY_INTERVAL_MS = 3_000
/** Whoever says nothing for so long does not count. */
const SILENT_MS = 12_000
/** Nor is he remembered for longer. */
const FORGET_MS = 3_600_000

/** Says so until it is stopped; a database that is away is told later. */
export async function registerController(
  { db, log }: { db: Db; log: Log },
  { id, serves, program }: Pick<ControllerRow, 'id' | 'program'> & { serves: readonly string[] },
): Promise<{ stop(): Promise<void> }> {
  const quick = unhurried(db)
  const now = () => databaseNow(db)
  await quick
    .insertInto('controller')
    .values({ id, host: hostname(), pid: process.pid, serves: serves.join(','), program, started_at_ms: now(), seen_at_ms: now() })
    .execute()

  async function say(): Promise<void> {
    await quick.updateTable('controller').set({ seen_at_ms: now() }).where('id', '=', id).execute()
    await quick
      .deleteFrom('controller')
      .where('seen_at_ms', '<', sql<number>`${now()} - ${sql.lit(FORGET_MS)}`)
      .execute()
  }
  let saying: Promise<void> | undefined
  const timer = setInterval(() => {
    saying ??= say()
      .catch((error: Error) => log.warn({ error: error.message }, 'cannot say in the database that we are here'))
      .finally(() => {
        saying = undefined
      })
  }, SAY_INTERVAL_MS)
  // Nobody is here for the sake of saying so.
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await saying
      await quick.deleteFrom('controller').where('id', '=', id).execute()
    },
  }
}

/** Of these roles those that no process has which was heard of lately. */
export async function missingRoles(db: Db, roles: readonly string[]): Promise<string[]> {
  const served = new Set((await livingControllers(db)).flatMap(({ serves }) => serves.split(',')))
  return roles.filter((role) => !served.has(role))
}

/** Those that were heard of lately, the oldest first. */
export function livingControllers(db: Db): Promise<ControllerRow[]> {
  return db
    .selectFrom('controller')
    .selectAll()
    .where('seen_at_ms', '>', sql<number>`${databaseNow(db)} - ${sql.lit(SILENT_MS)}`)
    .orderBy('started_at_ms')
    .orderBy('id')
    .execute()
}
