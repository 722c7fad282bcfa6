import type { Context } from '../context.ts'
import type { AmphoraStatus, Fault } from '../db/tables.ts'
import type { AgentUnreachable } from '../drivers/errors.ts'
import { timestamp } from '../lib/clock.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import { failure, faultOf } from '../resources/failures.ts'
import type { AmphoraOfTree, LoadBalancerTree } from '../resources/load-balancer/tree.ts'

/** What is needed to reach an amphora; goes through the journal. */
export type ServingAmphora = { id: string; compute_id: string; lb_network_ip: string }

/** Amphorae that should have the configuration. One in ERROR missed an earlier change: it is tried again. */
export function servingAmphorae(loadBalancer: LoadBalancerTree): ServingAmphora[] {
  return loadBalancer.amphorae.filter(serves).map(({ id, compute_id, lb_network_ip }) => ({ id, compute_id, lb_network_ip }))
}

function serves(amphora: AmphoraOfTree): amphora is AmphoraOfTree & { compute_id: string; lb_network_ip: string } {
  const { status, compute_id, lb_network_ip } = amphora
  return servingStatuses.includes(status) && compute_id !== null && lb_network_ip !== null
}

/** It missed a change that its peer may have taken: until a configuration reaches it again it is in ERROR, for operators and failover to see. */
export async function noteUnreached(context: Context, amphora_id: string, error: AgentUnreachable): Promise<void> {
  context.log.warn({ amphora_id, error: error.message }, 'an amphora missed a change')
  const fault = faultOf(failure('amphora_unreached', { details: error.message }), context.clock.now())
  await moveStatus(context, amphora_id, 'ALLOCATED', 'ERROR', fault)
}

export async function noteReached(context: Context, amphora_id: string): Promise<void> {
  await moveStatus(context, amphora_id, 'ERROR', 'ALLOCATED', null)
}

async function moveStatus(
  { db, clock }: Context,
  amphora_id: string,
  from: AmphoraStatus,
  to: AmphoraStatus,
  fault: Fault | null,
): Promise<void> {
  await db
    .updateTable('amphora')
    .set({ status: to, fault, updated_at: timestamp(clock.now()) })
    .where('id', '=', amphora_id)
    .where('status', '=', from)
    .execute()
}
