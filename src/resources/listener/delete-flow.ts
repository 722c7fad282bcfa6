import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteListenerRows } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { openVip } from '../../tasks/vip.ts'
import { recorded } from '../event/record.ts'

type Params = { listener_id: string; load_balancer_id: string }

/** The API has moved the listener to PENDING_DELETE, with which it is no longer rendered, and locked its load balancer. */
export const deleteListener = flow<Params>('delete-listener', {
  ...recorded<Params>('delete', 'listener', ({ listener_id }) => listener_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(openVip, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { listener_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'listener', ids: [listener_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-listener-rows', (tx, { listener_id }) => deleteListenerRows(tx, [listener_id]))
