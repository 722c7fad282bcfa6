import { lockQuotaOf, releaseQuota } from '../../api/quota.ts'
import { type Context, flow, task } from '../../context.ts'
import type { Db, Tx } from '../../db/connection.ts'
import { RefusedError } from '../../drivers/errors.ts'
import type { NetworkDriver } from '../../drivers/network/driver.ts'
import { settleReverts } from '../../flow/history.ts'
import { timestamp } from '../../lib/clock.ts'
import { deleteListenerRows, deletePoolRows } from '../../tasks/delete-rows.ts'
import { FINISH_RETRY } from '../../tasks/finish.ts'
import { forgetAmphora, removeAmphora, withLegs } from '../../tasks/remove-amphora.ts'
import { serverGroupName, wantsServerGroup } from '../../tasks/server-group.ts'
import { endDoomedAmphoraeInError, endLoadBalancerInError } from '../../tasks/statuses.ts'
import { securityGroupName, takeGroupFrom, type VipOfLoadBalancer, vipOf } from '../../tasks/vip.ts'
import { vrrpPortName } from '../../tasks/vrrp-port.ts'
import { recorded } from '../event/record.ts'
import { forgetSecretUses } from '../secret-uses.ts'
import { lockLoadBalancers } from './repository.ts'
import { type LoadBalancerTree, requireTree } from './tree.ts'

type Params = { load_balancer_id: string; cascade: boolean }

/**
 * The API has moved the load balancer to PENDING_DELETE and, without `cascade`, seen that it has no children. No agent is asked for anything, so a
 * dead amphora is deleted as fast as a living one. Nothing here can be taken back: after a failure the load balancer is in ERROR and may be
 * deleted again.
 */
export const deleteLoadBalancer = flow<Params>('delete-load-balancer', {
  ...recorded<Params>('delete', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { load_balancer_id }) {
    const doomed = await run(listDoomed, load_balancer_id)
    await run.parallel(
      doomed.amphorae,
      ({ id }) => id,
      (run, amphora) => run(removeAmphora, amphora),
    )
    await run(deleteVip, doomed.vip)
    if (doomed.server_group_id !== null) await run(deleteServerGroup, doomed.server_group_id)
    await run(deleteRows, load_balancer_id)
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endDoomedAmphoraeInError(context, load_balancer_id, reason)
    await endLoadBalancerInError(context, load_balancer_id, reason)
  },
})

const listDoomed = task('list-doomed', {
  async execute(context, load_balancer_id: string) {
    const { db, clock } = context
    const loadBalancer = await requireTree(db, load_balancer_id)
    await db
      .updateTable('amphora')
      .set({ status: 'PENDING_DELETE', updated_at: timestamp(clock.now()) })
      .where('loadbalancer_id', '=', load_balancer_id)
      .where('status', '!=', 'DELETED')
      .execute()
    const amphorae = await withLegs(db, loadBalancer.amphorae)
    return {
      amphorae,
      vip: vipOf(loadBalancer),
      server_group_id: loadBalancer.server_group_id ?? (await findForgottenGroup(context, loadBalancer)),
    }
  },
})

/** A create that was undone in part may have left one whose id it never heard. */
async function findForgottenGroup({ compute, config }: Context, loadBalancer: LoadBalancerTree): Promise<string | null> {
  if (!wantsServerGroup(loadBalancer, compute, config)) return null
  const name = serverGroupName(loadBalancer.id)
  return (await compute.listMadeServerGroups()).find((group) => group.name === name)?.id ?? null
}

/** A port that was made for the VIP goes; a user's own stays, as he gave it. */
const deleteVip = task('delete-vip', {
  async execute({ db, network }, { load_balancer_id, port_id, vip_port_owned }: VipOfLoadBalancer) {
    const group = await network.findSecurityGroup(securityGroupName(load_balancer_id))
    if (vip_port_owned) await network.deletePort(port_id)
    else if (group !== null) await takeGroupFrom(network, port_id, group)
    if (group === null) return
    try {
      await network.deleteSecurityGroup(group)
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      await deleteForgottenPorts(db, network, load_balancer_id)
      await network.deleteSecurityGroup(group)
    }
  },
})

/** Those that a slow network made when their flow had been undone already: nobody but their name tells of them. */
async function deleteForgottenPorts(db: Db, network: NetworkDriver, load_balancer_id: string): Promise<void> {
  const amphorae = await db.selectFrom('amphora').select('id').where('loadbalancer_id', '=', load_balancer_id).execute()
  for (const { id } of amphorae) {
    const port = await network.findPort(vrrpPortName(id))
    if (port !== null) await network.deletePort(port.id)
  }
}

const deleteServerGroup = task('delete-server-group', {
  async execute({ compute }, id: string) {
    await compute.deleteServerGroup(id)
  },
})

/** One transaction: the rows and the counters that speak of them. A repeated run finds nothing and lowers nothing. */
const deleteRows = task('delete-load-balancer-rows', {
  async execute(context, load_balancer_id: string) {
    const { db, clock } = context
    await forgetSecretUses(context, load_balancer_id)
    await db.transaction().execute(async (tx) => {
      await lockQuotaOf(tx, load_balancer_id)
      await lockLoadBalancers(tx, [load_balancer_id])
      await deleteListenerRows(tx, await idsOf(tx, 'listener', load_balancer_id))
      await deletePoolRows(tx, await idsOf(tx, 'pool', load_balancer_id))
      const now = timestamp(clock.now())
      const amphorae = tx.selectFrom('amphora').select('id').where('loadbalancer_id', '=', load_balancer_id)
      for (const { id } of await amphorae.where('status', '!=', 'DELETED').execute()) await forgetAmphora(tx, id, clock.now())
      const deleted = await tx
        .updateTable('load_balancer')
        .set({ provisioning_status: 'DELETED', operating_status: 'OFFLINE', fault: null, updated_at: now })
        .where('id', '=', load_balancer_id)
        .where('provisioning_status', '!=', 'DELETED')
        .returning('project_id')
        .executeTakeFirst()
      await settleReverts(tx, { subject: load_balancer_id }, 'The load balancer was deleted since.')
      if (deleted !== undefined) await releaseQuota(tx, 'load_balancer', deleted.project_id)
    })
  },
  // A health manager that counts statistics may have taken its locks in another order.
  retry: FINISH_RETRY,
})

async function idsOf(tx: Tx, table: 'listener' | 'pool', load_balancer_id: string): Promise<string[]> {
  const rows = await tx.selectFrom(table).select('id').where('load_balancer_id', '=', load_balancer_id).execute()
  return rows.map(({ id }) => id)
}
