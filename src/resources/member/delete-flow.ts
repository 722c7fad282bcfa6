import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteMemberRows } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { member_id: string; pool_id: string; load_balancer_id: string }

/** The API has moved the member to PENDING_DELETE, with which it is no longer rendered, and locked its pool, its listeners and its load balancer. */
export const deleteMember = flow<Params>('delete-member', {
  ...recorded<Params>('delete', 'member', ({ member_id }) => member_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { member_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'member', ids: [member_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-member-rows', (tx, { member_id }) => deleteMemberRows(tx, [member_id]))
