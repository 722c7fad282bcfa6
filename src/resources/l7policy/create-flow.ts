import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { l7policy_id: string; listener_id: string; load_balancer_id: string }

/** The API has stored the l7policy as PENDING_CREATE and locked its listener and its load balancer. */
export const createL7Policy = flow<Params>('create-l7policy', {
  ...recorded<Params>('create', 'l7policy', ({ l7policy_id }) => l7policy_id),
  async steps(run, { load_balancer_id }) {
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { l7policy_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'l7policy', ids: [l7policy_id] }, reason)
  },
})
