/**
 * How many objects a project has and may have. The counter moves in the transaction that stores the object, and back in the one that
 * removes its row, so that no crash can charge twice or forget.
 */
import type { Config } from '../config/config.ts'
import type { Tx } from '../db/connection.ts'
import type { QuotaRow } from '../db/tables.ts'
import { quotaMet } from './faults.ts'

const shownNames = {
  load_balancer: 'Load Balancer',
  listener: 'Listener',
  pool: 'Pool',
  member: 'Member',
  health_monitor: 'Health Monitor',
  l7policy: 'L7 Policy',
  l7rule: 'L7 Rule',
} as const

export type QuotaResource = keyof typeof shownNames

/**
 * Counts `count` new objects; throws 403 when the project may not have that many. Without authentication there are no limits. In:
 * `leaving`, how many the same operation removes: they count until their rows are gone, but are no reason to refuse.
 */
export async function takeQuota(
  tx: Tx,
  config: Config,
  resource: QuotaResource,
  project_id: string,
  count = 1,
  leaving = 0,
): Promise<void> {
  if (count === 0) return
  const inUse = `in_use_${resource}` as const
  const stored = await tx
    .insertInto('quota')
    .values({ ...noQuota(project_id), [inUse]: count })
    .onConflict((conflict) =>
      conflict.column('project_id').doUpdateSet(({ eb, ref }) => ({ [inUse]: eb(ref(`quota.${inUse}`), '+', count) })),
    )
    .returning([resource, inUse])
    .executeTakeFirstOrThrow()
  if (config.api_settings.auth_strategy !== 'keystone') return
  const limit = stored[resource] ?? config.quotas[`default_${resource}_quota`]
  if (limit >= 0 && stored[inUse] - leaving > limit) throw quotaMet(shownNames[resource])
}

/** Counts objects whose rows are removed in the same transaction. */
export async function releaseQuota(tx: Tx, resource: QuotaResource, project_id: string, count = 1): Promise<void> {
  if (count === 0) return
  const inUse = `in_use_${resource}` as const
  await tx
    .updateTable('quota')
    // A counter below zero would let a project have more than its limit for ever.
    .set(({ eb, ref }) => ({
      [inUse]: eb
        .case()
        .when(inUse, '>', count)
        .then(eb(ref(inUse), '-', count))
        .else(0)
        .end(),
    }))
    .where('project_id', '=', project_id)
    .execute()
}

function noQuota(project_id: string): QuotaRow {
  return {
    project_id,
    load_balancer: null,
    listener: null,
    pool: null,
    member: null,
    health_monitor: null,
    l7policy: null,
    l7rule: null,
    in_use_load_balancer: 0,
    in_use_listener: 0,
    in_use_pool: 0,
    in_use_member: 0,
    in_use_health_monitor: 0,
    in_use_l7policy: 0,
    in_use_l7rule: 0,
  }
}
