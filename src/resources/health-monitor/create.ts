import { duplicateHealthMonitor } from '../../api/faults.ts'
import type { Tx } from '../../db/connection.ts'
import type { HealthMonitorRow, LoadBalancerRow } from '../../db/tables.ts'
import { checkHealthMonitorSupported, type Provider } from '../unsupported.ts'
import { checkNewHealthMonitor } from './checks.ts'
import { findHealthMonitorOfPool, insertHealthMonitor } from './repository.ts'

/** Under the load balancer's lock, whether the monitor comes alone or within a tree. Throws 400, 409 where the pool has one already, or 501. */
export async function storeNewHealthMonitor(
  tx: Tx,
  provider: Provider,
  monitor: HealthMonitorRow,
  loadBalancer: Pick<LoadBalancerRow, 'provider'>,
): Promise<void> {
  checkNewHealthMonitor(monitor)
  if (await findHealthMonitorOfPool(tx, monitor.pool_id)) throw duplicateHealthMonitor()
  checkHealthMonitorSupported(provider, loadBalancer, monitor)
  await insertHealthMonitor(tx, monitor)
}
