import { type Context, task } from '../context.ts'
import type { Run } from '../flow/define.ts'
import { failure } from '../resources/failures.ts'
import { requireTree } from '../resources/load-balancer/tree.ts'
import { compareLegs, legKey, plugLeg, unplugLeg } from './legs.ts'
import { pushConfiguration } from './push-configuration.ts'
import { servingAmphorae } from './serving-amphorae.ts'

/** Which amphorae are to be told, and which legs they lack or no longer need. */
const inspectLoadBalancer = task('inspect-load-balancer', {
  async execute({ db }, load_balancer_id: string) {
    const loadBalancer = await requireTree(db, load_balancer_id)
    const amphorae = servingAmphorae(loadBalancer)
    return { amphorae, ...(await compareLegs(db, loadBalancer, amphorae)) }
  },
})

/**
 * A sub-flow: makes the amphorae serve what the rows now say. Each is told at the same time as the other; it fails when none could be
 * reached, for then nobody serves the change. `about` is the listener or pool that is changed, which the change makes no sense without.
 */
export async function applyRows(run: Run<Context>, load_balancer_id: string, { about }: { about?: string } = {}): Promise<void> {
  const { amphorae, missing, unneeded } = await run(inspectLoadBalancer, load_balancer_id)
  const took = await run.parallel(
    amphorae,
    ({ id }) => id,
    async (run, amphora) => {
      for (const leg of missing.filter((leg) => leg.amphora.id === amphora.id)) {
        if (!(await run(plugLeg, leg, { key: leg.subnet_id }))) return false
      }
      return run(pushConfiguration, { amphora, load_balancer_id, ...(about === undefined ? {} : { about }) })
    },
  )
  if (!took.includes(true)) throw failure('no_amphora_reached')
  for (const leg of unneeded) await run(unplugLeg, leg, { key: legKey(leg) })
}
