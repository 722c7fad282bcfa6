import { type Check, lasting, MAX_TOLD, tellEach } from './trouble.ts'

/** A worker takes a flow within a second; one that waits so long has none, or all of them are full. */
const WAITING_MS = 60_000
/** The longest flows wait for machines that boot in a cloud. */
const RUNNING_MS = 30 * 60_000
const SETTLE_MS = 60_000

/** Flows that could not be undone: an operator has to look. */
export const failedFlows: Check = async ({ db }) => {
  const rows = await db
    .selectFrom('flow')
    .selectAll()
    .where('state', '=', 'REVERT_FAILURE')
    .orderBy('ended_at_ms', 'desc')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'flow_revert_failure', ({ id, name, subject, reason_message, reason_details }) => ({
    level: 'error',
    about: id,
    says:
      `The flow ${name}${subject === null ? '' : ` of load balancer ${subject}`} failed and could not be undone; what it had made may be left over. Housekeeping tries again for a day, if nothing else was begun about it since. ` +
      [reason_message, reason_details].filter((text) => text !== null && text !== '').join(' '),
    type: `ottavia flow show ${id}; once its cause is mended: ottavia flow revert ${id}`,
  }))
}

/** Flows that nobody takes, or that take too long. */
export const slowFlows: Check = async ({ db, nowMs }) => {
  const rows = await db
    .selectFrom('flow')
    .selectAll()
    .where('ended_at_ms', 'is', null)
    .where(({ or, and, eb }) =>
      or([and([eb('state', '=', 'READY'), eb('created_at_ms', '<', nowMs - WAITING_MS)]), eb('created_at_ms', '<', nowMs - RUNNING_MS)]),
    )
    .orderBy('created_at_ms')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'flow_slow', ({ id, name, subject, state, created_at_ms, generation, worker }) => {
    const what = `The flow ${name}${subject === null ? '' : ` of load balancer ${subject}`}`
    const age = lasting(nowMs - created_at_ms)
    return {
      level: 'error',
      about: id,
      says:
        state === 'READY'
          ? `${what} has been waiting for ${age}: no worker runs, or all of its kind's places are taken ([task_flow] max_workers, [health_manager] failover_threads).`
          : `${what} is ${state} for ${age}, begun ${generation} times${worker === null ? '' : `, now by process ${worker.split('/')[3]} on ${worker.split('/')[0]}`}.`,
      type: `ottavia flow show ${id}`,
    }
  })
}

/** PENDING, and no flow will ever end that. */
export const stuckLoadBalancers: Check = async ({ db, nowMs }) => {
  const rows = await db
    .selectFrom('load_balancer')
    .select(['id', 'name', 'provisioning_status'])
    .where('provisioning_status', 'in', ['PENDING_CREATE', 'PENDING_UPDATE', 'PENDING_DELETE'])
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('flow')
            .select('flow.id')
            .whereRef('flow.subject', '=', 'load_balancer.id')
            // A flow that has just ended may have been read before it, and the load balancer after.
            .where(({ or, eb }) => or([eb('flow.ended_at_ms', 'is', null), eb('flow.ended_at_ms', '>', nowMs - SETTLE_MS)])),
        ),
      ),
    )
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'load_balancer_stuck', ({ id, name, provisioning_status }) => ({
    level: 'error',
    about: id,
    says: `The load balancer ${id} (${name}) is ${provisioning_status}, and no flow works on it: it would stay so for ever. That is a defect.`,
    type: `ottavia flow list --load-balancer ${id}`,
  }))
}
