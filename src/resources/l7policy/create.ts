import type { Tx } from '../../db/connection.ts'
import type { L7PolicyRow, ListenerRow, LoadBalancerRow } from '../../db/tables.ts'
import { checkL7PolicySupported, type Provider } from '../unsupported.ts'
import { insertL7Policy } from './repository.ts'

/**
 * Under the load balancer's lock, whether the policy comes alone or within a tree. Out: the policy at the position it got. Throws 501 where
 * the listener's protocol has no l7policies.
 */
export async function storeNewL7Policy(
  tx: Tx,
  provider: Provider,
  policy: L7PolicyRow,
  listener: ListenerRow,
  loadBalancer: LoadBalancerRow,
): Promise<L7PolicyRow> {
  checkL7PolicySupported(provider, loadBalancer, listener)
  return { ...policy, position: await insertL7Policy(tx, policy) }
}
