/**
 * Sends heartbeats: one per interval, to each controller in turn, and one out of turn as soon as a listener, pool or member changes its status.
 * For that HAProxy's statistics are read several times a second.
 */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type Paths, readIfThere } from './files.ts'
import { parseStat, queryHaproxy, type StatRow } from './haproxy-socket.ts'
import { buildHeartbeat, Counters, encodeHeartbeat, type Heartbeat, Sequence, type SigningKey, statusesOf } from './heartbeat.ts'
import type { AgentLog } from './log.ts'
import { MemberCounters } from './member-counters.ts'
import type { AgentSettings } from './settings.ts'

const LOOK_INTERVAL_MS = 200
/** Looking at HAProxy may take this part of the time at most: where there are thousands of members, it is done less often. */
const MAX_LOOK_SHARE = 0.05
/** Heartbeats out of turn are this far apart at least. */
const URGENT_INTERVAL_MS = 1_000
/** The longest heartbeat controllers accept. */
const MAX_PACKET_BYTES = 65_507
/** A worker that is to be replaced has been within this time, or is kept. */
const REPLACEMENT_TIMEOUT_MS = 20_000
/** Statistics of so many members are tried to fit in; else of half as many, and so on. */
const MAX_MEMBERS = 1_024

export interface HeartbeatSources {
  /** Load balancers whose HAProxy runs. */
  running(): string[]
  /** Keepalived is configured and dead: then controllers shall miss this amphora. */
  isSilenced(): boolean
  /** What is to be said of listeners that HAProxy has no part in, as of the last `refresh`. */
  forwarded(): StatRow[]
  /** Called before a heartbeat. */
  refresh(): Promise<void>
  /** Called before each look. */
  beforeLook(): void
  /** Whether a server that HAProxy still shows is no member any more. */
  isRemoved(load_balancer_id: string, backend: string, server: string): boolean
  /** Some listener, pool or member has changed its status. */
  onStatuses(): void
}

export class HeartbeatSender {
  private settings: AgentSettings
  private readonly paths: Paths
  private readonly sources: HeartbeatSources
  private readonly log: AgentLog
  private readonly counters: Counters
  private readonly members: MemberCounters
  private readonly sockets = new Map<4 | 6, Socket>()
  private readonly sequence: Sequence
  private turn = 0
  /** Grows whenever another worker begins to count: what was read of the one before counts no more. */
  private era = 0
  private replacedBefore = 0
  private statuses: string | undefined
  private lastUrgentAt = Number.NEGATIVE_INFINITY
  private urgent = false
  private nextAt = 0
  private timer: NodeJS.Timeout | undefined
  private looking = false
  private lookAgain = false
  private stopped = false

  constructor(settings: AgentSettings, paths: Paths, log: AgentLog, sources: HeartbeatSources) {
    this.settings = settings
    this.paths = paths
    this.log = log
    this.sources = sources
    this.sequence = new Sequence(paths.sequence)
    this.counters = new Counters(paths.counters)
    this.members = new MemberCounters(this.counters)
  }

  start(): void {
    this.schedule(0)
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    for (const socket of this.sockets.values()) socket.close()
    this.counters.save()
  }

  /** Other controllers, another key or another interval, effective with the next heartbeat. */
  configure(settings: AgentSettings): void {
    this.settings = settings
    this.nextAt = Math.min(this.nextAt, performance.now() + settings.heartbeatIntervalMs)
  }

  /** Something changed: looks now instead of at the next turn. */
  lookNow(): void {
    if (this.looking) this.lookAgain = true
    else if (!this.stopped) this.schedule(0)
  }

  /** Before a worker goes, its counters are kept for the next heartbeat. */
  async keepCounters(load_balancer_id: string): Promise<void> {
    // From now on nobody knows whose counters are read, until the other one is there.
    this.era++
    this.replacedBefore = performance.now() + REPLACEMENT_TIMEOUT_MS
    this.counters.keep((await this.readStat(load_balancer_id)) ?? [])
  }

