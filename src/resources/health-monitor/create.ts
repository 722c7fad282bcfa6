import { duplicateHealthMonitor } from '../../api/faults.ts'
import type { Tx } from '../../db/connection.ts'
import type { HealthMonitorRow } from '../../db/tables.ts'
import { checkNewHealthMonitor } from './checks.ts'
import { findHealthMonitorOfPool, insertHealthMonitor } from './repository.ts'

/** Under the load balancer's lock, whether the monitor comes alone or within a tree. Throws 400, or 409 where the pool has one already. */
export async function storeNewHealthMonitor(tx: Tx, monitor: HealthMonitorRow): Promise<void> {
  checkNewHealthMonitor(monitor)
  if (await findHealthMonitorOfPool(tx, monitor.pool_id)) throw duplicateHealthMonitor()
  await insertHealthMonitor(tx, monitor)
}
