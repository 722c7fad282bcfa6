import { task } from '../context.ts'
import { markActive } from './statuses.ts'

/** The last step of a change that removes nothing. */
export const markChangeActive = task('mark-active', {
  async execute({ db, clock }, load_balancer_id: string) {
    await db.transaction().execute((tx) => markActive(tx, load_balancer_id, clock.now()))
  },
})
