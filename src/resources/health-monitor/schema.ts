/** Fields stand in upstream's order (`octavia/api/v2/types/health_monitor.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { changes, commonFields, IdOnly, integer, listOf, nullable, oneOf, projectId, serverSet, shown, urlPath, uuid } from '../fields.ts'

const types = ['HTTP', 'HTTPS', 'PING', 'TCP', 'TLS-HELLO', 'UDP-CONNECT', 'SCTP'] as const
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'OPTIONS', 'CONNECT', 'PATCH'] as const

const retries = { minimum: 1, maximum: 10 }
const { name, admin_state_up, tags } = commonFields

const fields = {
  name,
  type: oneOf(types),
  /** Between two checks, in seconds. */
  delay: integer({ minimum: 0 }),
  /** How long a check may take, in seconds. */
  timeout: integer({ minimum: 0 }),
  max_retries_down: integer({ ...retries, default: 3 }),
  max_retries: integer(retries),
  // HTTP and HTTPS monitors alone have these three; their defaults depend on the type.
  http_method: nullable(oneOf(methods)),
  url_path: nullable(urlPath()),
  expected_codes: nullable(Type.String({ pattern: '^(\\d{3}(\\s*,\\s*\\d{3})*)$|^(\\d{3}-\\d{3})$' })),
  admin_state_up,
  tags,
  http_version: nullable(oneOf([1.0, 1.1])),
  domain_name: nullable(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^(?=.{1,253}\\.?$)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\\.|$))+$',
    }),
  ),
}

const { tags: _tags, http_version, domain_name, ...before } = fields

const shownFields = { ...shown(fields), ...serverSet }

/** In answers, alone and in a list. */
export const HealthMonitor = Type.Object({ ...shownFields, pools: listOf(IdOnly) }, { title: 'HealthMonitor' })
export type HealthMonitor = Static<typeof HealthMonitor>

/** In the answer to a fully populated create: without the way back up. */
export const HealthMonitorTree = Type.Object(shownFields, { title: 'HealthMonitorTree' })
export type HealthMonitorTree = Static<typeof HealthMonitorTree>

export const HealthMonitorCreate = Type.Object({
  ...before,
  project_id: projectId,
  pool_id: uuid(),
  tags,
  http_version,
  domain_name,
})
export type HealthMonitorCreate = Static<typeof HealthMonitorCreate>

/** Within a fully populated create. */
export const HealthMonitorInTree = Type.Object(fields, { title: 'HealthMonitorInTree' })
export type HealthMonitorInTree = Static<typeof HealthMonitorInTree>

export const HealthMonitorUpdate = changes(HealthMonitorCreate, [
  'name',
  'delay',
  'timeout',
  'max_retries_down',
  'max_retries',
  'http_method',
  'url_path',
  'expected_codes',
  'admin_state_up',
  'tags',
  'http_version',
  'domain_name',
])
export type HealthMonitorUpdate = Static<typeof HealthMonitorUpdate>
