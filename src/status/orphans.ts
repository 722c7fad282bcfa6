import { type Check, lasting, MAX_TOLD, tellEach } from './trouble.ts'

/** What nobody knows, and nobody deletes by himself; the rest goes after its time. */
export const foundOrphans: Check = async ({ db, config, nowMs }) => {
  const grace = config.house_keeping.orphan_grace_seconds
  const rows = await db
    .selectFrom('orphan')
    .selectAll()
    .orderBy('first_seen_ms')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'orphan', ({ id, kind, name, is_ours, first_seen_ms }) => ({
    level: 'warning',
    about: id,
    says:
      `The ${kind.replaceAll('_', ' ')} ${id} (${name}) is of no load balancer and no amphora; it was found ${lasting(nowMs - first_seen_ms)} ago. ` +
      (is_ours && grace >= 0
        ? `Housekeeping deletes it ${lasting(grace * 1_000)} after that.`
        : 'It may be of another installation, so it is not deleted: look whose it is.'),
    type: 'ottavia orphans list',
  }))
}
