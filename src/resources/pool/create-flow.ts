import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { pool_id: string; load_balancer_id: string }

/** The API has stored the pool as PENDING_CREATE and locked its listeners and its load balancer. */
export const createPool = flow<Params>('create-pool', {
  ...recorded<Params>('create', 'pool', ({ pool_id }) => pool_id),
  async steps(run, { pool_id, load_balancer_id }) {
    await applyRows(run, load_balancer_id, { about: pool_id })
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { pool_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'pool', ids: [pool_id] }, reason)
  },
})
