import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deletePoolRows } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { pool_id: string; load_balancer_id: string }

/** The API has moved the pool to PENDING_DELETE, with which it is no longer rendered, and locked its listeners and its load balancer. */
export const deletePool = flow<Params>('delete-pool', {
  ...recorded<Params>('delete', 'pool', ({ pool_id }) => pool_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { pool_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'pool', ids: [pool_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-pool-rows', (tx, { pool_id }) => deletePoolRows(tx, [pool_id]))
