import type { Tx } from '../../db/connection.ts'
import { FencedError } from '../../drivers/errors.ts'
import type { Fence } from '../../drivers/network/driver.ts'

/** A flow is over long before; its fence is kept for this long at least. */
const FENCE_LIFETIME_MS = 7 * 86_400_000

/**
 * Throws FencedError when a later worker on this flow has been here. To be called in the transaction that makes the change: kept in the
 * database, because the late worker may be another process.
 */
export async function checkFence(tx: Tx, subject: string, fence: Fence | undefined, nowMs: number): Promise<void> {
  if (fence === undefined) return
  const { flow_id, generation } = fence
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('embedded_fence')
    .values({ flow_id, generation, seen_at_ms: nowMs })
    .onConflict((conflict) =>
      conflict.column('flow_id').doUpdateSet({ generation, seen_at_ms: nowMs }).where('embedded_fence.generation', '<=', generation),
    )
    .executeTakeFirstOrThrow()
  if (numInsertedOrUpdatedRows === 0n) throw new FencedError(subject)
}

export async function forgetOldFences(tx: Tx, nowMs: number): Promise<void> {
  await tx
    .deleteFrom('embedded_fence')
    .where('seen_at_ms', '<', nowMs - FENCE_LIFETIME_MS)
    .execute()
}
