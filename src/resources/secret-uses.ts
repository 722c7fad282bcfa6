/**
 * A secret store keeps lists of who uses a secret, so that its owner thinks twice before he deletes it. Rows say which load balancers stand in them: what is
 * to be told is stored first, so that nothing is left in a list by a crash or a store that did not answer; housekeeping tells it later.
 */
import type { Context } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { SecretUseRow } from '../db/tables.ts'
import { parseReference } from '../drivers/certificates/reference.ts'
import { sideBySide } from '../lib/side-by-side.ts'
import { within } from '../lib/within.ts'
import { isWanted } from './load-balancer/tree.ts'
import { secretsOfListener, secretsOfPool } from './tls-places.ts'

type Told = Pick<Context, 'db' | 'certificates' | 'clock' | 'log'>

/** A change of a load balancer is not held up longer by a list that nobody waits for. */
const PATIENCE_MS = 2_000
const TOLD_AT_ONCE = 4

/** Tells the store of what the rows of the load balancer name by now and did not before, and the other way round. A silent store is told later. */
export async function noteSecretUses(context: Told, load_balancer_id: string): Promise<void> {
  if (context.certificates.keepsConsumers) await noteUsesOf(context, load_balancer_id, await namedSecrets(context.db, load_balancer_id))
}

/** The same for a load balancer that is about to be gone with all that it has. */
export async function forgetSecretUses(context: Told, load_balancer_id: string): Promise<void> {
  if (context.certificates.keepsConsumers) await noteUsesOf(context, load_balancer_id, new Map())
}

async function noteUsesOf(context: Told, load_balancer_id: string, named: ReadonlyMap<string, string>): Promise<void> {
  const { db } = context
  const rows = await db.selectFrom('secret_use').selectAll().where('load_balancer_id', '=', load_balancer_id).execute()
  const changed_at_ms = context.clock.now()
  const changed: SecretUseRow[] = [
    ...[...named]
      .filter(([id]) => !rows.some(({ secret_id, state }) => secret_id === id && state === 'noted'))
      .map(([secret_id, reference]) => ({ load_balancer_id, secret_id, reference, state: 'to_note' as const, changed_at_ms })),
    ...rows.filter(({ secret_id }) => !named.has(secret_id)).map((row) => ({ ...row, state: 'to_remove' as const, changed_at_ms })),
  ]
  if (changed.length === 0) return
  for (const row of changed) {
    await db
      .insertInto('secret_use')
      .values(row)
      .onConflict((conflict) => conflict.columns(['load_balancer_id', 'secret_id']).doUpdateSet(row))
      .execute()
  }
  await within(PATIENCE_MS, tellSecretStore(context, changed)).catch((error: Error) => {
    context.log.warn({ load_balancer_id, error: error.message }, 'the secret store has not been told yet who uses its secrets')
  })
}

/** In: rows whose state is still to be told. Answers how many could be; the others stay as they are. */
export async function tellSecretStore({ db, certificates, clock, log }: Told, rows: readonly SecretUseRow[]): Promise<number> {
  const told = await sideBySide(rows, TOLD_AT_ONCE, async ({ load_balancer_id, secret_id, reference, state }) => {
    // Unless somebody has changed his mind in the meantime.
    const mine = <Q extends { where(column: string, operator: '=', value: string): Q }>(query: Q): Q =>
      query.where('load_balancer_id', '=', load_balancer_id).where('secret_id', '=', secret_id).where('state', '=', state)
    try {
      if (state === 'to_remove') await certificates.removeConsumer(reference, load_balancer_id)
      else await certificates.addConsumer(reference, load_balancer_id)
    } catch (error) {
      log.warn({ load_balancer_id, reference, error: (error as Error).message }, 'the secret store could not be told who uses a secret')
      // Others come first now.
      await mine(db.updateTable('secret_use').set({ changed_at_ms: clock.now() })).execute()
      return false
    }
    if (state === 'to_remove') await mine(db.deleteFrom('secret_use')).execute()
    else await mine(db.updateTable('secret_use').set({ state: 'noted' })).execute()
    return true
  })
  return told.filter(Boolean).length
}

/** By id, since a secret may be written in several ways. */
async function namedSecrets(db: Db, load_balancer_id: string): Promise<Map<string, string>> {
  const [listeners, pools] = await Promise.all([
    db.selectFrom('listener').selectAll().where('load_balancer_id', '=', load_balancer_id).execute(),
    db.selectFrom('pool').selectAll().where('load_balancer_id', '=', load_balancer_id).execute(),
  ])
  const named = [...listeners.filter(isWanted).flatMap(secretsOfListener), ...pools.filter(isWanted).flatMap(secretsOfPool)]
  return new Map(named.map(({ reference }) => [parseReference(reference)?.id ?? reference, reference]))
}
