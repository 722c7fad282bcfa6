import { flow, task } from '../../context.ts'
import { sendAgentConfiguration } from '../../tasks/agent-configuration.ts'
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
    await run(configureAgent, params)
  },
})

const configureAgent = task('send-agent-configuration', {
  async execute(context, { amphora_id, load_balancer_id }: Params) {
    const loadBalancer = await requireTree(context.db, load_balancer_id)
    const amphora = servingAmphorae(loadBalancer).find(({ id }) => id === amphora_id)
    if (amphora === undefined) throw failure('amphora_serves_not', { details: `amphora ${amphora_id}` })
    await whileMachineLives(context, amphora, () => sendAgentConfiguration(context, amphora, loadBalancer.topology))
  },
})
