/** An amphora's machine: booted with its agent's files, waited for, and gone again when its flow fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, task } from '../context.ts'
import type { LoadBalancerRow } from '../db/tables.ts'
import type { Server } from '../drivers/compute/driver.ts'
import { AgentUnreachable, FencedError } from '../drivers/errors.ts'
import type { StepContext } from '../flow/define.ts'
import { amphoraFiles } from '../lib/amphora-files.ts'
import { timestamp } from '../lib/clock.ts'
import { RSYSLOG_FILE, renderRsyslog } from '../render/rsyslog.ts'
import { zoneEffects } from '../resources/availability-zone/effects.ts'
import { failure } from '../resources/failures.ts'
import { flavorEffects } from '../resources/flavor/effects.ts'
import { requireLoadBalancer } from '../resources/load-balancer/tree.ts'
import { agentConfigurationOf } from './agent-configuration.ts'
import { fenceOf } from './fence.ts'
import { isStillThere } from './machine-lives.ts'
import { serverCertificateOf } from './server-certificate.ts'
import type { ServingAmphora } from './serving-amphorae.ts'

/** Between two looks at a booting machine half of the time that it has taken so far, so that little is lost once it runs; up to `[controller_worker] amp_active_wait_sec`. */
const SHORTEST_WAIT_MS = 20

export function serverName(amphora_id: string): string {
  return `amphora-${amphora_id}`
}

/** What decides which machine a load balancer's amphora is. */
export type Wishes = Pick<LoadBalancerRow, 'flavor_id' | 'availability_zone'>

/** What the machine is, but for its name, its files and its server group. */
export async function machineKind({ db, config }: Pick<Context, 'db' | 'config'>, wishes: Wishes) {
  const flavor = await flavorEffects(db, config, wishes)
  const zone = await zoneEffects(db, config, wishes)
  return {
    network_ids: zone.boot_network_ids,
    security_group_ids: config.controller_worker.amp_secgroup_list,
    compute_flavor: flavor.compute_flavor,
    image_tag: flavor.image_tag,
    availability_zone: zone.compute_zone,
  }
}

/** Of a machine that is booted for no load balancer yet. */
export const noWishes = { flavor_id: null, availability_zone: null } satisfies Wishes

/** Boots the machine with its certificate and configuration; does not wait for it. Without a load balancer it is a spare one. Answers its compute id. */
export const startMachine = task('start-machine', {
  async execute(context, { load_balancer_id, amphora_id }: { load_balancer_id: string | null; amphora_id: string }) {
    const { config, compute, image, db, clock } = context
    const loadBalancer = load_balancer_id === null ? null : await requireLoadBalancer(db, load_balancer_id)
    const topology = loadBalancer?.topology ?? config.controller_worker.loadbalancer_topology
    const { image_tag, ...kind } = await machineKind(context, loadBalancer ?? noWishes)
    const wanted = {
      ...kind,
      amphora_id,
      name: serverName(amphora_id),
      server_group_id: loadBalancer?.server_group_id ?? null,
      files: await machineFiles(context, amphora_id, topology),
      made_by: context.flow_id,
    }
    const notStarted = (error: unknown): never => {
      if (error instanceof FencedError) throw error
      throw failure('amphora_not_started', { details: String(error) })
    }
    const image_id = await image.findImage(image_tag).catch(notStarted)
    const { compute_id } = await compute.ensureServer({ ...wanted, image_id }, fenceOf(context)).catch(notStarted)
    await db
      .updateTable('amphora')
      .set({ compute_id, status: 'BOOTING', updated_at: timestamp(clock.now()) })
      .where('id', '=', amphora_id)
      .execute()
    return compute_id
  },
  async revert({ compute, flow_id }, { amphora_id }) {
    const compute_id = await compute.findServer(serverName(amphora_id))
    if (compute_id !== null) await compute.deleteServer(compute_id, { made_by: flow_id })
  },
})

