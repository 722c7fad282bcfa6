import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { onCommit, witnessedBy } from '../db/commit-hooks.ts'
import { type Db, isPostgresql, type Tx } from '../db/connection.ts'
import { listen } from '../db/notifications.ts'
import { currentActivity, currentTraceparent } from '../lib/activity.ts'
import type { Json } from '../lib/json.ts'
import type { Flow } from './define.ts'

const CHANNEL = 'ottavia_flow'

/** Workers of this process, told without a detour through the database. */
const sleepers = new Set<() => void>()

/**
 * Stores that the flow is to run, in the caller's transaction: it cannot begin before the commit, and cannot be lost after it.
 * `subject` is what the flow works on, for those who list flows. Params are shown to operators: no secrets. Returns the flow's id.
 */
export async function startFlow<C, P extends Json>(
  tx: Tx,
  flow: Flow<C, P>,
  params: P,
  options: { subject?: string } = {},
): Promise<string> {
  const id = randomUUID()
  const started_at_ms = Date.now()
  await tx
    .insertInto('flow')
    .values({
      id,
      name: flow.name,
      subject: options.subject ?? null,
      params: JSON.stringify(params),
      state: 'READY',
      reason_message: null,
      reason_details: null,
      generation: 0,
      worker: null,
      lease_until_ms: 0,
      created_at_ms: started_at_ms,
      ended_at_ms: null,
      request_id: currentActivity()?.request_id ?? null,
      global_request_id: currentActivity()?.global_request_id ?? null,
      traceparent: currentTraceparent() ?? null,
    })
    .execute()
  await witnessedBy(tx, tx.selectFrom('flow').select('id').where('id', '=', id))
  await flow.onStart?.(tx, { flow_id: id, params, started_at_ms })
  await wakeAfterCommit(tx)
  return id
}

/** Workers, here and on other controllers, look for flows as soon as the transaction is committed. */
export async function wakeAfterCommit(tx: Tx): Promise<void> {
  await onCommit(tx, () => {
    for (const wake of sleepers) wake()
  })
  if (isPostgresql(tx)) await sql`select pg_notify(${CHANNEL}, '')`.execute(tx)
}

/** Calls `wake` whenever flows may have been started. A hint only: look now and then without it. */
export function onFlowsStarted(db: Db, wake: () => void): { stop(): Promise<void> } {
  sleepers.add(wake)
  const listener = listen(db, CHANNEL, wake)
  return {
    async stop() {
      sleepers.delete(wake)
      await listener.stop()
    },
  }
}
