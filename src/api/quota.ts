/**
 * How many objects a project has and may have. The counter moves in the transaction that stores the object, and back in the one that
 * removes its row, so that no crash can charge twice or forget.
 */
import type { Config } from '../config/config.ts'
import { isPostgresql, type Tx } from '../db/connection.ts'
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
export const quotaResources = Object.keys(shownNames) as QuotaResource[]

/** What a project may have of each; null is the configured default, -1 as many as it likes. */
export type QuotaLimits = Pick<QuotaRow, QuotaResource>

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
  const isLimited = config.api_settings.auth_strategy === 'keystone'
  // As upstream, a project whose objects are limited is in the list of quotas from its first object on.
  const listed = isLimited ? { listed: true } : {}
  const stored = await tx
    .insertInto('quota')
    .values({ ...noQuota(project_id), ...listed, [inUse]: count })
    .onConflict((conflict) =>
      conflict.column('project_id').doUpdateSet(({ eb, ref }) => ({ ...listed, [inUse]: eb(ref(`quota.${inUse}`), '+', count) })),
    )
    .returning([resource, inUse])
    .executeTakeFirstOrThrow()
  if (!isLimited) return
  const limit = stored[resource] ?? config.quotas[`default_${resource}_quota`]
  if (limit >= 0 && stored[inUse] - leaving > limit) throw quotaMet(shownNames[resource])
}

/**
 * Nobody else counts objects of the project until the transaction ends. Whoever takes several locks takes this one first, then the load
 * balancer's, so that no two transactions wait for each other; `takeQuota` takes it too.
 */
export async function lockQuota(tx: Tx, project_id: string): Promise<void> {
  // SQLite has one writer, which the transaction is already.
  if (isPostgresql(tx)) await tx.selectFrom('quota').select('project_id').where('project_id', '=', project_id).forUpdate().execute()
}

/** `lockQuota` of the project that a load balancer belongs to. */
export async function lockQuotaOf(tx: Tx, load_balancer_id: string): Promise<void> {
  if (!isPostgresql(tx)) return
  const owner = tx.selectFrom('load_balancer').select('project_id').where('id', '=', load_balancer_id)
  await tx.selectFrom('quota').select('project_id').where('project_id', '=', owner).forUpdate().execute()
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

/** A project of which nothing is set or counted. */
export function noQuota(project_id: string): QuotaRow {
  return {
    project_id,
    listed: false,
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
