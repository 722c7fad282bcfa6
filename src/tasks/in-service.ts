/** The point of no return of a replacement: from then on the new amphora serves, and stays, whatever becomes of its flow. */
import { type Context, task } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { Task } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import type { Json } from '../lib/json.ts'

export const putInService = task('put-in-service', {
  async execute({ db, clock }, { amphora_id }: { amphora_id: string }) {
    await db
      .updateTable('amphora')
      .set({ status: 'ALLOCATED', updated_at: timestamp(clock.now()) })
      .where('id', '=', amphora_id)
      .where('status', '=', 'BOOTING')
      .execute()
  },
})

export async function isInService(db: Db, amphora_id: string): Promise<boolean> {
  const row = await db.selectFrom('amphora').select('status').where('id', '=', amphora_id).executeTakeFirst()
  return row !== undefined && row.status !== 'PENDING_CREATE' && row.status !== 'BOOTING'
}

/** The task, but that its revert leaves an amphora in peace that is in service. */
export function untilInService<I extends Json, O extends Json | void>(
  task: Task<Context, I, O>,
  amphoraOf: (input: I) => string,
): Task<Context, I, O> {
  return {
    ...task,
    async revert(context, input, output) {
      if (!(await isInService(context.db, amphoraOf(input)))) await task.revert?.(context, input, output)
    },
  }
}
