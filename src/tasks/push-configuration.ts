import { task } from '../context.ts'
import { AgentError, AgentUnreachable } from '../drivers/errors.ts'
import { haproxyOptions, renderHaproxy } from '../render/haproxy.ts'
import { failure } from '../resources/failures.ts'
import { requireTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import { pushUdpListeners } from './push-udp-listeners.ts'
import { noteReached, noteUnreached, type ServingAmphora } from './serving-amphorae.ts'

/**
 * Gives an amphora the HAProxy configuration that the rows now mean, and that of each UDP listener; where they mean no listener, HAProxy goes. False when the agent can't be
 * reached: of a pair one may be down while the other serves.
 * An agent that refuses the configuration is VisibleError.
 */
export const pushConfiguration = task('push-configuration', {
  async execute(context, { amphora, load_balancer_id }: { amphora: ServingAmphora; load_balancer_id: string }): Promise<boolean> {
    const loadBalancer = await requireTree(context.db, load_balancer_id)
    const configuration = renderHaproxy(loadBalancer, haproxyOptions(context.config, { strict: context.amphora.hasHaproxy }))
    const fence = fenceOf(context)
    const missedChanges = loadBalancer.amphorae.some(({ id, status }) => id === amphora.id && status === 'ERROR')
    try {
      await whileMachineLives(context, amphora, async () => {
        if (configuration === null) await context.amphora.deleteHaproxy(amphora, load_balancer_id, fence)
        else await context.amphora.applyHaproxy(amphora, load_balancer_id, { configuration, certificates: [] }, fence)
        await pushUdpListeners(context, amphora, loadBalancer, { missedChanges, fence })
      })
    } catch (error) {
      if (error instanceof AgentError) throw failure('configuration_refused', { details: error.message })
      if (!(error instanceof AgentUnreachable)) throw error
      await noteUnreached(context, amphora.id, error)
      return false
    }
    if (missedChanges) await noteReached(context, amphora.id)
    return true
  },
})
