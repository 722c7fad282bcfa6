import type { Db } from '../../src/db/connection.ts'
import type { Flow } from '../../src/flow/define.ts'
import { execute, type Outcome } from '../../src/flow/execute.ts'
import { Journal } from '../../src/flow/journal.ts'
import { startFlow } from '../../src/flow/start.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Json } from '../../src/lib/json.ts'

const LEASE_MS = 60_000

/** Starts one flow in a database that has no other and runs it to its end. */
export async function runFlow<C, P extends Json>(db: Db, flow: Flow<C, P>, params: P, context: C): Promise<Outcome> {
  await db.transaction().execute((tx) => startFlow(tx, flow, params))
  const journal = new Journal({ db, clock: systemClock, leaseMs: LEASE_MS })
  try {
    const [claim] = await journal.claim([{ names: [flow.name], room: 1 }])
    if (claim === undefined) throw new Error(`the flow ${flow.name} cannot be claimed`)
    return await execute(flow, claim, { context, journal, signal: new AbortController().signal })
  } finally {
    journal.close()
  }
}
