/** Functions to be called once a transaction is committed; both drivers call `runHooks` after COMMIT. */
import { CompiledQuery } from 'kysely'
import type { Tx } from './connection.ts'

type Hook = () => void

/** A query that never reaches the database: the driver recognizes the object and keeps the hook with its connection. */
const hooksByQuery = new WeakMap<CompiledQuery, Hook>()

/** Calls `hook` after the transaction is committed, never if it is rolled back. The hook must not throw. */
export async function onCommit(tx: Tx, hook: Hook): Promise<void> {
  const query = CompiledQuery.raw('select 1 as on_commit')
  hooksByQuery.set(query, hook)
  await tx.executeQuery(query)
}

/** The hook that this query stands for, if it is none of the database's. */
export function hookOf(query: CompiledQuery): Hook | undefined {
  return hooksByQuery.get(query)
}
