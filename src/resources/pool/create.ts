import type { Config } from '../../config/config.ts'
import type { Tx } from '../../db/connection.ts'
import type { LoadBalancerRow, PoolRow } from '../../db/tables.ts'
import { checkPoolSupported } from '../unsupported.ts'
import { checkNewPool } from './checks.ts'
import { insertPool } from './repository.ts'

/** Under the load balancer's lock, whether the pool comes alone or within a tree. Throws what `checkNewPool` throws, then 501. */
export async function storeNewPool(tx: Tx, pool: PoolRow, loadBalancer: LoadBalancerRow, config: Config): Promise<void> {
  checkNewPool(pool, config)
  checkPoolSupported(loadBalancer, pool)
  await insertPool(tx, pool)
}
