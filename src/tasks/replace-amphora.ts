/**
 * A new amphora in the place of another, which keeps that one's addresses and ports. Until the new machine's agent answers, the old amphora serves; then
 * it is fenced, so that no two machines ever have one address; only when the new one is configured the old machine goes. A failure before that gives
 * the old one its ports back; a failure after it takes nothing from the new one.
 */
import { type Context, task } from '../context.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import type { Run, StepContext } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import { type Role, rolesOf } from '../resources/amphora/row.ts'
import { failure } from '../resources/failures.ts'
import { type AmphoraOfTree, type LoadBalancerTree, requireTree } from '../resources/load-balancer/tree.ts'
import { askIfAnswering } from './answering.ts'
import { configureKeepalived } from './configure-keepalived.ts'
import { fenceOf } from './fence.ts'
import { handOver } from './hand-over.ts'
import { isInService, putInService, untilInService } from './in-service.ts'
import { memberSubnets, networkPlug, plugLeg } from './legs.ts'
import { awaitMachine, startMachine, waitForAgent } from './machine.ts'
import { whileMachineLives } from './machine-lives.ts'
import { plugVip } from './plug-vip.ts'
import { pushConfiguration } from './push-configuration.ts'
import { forgetAmphora, removeAmphora } from './remove-amphora.ts'
import { noteUnreached, type ServingAmphora, servingAmphorae } from './serving-amphorae.ts'
import { adoptSpare, planAmphora, plannedId, withdrawSpare } from './spare-amphorae.ts'
import { endFormer, fenceFormer, openVrrpPort, portsOf, takeOverPorts } from './take-over-ports.ts'
import { openVip } from './vip.ts'
import { makeVrrpPort } from './vrrp-port.ts'

type Place = {
  load_balancer_id: string
  role: Role
  /** The amphora that is to be replaced; null where there is none. */
  former_id: string | null
  /** The load balancer's own group. */
  security_group_id: string | null
  /** Nothing is wrong with the former: it is asked to let its clients go first. */
  is_planned: boolean
}

/** A sub-flow. The load balancer's security group is there and on the VIP's port. */
export async function replaceAmphora(run: Run<Context>, place: Place): Promise<void> {
  const { load_balancer_id, security_group_id } = place
  const { amphora_id, spare_compute_id, topology, former, serving_former, member_subnets, peers, has_listeners } = await run(
    planReplacement,
    place,
  )
  const isPair = topology === 'ACTIVE_STANDBY'
  const amphora =
    spare_compute_id === null
      ? await run(awaitMachine, { amphora_id, compute_id: await run(startReplacement, { load_balancer_id, amphora_id }) })
      : await adoptSpare(run, startReplacement, { load_balancer_id, amphora_id, compute_id: spare_compute_id, topology, port_id: null })
  const { compute_id } = amphora
  const capabilities = await run(waitForAgent, amphora)

  // A partner serves meanwhile, or nobody does: then nobody is let in before HAProxy listens.
  const servesAtOnce = isPair || !has_listeners
  // With those ports that it has still to give.
  let giver = former
  if (former !== null) {
    if (place.is_planned && serving_former !== null) await run(handOver, { load_balancer_id, former: serving_former, partners: peers })
    // A flow of an earlier version has taken all of them out.
    const hasLetGo = (await run(fenceFormer, { amphora_id, former })) !== false
    if (!hasLetGo) await run(endFormer, { former })
    giver = hasLetGo ? former : { ...former, vrrp_port: null, legs: [] }
    await run(takeOverPorts, { load_balancer_id, amphora_id, compute_id, former: giver, serves_at_once: servesAtOnce })
  }
  const former_ip = former?.vrrp_ip ?? null
  const port = giver?.vrrp_port ?? (await run(makeReplacementPort, { load_balancer_id, amphora_id, security_group_id, former_ip }))
  if (giver?.vrrp_port == null) {
    await run(attachPort, { compute_id, port_id: port.port_id })
    if (isPair) await run(openVip, load_balancer_id)
  }
  await run(plugVip, { load_balancer_id, amphora, port })
  for (const { port_id, subnet_id } of giver?.legs ?? []) await run(connectLeg, { amphora, port_id, subnet_id }, { key: subnet_id })
  for (const subnet_id of member_subnets.filter((id) => !giver?.legs.some((leg) => leg.subnet_id === id))) {
    mustReach(await run(plugReplacementLeg, { amphora, load_balancer_id, subnet_id }, { key: subnet_id }))
  }
  // HAProxy first: where no partner serves, keepalived takes the VIP as soon as it runs.
  if (has_listeners) mustReach(await run(pushConfiguration, { amphora, load_balancer_id }))
  if (isPair) await run(configureKeepalived, { load_balancer_id, amphora, capabilities })
  if (!servesAtOnce) await run(openVrrpPort, { port_id: port.port_id })
  await run(putInService, { amphora_id })

  for (const [i, peer] of peers.entries()) {
    // HAProxy knows its peer by name, keepalived by address.
    const knows_address = giver?.vrrp_port != null
    await run(tellPeer, { amphora: peer, load_balancer_id, knows_address, has_listeners }, { key: `peer ${i + 1}` })
  }
  if (former === null) return
  const none = giver?.vrrp_port == null ? {} : { vrrp_port_id: null }
  await run(removeAmphora, { id: former.id, compute_id: former.compute_id, leg_port_ids: [], ...none })
  await run(forgetFormer, former.id)
}

