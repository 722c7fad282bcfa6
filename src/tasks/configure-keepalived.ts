import { task } from '../context.ts'
import { keepalivedOptions, renderKeepalived } from '../render/keepalived.ts'
import { requireTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import { vipsOnSubnets } from './plug-vip.ts'
import type { ServingAmphora } from './serving-amphorae.ts'

/** Starts keepalived on one amphora of a pair; every other amphora of the load balancer must have its VRRP address by now. */
export const configureKeepalived = task('configure-keepalived', {
  async execute(context, wanted: { load_balancer_id: string; amphora: ServingAmphora; capabilities: string[] }) {
    const { load_balancer_id, amphora, capabilities } = wanted
    const loadBalancer = await requireTree(context.db, load_balancer_id)
    const vips = await vipsOnSubnets(context.network, loadBalancer)
    const configuration = renderKeepalived(loadBalancer, amphora.id, vips, keepalivedOptions(context.config, capabilities))
    await whileMachineLives(context, amphora, () => context.amphora.applyKeepalived(amphora, configuration, fenceOf(context)))
  },
})
