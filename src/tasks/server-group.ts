import type { Config } from '../config/config.ts'
import { task } from '../context.ts'
import type { LoadBalancerRow } from '../db/tables.ts'
import type { ComputeDriver } from '../drivers/compute/driver.ts'
import { fenceOf } from './fence.ts'

export function serverGroupName(load_balancer_id: string): string {
  return `octavia-lb-${load_balancer_id}`
}

/** Of a pair, where there are several hosts and the operator has not decided otherwise. */
export function wantsServerGroup({ topology }: Pick<LoadBalancerRow, 'topology'>, compute: ComputeDriver, config: Config): boolean {
  return topology === 'ACTIVE_STANDBY' && compute.hasHosts && config.nova.enable_anti_affinity
}

/** So that one host's end takes one amphora of the pair at most. */
export const makeServerGroup = task('make-server-group', {
  async execute({ db, compute, config, ...step }, load_balancer_id: string) {
    const wanted = { name: serverGroupName(load_balancer_id), policy: config.nova.anti_affinity_policy, made_by: step.flow_id }
    const server_group_id = await compute.ensureServerGroup(wanted, fenceOf(step))
    await db.updateTable('load_balancer').set({ server_group_id }).where('id', '=', load_balancer_id).execute()
    return server_group_id
  },
  async revert({ db, compute, config, ...step }, load_balancer_id, output) {
    // Where execute was interrupted its id is unknown; making it once more tells it.
    const wanted = { name: serverGroupName(load_balancer_id), policy: config.nova.anti_affinity_policy, made_by: step.flow_id }
    await compute.deleteServerGroup(output ?? (await compute.ensureServerGroup(wanted, fenceOf(step))))
    await db.updateTable('load_balancer').set({ server_group_id: null }).where('id', '=', load_balancer_id).execute()
  },
})
