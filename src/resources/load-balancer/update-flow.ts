import { flow, task } from '../../context.ts'
import { NotFoundError } from '../../drivers/errors.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { fenceOf } from '../../tasks/fence.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endLoadBalancerInError } from '../../tasks/statuses.ts'
import { groupsOf, openVip, putGroupsOnVip, vipOf } from '../../tasks/vip.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { requireTree } from './tree.ts'

/** `former_vip_sg_ids`: security groups that the VIP had before and has no more. */
type Params = { load_balancer_id: string; former_vip_sg_ids: string[] }

/** The API has stored the new values and moved the load balancer to PENDING_UPDATE. */
export const updateLoadBalancer = flow<Params>('update-load-balancer', {
  ...recorded<Params>('update', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { load_balancer_id, former_vip_sg_ids }) {
    const security_group_id = await run(openVip, load_balancer_id)
    await run(updateVipPorts, { load_balancer_id, security_group_id, former_vip_sg_ids })
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

/** The policy and the security groups that the user chose: on the ports of the amphorae, for the VIP's traffic goes through them, and on the VIP's. */
const updateVipPorts = task('update-vip-ports', {
  async execute(
    { db, network, ...step },
    wanted: { load_balancer_id: string; security_group_id: string | null; former_vip_sg_ids: string[] },
  ) {
    const { load_balancer_id, security_group_id, former_vip_sg_ids } = wanted
    const loadBalancer = await requireTree(db, load_balancer_id)
    const fence = fenceOf(step)
    const changes = {
      qos_policy_id: loadBalancer.vip_qos_policy_id,
      security_group_ids: groupsOf(security_group_id, loadBalancer.vip_sg_ids),
    }
    try {
      await putGroupsOnVip(network, vipOf(loadBalancer), security_group_id, former_vip_sg_ids, fence)
      for (const { vrrp_port_id } of loadBalancer.amphorae) {
        if (vrrp_port_id !== null) await network.updatePort(vrrp_port_id, changes, fence)
      }
    } catch (error) {
      if (error instanceof NotFoundError) throw failure('vip_resource_gone', { details: error.message })
      throw error
    }
  },
})
