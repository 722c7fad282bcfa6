import { flow, task } from '../../context.ts'
import { NotFoundError } from '../../drivers/errors.ts'
import { VisibleError } from '../../flow/define.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { fenceOf } from '../../tasks/fence.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { endLoadBalancerInError } from '../../tasks/statuses.ts'
import { openVip } from '../../tasks/vip.ts'
import { requireTree } from './tree.ts'

type Params = { load_balancer_id: string }

/** The API has stored the new values and moved the load balancer to PENDING_UPDATE. */
export const updateLoadBalancer = flow<Params>('update-load-balancer', {
  async steps(run, { load_balancer_id }) {
    await run(updateVipPorts, load_balancer_id)
    await run(openVip, load_balancer_id)
    await applyRows(run, load_balancer_id)
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

/** The policy that the user chose, on the ports of the amphorae, for the VIP's traffic goes through them. */
const updateVipPorts = task('update-vip-ports', {
  async execute({ db, network, ...step }, load_balancer_id: string) {
    const { amphorae, vip_qos_policy_id } = await requireTree(db, load_balancer_id)
    try {
      for (const { vrrp_port_id } of amphorae) {
        if (vrrp_port_id !== null) await network.updatePort(vrrp_port_id, { qos_policy_id: vip_qos_policy_id }, fenceOf(step))
      }
    } catch (error) {
      if (error instanceof NotFoundError)
        throw new VisibleError('A port or QoS policy of the load balancer no longer exists.', error.message)
      throw error
    }
  },
})