function mustReach(reached: boolean): void {
  if (!reached) throw failure('amphora_lost_during_setup')
}

const planReplacement = task('plan-replacement', {
  async execute(context, { load_balancer_id, role, former_id }: Place) {
    const { db, config, network, clock } = context
    const loadBalancer = await requireTree(db, load_balancer_id)
    const { topology, server_group_id } = loadBalancer
    const former = loadBalancer.amphorae.find(({ id }) => id === former_id) ?? null
    const place = rolesOf(topology, config).find((known) => known.role === role) ?? { role, vrrp_id: null, vrrp_priority: null }
    const { amphora_id, compute_id } = await planAmphora(context, loadBalancer, place, { antiAffinity: server_group_id !== null })
    if (former !== null) {
      const updated_at = timestamp(clock.now())
      await db.updateTable('amphora').set({ status: 'PENDING_DELETE', updated_at }).where('id', '=', former.id).execute()
    }
    return {
      amphora_id,
      spare_compute_id: compute_id,
      topology,
      former: former === null ? null : { id: former.id, compute_id: former.compute_id, ...(await portsOf(db, network, former)) },
      serving_former: former === null ? null : addressOf(former),
      member_subnets: memberSubnets(loadBalancer),
      peers: servingAmphorae(loadBalancer).filter(({ id }) => id !== former_id),
      has_listeners: loadBalancer.listeners.length > 0,
    }
  },
  // The former is in ERROR, until it takes its configuration again: one that does not answer stays so.
  async revert(context, { load_balancer_id, role, former_id }) {
    const { db, clock } = context
    const amphora_id = await plannedId(context, role)
    const isFailure = !(await isInService(db, amphora_id))
    if (isFailure) await withdrawSpare(context, role)
    await db.transaction().execute(async (tx) => {
      if (isFailure) await forgetAmphora(tx, amphora_id, clock.now())
      if (former_id === null) return
      await tx
        .updateTable('amphora')
        .set({ status: 'ERROR', updated_at: timestamp(clock.now()) })
        .where('id', '=', former_id)
        .where('status', '=', 'PENDING_DELETE')
        .execute()
    })
    if (isFailure) await configureWhoServesOn(context, await requireTree(db, load_balancer_id))
  },
})

const startReplacement = untilInService(startMachine, ({ amphora_id }) => amphora_id)
const makeReplacementPort = untilInService(makeVrrpPort, ({ amphora_id }) => amphora_id)
const plugReplacementLeg = untilInService(plugLeg, ({ amphora }) => amphora.id)

const attachPort = task('attach-port', {
  async execute({ compute, ...step }, { compute_id, port_id }: { compute_id: string; port_id: string }) {
    await compute.attachPort(compute_id, port_id, fenceOf(step))
  },
})

/** Tells the agent of a leg that its machine has got from another. */
const connectLeg = task('connect-leg', {
  async execute(context, { amphora, port_id, subnet_id }: { amphora: ServingAmphora; port_id: string; subnet_id: string }) {
    const { network } = context
    const plug = await networkPlug(network, await network.getPort(port_id), await network.getSubnet(subnet_id))
    await whileMachineLives(context, amphora, () => context.amphora.plugNetwork(amphora, plug, fenceOf(context)))
  },
})

type Telling = { amphora: ServingAmphora; load_balancer_id: string; knows_address: boolean; has_listeners: boolean }

/** One that does not answer is in ERROR then, and its own failover will come: this one does not wait for it. */
const tellPeer = task('tell-peer', {
  async execute(context, { amphora, load_balancer_id, knows_address, has_listeners }: Telling) {
    const info = await askIfAnswering(context, amphora)
    if (info === null) return noteUnreached(context, amphora.id, new AgentUnreachable(amphora.id, 'it does not answer'))
    try {
      const { capabilities = [] } = info
      if (!knows_address) await configureKeepalived.execute(context, { load_balancer_id, amphora, capabilities })
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error
      return noteUnreached(context, amphora.id, error)
    }
    if (has_listeners) await pushConfiguration.execute(context, { amphora, load_balancer_id })
  },
})

/** After a replacement that failed: a peer may know of an amphora that is gone, and the former may have let its clients go. */
async function configureWhoServesOn(
  context: Context & StepContext,
  { id: load_balancer_id, amphorae, topology }: LoadBalancerTree,
): Promise<void> {
  for (const row of amphorae) {
    const amphora = addressOf(row)
    if (row.vrrp_interface === null || row.vrrp_ip === null || amphora === null) continue
    const info = await askIfAnswering(context, amphora)
    if (info === null) continue
    if (topology === 'ACTIVE_STANDBY') {
      await configureKeepalived.execute(context, { load_balancer_id, amphora, capabilities: info.capabilities ?? [] })
    }
    await pushConfiguration.execute(context, { amphora, load_balancer_id })
  }
}

function addressOf({ id, compute_id, lb_network_ip }: AmphoraOfTree): ServingAmphora | null {
  return compute_id === null || lb_network_ip === null ? null : { id, compute_id, lb_network_ip }
}

/** Its row, when all else of it has gone. */
export const forgetFormer = task('forget-amphora', {
  async execute({ db, clock }, id: string) {
    await db.transaction().execute((tx) => forgetAmphora(tx, id, clock.now()))
  },
})
