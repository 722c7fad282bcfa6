import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { member_id: string; pool_id: string; load_balancer_id: string }

/** The API has stored the member as PENDING_CREATE and locked its pool, its listeners and its load balancer. */
export const createMember = flow<Params>('create-member', {
  ...recorded<Params>('create', 'member', ({ member_id }) => member_id),
  async steps(run, { load_balancer_id }) {
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { member_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'member', ids: [member_id] }, reason)
  },
})
