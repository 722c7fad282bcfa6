import { type QuotaResource, quotaResources } from '../../src/api/quota.ts'
import type { Db } from '../../src/db/connection.ts'

export type Drift = { project_id: string; resource: QuotaResource; counted: number; real: number }

/** Where the counters of quotas differ from what is there. */
export async function quotaDrift(db: Db): Promise<Drift[]> {
  const rows = await db.selectFrom('quota').selectAll().orderBy('project_id').execute()
  const drift: Drift[] = []
  for (const resource of quotaResources) {
    const objects = await db
      .selectFrom(resource as 'load_balancer')
      .select(['project_id', 'provisioning_status'])
      .execute()
    const real = Map.groupBy(
      objects.filter(({ provisioning_status }) => provisioning_status !== 'DELETED'),
      ({ project_id }) => project_id,
    )
    for (const project_id of new Set([...rows.map((row) => row.project_id), ...real.keys()])) {
      const counted = rows.find((row) => row.project_id === project_id)?.[`in_use_${resource}`] ?? 0
      const found = real.get(project_id)?.length ?? 0
      if (counted !== found) drift.push({ project_id, resource, counted, real: found })
    }
  }
  return drift
}
