import { sql } from 'kysely'
import { isPostgresql, type Tx } from './connection.ts'

/** What one transaction at a time decides for all controllers; numbers of PostgreSQL's advisory locks, which others must not use. */
const works = { failovers: 5_020_090, spares: 5_020_091 } as const

/**
 * Until the transaction ends nobody else decides about this. False where another does at this moment: nobody waits for him, who may stand still. On SQLite
 * the transaction is the one writer anyhow.
 */
export async function isOnlyOne(tx: Tx, work: keyof typeof works): Promise<boolean> {
  if (!isPostgresql(tx)) return true
  const { rows } = await sql<{ alone: boolean }>`select pg_try_advisory_xact_lock(${sql.lit(works[work])}) as alone`.execute(tx)
  return rows[0]!.alone
}