async function machineFiles(context: Context, amphora_id: string, topology: 'SINGLE' | 'ACTIVE_STANDBY'): Promise<Record<string, string>> {
  const { config, trust } = context
  const { compute_driver } = config.controller_worker
  // Nobody would read them.
  if (compute_driver === 'compute_noop_driver') return {}
  // For upstream's image.
  const rsyslog = compute_driver === 'compute_nova_driver' ? renderRsyslog(config.amphora_agent) : ''
  return {
    [amphoraFiles.agentConfiguration]: agentConfigurationOf(context, amphora_id, topology),
    [amphoraFiles.serverCertificate]: await serverCertificateOf(context, amphora_id),
    [amphoraFiles.clientCa]: trust.current.clientCas,
    ...(rsyslog === '' ? {} : { [RSYSLOG_FILE]: rsyslog }),
  }
}

/** Waits until the machine runs and has its management address. VisibleError when it fails, ends, or takes longer than the configuration allows. */
export const awaitMachine = task('await-machine', {
  async execute(context, { amphora_id, compute_id }: { amphora_id: string; compute_id: string }) {
    const known = await context.db.selectFrom('amphora').select('lb_network_ip').where('id', '=', amphora_id).executeTakeFirst()
    // A spare one runs already.
    const isBooting = known?.lb_network_ip == null
    const server = await runningServer(context, compute_id, isBooting ? context.compute.firstLookMs : 0)
    await context.db
      .updateTable('amphora')
      .set({
        lb_network_ip: server.lb_network_ip,
        image_id: server.image_id,
        compute_flavor: server.compute_flavor,
        cached_zone: server.availability_zone,
        updated_at: timestamp(context.clock.now()),
      })
      .where('id', '=', amphora_id)
      .execute()
    return { id: amphora_id, compute_id, lb_network_ip: server.lb_network_ip }
  },
})

/**
 * As `awaitMachine`, and then puts a port, where one is given, into the machine that was made before; the port needs no revert of its own, for it is deleted and so is the machine.
 */
export const prepareMachine = task('prepare-machine', {
  async execute(context, { amphora_id, compute_id, port_id }: { amphora_id: string; compute_id: string; port_id: string | null }) {
    const amphora = await awaitMachine.execute(context, { amphora_id, compute_id })
    if (port_id !== null) await context.compute.attachPort(compute_id, port_id, fenceOf(context))
    return amphora
  },
})

async function runningServer(
  { compute, clock, config, signal }: Context & StepContext,
  compute_id: string,
  firstLookMs: number,
): Promise<Server & { lb_network_ip: string }> {
  const { amp_active_retries, amp_active_wait_sec } = config.controller_worker
  const deadline = clock.monotonic() + amp_active_retries * amp_active_wait_sec * 1_000
  const longestMs = Math.max(amp_active_wait_sec * 1_000, SHORTEST_WAIT_MS)
  if (firstLookMs > 0) await sleep(firstLookMs, undefined, { signal })
  for (let waitedMs = firstLookMs; ; ) {
    const server = await compute.getServer(compute_id)
    if (server.status === 'ERROR') throw failure('amphora_not_started', { details: server.fault ?? `server ${compute_id}` })
    if (server.status === 'GONE') throw failure('amphora_ended', { details: `server ${compute_id}` })
    const { lb_network_ip } = server
    if (server.status === 'ACTIVE' && lb_network_ip !== null) return { ...server, lb_network_ip }
    if (clock.monotonic() >= deadline) throw failure('amphora_too_slow', { details: `server ${compute_id}: ${server.status}` })
    const waitMs = Math.min(Math.max(waitedMs / 2, SHORTEST_WAIT_MS), longestMs)
    await sleep(waitMs, undefined, { signal })
    waitedMs += waitMs
  }
}

/** What is taken for a version: the row is shown, and the agent may be anybody's. */
const version = /^\d[\w.+~-]{0,63}$/

/** Waits for the agent of a booting machine, no longer than the machine lives, and notes its version. Answers what it can do beyond upstream's. */
export const waitForAgent = task('wait-for-agent', {
  async execute({ db, amphora: agents, compute, signal }, amphora: ServingAmphora) {
    const stillThere = isStillThere(compute, amphora.compute_id, { justSeen: true })
    try {
      const info = await agents.waitForAgent(amphora, 'booting', { stillThere, signal })
      const { agent_version } = info
      if (agent_version !== undefined && version.test(agent_version))
        await db.updateTable('amphora').set({ agent_version }).where('id', '=', amphora.id).execute()
      return info.capabilities ?? []
    } catch (error) {
      if (error instanceof AgentUnreachable) throw failure('amphora_silent_after_start', { details: error.message })
      throw error
    }
  },
})
