import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { l7rule_id: string; l7policy_id: string; listener_id: string; load_balancer_id: string }

/** The API has stored the new values, moved the l7rule to PENDING_UPDATE and locked its l7policy, its listener and its load balancer. */
export const updateL7Rule = flow<Params>('update-l7rule', {
  ...recorded<Params>('update', 'l7rule', ({ l7rule_id }) => l7rule_id),
  async steps(run, { load_balancer_id }) {
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { l7rule_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'l7rule', ids: [l7rule_id] }, reason)
  },
})
