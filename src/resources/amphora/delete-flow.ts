import { flow, task } from '../../context.ts'
import type { Tx } from '../../db/connection.ts'
import type { AmphoraRow, AmphoraStatus } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { timestamp } from '../../lib/clock.ts'
import { forgetAmphora, removeAmphora, withLegs } from '../../tasks/remove-amphora.ts'
import { faultOf } from '../failures.ts'

type Params = { amphora_id: string }

type Doomed = Pick<AmphoraRow, 'id' | 'loadbalancer_id'>

/** It goes, if it still is in that status: a load balancer may have just taken a spare one, or somebody removes it already; then false. */
export async function beginRemoval(tx: Tx, { id, loadbalancer_id }: Doomed, from: AmphoraStatus, nowMs: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('amphora')
    .set({ status: 'PENDING_DELETE', updated_at: timestamp(nowMs) })
    .where('id', '=', id)
    .where('status', '=', from)
    .executeTakeFirst()
  if (numUpdatedRows > 0n) await startFlow(tx, deleteAmphora, { amphora_id: id }, { subject: loadbalancer_id ?? id })
  return numUpdatedRows > 0n
}

export function beginRemovalOfSpare(tx: Tx, id: string, nowMs: number): Promise<boolean> {
  return beginRemoval(tx, { id, loadbalancer_id: null }, 'READY', nowMs)
}

/** The API has moved the amphora from ERROR to PENDING_DELETE. Its load balancer is not asked: this amphora does not serve it. */
export const deleteAmphora = flow<Params>('delete-amphora', {
  async steps(run, { amphora_id }) {
    for (const amphora of await run(findDoomed, amphora_id)) await run(removeAmphora, amphora)
    await run(forget, amphora_id)
  },
  async afterRevert({ db, clock }, { amphora_id }, reason) {
    const now = clock.now()
    await db
      .updateTable('amphora')
      .set({ status: 'ERROR', fault: faultOf(reason, now), updated_at: timestamp(now) })
      .where('id', '=', amphora_id)
      // Its load balancer may have been deleted meanwhile, and it with it.
      .where('status', '=', 'PENDING_DELETE')
      .execute()
  },
})

const findDoomed = task('find-doomed', {
  async execute({ db }, amphora_id: string) {
    const rows = await db.selectFrom('amphora').select(['id', 'compute_id', 'vrrp_port_id']).where('id', '=', amphora_id).execute()
    return withLegs(db, rows)
  },
})

const forget = task('forget-amphora', {
  async execute({ db, clock }, amphora_id: string) {
    await db.transaction().execute((tx) => forgetAmphora(tx, amphora_id, clock.now()))
  },
})
