/** What the log daemon of upstream's amphora image forwards (`octavia/common/jinja/logging/templates/10-rsyslog.conf.template`); our agent forwards by itself. */
import type { Config } from '../config/config.ts'

export const RSYSLOG_FILE = '/etc/rsyslog.d/10-rsyslog.conf'

type Options = Config['amphora_agent']

export function renderRsyslog(options: Options): string {
  const { tenant_log_targets, admin_log_targets, user_log_facility, administrative_log_facility } = options
  const administrative = options.forward_all_logs ? `*.*;local${user_log_facility}.none` : `local${administrative_log_facility}.*`
  const lines = [
    ...forwarding('tenant_forwarding', tenant_log_targets, `local${user_log_facility}.=info`, options),
    ...forwarding('admin_forwarding', admin_log_targets, administrative, options),
    ...(options.disable_local_log_storage ? ['*.* stop'] : []),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** The first receiver that can be reached gets what is selected. */
function forwarding(name: string, targets: readonly string[], selected: string, options: Options): string[] {
  if (targets.length === 0) return []
  const actions = targets.map((target, i) => {
    // The configuration takes nothing but letters, digits, dots, colons and brackets.
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(target)!
    const retries = `action.resumeRetryCount="${options.log_retry_count}" action.resumeInterval="${options.log_retry_interval}"`
    const onlyThen = i === 0 ? '' : ' action.execOnlyWhenPreviousIsSuspended="on"'
    return `  action(type="omfwd" target="${host}" port="${port}" protocol="${options.log_protocol.toLowerCase()}" ${retries}${onlyThen})`
  })
  return [
    `ruleset(name="${name}" queue.type="linkedList" queue.size="${options.log_queue_size}") {`,
    ...actions,
    '}',
    `${selected} call ${name}`,
  ]
}
