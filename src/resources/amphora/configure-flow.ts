import { flow, task } from '../../context.ts'
import { renderAgentConfiguration } from '../../render/agent-configuration.ts'
import { fenceOf } from '../../tasks/fence.ts'
import { whileMachineLives } from '../../tasks/machine-lives.ts'
import { servingAmphorae } from '../../tasks/serving-amphorae.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { requireTree } from '../load-balancer/tree.ts'

type Params = { amphora_id: string; load_balancer_id: string }

/** Nothing is locked, for no row changes: the agent gets its configuration as it would be written for it today. */
export const configureAmphora = flow<Params>('configure-amphora', {
  // Owners don't see which amphora.
  ...recorded<Params>('configure_amphora', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, params) {
    await run(sendAgentConfiguration, params)
  },
})

const sendAgentConfiguration = task('send-agent-configuration', {
  async execute(context, { amphora_id, load_balancer_id }: Params) {
    const loadBalancer = await requireTree(context.db, load_balancer_id)
    const amphora = servingAmphorae(loadBalancer).find(({ id }) => id === amphora_id)
    if (amphora === undefined) throw failure('amphora_serves_not', { details: `amphora ${amphora_id}` })
    const configuration = renderAgentConfiguration(amphora_id, loadBalancer.topology, context.config)
    await whileMachineLives(context, amphora, () => context.amphora.updateAgentConfiguration(amphora, configuration, fenceOf(context)))
  },
})
