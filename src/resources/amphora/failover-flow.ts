import { flow, task } from '../../context.ts'
import { markChangeActive } from '../../tasks/finish.ts'
import { removeAmphora, withLegs } from '../../tasks/remove-amphora.ts'
import { forgetFormer, replaceAmphora } from '../../tasks/replace-amphora.ts'
import { endDoomedAmphoraeInError, endLoadBalancerInError } from '../../tasks/statuses.ts'
import { guardVipAgain, vipOf } from '../../tasks/vip.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { type AmphoraOfTree, requireTree } from '../load-balancer/tree.ts'
import { servingStatuses } from './row.ts'

/** Why an amphora is replaced. */
export type FailoverCause = 'requested' | 'maintenance' | 'no_heartbeat' | 'machine_gone' | 'management_port_down'

type Params = { amphora_id: string; load_balancer_id: string; cause: FailoverCause }

/** `beginFailover` has moved the load balancer to PENDING_UPDATE. */
export const failoverAmphora = flow<Params>('failover-amphora', {
  // Owners don't see which amphora.
  ...recorded<Params>('replace_amphora', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { amphora_id, load_balancer_id, cause }) {
    const { role, vip, former_id, superseded } = await run(findFormer, { amphora_id, load_balancer_id })
    if (former_id !== null) {
      const security_group_id = await run(guardVipAgain, vip)
      const is_planned = cause === 'requested' || cause === 'maintenance'
      await replaceAmphora(run, { load_balancer_id, role, former_id, security_group_id, is_planned })
    }
    if (superseded !== null) {
      await run(removeAmphora, superseded, { key: 'superseded' })
      await run(forgetFormer, superseded.id, { key: 'superseded' })
    }
    await run(markChangeActive, { load_balancer_id })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endDoomedAmphoraeInError(context, load_balancer_id, reason)
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

const findFormer = task('find-former', {
  async execute({ db }, { amphora_id, load_balancer_id }: Omit<Params, 'cause'>) {
    const loadBalancer = await requireTree(db, load_balancer_id)
    const former = loadBalancer.amphorae.find(({ id }) => id === amphora_id)
    const role = former?.role
    if (former === undefined || role == null) throw failure('amphora_serves_not', { details: `amphora ${amphora_id}` })
    // An earlier replacement may have its ports, and with them the VIP, which no third machine may get while it has them. Where it is in service only the old
    // machine is left to go; where it could be neither finished nor undone it is what is replaced.
    const hasPorts = ({ role, vrrp_port_id, status }: AmphoraOfTree) =>
      role === former.role && vrrp_port_id !== null && status !== 'PENDING_DELETE'
    const holder = former.vrrp_port_id === null ? (loadBalancer.amphorae.find(hasPorts) ?? former) : former
    return {
      role,
      vip: vipOf(loadBalancer),
      former_id: holder === former || !servingStatuses.includes(holder.status) ? holder.id : null,
      superseded: holder === former ? null : (await withLegs(db, [former]))[0]!,
    }
  },
})
