import { type Context, task } from '../context.ts'
import { AgentError, AgentUnreachable } from '../drivers/errors.ts'
import type { StepContext } from '../flow/define.ts'
import { haproxyOptions, renderHaproxy } from '../render/haproxy.ts'
import { failure } from '../resources/failures.ts'
import { type LoadBalancerTree, requireTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { loadSecrets } from './load-secrets.ts'
import { whileMachineLives } from './machine-lives.ts'
import { pushUdpListeners } from './push-udp-listeners.ts'
import { noteReached, noteUnreached, type ServingAmphora } from './serving-amphorae.ts'

/** `about`: the listener or pool that the flow is to change; without its secrets the flow fails, while it does without those of others. */
type Push = { amphora: ServingAmphora; load_balancer_id: string; about?: string }

/**
 * Gives an amphora the HAProxy configuration and the certificates that the rows now mean, and the configuration of each UDP listener; where they mean no
 * listener, HAProxy goes. False when the agent can't be reached: of a pair one may be down while the other serves.
 * An agent that refuses the configuration, and secrets of `about` that cannot be used, are VisibleError.
 */
export const pushConfiguration = task('push-configuration', {
  async execute(context, { amphora, load_balancer_id, about }: Push): Promise<boolean> {
    const loadBalancer = await requireTree(context.db, load_balancer_id)
    const missedChanges = loadBalancer.amphorae.some(({ id, status }) => id === amphora.id && status === 'ERROR')
    try {
      await whileMachineLives(context, amphora, async () => {
        await pushHaproxy(context, amphora, loadBalancer, about)
        await pushUdpListeners(context, amphora, loadBalancer, { missedChanges, fence: fenceOf(context) })
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

async function pushHaproxy(
  context: Context & StepContext,
  amphora: ServingAmphora,
  loadBalancer: LoadBalancerTree,
  about: string | undefined,
): Promise<void> {
  const { config, amphora: agents } = context
  const { id } = loadBalancer
  const { files: certificates, unavailable, recordInService } = await loadSecrets(context, amphora, loadBalancer, about)
  const options = { strict: agents.hasHaproxy, unavailable, logDaemon: !(await agents.takesLogs(amphora)) }
  const configuration = renderHaproxy(loadBalancer, haproxyOptions(config, options))
  if (configuration === null) await agents.deleteHaproxy(amphora, id, fenceOf(context))
  else await agents.applyHaproxy(amphora, id, { configuration, certificates }, fenceOf(context))
  await recordInService()
}
