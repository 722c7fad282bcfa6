/** Keeps as many spare amphorae as `[house_keeping] spare_amphora_pool_size` says, of the kind that load balancers have by default. */
import { randomUUID } from 'node:crypto'
import type { Tx } from '../db/connection.ts'
import { isOnlyOne } from '../db/only-one.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { startFlow } from '../flow/start.ts'
import { timestamp } from '../lib/clock.ts'
import { createSpareAmphora } from '../resources/amphora/create-spare-flow.ts'
import { beginRemovalOfSpare } from '../resources/amphora/delete-flow.ts'
import { newAmphora } from '../resources/amphora/row.ts'
import { noWishes } from '../tasks/machine.ts'
import { kindOf } from '../tasks/spare-amphorae.ts'
import { periodicJob } from './periodic-job.ts'

/** Booted at once at most: users' changes wait for the same workers. */
const MAX_BOOTING = 2
/** Removed in one run at most. */
const MAX_REMOVED = 10

export const refillSpareAmphorae = periodicJob(
  'refill-spare-amphorae',
  async (context) => {
    const { db, config, clock } = context
    const wanted = config.house_keeping.spare_amphora_pool_size
    const kind = await kindOf(context, noWishes)
    return db.transaction().execute(async (tx) => {
      const done = { begun: 0, surplus: 0 }
      if (!(await isOnlyOne(tx, 'spares'))) return done
      const spares = await listSpares(tx)
      const fitting = spares.filter((spare) => spare.kind === kind)
      const booting = spares.filter(({ status }) => status !== 'READY').length
      // A change of the configuration makes others.
      const others = spares.filter((spare) => spare.kind !== kind && spare.status === 'READY')
      const tooMany = fitting.filter(({ status }) => status === 'READY').slice(0, Math.max(0, fitting.length - wanted))
      for (const { id } of [...others, ...tooMany].slice(0, MAX_REMOVED)) {
        if (await beginRemovalOfSpare(tx, id, clock.now())) done.surplus += 1
      }
      for (; done.begun < Math.min(wanted - fitting.length, MAX_BOOTING - booting); done.begun++) await beginSpare(tx, kind, clock.now())
      return done
    })
  },
  ({ house_keeping }) => house_keeping.spare_check_interval,
)

/** The oldest first. */
async function listSpares(tx: Tx): Promise<(Pick<AmphoraRow, 'id' | 'status'> & { kind: string })[]> {
  return tx
    .selectFrom('spare_amphora')
    .innerJoin('amphora', 'amphora.id', 'spare_amphora.amphora_id')
    .select(['amphora.id', 'amphora.status', 'spare_amphora.kind'])
    .where('amphora.loadbalancer_id', 'is', null)
    .where('amphora.status', 'in', ['PENDING_CREATE', 'BOOTING', 'READY'])
    .orderBy('amphora.created_at')
    .orderBy('amphora.id')
    .execute()
}

/** In the caller's transaction, so that the next run counts it. */
async function beginSpare(tx: Tx, kind: string, nowMs: number): Promise<void> {
  const amphora_id = randomUUID()
  const none = { loadbalancer_id: null, role: null, vrrp_id: null, vrrp_priority: null }
  await tx
    .insertInto('amphora')
    .values(newAmphora({ id: amphora_id, ...none, created_at: timestamp(nowMs) }))
    .execute()
  await tx.insertInto('spare_amphora').values({ amphora_id, kind, taken_by: null }).execute()
  await startFlow(tx, createSpareAmphora, { amphora_id }, { subject: amphora_id })
}
