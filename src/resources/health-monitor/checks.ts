/** What a health monitor's fields must fulfil beyond their types, in upstream's order (`octavia/api/v2/controllers/health_monitor.py`). */
import { disabledOption, invalidOption, validationFailure } from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import type { HealthMonitorRow, HealthMonitorType, PoolRow } from '../../db/tables.ts'
import type { HealthMonitorUpdate } from './schema.ts'

/** Only these two speak HTTP, so only they have a method, a path and expected codes. */
export function speaksHttp(type: HealthMonitorType): boolean {
  return type === 'HTTP' || type === 'HTTPS'
}

/** Whether a monitor of that type may watch the pool; before quota and locks. In: `delay` undefined where an update leaves it. */
export function checkHealthMonitorAndPool(
  monitor: { type: HealthMonitorType; delay: number | undefined },
  pool: Pick<PoolRow, 'protocol'>,
  config: Config,
): void {
  const { type, delay } = monitor
  if (pool.protocol !== 'UDP' && pool.protocol !== 'SCTP') {
    if (type === 'UDP-CONNECT' || type === 'SCTP') {
      throw validationFailure(`The ${type} type is only supported for pools of type UDP/SCTP.`)
    }
    return
  }
  if (!['UDP-CONNECT', 'SCTP', 'TCP', 'HTTP'].includes(type)) {
    throw validationFailure(
      `The associated pool protocol is ${pool.protocol}, so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported.`,
    )
  }
  const minimum = config.api_settings.udp_connect_min_interval_health_monitor
  if (type === 'UDP-CONNECT' && delay !== undefined && delay < minimum) {
    throw validationFailure(`The request delay value ${delay} should be larger than ${minimum} for UDP-CONNECT health monitor type.`)
  }
}

export function checkPingAllowed(type: HealthMonitorType, config: Config): void {
  if (type === 'PING' && !config.api_settings.allow_ping_health_monitors) throw disabledOption('type', 'PING')
}

type HttpFields = { http_method?: string | null; url_path?: string | null; expected_codes?: string | null }

export function checkNewHealthMonitor(monitor: HealthMonitorRow): void {
  if (!speaksHttp(monitor.type)) refuseHttpFields(monitor.type, monitor, (value) => value !== null)
  checkDomainName(monitor.domain_name, monitor.http_version)
}

/** In: the body of an update, null meaning "clear", and the monitor as it is. */
export function checkHealthMonitorUpdate(update: HealthMonitorUpdate, monitor: HealthMonitorRow): void {
  if (!speaksHttp(monitor.type)) refuseHttpFields(monitor.type, update, (value) => value !== undefined)
  for (const field of ['delay', 'max_retries', 'timeout'] as const) {
    if (update[field] === null) throw invalidOption('None', field)
  }
  const version = update.http_version === undefined ? monitor.http_version : update.http_version
  const name = update.domain_name === undefined ? monitor.domain_name : update.domain_name
  checkDomainName(name, version)
}

function refuseHttpFields(type: HealthMonitorType, sent: HttpFields, isGiven: (value: unknown) => boolean): void {
  for (const field of ['http_method', 'url_path', 'expected_codes'] as const) {
    if (isGiven(sent[field])) throw invalidOption(field, `health monitors of type ${type}`)
  }
}

/** A Host header needs HTTP/1.1. */
function checkDomainName(domain_name: string | null, http_version: number | null): void {
  if (!domain_name) return
  if (!http_version) throw validationFailure("'http_version' must be specified when 'domain_name' is provided.")
  if (http_version < 1.1) {
    throw invalidOption(`http_version ${http_version.toFixed(1)}`, 'health monitors HTTP 1.1 domain name health check')
  }
}
