/**
 * A new amphora in the place of another, which keeps that one's addresses and ports. Until the new machine's agent answers, the old amphora serves; then
 * its ports are taken out of it, so that no two machines ever have them; only when the new one is configured the old machine goes.
 * A failure before that gives the old one its ports back; a failure after it takes nothing from the new one.
 */
import { type Context, task } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { AgentUnreachable, ifThere } from '../drivers/errors.ts'
import type { NetworkDriver } from '../drivers/network/driver.ts'
import type { Run, Task } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import { derivedId } from '../lib/derived-id.ts'
import type { Json } from '../lib/json.ts'
import { newAmphora, type Role, rolesOf } from '../resources/amphora/row.ts'
import { failure } from '../resources/failures.ts'
import { type LoadBalancerTree, requireLoadBalancer, requireTree } from '../resources/load-balancer/tree.ts'
import { configureKeepalived } from './configure-keepalived.ts'
import { fenceOf } from './fence.ts'
import { legName, memberSubnets, networkPlug, plugLeg } from './legs.ts'
import { awaitMachine, startMachine, waitForAgent } from './machine.ts'
import { whileMachineLives } from './machine-lives.ts'
import { plugVip } from './plug-vip.ts'
import { pushConfiguration } from './push-configuration.ts'
import { forgetAmphora, removeAmphora } from './remove-amphora.ts'
import { noteUnreached, type ServingAmphora, servingAmphorae } from './serving-amphorae.ts'
import { openVip } from './vip.ts'
import { makeVrrpPort, type VrrpPort, vrrpPortName } from './vrrp-port.ts'

type Place = {
  load_balancer_id: string
  role: Role
  /** The amphora that is to be replaced; null where there is none. */
  former_id: string | null
  /** The load balancer's own group. */
  security_group_id: string
}

/** A sub-flow. The load balancer's security group is there and on the VIP's port. */
export async function replaceAmphora(run: Run<Context>, place: Place): Promise<void> {
  const { load_balancer_id, security_group_id } = place
  const { amphora_id, topology, former, member_subnets, peers, has_listeners } = await run(planReplacement, place)
  const compute_id = await run(startReplacement, { load_balancer_id, amphora_id })
  const amphora = await run(awaitMachine, { amphora_id, compute_id })
  const capabilities = await run(waitForAgent, amphora)

  if (former !== null) await run(takeOverPorts, { load_balancer_id, amphora_id, compute_id, former })
  const port = former?.vrrp_port ?? (await run(makeReplacementPort, { load_balancer_id, amphora_id, security_group_id }))
  if (former?.vrrp_port == null) {
    await run(attachPort, { compute_id, port_id: port.port_id })
    if (topology === 'ACTIVE_STANDBY') await run(openVip, load_balancer_id)
  }
  await run(plugVip, { load_balancer_id, amphora, port })
  for (const { port_id, subnet_id } of former?.legs ?? []) await run(connectLeg, { amphora, port_id, subnet_id }, { key: subnet_id })
  for (const subnet_id of member_subnets.filter((id) => !former?.legs.some((leg) => leg.subnet_id === id))) {
    mustReach(await run(plugReplacementLeg, { amphora, load_balancer_id, subnet_id }, { key: subnet_id }))
  }
  if (topology === 'ACTIVE_STANDBY') await run(configureKeepalived, { load_balancer_id, amphora, capabilities })
  if (has_listeners) mustReach(await run(pushConfiguration, { amphora, load_balancer_id }))
  for (const [i, peer] of peers.entries()) {
    // HAProxy knows its peer by name, keepalived by address. One that does not answer is in ERROR then, and its own failover will come.
    if (former?.vrrp_port == null) await run(tellPeer, { amphora: peer, load_balancer_id }, { key: `peer ${i + 1}` })
    if (has_listeners) await run(pushConfiguration, { amphora: peer, load_balancer_id }, { key: `peer ${i + 1}` })
  }

  await run(putInService, { amphora_id })
  if (former === null) return
  await run(removeAmphora, { id: former.id, compute_id: former.compute_id, leg_port_ids: [] })
  await run(forgetFormer, former.id)
}

function mustReach(reached: boolean): void {
  if (!reached) throw failure('amphora_lost_during_setup')
}

