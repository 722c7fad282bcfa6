import type { TlsCertificateRow } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { recordCertificateEnd } from '../resources/event/record.ts'
import { periodicJob } from './periodic-job.ts'

const DAY_MS = 86_400_000
/** Of each certificate in service there is an event so many days before its end, and at its end. */
const TOLD_DAYS_BEFORE = [30, 14, 7, 3, 1, 0]
const MAX_CERTIFICATES = 1_000

/** Each is told once, also where several controllers look. A certificate that comes late is told of as late as it is. */
export const tellExpiringCertificates = periodicJob('tell-expiring-certificates', async ({ db, clock }) => {
  const now = clock.now()
  const due = await db
    .selectFrom('tls_certificate')
    .selectAll()
    .where(({ and, or, eb }) =>
      or(
        TOLD_DAYS_BEFORE.map((days) =>
          and([eb('not_after', '<=', timestamp(now + days * DAY_MS)), or([eb('told_days', 'is', null), eb('told_days', '>', days)])]),
        ),
      ),
    )
    .orderBy('not_after')
    .limit(MAX_CERTIFICATES)
    .execute()
  let told = 0
  for (const row of due) {
    const days = TOLD_DAYS_BEFORE.findLast((days) => row.not_after! <= timestamp(now + days * DAY_MS))!
    const isMine = await db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('tls_certificate')
        .set({ told_days: days })
        .where('object_id', '=', row.object_id)
        .where('field', '=', row.field)
        .where('reference', '=', row.reference)
        .where('not_after', '=', row.not_after)
        .where(({ or, eb }) => or([eb('told_days', 'is', null), eb('told_days', '>', days)]))
        .executeTakeFirst()
      if (numUpdatedRows > 0n) await recordCertificateEnd(tx, row as TlsCertificateRow & { not_after: string }, now)
      return numUpdatedRows > 0n
    })
    if (isMine) told += 1
  }
  return { told }
})
