/** How the replacement of an amphora begins, whoever wants it: the API, the health manager, an operator who rotates all of them. */
import type { Tx } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { tryLockLoadBalancer } from '../load-balancer/repository.ts'
import type { Provider } from '../unsupported.ts'
import { type FailoverCause, failoverAmphora } from './failover-flow.ts'
import { findAmphora } from './repository.ts'
import { servingStatuses } from './row.ts'

/**
 * `not_there`: no such amphora; `unsupported`: its driver cannot replace it; `serves_none`: it has no load balancer (a spare one), or is being made or
 * deleted; `busy`: a flow is at work on its load balancer, or that is in a status from which a failover for this cause does not begin.
 */
export type Refusal = 'not_there' | 'unsupported' | 'serves_none' | 'busy'
export type Begun = { flow_id: string; refusal: null } | { flow_id: null; refusal: Refusal }

/** Moves the load balancer to PENDING_UPDATE and starts the flow, both in the caller's transaction; or changes nothing and says why. */
export async function beginFailover(
  tx: Tx,
  { amphora: { capabilities } }: Provider,
  amphora_id: string,
  cause: FailoverCause,
): Promise<Begun> {
  const refused = (refusal: Refusal): Begun => ({ flow_id: null, refusal })
  const amphora = await findAmphora(tx, amphora_id)
  if (amphora === undefined) return refused('not_there')
  if (!capabilities.failover) return refused('unsupported')
  const { loadbalancer_id: load_balancer_id, role, status } = amphora
  const isServing = servingStatuses.includes(status)
  if (load_balancer_id === null || role === null || !isServing) return refused('serves_none')
  if (!(await tryLockLoadBalancer(tx, load_balancer_id, beginsFrom[cause]))) return refused('busy')
  const params = { amphora_id, load_balancer_id, cause }
  return { flow_id: await startFlow(tx, failoverAmphora, params, { subject: load_balancer_id }), refusal: null }
}

/** A request waits for a load balancer that serves, as upstream's does; a failure does not wait until somebody has looked after the last one. */
const beginsFrom: Record<FailoverCause, ProvisioningStatus[]> = {
  requested: ['ACTIVE'],
  maintenance: ['ACTIVE'],
  no_heartbeat: ['ACTIVE', 'ERROR'],
  machine_gone: ['ACTIVE', 'ERROR'],
  management_port_down: ['ACTIVE', 'ERROR'],
}
