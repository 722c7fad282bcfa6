/** Lines of HAProxy's log as they come through the pipe (RFC 5424), and as receivers get them (RFC 3164, as rsyslog forwards by default). */

/** Syslog's severities: traffic is `info`, what an operator should know is worse. */
export const SEVERITY = { error: 3, info: 6, debug: 7 } as const
const WORSE_THAN_INFO = 5
/** LOG_LOCAL0 of syslog. */
const LOCAL0 = 16

export interface LogLine {
  severity: number
  /** As HAProxy writes it: `2026-11-26T02:49:30.885508+00:00`. */
  time: string
  pid: string
  message: string
}

/** Null for what is none: the rest of a line of which the beginning was lost. */
export function parseLogLine(line: string): LogLine | null {
  // <priority>1 time host program pid message-id structured-data message
  const [, priority, time, pid, message] = /^<(\d{1,3})>1 (\S+) \S+ \S+ (\S+) \S+ \S+ (.*)$/.exec(line) ?? []
  if (message === undefined) return null
  return { severity: Number(priority) % 8, time: time!, pid: pid!, message }
}

/** A line about traffic, which belongs to the tenant; else it is for operators. Upstream's rsyslog parts them in the same way: `local0.=info`. */
export function isTraffic({ severity }: LogLine): boolean {
  return severity > WORSE_THAN_INFO
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `<134>Nov 26 02:49:30 amphora-1 haproxy[19]: message`; `facility` is the number of a LOG_LOCAL. */
export function syslogMessage(
  line: LogLine,
  { facility, hostname, program }: { facility: number; hostname: string; program: string },
): string {
  const [, month, day, clock] = /^\d+-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(line.time) ?? ['', '01', '01', '00:00:00']
  const date = `${months[Number(month) - 1]} ${day!.replace(/^0/, ' ')}`
  return `<${(LOCAL0 + facility) * 8 + line.severity}>${date} ${clock} ${hostname} ${program}[${line.pid}]: ${line.message}`
}

/** Puts pieces together into lines. */
export class LineReader {
  private rest = ''
  private skips: boolean

  /** `cut`: what comes first is the rest of a line of which the beginning is not known. */
  constructor(cut: boolean) {
    this.skips = cut
  }

  push(piece: string): string[] {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop()!
    if (this.skips && lines.length > 0) {
      this.skips = false
      lines.shift()
    }
    return lines
  }
}
