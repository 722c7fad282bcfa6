import { flow, task } from '../../context.ts'
import { timestamp } from '../../lib/clock.ts'
import { awaitMachine, startMachine, waitForAgent } from '../../tasks/machine.ts'
import { forgetAmphora } from '../../tasks/remove-amphora.ts'

type Params = { amphora_id: string }

/** Housekeeping has stored the amphora as PENDING_CREATE, of no load balancer. It is booted, waited for, and left alone. */
export const createSpareAmphora = flow<Params>('create-spare-amphora', {
  async steps(run, { amphora_id }) {
    await run(keepRow, amphora_id)
    const compute_id = await run(startMachine, { load_balancer_id: null, amphora_id })
    const amphora = await run(awaitMachine, { amphora_id, compute_id })
    await run(waitForAgent, amphora)
    await run(makeReady, amphora_id)
  },
})

/** The first step, so that the row goes when nothing of the amphora is left, and stays where something is. */
const keepRow = task('keep-spare-row', {
  async execute(_context, _amphora_id: string) {},
  async revert({ db, clock }, amphora_id) {
    await db.transaction().execute((tx) => forgetAmphora(tx, amphora_id, clock.now()))
  },
})

/** From now on a load balancer may take it. */
const makeReady = task('make-spare-ready', {
  async execute({ db, clock }, amphora_id: string) {
    await db
      .updateTable('amphora')
      .set({ status: 'READY', updated_at: timestamp(clock.now()) })
      .where('id', '=', amphora_id)
      .where('status', '=', 'BOOTING')
      .execute()
  },
  // It is taken back from those who look for one before its machine goes.
  async revert({ db, clock }, amphora_id) {
    await db
      .updateTable('amphora')
      .set({ status: 'BOOTING', updated_at: timestamp(clock.now()) })
      .where('id', '=', amphora_id)
      .where('status', '=', 'READY')
      .execute()
  },
})
