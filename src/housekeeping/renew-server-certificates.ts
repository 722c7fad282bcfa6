/** Agents' certificates are replaced before they end (`octavia/controller/housekeeping/house_keeping.py`, `cert_interval`, `cert_expiry_buffer`). */
import { listExpiringAgents } from '../resources/amphora/agents.ts'
import { beginUpdate } from '../resources/amphora/update-agents-flow.ts'
import { periodicJob } from './periodic-job.ts'

/** The next run takes the next ones. */
const MAX_AGENTS = 500

export const renewServerCertificates = periodicJob(
  'renew-server-certificates',
  async ({ db, config, clock }) => {
    const { cert_expiry_buffer, cert_rotate_threads } = config.house_keeping
    const nowMs = clock.now()
    const ids = await listExpiringAgents(db, nowMs + cert_expiry_buffer * 1_000, { nowMs, limit: MAX_AGENTS })
    return { renewals_begun: await beginUpdate(db, ids, { at_once: cert_rotate_threads }) }
  },
  ({ house_keeping }) => house_keeping.cert_interval,
)
