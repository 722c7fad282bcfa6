import type { Context } from '../context.ts'
import type { AgentAddress } from '../drivers/amphora/driver.ts'
import type { Fence } from '../drivers/network/driver.ts'
import { isForwardedByKernel, isForwarding, renderLvs } from '../render/lvs.ts'
import type { LoadBalancerTree } from '../resources/load-balancer/tree.ts'

/**
 * Gives an amphora the LVS configuration of each UDP and SCTP listener that is to be served, and takes away those of the others. One that
 * `missedChanges` may have listeners whose rows are gone. Throws what the driver throws.
 */
export async function pushUdpListeners(
  { amphora: driver }: Pick<Context, 'amphora'>,
  amphora: AgentAddress,
  loadBalancer: LoadBalancerTree,
  { missedChanges, fence }: { missedChanges: boolean; fence: Fence },
): Promise<void> {
  const [served, others] = [true, false].map((wanted) =>
    loadBalancer.listeners.filter((listener) => isForwardedByKernel(listener) && isForwarding(loadBalancer, listener) === wanted),
  ) as [LoadBalancerTree['listeners'], LoadBalancerTree['listeners']]
  for (const listener of served) await driver.applyUdpListener(amphora, listener.id, renderLvs(loadBalancer, listener), fence)
  const unwanted = new Set(others.map(({ id }) => id))
  if (missedChanges) {
    const known = new Set(served.map(({ id }) => id))
    for (const id of await driver.listUdpListeners(amphora)) if (!known.has(id)) unwanted.add(id)
  }
  for (const id of unwanted) await driver.deleteUdpListener(amphora, id, fence)
}
