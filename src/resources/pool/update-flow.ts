import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { pool_id: string; load_balancer_id: string }

/** The API has stored the new values, moved the pool to PENDING_UPDATE and locked its listeners and its load balancer. */
export const updatePool = flow<Params>('update-pool', {
  ...recorded<Params>('update', 'pool', ({ pool_id }) => pool_id),
  async steps(run, { pool_id, load_balancer_id }) {
    await applyRows(run, load_balancer_id, { about: pool_id })
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { pool_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'pool', ids: [pool_id] }, reason)
  },
})