type Former = {
  id: string
  compute_id: string | null
  /** Null where it has gone, or never was. */
  vrrp_port: VrrpPort | null
  legs: { port_id: string; subnet_id: string }[]
}

const planReplacement = task('plan-replacement', {
  async execute({ db, config, network, clock, flow_id }, { load_balancer_id, role, former_id }: Place) {
    const loadBalancer = await requireTree(db, load_balancer_id)
    const { topology } = loadBalancer
    const amphora_id = derivedId(flow_id, role)
    const former = loadBalancer.amphorae.find(({ id }) => id === former_id) ?? null
    const now = timestamp(clock.now())
    const place = rolesOf(topology, config).find((known) => known.role === role)
    const row = newAmphora({
      id: amphora_id,
      loadbalancer_id: load_balancer_id,
      vrrp_id: null,
      vrrp_priority: null,
      role,
      ...place,
      created_at: now,
    })
    await db.transaction().execute(async (tx) => {
      await tx
        .insertInto('amphora')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      if (former !== null)
        await tx.updateTable('amphora').set({ status: 'PENDING_DELETE', updated_at: now }).where('id', '=', former.id).execute()
    })
    return {
      amphora_id,
      topology,
      former: former === null ? null : { id: former.id, compute_id: former.compute_id, ...(await portsOf(db, network, former)) },
      member_subnets: memberSubnets(loadBalancer),
      peers: peersOf(loadBalancer, former_id),
      has_listeners: loadBalancer.listeners.length > 0,
    }
  },
  async revert({ db, clock, flow_id }, { role, former_id }) {
    const amphora_id = derivedId(flow_id, role)
    const isFailure = !(await isInService(db, amphora_id))
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
  },
})

function peersOf(loadBalancer: LoadBalancerTree, former_id: string | null): ServingAmphora[] {
  return servingAmphorae(loadBalancer).filter(({ id }) => id !== former_id)
}

/** Those that still exist. */
async function portsOf(db: Db, network: NetworkDriver, { id, vrrp_ip, vrrp_port_id }: Pick<AmphoraRow, 'id' | 'vrrp_ip' | 'vrrp_port_id'>) {
  const port = vrrp_port_id === null ? null : await ifThere(network.getPort(vrrp_port_id))
  const vrrp_port = port === null || vrrp_ip === null ? null : { port_id: port.id, mac_address: port.mac_address, vrrp_ip }
  const plugged = await db
    .selectFrom('amphora_member_port')
    .select(['port_id', 'subnet_id'])
    .where('amphora_id', '=', id)
    .orderBy('port_id')
    .execute()
  const legs: Former['legs'] = []
  for (const leg of plugged) if ((await ifThere(network.getPort(leg.port_id))) !== null) legs.push(leg)
  return { vrrp_port, legs }
}

/** From then on it stays, whatever becomes of the flow. */
async function isInService(db: Db, amphora_id: string): Promise<boolean> {
  const row = await db.selectFrom('amphora').select('status').where('id', '=', amphora_id).executeTakeFirst()
  return row !== undefined && row.status !== 'PENDING_CREATE' && row.status !== 'BOOTING'
}

/** The task, but that its revert leaves an amphora in peace that is in service. */
function untilInService<I extends Json, O extends Json | void>(
  task: Task<Context, I, O>,
  amphoraOf: (input: I) => string,
): Task<Context, I, O> {
  return {
    ...task,
    async revert(context, input, output) {
      if (!(await isInService(context.db, amphoraOf(input)))) await task.revert?.(context, input, output)
    },
  }
}

const startReplacement = untilInService(startMachine, ({ amphora_id }) => amphora_id)
const makeReplacementPort = untilInService(makeVrrpPort, ({ amphora_id }) => amphora_id)
const plugReplacementLeg = untilInService(plugLeg, ({ amphora }) => amphora.id)

type TakeOver = { load_balancer_id: string; amphora_id: string; compute_id: string; former: Former }

