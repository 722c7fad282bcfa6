/**
 * Agents that have something else than they should, because an operator has exchanged a file and restarted the controllers, or that could not be
 * reached when they were to get it. It also frees amphorae whose `cert_busy` an Octavia has left behind that died.
 */
import type { Db } from '../db/connection.ts'
import { listOutdatedAgents } from '../resources/amphora/agents.ts'
import { beginUpdate, updateAgents as updateAgentsFlow } from '../resources/amphora/update-agents-flow.ts'
import { credentialsOf } from '../trust/trust.ts'
import { periodicJob } from './periodic-job.ts'

/** The next run takes the next ones. */
const MAX_AGENTS = 500
const INTERVAL_SECONDS = 30

export const updateAgents = periodicJob(
  'update-agents',
  async ({ db, config, clock, trust }) => {
    const freed = await freeForgotten(db)
    const ids = await listOutdatedAgents(db, credentialsOf(trust.current), { nowMs: clock.now(), limit: MAX_AGENTS })
    return { freed, updates_begun: await beginUpdate(db, ids, { at_once: config.house_keeping.cert_rotate_threads }) }
  },
  () => INTERVAL_SECONDS,
)

async function freeForgotten(db: Db): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('amphora')
    .set({ cert_busy: false })
    .where('cert_busy', '=', true)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('flow').select('id').where('name', '=', updateAgentsFlow.name).where('ended_at_ms', 'is', null))),
    )
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
