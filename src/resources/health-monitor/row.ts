/** How a health monitor's row comes from a body, and what an answer shows of it. */
import type { HealthMonitorRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { idOnly } from '../fields.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import { speaksHttp } from './checks.ts'
import type { HealthMonitor, HealthMonitorCreate, HealthMonitorInTree, HealthMonitorTree, HealthMonitorUpdate } from './schema.ts'

type Parents = Pick<HealthMonitorRow, 'project_id' | 'pool_id'>

const httpDefaults = { http_method: 'GET', url_path: '/', expected_codes: '200' } as const

/** Fields that only HTTP and HTTPS monitors may have are kept as sent, for `storeNewHealthMonitor` to refuse. */
export function newHealthMonitor(body: HealthMonitorCreate | HealthMonitorInTree, parents: Parents, clock: Clock): HealthMonitorRow {
  const defaults = speaksHttp(body.type) ? httpDefaults : { http_method: null, url_path: null, expected_codes: null }
  return {
    ...newlyCreated(clock),
    ...parents,
    name: body.name,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    type: body.type,
    delay: body.delay,
    timeout: body.timeout,
    max_retries: body.max_retries,
    max_retries_down: body.max_retries_down,
    http_method: body.http_method ?? defaults.http_method,
    url_path: body.url_path ?? defaults.url_path,
    expected_codes: body.expected_codes ?? defaults.expected_codes,
    http_version: body.http_version,
    domain_name: body.domain_name,
  }
}

export function healthMonitorChanges(update: HealthMonitorUpdate): Partial<HealthMonitorRow> {
  const changes = changedFields<HealthMonitorUpdate, HealthMonitorRow>(update, {
    name: '',
    admin_state_up: false,
    tags: undefined,
    // Null of these three was refused.
    delay: undefined,
    timeout: undefined,
    max_retries: undefined,
    max_retries_down: 3,
  })
  if (changes.http_method === null) changes.http_method = httpDefaults.http_method
  if (changes.url_path === null) changes.url_path = httpDefaults.url_path
  if (changes.expected_codes === null) changes.expected_codes = httpDefaults.expected_codes
  return changes
}

/** Alone or in a list. */
export function showHealthMonitor(monitor: HealthMonitorRow): HealthMonitor {
  return { ...showHealthMonitorInTree(monitor), pools: [idOnly(monitor.pool_id)] }
}

/** Within the answer to a fully populated create: without the way back up. */
export function showHealthMonitorInTree(monitor: HealthMonitorRow): HealthMonitorTree {
  const { pool_id: _, fault: __, ...fields } = monitor
  return { ...fields, http_version: decimal(monitor.http_version), tenant_id: monitor.project_id }
}

/** Newer than the compiler's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** As JSON shows it in Python, 1.0: clients print what they read. For the serialiser alone; whoever calculates takes the row. */
function decimal(value: HealthMonitorRow['http_version']): HealthMonitorRow['http_version'] {
  return value === null ? null : (rawJSON(value.toFixed(1)) as unknown as typeof value)
}
