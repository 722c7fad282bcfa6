/**
 * Amphorae that no flow will ever finish: what a flow made and could not take away, however often it was tried again. They are deleted, or are in ERROR, which
 * somebody can delete.
 */
import type { Db, Tx } from '../db/connection.ts'
import type { AmphoraRow, AmphoraStatus } from '../db/tables.ts'
import { isAtWork } from '../flow/history.ts'
import { timestamp } from '../lib/clock.ts'
import { beginRemoval } from '../resources/amphora/delete-flow.ts'
import { failure, faultOf } from '../resources/failures.ts'
import { lockLoadBalancers } from '../resources/load-balancer/repository.ts'
import { periodicJob } from './periodic-job.ts'

/** In one run. */
const MAX_SETTLED = 20
const UNFINISHED: AmphoraStatus[] = ['PENDING_CREATE', 'BOOTING', 'PENDING_DELETE']

export const settleUnfinishedAmphorae = periodicJob('settle-unfinished-amphorae', async ({ db, clock }) => {
  const done = { deleted: 0, in_error: 0 }
  for (const amphora of await listAbandoned(db)) {
    await db.transaction().execute(async (tx) => {
      if (amphora.loadbalancer_id !== null) await lockLoadBalancers(tx, [amphora.loadbalancer_id])
      // Something may have begun about it meanwhile.
      if (!(await isAbandoned(tx, amphora))) return
      if (amphora.status !== 'PENDING_DELETE') {
        if (await beginRemoval(tx, amphora, amphora.status, clock.now())) done.deleted += 1
        return
      }
      // It may be the one that served, so it is for somebody to judge.
      const fault = faultOf(failure('general', { details: 'its deletion ended before it was gone' }), clock.now())
      const { numUpdatedRows } = await tx
        .updateTable('amphora')
        .set({ status: 'ERROR', fault, updated_at: timestamp(clock.now()) })
        .where('id', '=', amphora.id)
        .where('status', '=', 'PENDING_DELETE')
        .executeTakeFirst()
      done.in_error += Number(numUpdatedRows)
    })
  }
  return done
})

type Unfinished = Pick<AmphoraRow, 'id' | 'loadbalancer_id' | 'status'>

async function listAbandoned(db: Db): Promise<Unfinished[]> {
  const rows = await db
    .selectFrom('amphora')
    .select(['id', 'loadbalancer_id', 'status'])
    .where('status', 'in', UNFINISHED)
    .where(({ not, exists, selectFrom, or, ref }) =>
      not(
        exists(
          selectFrom('flow')
            .select('flow.id')
            .where('ended_at_ms', 'is', null)
            .where(({ eb }) => or([eb('subject', '=', ref('amphora.id')), eb('subject', '=', ref('amphora.loadbalancer_id'))])),
        ),
      ),
    )
    .orderBy('created_at')
    .limit(MAX_SETTLED)
    .execute()
  const abandoned: Unfinished[] = []
  for (const row of rows) if (await isAbandoned(db, row)) abandoned.push(row)
  return abandoned
}

async function isAbandoned(db: Db | Tx, { id, loadbalancer_id }: Unfinished): Promise<boolean> {
  return !(await isAtWork(db, loadbalancer_id === null ? [id] : [id, loadbalancer_id]))
}
