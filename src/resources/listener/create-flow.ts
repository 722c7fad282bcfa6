import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { openVip } from '../../tasks/vip.ts'
import { recorded } from '../event/record.ts'

type Params = { listener_id: string; load_balancer_id: string }

/** The API has stored the listener as PENDING_CREATE and locked its load balancer. */
export const createListener = flow<Params>('create-listener', {
  ...recorded<Params>('create', 'listener', ({ listener_id }) => listener_id),
  async steps(run, { listener_id, load_balancer_id }) {
    await applyRows(run, load_balancer_id, { about: listener_id })
    await run(openVip, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { listener_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'listener', ids: [listener_id] }, reason)
  },
})
