import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { health_monitor_id: string; pool_id: string; load_balancer_id: string }

/** The API has stored the health monitor as PENDING_CREATE and locked its pool, its listeners and its load balancer. */
export const createHealthMonitor = flow<Params>('create-health-monitor', {
  ...recorded<Params>('create', 'health_monitor', ({ health_monitor_id }) => health_monitor_id),
  async steps(run, { load_balancer_id }) {
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { health_monitor_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'health_monitor', ids: [health_monitor_id] }, reason)
  },
})
