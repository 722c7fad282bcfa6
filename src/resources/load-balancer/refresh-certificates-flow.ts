import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'
import { noteRenewalFailed } from '../tls-certificates.ts'

/** `count`: how many certificates have changed. */
type Params = { load_balancer_id: string; count: number }

/** Housekeeping has seen that secrets hold something else than what is in service, and has moved the load balancer to PENDING_UPDATE. */
export const refreshCertificates = flow<Params>('refresh-certificates', {
  ...recorded<Params>(
    'refresh_certificates',
    'load_balancer',
    ({ load_balancer_id }) => load_balancer_id,
    ({ count }) => count,
  ),
  async steps(run, { load_balancer_id }) {
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  /** Nothing that a user asked for has failed: what was in service still is. */
  async afterRevert(context, { load_balancer_id }, reason) {
    await noteRenewalFailed(context, load_balancer_id)
    await endInError(context, { load_balancer_id, table: 'listener', ids: [] }, reason)
  },
})
