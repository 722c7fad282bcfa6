/**
 * Counters of quotas move in the transactions that store and remove objects, so they cannot drift; should they all the same, through a bug or a
 * hand in the database, a project would for ever have too few or too many. This looks, tells, and puts it right.
 */
import { lockQuota, noQuota, type QuotaResource, quotaResources } from '../api/quota.ts'
import type { Db, Tx } from '../db/connection.ts'
import { periodicJob } from './periodic-job.ts'

/** Counting takes as long as the projects have objects. The next run takes the next ones, and begins anew after the last. */
const MAX_PROJECTS = 20

/** Where the last run ended. */
const endedAt = new WeakMap<Db, string>()

export const repairQuotas = periodicJob('repair-quotas', async ({ db, log }) => {
  const projects = await nextProjects(db, endedAt.get(db) ?? '')
  if (projects.length < MAX_PROJECTS) endedAt.delete(db)
  else endedAt.set(db, projects.at(-1)!)
  let repaired = 0
  for (const project_id of projects) {
    if ((await differences(db, project_id)).length === 0) continue
    // Counted again under the lock, which whoever stores or removes objects of the project needs too.
    const found = await db.transaction().execute((tx) => repair(tx, project_id))
    for (const { resource, counted, real } of found) log.warn({ project_id, resource, counted, real }, 'a quota was counted wrong')
    repaired += found.length
  }
  return { repaired }
})

async function nextProjects(db: Db, after: string): Promise<string[]> {
  // Every object is below a load balancer of its project.
  const rows = await db
    .selectFrom(
      db
        .selectFrom('quota')
        .select('project_id')
        .where('project_id', '>', after)
        .union(db.selectFrom('load_balancer').select('project_id').where('project_id', '>', after))
        .as('project'),
    )
    .select('project_id')
    .orderBy('project_id')
    .limit(MAX_PROJECTS)
    .execute()
  return rows.map(({ project_id }) => project_id)
}

type Difference = { resource: QuotaResource; counted: number; real: number }

async function differences(db: Db, project_id: string): Promise<Difference[]> {
  const row = await db.selectFrom('quota').selectAll().where('project_id', '=', project_id).executeTakeFirst()
  const found: Difference[] = []
  for (const resource of quotaResources) {
    const counted = row?.[`in_use_${resource}`] ?? 0
    const real = await count(db, resource, project_id)
    if (counted !== real) found.push({ resource, counted, real })
  }
  return found
}

async function count(db: Db, resource: QuotaResource, project_id: string): Promise<number> {
  // A deleted load balancer's row is kept for a while; other tables have no such status.
  const { found } = await db
    .selectFrom(resource as 'load_balancer')
    .select(({ fn }) => fn.countAll<number>().as('found'))
    .where('project_id', '=', project_id)
    .where('provisioning_status', '!=', 'DELETED')
    .executeTakeFirstOrThrow()
  return found
}

async function repair(tx: Tx, project_id: string): Promise<Difference[]> {
  await tx
    .insertInto('quota')
    .values(noQuota(project_id))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await lockQuota(tx, project_id)
  const found = await differences(tx, project_id)
  if (found.length === 0) return found
  await tx
    .updateTable('quota')
    .set(Object.fromEntries(found.map(({ resource, real }) => [`in_use_${resource}`, real])))
    .where('project_id', '=', project_id)
    .execute()
  return found
}
