/** How limits come from a body, and what an answer shows of them. */
import { type QuotaLimits, quotaResources } from '../../api/quota.ts'
import type { Config } from '../../config/config.ts'
import type { QuotaRow } from '../../db/tables.ts'
import type { Quota, QuotaInList, QuotaUpdate } from './schema.ts'

export function quotaChanges({ loadbalancer, load_balancer, healthmonitor, health_monitor, ...rest }: QuotaUpdate): Partial<QuotaLimits> {
  const asked = {
    ...rest,
    load_balancer: loadbalancer === undefined ? load_balancer : loadbalancer,
    health_monitor: healthmonitor === undefined ? health_monitor : healthmonitor,
  }
  return Object.fromEntries(Object.entries(asked).filter(([, limit]) => limit !== undefined))
}

/** The limits of a project: its own, and for the rest the configured ones. `row` undefined: it has none of its own. */
export function showQuota(project_id: string, row: QuotaRow | undefined, { quotas }: Config): Quota {
  const limits = Object.fromEntries(
    quotaResources.map((resource) => [resource, row?.[resource] ?? quotas[`default_${resource}_quota`]]),
  ) as Record<keyof QuotaLimits, number>
  return inBothSpellings(project_id, limits)
}

export function showQuotaInList(row: QuotaRow): QuotaInList {
  return inBothSpellings(row.project_id, row)
}

/** Old clients read the names with underscores, newer ones those without. */
function inBothSpellings<L extends number | null>(project_id: string, limits: Record<keyof QuotaLimits, L>) {
  const { load_balancer, listener, member, pool, health_monitor, l7policy, l7rule } = limits
  return {
    project_id,
    tenant_id: project_id,
    loadbalancer: load_balancer,
    load_balancer,
    listener,
    member,
    pool,
    healthmonitor: health_monitor,
    health_monitor,
    l7policy,
    l7rule,
  }
}
