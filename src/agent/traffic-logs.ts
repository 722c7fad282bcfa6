/**
 * What HAProxy logs: the last lines of each load balancer are kept, live ones go to who follows them and to the syslog receivers that the operator
 * has named.
 */
import type { ServerResponse } from 'node:http'
import { hostname } from 'node:os'
import { FileTail } from './file-tail.ts'
import type { Paths } from './files.ts'
import type { AgentLog, LogLevel } from './log.ts'
import { isTraffic, LineReader, type LogLine, parseLogLine, SEVERITY, syslogMessage } from './log-lines.ts'
import { LogPipe } from './log-pipe.ts'
import type { LogSettings } from './settings.ts'
import { SyslogSender } from './syslog-sender.ts'

/** Of each load balancer's log in memory. */
const MAX_KEPT_BYTES = 256 * 1024
/** Followers of one load balancer at once. */
export const MAX_FOLLOWERS = 8
/** What may wait for a slow follower. */
const MAX_UNREAD_BYTES = 256 * 1024
/** A follower whose machine is gone is noticed by then, without traffic too. */
const KEEP_ALIVE_MS = 30_000

export interface Follower {
  /** Gets lines about traffic, without the header that syslog has. */
  lines(lines: readonly string[]): void
  /** There will be no more. */
  end(): void
}

interface Log {
  pipe: LogPipe
  /** As read, without the lines in it having been looked at. */
  kept: { pieces: Buffer[]; bytes: number }
  /** The last piece ended within a line. */
  isCut: boolean
  /** While somebody wants lines. */
  reader: LineReader | undefined
  followers: Set<Follower>
}

export class TrafficLogs {
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly logs = new Map<string, Log>()
  private settings: LogSettings
  private tenant: SyslogSender | undefined
  private admin: SyslogSender | undefined
  private keepalived: FileTail | undefined

  constructor(settings: LogSettings, paths: Paths, log: AgentLog) {
    this.settings = settings
    this.paths = paths
    this.log = log
    this.send()
  }

  /** Other receivers, effective with the next line; what waits for the former ones is lost. */
  configure(settings: LogSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return
    this.stopSending()
    this.settings = settings
    this.send()
    for (const log of this.logs.values()) this.watch(log)
  }

  /** Reads the logs of these load balancers from now on, and no others. */
  read(ids: readonly string[]): void {
    for (const [id, log] of this.logs) {
      if (ids.includes(id)) continue
      this.logs.delete(id)
      log.pipe.close()
      for (const follower of log.followers) follower.end()
    }
    for (const id of ids) if (!this.logs.has(id)) this.open(id)
  }

  /** The last lines about traffic; null for a load balancer that is not served here. */
  lastLines(id: string): string[] | null {
    const log = this.logs.get(id)
    if (log === undefined) return null
    // The oldest piece may begin within a line, of which the rest reads as none.
    return trafficIn(Buffer.concat(log.kept.pieces).toString('utf8').split('\n'))
  }

  mayFollow(id: string): boolean {
    const followers = this.logs.get(id)?.followers.size
    return followers !== undefined && followers < MAX_FOLLOWERS
  }

  /** Gives the lines about traffic from now on, until `leave`. */
  follow(id: string, follower: Follower): void {
    const log = this.logs.get(id)
    if (log === undefined) {
      follower.end()
      return
    }
    log.followers.add(follower)
    this.watch(log)
  }

  leave(id: string, follower: Follower): void {
    const log = this.logs.get(id)
    if (log?.followers.delete(follower)) this.watch(log)
  }

  /** A line of the agent's own log. */
  tell(level: LogLevel, message: string): void {
    this.tellAdmin(level, 'amphora-agent', [message])
  }

  private tellAdmin(level: LogLevel, program: string, messages: readonly string[]): void {
    const common = { severity: SEVERITY[level], time: new Date().toISOString(), pid: String(process.pid) }
    this.admin?.send(messages.map((message) => this.syslog({ ...common, message }, this.settings.adminLogFacility, program)))
  }

  /** Lines that no receiver took. */
  dropped(): { tenant: number; admin: number } {
    return { tenant: this.tenant?.dropped ?? 0, admin: this.admin?.dropped ?? 0 }
  }

  stop(): void {
    this.read([])
    this.stopSending()
  }

