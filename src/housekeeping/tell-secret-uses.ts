/** What the secret store could not be told when a load balancer changed: that it uses a secret, or no longer does. */
import { tellSecretStore } from '../resources/secret-uses.ts'
import { periodicJob } from './periodic-job.ts'

/** A flow may be about to tell it itself. */
const TOLD_AFTER_MS = 60_000
/** The longest untold first. */
const MAX_USES = 100

export const tellSecretUses = periodicJob('tell-secret-uses', async (context) => {
  const { db, clock } = context
  const due = await db
    .selectFrom('secret_use')
    .selectAll()
    .where('state', 'in', ['to_note', 'to_remove'])
    .where('changed_at_ms', '<=', clock.now() - TOLD_AFTER_MS)
    .orderBy('changed_at_ms')
    .limit(MAX_USES)
    .execute()
  return { told: await tellSecretStore(context, due) }
})
