import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteL7RuleRow } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { l7rule_id: string; l7policy_id: string; listener_id: string; load_balancer_id: string }

/** The API has moved the l7rule to PENDING_DELETE, with which it is no longer rendered, and locked its l7policy, its listener and its load balancer. */
export const deleteL7Rule = flow<Params>('delete-l7rule', {
  ...recorded<Params>('delete', 'l7rule', ({ l7rule_id }) => l7rule_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { l7rule_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'l7rule', ids: [l7rule_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-l7rule-rows', (tx, { l7rule_id }) => deleteL7RuleRow(tx, l7rule_id))