  private send(): void {
    const { tenantLogTargets, adminLogTargets, forwardAllLogs } = this.settings
    this.tenant = this.sender(tenantLogTargets)
    this.admin = this.sender(adminLogTargets)
    if (this.admin !== undefined && forwardAllLogs)
      this.keepalived = new FileTail(this.paths.keepalivedLog, (lines) => this.tellAdmin('info', 'Keepalived', lines))
  }

  private stopSending(): void {
    this.tenant?.stop()
    this.admin?.stop()
    this.keepalived?.stop()
    this.keepalived = undefined
  }

  private open(id: string): void {
    try {
      const pipe = new LogPipe(
        this.paths.haproxyTraffic(id),
        (data) => this.received(id, data),
        (error) => this.log.error(`log of ${id}: ${error.message}`),
      )
      const log: Log = { pipe, kept: { pieces: [], bytes: 0 }, isCut: false, reader: undefined, followers: new Set() }
      this.logs.set(id, log)
      this.watch(log)
    } catch (error) {
      // One that an agent without logs has started: until its next start.
      this.log.info(`haproxy ${id} has no log: ${(error as Error).message}`)
    }
  }

  /** Lines are looked at only while somebody wants them. */
  private watch(log: Log): void {
    const watched = log.followers.size > 0 || this.tenant !== undefined || this.admin !== undefined
    if (!watched) log.reader = undefined
    else log.reader ??= new LineReader(log.isCut)
    log.pipe.watch(watched)
  }

  private received(id: string, data: Buffer): void {
    const log = this.logs.get(id)
    if (log === undefined) return
    keep(log, data)
    if (log.reader === undefined) return
    const lines = log.reader.push(data.toString('utf8')).flatMap((line) => parseLogLine(line) ?? [])
    const traffic = lines.filter(isTraffic)
    const others = lines.filter((line) => !isTraffic(line))
    if (traffic.length > 0) {
      this.tenant?.send(traffic.map((line) => this.syslog(line, this.settings.userLogFacility, 'haproxy')))
      const messages = traffic.map(({ message }) => message)
      for (const follower of log.followers) follower.lines(messages)
    }
    if (others.length > 0) this.admin?.send(others.map((line) => this.syslog(line, this.settings.adminLogFacility, 'haproxy')))
  }

  private syslog(line: LogLine, facility: number, program: string): string {
    return syslogMessage(line, { facility, hostname: hostname(), program })
  }

  private sender(targets: LogSettings['tenantLogTargets']): SyslogSender | undefined {
    if (targets.length === 0) return undefined
    const { logProtocol, logRetryCount, logRetryIntervalMs, logQueueSize } = this.settings
    const options = {
      targets,
      protocol: logProtocol,
      retryCount: logRetryCount,
      retryIntervalMs: logRetryIntervalMs,
      queueSize: logQueueSize,
    }
    return new SyslogSender(options, (text) => this.log.info(text))
  }
}

/** Writes the lines to a client; what it is too slow for is dropped, and told to it. */
export function followLog(logs: TrafficLogs, id: string, response: ServerResponse): void {
  let dropped = 0
  const write = (lines: readonly string[]) => {
    const told = dropped > 0 ? [`# ${dropped} lines dropped`, ...lines] : lines
    dropped = 0
    response.write(told.map((line) => `${line}\n`).join(''))
  }
  const follower: Follower = {
    lines(lines) {
      if (response.writableLength > MAX_UNREAD_BYTES) dropped += lines.length
      else write(lines)
    },
    end: () => response.end(),
  }
  response.socket?.setKeepAlive(true, KEEP_ALIVE_MS)
  response.on('drain', () => dropped > 0 && write([]))
  response.once('close', () => logs.leave(id, follower))
  logs.follow(id, follower)
}

function keep(log: Log, data: Buffer): void {
  const { kept } = log
  kept.pieces.push(data)
  kept.bytes += data.length
  while (kept.bytes > MAX_KEPT_BYTES) kept.bytes -= kept.pieces.shift()!.length
  log.isCut = data[data.length - 1] !== 0x0a
}

function trafficIn(lines: string[]): string[] {
  return lines.flatMap((text) => {
    const line = parseLogLine(text)
    return line !== null && isTraffic(line) ? [line.message] : []
  })
}
