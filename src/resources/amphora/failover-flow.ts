import { flow, task } from '../../context.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { removeAmphora, withLegs } from '../../tasks/remove-amphora.ts'
import { forgetFormer, replaceAmphora } from '../../tasks/replace-amphora.ts'
import { endLoadBalancerInError } from '../../tasks/statuses.ts'
import { guardVipAgain, vipOf } from '../../tasks/vip.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { requireTree } from '../load-balancer/tree.ts'
import { servingStatuses } from './row.ts'

/** Why an amphora is replaced. */
export type FailoverCause = 'requested' | 'maintenance' | 'no_heartbeat' | 'machine_gone' | 'management_port_down'

type Params = { amphora_id: string; load_balancer_id: string; cause: FailoverCause }

/** `beginFailover` has moved the load balancer to PENDING_UPDATE. */
export const failoverAmphora = flow<Params>('failover-amphora', {
  // Owners don't see which amphora.
  ...recorded<Params>('replace_amphora', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { amphora_id, load_balancer_id, cause }) {
    const { role, vip, superseded } = await run(findFormer, { amphora_id, load_balancer_id })
    if (superseded === null) {
      const security_group_id = await run(guardVipAgain, vip)
      const is_planned = cause === 'requested' || cause === 'maintenance'
      await replaceAmphora(run, { load_balancer_id, role, former_id: amphora_id, security_group_id, is_planned })
    } else {
      await run(removeAmphora, superseded)
      await run(forgetFormer, amphora_id)
    }
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

const findFormer = task('find-former', {
  async execute({ db }, { amphora_id, load_balancer_id }: Omit<Params, 'cause'>) {
    const loadBalancer = await requireTree(db, load_balancer_id)
    const former = loadBalancer.amphorae.find(({ id }) => id === amphora_id)
    const role = former?.role
    if (former === undefined || role == null) throw failure('amphora_serves_not', { details: `amphora ${amphora_id}` })
    // An earlier replacement is in service and has its ports, but ended before the old machine was gone. A second one would have its VIP, too.
    const isSuperseded =
      former.vrrp_port_id === null &&
      loadBalancer.amphorae.some((other) => other.role === role && other.vrrp_port_id !== null && servingStatuses.includes(other.status))
    const superseded = isSuperseded ? (await withLegs(db, [former]))[0]! : null
    return { role, vip: vipOf(loadBalancer), superseded }
  },
})
