import { legName } from '../../src/tasks/legs.ts'
import { quotaDrift } from './quota-drift.ts'
import { SECRET, type Stage, statusTables } from './stage.ts'

/**
 * What is wrong with a stage on which no flow is under way any more, in words; nothing, if all is well. `mayLeak`: what a flow could not remove
 * is known by its journal, until somebody has it try again; so are the amphorae concerned.
 */
export async function unsound(stage: Stage, { mayLeak = false } = {}): Promise<string[]> {
  return [
    ...(await unsettledObjects(stage)),
    ...(await untold(stage)),
    ...(await quotaDrift(stage.db)).map(({ resource, counted, real }) => `${counted} ${resource} counted, ${real} there`),
    ...(mayLeak ? [] : [...(await unsettledAmphorae(stage)), ...(await leaked(stage))]),
  ]
}

/** Objects that a flow has left on their way, and those in ERROR that do not say why. */
async function unsettledObjects({ db }: Stage): Promise<string[]> {
  const found: string[] = []
  for (const table of statusTables) {
    for (const { id, provisioning_status, fault } of await db.selectFrom(table).select(['id', 'provisioning_status', 'fault']).execute()) {
      if (provisioning_status.startsWith('PENDING')) found.push(`${table} ${id} is ${provisioning_status}`)
      if (provisioning_status === 'ERROR' && fault === null) found.push(`${table} ${id} is in ERROR and does not say why`)
    }
  }
  return found
}

async function unsettledAmphorae({ db }: Stage): Promise<string[]> {
  const found: string[] = []
  const settled = ['ALLOCATED', 'READY', 'ERROR', 'DELETED']
  for (const { id, status, cert_busy } of await db.selectFrom('amphora').select(['id', 'status', 'cert_busy']).execute()) {
    if (!settled.includes(status)) found.push(`amphora ${id} is ${status}`)
    if (cert_busy) found.push(`amphora ${id} is marked as getting a certificate`)
  }
  return found
}

/** Flows and events without an end or a reason, and secrets that were written down. */
async function untold(stage: Stage): Promise<string[]> {
  const { db } = stage
  const found: string[] = []
  for (const { state, ended_at_ms, reason_message, reason_details } of await db.selectFrom('flow').selectAll().execute()) {
    if (ended_at_ms === null) found.push(`the flow is ${state}`)
    if (state !== 'DONE' && !reason_message && !reason_details) found.push(`the flow is ${state} without a reason`)
  }
  for (const { outcome } of await db.selectFrom('event').select('outcome').execute())
    if (outcome !== 'success' && outcome !== 'failure') found.push(`the event of the flow says ${outcome}`)
  if ((await stage.journal()).includes(SECRET)) found.push('a secret is in the journal')
  return found
}

/** Machines, ports and groups that no row knows. An unfinished leg's port is known by its name. */
async function leaked({ db, compute, network }: Stage): Promise<string[]> {
  const loadBalancers = await db.selectFrom('load_balancer').selectAll().where('provisioning_status', '!=', 'DELETED').execute()
  const amphorae = await db.selectFrom('amphora').selectAll().where('status', '!=', 'DELETED').execute()
  const legs = await db.selectFrom('amphora_member_port').select('port_id').execute()
  const unfinished = await db.selectFrom('unfinished_leg').selectAll().execute()
  const known = new Set<string | null>([
    ...loadBalancers.flatMap(({ id, vip_port_id, server_group_id }) => [`lb-${id}`, vip_port_id, server_group_id]),
    ...amphorae.flatMap(({ compute_id, vrrp_port_id }) => [compute_id, vrrp_port_id]),
    ...legs.map(({ port_id }) => port_id),
    ...unfinished.map(({ amphora_id, subnet_id }) => legName({ amphora: { id: amphora_id }, subnet_id })),
  ])
  return [
    ...compute.servers.filter(({ state }) => !known.has(state.compute_id)).map(({ wanted }) => `machine ${wanted.name} is left over`),
    ...network.ports.filter(({ id, name }) => !known.has(id) && !known.has(name)).map(({ name }) => `port ${name} is left over`),
    ...network.securityGroups
      .filter(({ name, made_by }) => made_by !== '' && !known.has(name))
      .map(({ name }) => `security group ${name} is left over`),
    ...compute.serverGroups.filter(({ id }) => !known.has(id)).map(({ name }) => `server group ${name} is left over`),
  ]
}
