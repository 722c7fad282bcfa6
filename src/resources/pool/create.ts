import type { Context } from '../../context.ts'
import type { Tx } from '../../db/connection.ts'
import type { LoadBalancerRow, PoolRow } from '../../db/tables.ts'
import { checkPoolServable } from '../servable.ts'
import { type ReferenceChecks, unchecked } from '../tls-references.ts'
import { checkPoolSupported } from '../unsupported.ts'
import { checkNewPool } from './checks.ts'
import { insertPool } from './repository.ts'

/** Under the load balancer's lock, whether the pool comes alone or within a tree. Throws what `checkNewPool` throws, then 501, then 400 for what cannot be served. */
export async function storeNewPool(
  tx: Tx,
  context: Pick<Context, 'config' | 'amphora'>,
  pool: PoolRow,
  loadBalancer: LoadBalancerRow,
  references: ReferenceChecks,
): Promise<void> {
  checkNewPool(pool, context.config, context.amphora.capabilities.pool_tls ? references : unchecked)
  checkPoolSupported(context, loadBalancer, pool)
  checkPoolServable(context, pool)
  await insertPool(tx, pool)
}