/** Out of the former machine, for good, before they are put into the new one. Ports are named after their amphora, hence get other names. */
const takeOverPorts = untilInService(
  task('take-over-ports', {
    async execute({ db, network, compute, clock, ...step }, { load_balancer_id, amphora_id, compute_id, former }: TakeOver) {
      const fence = fenceOf(step)
      for (const { port_id, nameFor } of movedPorts(former)) {
        if (former.compute_id !== null) await compute.detachPort(former.compute_id, port_id)
        await network.updatePort(port_id, { name: nameFor(amphora_id) }, fence)
        await compute.attachPort(compute_id, port_id, fence)
      }
      const { vip_address, vip_port_id } = await requireLoadBalancer(db, load_balancer_id)
      const ports = { vrrp_port: former.vrrp_port, ha_ip: vip_address, ha_port_id: vip_port_id }
      await moveInRows(db, { from: former.id, to: amphora_id, ...ports }, clock.now())
    },
    async revert({ db, network, compute, clock, ...step }, { load_balancer_id, amphora_id, compute_id, former }) {
      const fence = fenceOf(step)
      const isAlive = former.compute_id !== null && (await compute.getServer(former.compute_id)).status !== 'GONE'
      for (const { port_id, nameFor } of movedPorts(former)) {
        if ((await ifThere(network.getPort(port_id))) === null) continue
        await compute.detachPort(compute_id, port_id)
        await network.updatePort(port_id, { name: nameFor(former.id) }, fence)
        if (isAlive) await compute.attachPort(former.compute_id!, port_id, fence)
      }
      const { vip_address, vip_port_id } = await requireLoadBalancer(db, load_balancer_id)
      const ports = { vrrp_port: former.vrrp_port, ha_ip: vip_address, ha_port_id: vip_port_id }
      await moveInRows(db, { from: amphora_id, to: former.id, ...ports }, clock.now())
    },
  }),
  ({ amphora_id }) => amphora_id,
)

function movedPorts({ vrrp_port, legs }: Former): { port_id: string; nameFor(amphora_id: string): string }[] {
  return [
    ...(vrrp_port === null ? [] : [{ port_id: vrrp_port.port_id, nameFor: vrrpPortName }]),
    ...legs.map(({ port_id, subnet_id }) => ({ port_id, nameFor: (id: string) => legName({ amphora: { id }, subnet_id }) })),
  ]
}

type Move = { from: string; to: string; vrrp_port: VrrpPort | null; ha_ip: string; ha_port_id: string }

async function moveInRows(db: Db, { from, to, vrrp_port, ha_ip, ha_port_id }: Move, nowMs: number): Promise<void> {
  const updated_at = timestamp(nowMs)
  await db.transaction().execute(async (tx) => {
    await tx.updateTable('amphora_member_port').set({ amphora_id: to }).where('amphora_id', '=', from).execute()
    if (vrrp_port === null) return
    const { port_id: vrrp_port_id, vrrp_ip } = vrrp_port
    await tx.updateTable('amphora').set({ vrrp_ip, vrrp_port_id, ha_ip, ha_port_id, updated_at }).where('id', '=', to).execute()
    const none = { vrrp_ip: null, vrrp_port_id: null, ha_ip: null, ha_port_id: null }
    await tx
      .updateTable('amphora')
      .set({ ...none, updated_at })
      .where('id', '=', from)
      .execute()
  })
}

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

/** Where the new amphora has another address than the one it replaces. */
const tellPeer = task('tell-peer', {
  async execute(context, { amphora, load_balancer_id }: { amphora: ServingAmphora; load_balancer_id: string }) {
    const { amphora: agents, compute, signal } = context
    const stillThere = async () => (await compute.getServer(amphora.compute_id)).status !== 'GONE'
    try {
      const { capabilities = [] } = await agents.waitForAgent(amphora, 'failover', { stillThere, signal })
      await configureKeepalived.execute(context, { load_balancer_id, amphora, capabilities })
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error
      await noteUnreached(context, amphora.id, error)
    }
  },
})

/** The point of no return. */
const putInService = task('put-in-service', {
  async execute({ db, clock }, { amphora_id }: { amphora_id: string }) {
    await db
      .updateTable('amphora')
      .set({ status: 'ALLOCATED', updated_at: timestamp(clock.now()) })
      .where('id', '=', amphora_id)
      .where('status', '=', 'BOOTING')
      .execute()
  },
})

const forgetFormer = task('forget-amphora', {
  async execute({ db, clock }, id: string) {
    await db.transaction().execute((tx) => forgetAmphora(tx, id, clock.now()))
  },
})
