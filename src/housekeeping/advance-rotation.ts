/** Takes the next step of a rotation that an operator has begun, and brings what is new to the agents. Every controller may; one of them does. */
import { isSomeoneWithout, listOutdatedAgents } from '../resources/amphora/agents.ts'
import { beginUpdate } from '../resources/amphora/update-agents-flow.ts'
import { advance, findRotation } from '../trust/rotation.ts'
import { credentialsOf } from '../trust/trust.ts'
import { periodicJob } from './periodic-job.ts'

const INTERVAL_SECONDS = 1
/** In one flow; what is left follows with the next run. */
const MAX_AGENTS = 500

export const advanceRotation = periodicJob(
  'advance-rotation',
  async ({ db, config, clock, trust, log }) => {
    const rotation = await findRotation(db)
    if (rotation === undefined) return {}
    await trust.refresh()
    const wanted = credentialsOf(trust.current)
    const nowMs = clock.now()
    const outdated = await listOutdatedAgents(db, wanted, { nowMs, limit: MAX_AGENTS })
    await beginUpdate(db, outdated, { at_once: config.house_keeping.cert_rotate_threads })
    const stage = await advance(db, config, rotation, { nowMs, isEverywhere: !(await isSomeoneWithout(db, wanted)) })
    if (stage === null) return {}
    log.info({ rotation: rotation.what, rotation_id: rotation.id, stage }, 'a rotation goes on')
    // What counts from now on, here; the others learn it within a second.
    await trust.refresh()
    return {}
  },
  () => INTERVAL_SECONDS,
)
