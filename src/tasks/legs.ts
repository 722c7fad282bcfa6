/**
 * The legs of amphorae in members' subnets: one for each amphora and subnet, but not for the VIP's own, which is reached anyway. A leg that is plugged has
 * its row in `amphora_member_port`. From before anything of it is made until then, and from before anything is taken away until all is gone, it has one
 * in `unfinished_leg`: whatever stops in between, and whatever becomes of the member, the next change of the load balancer finishes it or takes it away.
 */
import type { Context } from '../context.ts'
import { task } from '../context.ts'
import type { MemberRow, UnfinishedLegRow } from '../db/tables.ts'
import type { NetworkPlug } from '../drivers/amphora/driver.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import type { NetworkDriver, Port, Subnet } from '../drivers/network/driver.ts'
import { isWanted, type LoadBalancerTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import { noteUnreached, type ServingAmphora } from './serving-amphorae.ts'

export type Leg = { amphora: ServingAmphora; load_balancer_id: string; subnet_id: string }
/** The port of an unfinished one is found by its name. */
export type UnneededLeg = { amphora_id: string; compute_id: string; subnet_id: string; port_id: string | null }

export function legName({ amphora, subnet_id }: { amphora: { id: string }; subnet_id: string }): string {
  return `octavia-lb-member-${amphora.id}-${subnet_id}`
}

/** The subnets in which members are, by rows that are wanted. */
export function memberSubnets(loadBalancer: LoadBalancerTree): string[] {
  const ofVip = [loadBalancer.vip_subnet_id, ...loadBalancer.additional_vips.map((vip) => vip.subnet_id)]
  const members = loadBalancer.pools.filter(isWanted).flatMap((pool) => pool.members.filter(isWanted))
  const subnets = new Set(members.flatMap(({ subnet_id }) => subnet_id ?? []))
  return [...subnets].filter((subnet_id) => !ofVip.includes(subnet_id))
}

/** Compares what members need with what is plugged, or may be there in part. */
export async function compareLegs(
  db: Context['db'],
  loadBalancer: LoadBalancerTree,
  amphorae: ServingAmphora[],
): Promise<{ missing: Leg[]; unneeded: UnneededLeg[] }> {
  if (amphorae.length === 0) return { missing: [], unneeded: [] }
  const ids = amphorae.map(({ id }) => id)
  const plugged = await db.selectFrom('amphora_member_port').selectAll().where('amphora_id', 'in', ids).orderBy('port_id').execute()
  const subnets = memberSubnets(loadBalancer)
  const missing = amphorae.flatMap((amphora) =>
    subnets
      .filter((subnet_id) => !plugged.some((leg) => leg.amphora_id === amphora.id && leg.subnet_id === subnet_id))
      .map((subnet_id) => ({ amphora, load_balancer_id: loadBalancer.id, subnet_id })),
  )
  const unfinished = await unfinishedLegs(db, ids)
  const others = unfinished
    .filter((leg) => !plugged.some((known) => legKey(known) === legKey(leg)))
    .map((leg) => ({ ...leg, port_id: null }))
  const unneeded = [...plugged, ...others]
    .filter((leg) => !subnets.includes(leg.subnet_id))
    .map(({ amphora_id, subnet_id, port_id }) => ({
      amphora_id,
      subnet_id,
      port_id,
      compute_id: amphorae.find(({ id }) => id === amphora_id)!.compute_id,
    }))
  return { missing, unneeded }
}

/** Tells apart the legs of a load balancer. */
export const legKey = ({ amphora_id, subnet_id }: UnfinishedLegRow): string => `${amphora_id}/${subnet_id}`

/** Of these amphorae. */
export function unfinishedLegs(db: Context['db'], amphora_ids: readonly string[]): Promise<UnfinishedLegRow[]> {
  return db.selectFrom('unfinished_leg').selectAll().where('amphora_id', 'in', amphora_ids).orderBy('subnet_id').execute()
}

/** Whoever comes next takes it for not plugged, and knows that there may be something. */
async function noteUnfinished(db: Context['db'], { amphora_id, subnet_id }: UnfinishedLegRow): Promise<void> {
  await db
    .insertInto('unfinished_leg')
    .values({ amphora_id, subnet_id })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await db.deleteFrom('amphora_member_port').where('amphora_id', '=', amphora_id).where('subnet_id', '=', subnet_id).execute()
}

async function noteFinished(db: Context['db'], { amphora_id, subnet_id }: UnfinishedLegRow): Promise<void> {
  await db.deleteFrom('unfinished_leg').where('amphora_id', '=', amphora_id).where('subnet_id', '=', subnet_id).execute()
}

/**
 * Gives an amphora a leg in a member's subnet. False when its agent can't be reached: then the leg counts as not plugged and the next flow tries
 * again, for of a pair one may be down while the other serves.
 */
export const plugLeg = task('plug-leg', {
  async execute(context, leg: Leg): Promise<boolean> {
    const { db, network, compute, amphora: agents } = context
    const { amphora, subnet_id } = leg
    const fence = fenceOf(context)
    await noteUnfinished(db, { amphora_id: amphora.id, subnet_id })
    const subnet = await network.getSubnet(subnet_id)
    const { network_id } = subnet
    const port = await network.ensurePort(
      {
        name: legName(leg),
        network_id,
        fixed_ips: [{ subnet_id }],
        project_id: null,
        device_owner: 'Octavia',
        device_id: '',
        admin_state_up: true,
        security_group_ids: [],
        allowed_address_pairs: [],
        vnic_type: await vnicTypeOf(db, leg),
        made_by: context.flow_id,
      },
      fence,
    )
    await compute.attachPort(amphora.compute_id, port.id, fence)
    const plug = await networkPlug(network, port, subnet)
    try {
      await whileMachineLives(context, amphora, () => agents.plugNetwork(amphora, plug, fence))
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error
      await noteUnreached(context, amphora.id, error)
      return false
    }
    await db
      .insertInto('amphora_member_port')
      .values({ port_id: port.id, amphora_id: amphora.id, network_id, subnet_id })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    await noteFinished(db, { amphora_id: amphora.id, subnet_id })
    return true
  },
  // By name, since it may be plugged half-way. It takes away no earlier flow's leg, for only legs that were missing are plugged. The row stays: a slow
  // network may still make the port, or it is one that an earlier flow made.
  async revert({ db, network, compute, flow_id }, leg) {
    await noteUnfinished(db, { amphora_id: leg.amphora.id, subnet_id: leg.subnet_id })
    const port = await network.findPort(legName(leg))
    if (port === null) return
    await compute.detachPort(leg.amphora.compute_id, port.id)
    await network.deletePort(port.id, { made_by: flow_id })
  },
})

/** As a member asks for it that is reached by this leg. */
async function vnicTypeOf(db: Context['db'], { load_balancer_id, subnet_id }: Leg): Promise<MemberRow['vnic_type']> {
  const direct = await db
    .selectFrom('member')
    .innerJoin('pool', 'pool.id', 'member.pool_id')
    .select('member.id')
    .where('pool.load_balancer_id', '=', load_balancer_id)
    .where('member.subnet_id', '=', subnet_id)
    .where('member.vnic_type', '=', 'direct')
    .limit(1)
    .executeTakeFirst()
  return direct === undefined ? 'normal' : 'direct'
}

/** What an agent is told of a leg. */
export async function networkPlug(network: NetworkDriver, { mac_address, fixed_ips }: Port, subnet: Subnet): Promise<NetworkPlug> {
  const { mtu } = await network.getNetwork(subnet.network_id)
  const onSubnet = { subnet_cidr: subnet.cidr, gateway: subnet.gateway_ip, host_routes: subnet.host_routes }
  const onThis = fixed_ips.filter(({ subnet_id }) => subnet_id === subnet.id)
  return { mac_address, mtu, fixed_ips: onThis.map(({ ip_address }) => ({ ip_address, ...onSubnet })) }
}

/** Takes away a leg that no member needs any more. */
export const unplugLeg = task('unplug-leg', {
  async execute({ db, network, compute }, leg: UnneededLeg) {
    const { amphora_id, compute_id, subnet_id } = leg
    await noteUnfinished(db, leg)
    const port_id = leg.port_id ?? (await network.findPort(legName({ amphora: { id: amphora_id }, subnet_id })))?.id
    if (port_id !== undefined) {
      await compute.detachPort(compute_id, port_id)
      await network.deletePort(port_id)
    }
    await noteFinished(db, leg)
  },
})