  startOver(): void {
    this.era++
    this.replacedBefore = 0
    this.counters.startOver(new Set(this.sources.forwarded().map(({ proxy }) => proxy)))
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.look(), ms)
  }

  private async look(): Promise<void> {
    const began = performance.now()
    this.looking = true
    try {
      this.sources.beforeLook()
      const { era } = this
      const answers = await Promise.all(this.sources.running().map((id) => this.readStat(id)))
      const rows = answers.flatMap((answer) => answer ?? [])
      // An HAProxy that is being replaced may not answer once; that is no change of its members.
      if (!answers.includes(null)) this.compare(statusesOf([...rows, ...this.sources.forwarded()]))
      const now = performance.now()
      const isUrgent = this.urgent && now - this.lastUrgentAt >= URGENT_INTERVAL_MS
      if (isUrgent) {
        this.urgent = false
        this.lastUrgentAt = now
      }
      if (isUrgent || now >= this.nextAt) {
        if (now >= this.nextAt) this.nextAt = now + this.settings.heartbeatIntervalMs
        await this.sources.refresh().catch((error: Error) => this.log.error(`listeners are counted as they were: ${error.message}`))
        this.send([...rows, ...this.sources.forwarded()], era === this.era && now > this.replacedBefore)
      }
    } catch (error) {
      this.log.error(`no heartbeat: ${(error as Error).message}`)
    }
    this.looking = false
    if (this.stopped) return
    if (this.lookAgain) {
      this.lookAgain = false
      this.schedule(0)
      return
    }
    const took = performance.now() - began
    const untilTurn = Math.max(this.nextAt - performance.now(), 0)
    this.schedule(Math.min(Math.max(LOOK_INTERVAL_MS, took / MAX_LOOK_SHARE), Math.max(untilTurn, 1)))
  }

  private compare(statuses: string): void {
    if (this.statuses !== undefined && statuses !== this.statuses) {
      this.urgent = true
      this.sources.onStatuses()
    }
    this.statuses = statuses
  }

  /** `counts`: the counters in the rows may be counted; else what they grew by is told another time. */
  private send(rows: StatRow[], counts: boolean): void {
    const { controllers, heartbeatKey, hasOwnHeartbeatKey, amphoraId } = this.settings
    if (this.sources.isSilenced()) {
      this.log.error('keepalived is configured but does not run: no heartbeat')
      return
    }
    if (controllers.length === 0) return
    const { host, port } = controllers[this.turn++ % controllers.length]!
    const heartbeat = buildHeartbeat(amphoraId, this.sequence.next(), rows, counts ? this.counters : null)
    if (hasOwnHeartbeatKey) heartbeat.to = `${host}:${port}`
    if (counts) {
      this.members.add(rows)
      this.counters.forgetUnseen(rows)
      this.counters.save()
    }
    const packet = this.withMembers(heartbeat, { key: heartbeatKey, isOwn: hasOwnHeartbeatKey })
    if (packet.length > MAX_PACKET_BYTES) {
      this.log.error(`no heartbeat: ${packet.length} bytes are more than fit into one`)
      return
    }
    this.socket(isIPv6(host) ? 6 : 4).send(packet, port, host, (error) => {
      if (error) this.log.error(`heartbeat to ${host}: ${error.message}`)
    })
  }

  /** The packet, with as many members' statistics as it has room for. */
  private withMembers(heartbeat: Heartbeat, key: SigningKey): Buffer {
    for (let limit = MAX_MEMBERS; limit >= 1; limit /= 2) {
      const member_stats = this.members.waiting(limit)
      if (Object.keys(member_stats).length === 0) break
      const packet = encodeHeartbeat({ ...heartbeat, member_stats }, key)
      if (packet.length > MAX_PACKET_BYTES) continue
      this.members.sent(member_stats)
      return packet
    }
    return encodeHeartbeat(heartbeat, key)
  }

  private socket(family: 4 | 6): Socket {
    const known = this.sockets.get(family)
    if (known !== undefined) return known
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    socket.on('error', (error) => this.log.error(`heartbeat socket: ${error.message}`))
    this.sockets.set(family, socket)
    return socket
  }

  /** Null where HAProxy does not answer: the heartbeat is sent all the same. */
  private async readStat(load_balancer_id: string): Promise<StatRow[] | null> {
    const socket = statsSocketOf(readIfThere(this.paths.haproxyCfg(load_balancer_id)) ?? '')
    if (socket === null) return []
    try {
      const rows = parseStat(await queryHaproxy(socket, 'show stat -1 7 -1'))
      return rows.filter(({ proxy, server }) => !this.sources.isRemoved(load_balancer_id, proxy, server))
    } catch (error) {
      this.log.debug(`statistics of ${load_balancer_id}: ${(error as Error).message}`)
      return null
    }
  }
}

/** The path of `stats socket` in a haproxy.cfg. */
export function statsSocketOf(configuration: string): string | null {
  return /^\s*stats\s+socket\s+(\S+)/m.exec(configuration)?.[1] ?? null
}
