/**
 * Spare amphorae: booted, their agents answer, and they serve nobody (status READY). A load balancer whose amphorae would be such machines takes one
 * instead of booting its own: it keeps its id and its certificate, and gets a role.
 */
import { type Context, task } from '../context.ts'
import type { AmphoraRow, LoadBalancerRow, Topology } from '../db/tables.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import { type Run, type StepContext, VisibleError } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import { derivedId } from '../lib/derived-id.ts'
import { newAmphora, type Role } from '../resources/amphora/row.ts'
import { sendAgentConfiguration } from './agent-configuration.ts'
import { askIfAnswering } from './answering.ts'
import { machineKind, prepareMachine, serverName, type startMachine, type Wishes } from './machine.ts'
import { whileMachineLives } from './machine-lives.ts'
import { forgetAmphora } from './remove-amphora.ts'
import type { ServingAmphora } from './serving-amphorae.ts'

/** Spare ones that are looked at until one is taken; another flow may be quicker. */
const MAX_TRIED = 5

/** In words that are the same for machines that are. */
export async function kindOf(context: Pick<Context, 'db' | 'config'>, wishes: Wishes): Promise<string> {
  const { network_ids, security_group_ids, compute_flavor, image_tag, availability_zone } = await machineKind(context, wishes)
  return JSON.stringify([compute_flavor, image_tag, availability_zone, network_ids, security_group_ids])
}

type Place = Pick<AmphoraRow, 'vrrp_id' | 'vrrp_priority'> & { role: Role }
type Taker = Wishes & Pick<LoadBalancerRow, 'id' | 'server_group_id'>

/** An amphora of a load balancer that a flow builds. `compute_id`: it was a spare one, and its machine is there. */
export type PlannedAmphora = { amphora_id: string; role: Role; compute_id: string | null }

/**
 * Stores the amphora that is to have this role: a spare one, or one whose machine is still to be booted. Repeated by the same flow it answers the same one.
 * Whoever calls this in a task calls `withdrawSpare` in its revert. `antiAffinity`: hosts matter, and a spare one runs where it runs.
 */
export async function planAmphora(
  context: Context & StepContext,
  loadBalancer: Taker,
  place: Place,
  { antiAffinity }: { antiAffinity: boolean },
): Promise<PlannedAmphora> {
  const { db, clock, flow_id } = context
  const { role } = place
  const amphora_id = derivedId(flow_id, role)
  const stored = await db.selectFrom('amphora').select('id').where('id', '=', amphora_id).executeTakeFirst()
  if (stored === undefined) {
    const spare = (await findTaken(context, role)) ?? (antiAffinity ? null : await takeSpare(context, loadBalancer, place))
    if (spare !== null) return { amphora_id: spare.amphora_id, role, compute_id: spare.compute_id }
    await db
      .insertInto('amphora')
      .values(newAmphora({ id: amphora_id, loadbalancer_id: loadBalancer.id, ...place, created_at: timestamp(clock.now()) }))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  return { amphora_id, role, compute_id: null }
}

type Spare = { amphora_id: string; compute_id: string | null }

/** It is BOOTING then, as one whose machine has just been started. Null where none fits. */
async function takeSpare(context: Context & StepContext, loadBalancer: Taker, place: Place): Promise<Spare | null> {
  const { db, compute, clock, config, flow_id } = context
  const silentBefore = clock.now() - config.health_manager.heartbeat_timeout * 1_000
  const free = await db
    .selectFrom('spare_amphora')
    .innerJoin('amphora', 'amphora.id', 'spare_amphora.amphora_id')
    .leftJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .select(['amphora.id', 'amphora.compute_id'])
    .where('spare_amphora.kind', '=', await kindOf(context, loadBalancer))
    .where('amphora.status', '=', 'READY')
    .where(({ or, eb }) => or([eb('last_update_ms', 'is', null), eb('last_update_ms', '>=', silentBefore)]))
    .orderBy('amphora.created_at')
    .limit(MAX_TRIED)
    .execute()
  for (const { id, compute_id } of free) {
    // One that has just died is for the health manager to remove.
    if (compute_id === null || (await compute.getServer(compute_id)).status !== 'ACTIVE') continue
    const isTaken = await db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('amphora')
        .set({ loadbalancer_id: loadBalancer.id, status: 'BOOTING', ...place, updated_at: timestamp(clock.now()) })
        .where('id', '=', id)
        .where('status', '=', 'READY')
        .executeTakeFirst()
      if (numUpdatedRows > 0n) await tx.updateTable('spare_amphora').set({ taken_by: flow_id }).where('amphora_id', '=', id).execute()
      return numUpdatedRows > 0n
    })
    if (isTaken) return { amphora_id: id, compute_id }
  }
  return null
}

