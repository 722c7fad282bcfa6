/**
 * What a transaction tells its driver about its own end: functions to be called once it is committed, and by what it can be seen afterwards that it was.
 * Said by queries that never reach a database: the drivers recognize the objects.
 */
import { type Compilable, CompiledQuery, type Expression } from 'kysely'
import type { Tx } from './connection.ts'

type Hook = () => void

export interface AtCommit {
  readonly hook?: Hook
  readonly witness?: CompiledQuery
}

const messages = new WeakMap<CompiledQuery, AtCommit>()

/** Calls `hook` after the transaction is committed, never if it is rolled back. The hook must not throw. */
export function onCommit(tx: Tx, hook: Hook): Promise<void> {
  return tell(tx, { hook })
}

/**
 * `query`, asked by anybody later, answers a row if and only if this transaction was committed: for a database that was started anew while it committed, and
 * knows no better (`postgresql.ts`). A row with a random id of this transaction's own is such a witness. SQLite has no use for it.
 */
export function witnessedBy(tx: Tx, query: Compilable): Promise<void> {
  return tell(tx, { witness: query.compile() })
}

/**
 * The same of a transaction that took a row away which it had found and held: `query` answers it as long as it is there. Somebody else who took it away in
 * between is taken for this one, and it is gone as well.
 */
export function witnessedByAbsence(tx: Tx, query: Expression<unknown>): Promise<void> {
  return witnessedBy(
    tx,
    tx.selectNoFrom(({ lit }) => lit(1).as('gone')).where(({ not, exists }) => not(exists(query))),
  )
}

/** What this query says, if it is none of the database's. */
export function messageOf(query: CompiledQuery): AtCommit | undefined {
  return messages.get(query)
}

async function tell(tx: Tx, message: AtCommit): Promise<void> {
  const query = CompiledQuery.raw('select 1 as at_commit')
  messages.set(query, message)
  await tx.executeQuery(query)
}
