import { type Context, flow, task } from '../../context.ts'
import type { Run } from '../../flow/define.ts'
import { timestamp } from '../../lib/clock.ts'
import { derivedId } from '../../lib/derived-id.ts'
import { configureKeepalived } from '../../tasks/configure-keepalived.ts'
import { finishTask } from '../../tasks/finish.ts'
import { memberSubnets, plugLeg } from '../../tasks/legs.ts'
import { prepareMachine, startMachine, waitForAgent } from '../../tasks/machine.ts'
import { plugVip } from '../../tasks/plug-vip.ts'
import { pushConfiguration } from '../../tasks/push-configuration.ts'
import { forgetAmphora } from '../../tasks/remove-amphora.ts'
import { makeServerGroup, wantsServerGroup } from '../../tasks/server-group.ts'
import { adoptSpare, type PlannedAmphora, planAmphora, withdrawSpare } from '../../tasks/spare-amphorae.ts'
import { endPopulatedInError } from '../../tasks/statuses.ts'
import { guardVip, openVip, vipOf } from '../../tasks/vip.ts'
import { makeVrrpPort, type VrrpPort } from '../../tasks/vrrp-port.ts'
import { rolesOf } from '../amphora/row.ts'
import { recorded } from '../event/record.ts'
import { failure } from '../failures.ts'
import { requireTree } from './tree.ts'

type Params = { load_balancer_id: string }

/**
 * The API has made the VIP's port and stored the load balancer, with whatever children came in the same request, as PENDING_CREATE.
 * What can be done at the same time is: the machines boot while their ports are made, and get them before their agents are up.
 */
export const createLoadBalancer = flow<Params>('create-load-balancer', {
  ...recorded<Params>('create', 'load_balancer', ({ load_balancer_id }) => load_balancer_id),
  async steps(run, { load_balancer_id }) {
    const plan = await run(planAmphorae, load_balancer_id)
    if (plan.anti_affinity) await run(makeServerGroup, load_balancer_id)
    const [ports, machines] = await both(
      run,
      (run) => makePorts(run, load_balancer_id, plan),
      (run) =>
        run.parallel(
          plan.amphorae,
          roleOf,
          async (run, { amphora_id, compute_id }) => compute_id ?? run(startMachine, { load_balancer_id, amphora_id }),
        ),
    )
    const amphorae = plan.amphorae.map((amphora, i) => ({
      ...amphora,
      isSpare: amphora.compute_id !== null,
      compute_id: machines[i]!,
      port: ports[i]!,
    }))
    await run.parallel(amphorae, roleOf, async (run, { amphora_id, compute_id, isSpare, port }) => {
      const machine = { amphora_id, compute_id, port_id: port.port_id }
      const amphora = isSpare
        ? await adoptSpare(run, startMachine, { load_balancer_id, topology: plan.topology, ...machine })
        : await run(prepareMachine, machine)
      const capabilities = await run(waitForAgent, amphora)
      await run(plugVip, { load_balancer_id, amphora, port })
      for (const subnet_id of plan.member_subnets) {
        mustReach(await run(plugLeg, { amphora, load_balancer_id, subnet_id }, { key: subnet_id }))
      }
      // First, since the pair elects while HAProxy starts.
      if (plan.topology === 'ACTIVE_STANDBY') await run(configureKeepalived, { load_balancer_id, amphora, capabilities })
      if (plan.has_listeners) mustReach(await run(pushConfiguration, { amphora, load_balancer_id }))
    })
    await run(finish, { load_balancer_id })
  },
  async afterRevert(context, { load_balancer_id }, reason) {
    await endPopulatedInError(context, load_balancer_id, reason)
  },
})

/** Two branches that answer differently, side by side. */
async function both<A, B>(
  run: Run<Context>,
  network: (run: Run<Context>) => Promise<A>,
  machines: (run: Run<Context>) => Promise<B>,
): Promise<[A, B]> {
  const branches = [network, machines] as const
  const answers = await run.parallel<(typeof branches)[number], A | B>(
    branches,
    (branch) => (branch === network ? 'network' : 'machines'),
    (run, branch) => branch(run),
  )
  return answers as [A, B]
}

/** Branches go by the role, which tells the reader of the flow's history more than an id. */
function roleOf({ role }: { role: string }): string {
  return role
}

type Plan = Awaited<ReturnType<typeof planAmphorae.execute>>

/** The security group, and with it a port for each amphora. In the order of the plan's amphorae. */
async function makePorts(run: Run<Context>, load_balancer_id: string, plan: Plan): Promise<VrrpPort[]> {
  const security_group_id = await run(guardVip, plan.vip)
  const ports = await run.parallel(plan.amphorae, roleOf, (run, { amphora_id }) =>
    run(makeVrrpPort, { load_balancer_id, amphora_id, security_group_id }),
  )
  // Of a pair the rules name the ports' addresses, too.
  if (plan.topology === 'ACTIVE_STANDBY') await run(openVip, load_balancer_id)
  return ports
}

/** A later change may do without one amphora of a pair; a new load balancer begins with all of them. */
function mustReach(reached: boolean): void {
  if (!reached) throw failure('amphora_lost_during_setup')
}

/** Stores the rows of the amphorae and answers what the flow's steps depend on. */
const planAmphorae = task('plan-amphorae', {
  async execute(context, load_balancer_id: string) {
    const { db, config, compute } = context
    const loadBalancer = await requireTree(db, load_balancer_id)
    const { topology } = loadBalancer
    const anti_affinity = wantsServerGroup(loadBalancer, compute, config)
    const amphorae: PlannedAmphora[] = []
    for (const place of rolesOf(topology, config)) {
      amphorae.push(await planAmphora(context, loadBalancer, place, { antiAffinity: anti_affinity }))
    }
    return {
      amphorae,
      topology,
      anti_affinity,
      vip: vipOf(loadBalancer),
      member_subnets: memberSubnets(loadBalancer),
      has_listeners: loadBalancer.listeners.length > 0,
    }
  },
  async revert(context) {
    const { db, clock, flow_id } = context
    for (const role of ['STANDALONE', 'MASTER', 'BACKUP'] as const) {
      await withdrawSpare(context, role)
      await db.transaction().execute((tx) => forgetAmphora(tx, derivedId(flow_id, role), clock.now()))
    }
  },
})

const finish = finishTask<Params>('finish-load-balancer', async (tx, { load_balancer_id }, { clock }) => {
  await tx
    .updateTable('amphora')
    .set({ status: 'ALLOCATED', updated_at: timestamp(clock.now()) })
    .where('loadbalancer_id', '=', load_balancer_id)
    .where('status', '=', 'BOOTING')
    .execute()
})