/** One that the flow has taken goes: something may have been done to it, so it does not become spare again. Not to be called once it is in service for good. */
export async function withdrawSpare(context: Context & StepContext, role: Role): Promise<void> {
  const { db, compute, clock } = context
  const taken = await findTaken(context, role)
  if (taken === null) return
  const server = taken.compute_id ?? (await compute.findServer(serverName(taken.amphora_id)))
  if (server !== null) await compute.deleteServer(server)
  await db.transaction().execute((tx) => forgetAmphora(tx, taken.amphora_id, clock.now()))
}

/** Of the amphora that `planAmphora` has answered, or would. */
export async function plannedId(context: Context & StepContext, role: Role): Promise<string> {
  return (await findTaken(context, role))?.amphora_id ?? derivedId(context.flow_id, role)
}

async function findTaken({ db, flow_id }: Context & StepContext, role: Role): Promise<Spare | null> {
  const row = await db
    .selectFrom('spare_amphora')
    .innerJoin('amphora', 'amphora.id', 'spare_amphora.amphora_id')
    .select(['amphora.id as amphora_id', 'amphora.compute_id'])
    .where('spare_amphora.taken_by', '=', flow_id)
    .where('amphora.role', '=', role)
    .where('amphora.status', '!=', 'DELETED')
    .executeTakeFirst()
  return row ?? null
}

type Adopted = { load_balancer_id: string; amphora_id: string; compute_id: string; topology: Topology; port_id: string | null }

/**
 * A sub-flow: a spare amphora's machine with a port, if one is given, whose agent knows whose it is. Where it has died since it was last heard another machine
 * is booted by `boot` and takes its place, with its id and its certificate.
 */
export async function adoptSpare(run: Run<Context>, boot: typeof startMachine, spare: Adopted): Promise<ServingAmphora> {
  const { load_balancer_id, amphora_id, port_id } = spare
  const adopted = await run(configureSpare, spare)
  if (adopted !== null) return adopted
  await run(discardSpareMachine, spare)
  const compute_id = await run(boot, { load_balancer_id, amphora_id })
  return run(prepareMachine, { amphora_id, compute_id, port_id })
}

/** Null where it is dead. What the agent does with a VIP depends on the topology. */
const configureSpare = task('configure-spare', {
  async execute(context, { amphora_id, compute_id, topology, port_id }: Adopted) {
    try {
      const amphora = await prepareMachine.execute(context, { amphora_id, compute_id, port_id })
      if ((await askIfAnswering(context, amphora)) === null) return null
      await whileMachineLives(context, amphora, () => sendAgentConfiguration(context, amphora, topology))
      return amphora
    } catch (error) {
      if (!(error instanceof AgentUnreachable || error instanceof VisibleError)) throw error
      context.log.warn({ amphora_id, error: error.message }, 'a spare amphora has died; another machine takes its place')
      return null
    }
  },
})

const discardSpareMachine = task('discard-spare-machine', {
  async execute({ db, compute }, { amphora_id, compute_id, port_id }: Adopted) {
    if (port_id !== null && (await compute.getServer(compute_id)).status !== 'GONE') await compute.detachPort(compute_id, port_id)
    await compute.deleteServer(compute_id)
    // From now on its machine is found by name, until the next one's id is stored.
    await db.updateTable('amphora').set({ compute_id: null }).where('id', '=', amphora_id).where('compute_id', '=', compute_id).execute()
    // When the former was last heard says nothing of the next.
    await db.deleteFrom('amphora_health').where('amphora_id', '=', amphora_id).execute()
  },
})
