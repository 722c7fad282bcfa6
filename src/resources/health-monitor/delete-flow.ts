import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteHealthMonitorRow } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { health_monitor_id: string; pool_id: string; load_balancer_id: string }

/** The API has moved the health monitor to PENDING_DELETE, with which it is no longer rendered, and locked its pool, its listeners and its load balancer. */
export const deleteHealthMonitor = flow<Params>('delete-health-monitor', {
  ...recorded<Params>('delete', 'health_monitor', ({ health_monitor_id }) => health_monitor_id),
  async steps(run, params) {
    await applyRows(run, params.load_balancer_id)
    await run(finish, params)
  },
  async afterRevert(context, { health_monitor_id, load_balancer_id }, reason) {
    await endInError(context, { load_balancer_id, table: 'health_monitor', ids: [health_monitor_id] }, reason)
  },
})

const finish = finishTask<Params>('delete-health-monitor-rows', (tx, { health_monitor_id, pool_id }) =>
  deleteHealthMonitorRow(tx, health_monitor_id, pool_id),
)
