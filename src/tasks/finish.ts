/** The last step of every change: one transaction, after which the load balancer is free for the next change. */

import { lockQuotaOf } from '../api/quota.ts'
import { type Context, task } from '../context.ts'
import type { Tx } from '../db/connection.ts'
import type { StepContext, Task } from '../flow/define.ts'
import type { Json } from '../lib/json.ts'
import { lockLoadBalancers } from '../resources/load-balancer/repository.ts'
import { noteSecretUses } from '../resources/secret-uses.ts'
import { markActive } from './statuses.ts'

/** Where the answer to a commit is lost, the transaction is done once more, instead of undoing a change that everybody can see already. */
export const FINISH_RETRY = { attempts: 5, firstWaitMs: 50, longestWaitMs: 1_000 }

/**
 * Does `change` and marks ACTIVE what the flow worked on, in one transaction. `change` may run again after it was committed; null is for a flow
 * that removes nothing.
 */
export function finishTask<I extends { load_balancer_id: string } & { [key: string]: Json }>(
  name: string,
  change: ((tx: Tx, input: I, context: Context & StepContext) => Promise<void>) | null,
): Task<Context, I, void> {
  return task<I, void>(name, {
    async execute(context, input) {
      await noteSecretUses(context, input.load_balancer_id)
      await context.db.transaction().execute(async (tx) => {
        if (change !== null) await lockQuotaOf(tx, input.load_balancer_id)
        await lockLoadBalancers(tx, [input.load_balancer_id])
        await change?.(tx, input, context)
        await markActive(tx, input.load_balancer_id, context.clock.now())
      })
    },
    // Nobody else may take the load balancer while what was made for it is removed.
    async revert({ db }, { load_balancer_id }) {
      await db
        .updateTable('load_balancer')
        .set({ provisioning_status: 'PENDING_UPDATE' })
        .where('id', '=', load_balancer_id)
        .where('provisioning_status', '=', 'ACTIVE')
        .execute()
    },
    retry: FINISH_RETRY,
  })
}

export const markChangeActive = finishTask<{ load_balancer_id: string }>('mark-active', null)
