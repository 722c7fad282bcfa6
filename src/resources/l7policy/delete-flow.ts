import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteL7PolicyRow } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { l7policy_id: string; listener_id: string; load_balancer_id: string }

/** The API has moved the l7policy to PENDING_DELETE, with which it is no longer rendered, and locked its listener and its load balancer. */
export const deleteL7Policy = flow<Params>('delete-l7policy', {
  ...recorded<Params>('delete', 'l7policy', ({ l7policy_id }) => l7policy_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { l7policy_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'l7policy', ids: [l7policy_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-l7policy-rows', (tx, { l7policy_id, listener_id }) =>
  deleteL7PolicyRow(tx, l7policy_id, listener_id),
)
