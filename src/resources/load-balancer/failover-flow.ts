import { type Context, flow, task } from '../../context.ts'
import { ifThere } from '../../drivers/errors.ts'
import type { StepContext } from '../../flow/define.ts'
import { askIfAnswering } from '../../tasks/answering.ts'
import { fenceOf } from '../../tasks/fence.ts'
import { finishTask } from '../../tasks/finish.ts'
import { holdsVip } from '../../tasks/hand-over.ts'
import { forgetAmphora, removeAmphora, withLegs } from '../../tasks/remove-amphora.ts'
import { replaceAmphora } from '../../tasks/replace-amphora.ts'
import { servingAmphorae } from '../../tasks/serving-amphorae.ts'
import { endDoomedAmphoraeInError, endLoadBalancerInError, markAllActive } from '../../tasks/statuses.ts'
import { guardVipAgain, vipOf } from '../../tasks/vip.ts'
import { type Role, rolesOf } from '../amphora/row.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { updateLoadBalancer } from './repository.ts'
import { type AmphoraOfTree, type LoadBalancerTree, requireLoadBalancer, requireTree } from './tree.ts'
import { wantedVipPort } from './vip-port.ts'

type Params = { load_balancer_id: string }

/**
 * The API has moved the load balancer to PENDING_UPDATE. Each of its amphorae is replaced, one after the other, and what is missing is made: also a load
 * balancer whose create failed serves afterwards.
 */
export const failoverLoadBalancer = flow<Params>('failover-load-balancer', {
  ...recorded<Params>('failover', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { load_balancer_id }) {
    const { places, surplus } = await run(planFailover, load_balancer_id)
    const vip = await run(restoreVipPort, load_balancer_id)
    const security_group_id = await run(guardVipAgain, vip)
    for (const place of places) {
      // One branch, so that its steps are told apart from those of the other.
      await run.parallel(
        [place],
        ({ role }) => role,
        (run) => replaceAmphora(run, { load_balancer_id, security_group_id, is_planned: true, ...place }),
      )
    }
    await run.parallel(
      surplus,
      ({ id }) => id,
      (run, amphora) => run(removeAmphora, amphora),
    )
    await run(finish, { load_balancer_id, surplus_ids: surplus.map(({ id }) => id) })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endDoomedAmphoraeInError(context, load_balancer_id, reason)
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

/** The one with the ports, where an earlier replacement ended before the old machine was gone. */
function holderOf(role: Role, amphorae: readonly AmphoraOfTree[]): AmphoraOfTree | undefined {
  const ofRole = amphorae.filter((amphora) => amphora.role === role)
  return ofRole.find(({ vrrp_port_id }) => vrrp_port_id !== null) ?? ofRole[0]
}

const planFailover = task('plan-failover', {
  async execute(context, load_balancer_id: string) {
    const { db, config } = context
    const loadBalancer = await requireTree(db, load_balancer_id)
    // What is being deleted has lost its place.
    const present = loadBalancer.amphorae.filter(({ status }) => status !== 'PENDING_DELETE')
    const roles = rolesOf(loadBalancer.topology, config).reverse()
    const found = roles.map(({ role }): { role: Role; former_id: string | null } => ({
      role,
      former_id: holderOf(role, present)?.id ?? null,
    }))
    // The one that serves comes last: there is a new one then that takes over.
    const serving = await whoServes(context, loadBalancer)
    const places = [...found.filter(({ former_id }) => former_id !== serving), ...found.filter(({ former_id }) => former_id === serving)]
    const surplus = present.filter(({ id }) => !places.some(({ former_id }) => former_id === id))
    return { places, surplus: await withLegs(db, surplus) }
  },
})

/** Of a pair the one that says it has the VIP; where none says so, or both do, the one that was made for it. */
async function whoServes(context: Context & StepContext, loadBalancer: LoadBalancerTree): Promise<string | null> {
  const master = loadBalancer.amphorae.find(({ role }) => role === 'MASTER')?.id ?? null
  if (loadBalancer.topology === 'SINGLE') return master
  const holders: string[] = []
  for (const amphora of servingAmphorae(loadBalancer)) {
    const answers = (await askIfAnswering(context, amphora)) !== null
    if (answers && (await holdsVip(context, amphora, loadBalancer.id))) holders.push(amphora.id)
  }
  return holders.length === 1 ? holders[0]! : master
}

/** Where somebody has deleted the port that we had made, another gets its addresses. */
const restoreVipPort = task('restore-vip-port', {
  async execute({ db, network, ...step }, load_balancer_id: string) {
    const row = await requireLoadBalancer(db, load_balancer_id)
    const { vip_port_id, vip_address, vip_subnet_id, vip_network_id, vip_qos_policy_id, additional_vips, project_id } = row
    if ((await ifThere(network.getPort(vip_port_id))) !== null) return vipOf(row)
    if (!row.vip_port_owned) throw failure('vip_port_gone', { details: `port ${vip_port_id}` })
    const main = vip_subnet_id === null ? [] : [{ subnet_id: vip_subnet_id, ip_address: vip_address }]
    const fixed_ips = [...main, ...additional_vips.map(({ subnet_id, ip_address }) => ({ subnet_id, ip_address }))]
    const wanted = { id: load_balancer_id, project_id, network_id: vip_network_id, fixed_ips, qos_policy_id: vip_qos_policy_id }
    const { id } = await network.ensurePort(wantedVipPort(wanted), fenceOf(step))
    const restored = { ...row, vip_port_id: id, additional_vips: additional_vips.map((vip) => ({ ...vip, port_id: id })) }
    await updateLoadBalancer(db, load_balancer_id, { vip_port_id: id, additional_vips: restored.additional_vips })
    return vipOf(restored)
  },
})

const finish = finishTask<Params & { surplus_ids: string[] }>(
  'finish-failover',
  async (tx, { load_balancer_id, surplus_ids }, { clock }) => {
    for (const id of surplus_ids) await forgetAmphora(tx, id, clock.now())
    await markAllActive(tx, load_balancer_id, clock.now())
  },
)
