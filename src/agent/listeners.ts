/** A listener of a haproxy.cfg, as `GET /1.0/listeners` shows it. */
export interface ConfiguredListener {
  status: 'ACTIVE'
  uuid: string
  /** The frontend's mode in capitals; TERMINATED_HTTPS where it has certificates. */
  type: string
}

/** Each listener is a frontend of its name (upstream's `parse_haproxy_file`); the internal ones of PROMETHEUS listeners are none. */
export function listenersOf(configuration: string): ConfiguredListener[] {
  const sections = configuration.split(/^(?=[a-z])/m)
  const defaults = sections.find((section) => section.startsWith('defaults')) ?? ''
  return sections.flatMap((section) => {
    const uuid = /^frontend\s+(\S+)/.exec(section)?.[1]
    if (uuid === undefined || uuid.includes('prometheus')) return []
    const mode = modeOf(section) ?? modeOf(defaults) ?? 'tcp'
    const type = /^\s+bind\s.*\sssl\s+crt-list\s/m.test(section) ? 'TERMINATED_HTTPS' : mode.toUpperCase()
    return [{ status: 'ACTIVE' as const, uuid, type }]
  })
}

function modeOf(section: string): string | undefined {
  return /^\s+mode\s+(\S+)/m.exec(section)?.[1]
}
