/**
 * UDP listeners by nftables, where the kernel has no IPVS. The rules are in the kernel and outlive the agent; the agent checks the members and
 * lays the rules anew when one falls or rises. A change is first the new rules, then the end of the connections of members that are gone: in
 * between nobody is sent to these any more, and nobody else's connection notices.
 */
import { rmSync } from 'node:fs'
import { exec } from '../../lib/exec.ts'
import { type Paths, readIfThere, writeAtomically } from '../files.ts'
import type { StatRow } from '../haproxy-socket.ts'
import { inNamespaceArguments } from '../ip-command.ts'
import type { AgentLog } from '../log.ts'
import { Serial } from '../serial.ts'
import { type ConnectionCounts, countConnections, endConnections, type Flow } from './conntrack.ts'
import type { Forwarder } from './forwarder.ts'
import { heartbeatRows, type ListenerCounts, NOTHING_COUNTED } from './heartbeat-rows.ts'
import type { Endpoint, ForwardedListener, ForwardedMember, ForwardedService, MonitoredCheck } from './lvs-file.ts'
import { MemberChecks } from './member-checks.ts'
import { Prober } from './prober.ts'
import { type Limit, limitsOf, type PlannedService, renderRuleset, tableOf } from './ruleset.ts'
import { bucketsOf, fillingWeights, keyOf, turnsOf, withoutAbsent } from './shares.ts'

/** How often connections are counted for listeners whose members are chosen by them. */
const COUNT_INTERVAL_MS = 1_000
/** Counting may take this part of the time at most: with a million connections it is done less often. */
const MAX_COUNT_SHARE = 0.05
/** IPVS's: how long a connection that was answered may be silent. The kernel's own two minutes are less than many programs' keepalives. */
const STREAM_TIMEOUT_SECONDS = 300
const SET_TIMEOUT = `echo ${STREAM_TIMEOUT_SECONDS} > /proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream`

/** What is kept of a listener in a file, for the next agent. */
interface Saved {
  /** The keys of members that are down. */
  down: string[]
  services: SavedService[]
}

interface SavedService {
  family: 4 | 6
  vips: Endpoint[]
  /** Members that may have connections. */
  carrying: Endpoint[]
  limits: Limit[]
  /** The keys of the buckets' members, all of them well. */
  buckets: string[]
}

interface Active {
  listener: ForwardedListener
  saved: Saved
  /** The rules as they are in the kernel; empty where that is not known. */
  ruleset: string
  /** Null before the first count. */
  counts: ListenerCounts | null
}

export class NftablesForwarder implements Forwarder {
  readonly protocols = ['UDP'] as const
  private readonly namespace: string
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly onChange: () => void
  private readonly serial = new Serial()
  private readonly active = new Map<string, Active>()
  private readonly prober: Prober
  private readonly checks: MemberChecks
  private connections: ConnectionCounts = new Map()
  /** New connections since the last count, by listener. */
  private readonly arrivals = new Map<string, number>()
  private nextCountAt = 0
  private refreshing: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  /** `onChange` is called when a member falls or rises. */
  constructor(namespace: string, paths: Paths, log: AgentLog, onChange: () => void) {
    this.namespace = namespace
    this.paths = paths
    this.log = log
    this.onChange = onChange
    this.prober = new Prober(namespace, log)
    this.checks = new MemberChecks({
      check: (check) => this.prober.check(check),
      onChange: (listener_id, member, why) => {
        log.info(`listener ${listener_id}: member ${member} is ${why === null ? 'up' : `down: ${why}`}`)
        this.adapt(listener_id)
      },
      onIdle: () => this.prober.stop(),
    })
  }

  apply(listener_id: string, listener: ForwardedListener): Promise<void> {
    return this.serial.run(async () => {
      const known = this.active.get(listener_id)
      const saved = known?.saved ?? this.readState(listener_id)
      const active: Active = { listener, saved, ruleset: known?.ruleset ?? '', counts: known?.counts ?? null }
      this.active.set(listener_id, active)
      this.checks.watch(listener_id, monitorsOf(listener), new Set(saved.down))
      // What was counted last may have been long ago, or for another.
      this.nextCountAt = 0
      if (countsMatterTo(listener)) await this.refresh()
      await this.lay(listener_id, active)
      if (known === undefined) {
        await this.inside('sh', ['-c', SET_TIMEOUT])
        // What came before the rules was answered by the kernel itself, which would go on for as long as somebody asks.
        const vips = listener.services.flatMap(({ vips }) => vips)
        await endConnections(
          this.namespace,
          vips.map((vip) => ({ vip, member: vip })),
        )
      }
      this.scheduleCount()
    })
  }

  resume(listener_id: string, listener: ForwardedListener): Promise<void> {
    return this.apply(listener_id, listener)
  }

  remove(listener_id: string): Promise<void> {
    return this.serial.run(async () => {
      const saved = this.active.get(listener_id)?.saved ?? this.readState(listener_id)
      this.active.delete(listener_id)
      this.arrivals.delete(listener_id)
      this.checks.unwatch(listener_id)
      await this.inside('nft', ['-f', '-'], `add table ${tableOf(listener_id)}\ndelete table ${tableOf(listener_id)}\n`)
      await endConnections(
        this.namespace,
        saved.services.flatMap(({ vips }) => vips.map((vip) => ({ vip, member: null }))),
      )
      rmSync(this.paths.lvsState(listener_id), { force: true })
    })
  }

  refresh(): Promise<void> {
    this.refreshing ??= this.count().finally(() => {
      this.refreshing = undefined
    })
    return this.refreshing
  }

  rows(): StatRow[] {
    return [...this.active].flatMap(([id, { listener, counts, saved }]) => {
      // A member is said to be down when nobody is sent to it any more.
      const down = new Set(saved.down)
      return heartbeatRows(id, listener, counts ?? NOTHING_COUNTED, (member) => (down.has(keyOf(member)) ? 'DOWN' : 'UP'))
    })
  }

  check(): void {}

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.checks.stop()
  }

  /** Lays the rules anew if they are to be others. */
  private adapt(listener_id: string): void {
    this.serial
      .run(async () => {
        const active = this.active.get(listener_id)
        if (active !== undefined) await this.lay(listener_id, active)
      })
      .catch((error: Error) => this.log.error(`listener ${listener_id}: ${error.message}`))
  }

  /** The rules first, the end of connections second, what is remembered last: an agent that dies in between does the rest when it is back. */
  private async lay(listener_id: string, active: Active): Promise<void> {
    const before = active.saved
    const plans = active.listener.services.map((service) => this.plan(listener_id, service, before))
    const after: Saved = {
      down: active.listener.services.flatMap(({ members }) => members.map(keyOf)).filter((key) => !this.checks.isUp(listener_id, key)),
      services: plans.map(({ saved }) => saved),
    }
    const [limitsBefore, limitsAfter] = [before, after].map(({ services }) => services.flatMap(({ limits }) => limits)) as [
      Limit[],
      Limit[],
    ]
    const stale = limitsBefore.filter((old) => !limitsAfter.some((limit) => limit.family === old.family && limit.limit === old.limit))
    const ruleset = renderRuleset(
      listener_id,
      plans.map(({ planned }) => planned),
      stale,
    )
    if (ruleset !== active.ruleset) await this.inside('nft', ['-f', '-'], ruleset)
    active.ruleset = ruleset
    await endConnections(this.namespace, endedFlows(before.services, after.services))
    active.saved = after
    if (JSON.stringify(after.down) !== JSON.stringify(before.down)) this.onChange()
    if (JSON.stringify(after) !== JSON.stringify(before)) writeAtomically(this.paths.lvsState(listener_id), JSON.stringify(after))
  }

  private plan(listener_id: string, service: ForwardedService, before: Saved): { planned: PlannedService; saved: SavedService } {
    const { family, vips, choice, mask, members } = service
    const old = before.services.find((each) => each.family === family)
    const primaries = members.filter(({ isBackup }) => !isBackup)
    const isWell = (member: ForwardedMember) => this.checks.isUp(listener_id, keyOf(member))
    const connections = this.connectionsOf(service)
    const takes = (member: ForwardedMember) =>
      member.weight > 0 && isWell(member) && (member.limit === null || (connections.get(keyOf(member)) ?? 0) < member.limit)
    const present = primaries.some(takes) ? primaries.filter(takes) : members.filter(({ isBackup }) => isBackup).filter(takes)
    const isHashed = choice === 'source' || choice === 'source and port'
    const buckets = isHashed ? bucketsOf(primaries, old?.buckets ?? []) : []
    const chosen =
      choice === 'turn'
        ? turnsOf(present)
        : choice === 'fewest'
          ? turnsOf(fillingWeights(present, connections, this.arrivals.get(listener_id) ?? 0))
          : withoutAbsent(buckets, present)
    const limit = members.find((member) => member.limit !== null)?.limit ?? null
    return {
      planned: { family, vips, choice, mask, members: chosen, limit },
      saved: {
        family,
        vips,
        carrying: members.filter(isWell).map(({ address, port }) => ({ address, port })),
        limits: limitsOf({ family, limit }),
        buckets: buckets.map(keyOf),
      },
    }
  }

  /** Of a service's VIPs together, by member. */
  private connectionsOf({ vips }: ForwardedService): Map<string, number> {
    const sums = new Map<string, number>()
    for (const vip of vips)
      for (const [member, count] of this.connections.get(keyOf(vip)) ?? []) sums.set(member, (sums.get(member) ?? 0) + count)
    return sums
  }

  private async count(): Promise<void> {
    if (this.active.size === 0) return
    const began = performance.now()
    const isDue = began >= this.nextCountAt
    const [connections, counters] = await Promise.all([isDue ? countConnections(this.namespace) : this.connections, this.readCounters()])
    this.connections = connections
    if (isDue) this.nextCountAt = performance.now() + (performance.now() - began) / MAX_COUNT_SHARE
    for (const [id, active] of this.active) {
      const counter = (name: string) => counters.get(`udp-${id} ${name}`) ?? { packets: 0, bytes: 0 }
      const totalConnections = counter('connections').packets
      // The first count of a new agent finds all that ever were.
      this.arrivals.set(id, Math.max(totalConnections - (active.counts?.totalConnections ?? totalConnections), 0))
      active.counts = {
        activeConnections: active.listener.services
          .flatMap((service) => [...this.connectionsOf(service).values()])
          .reduce((sum, count) => sum + count, 0),
        totalConnections,
        bytesIn: counter('sent').bytes,
        bytesOut: counter('answered').bytes,
      }
    }
  }

  /** By table and name. */
  private async readCounters(): Promise<Map<string, { packets: number; bytes: number }>> {
    const { stdout } = await this.inside('nft', ['-j', 'list', 'counters'])
    const { nftables } = JSON.parse(stdout) as {
      nftables: { counter?: { table: string; name: string; packets: number; bytes: number } }[]
    }
    return new Map(nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[`${counter.table} ${counter.name}`, counter]])))
  }

  private scheduleCount(): void {
    if (this.timer !== undefined || this.stopped || !this.needsCounts()) return
    this.timer = setTimeout(async () => {
      await this.refresh().catch((error: Error) => this.log.error(`connections could not be counted: ${error.message}`))
      for (const id of this.active.keys()) this.adapt(id)
      this.timer = undefined
      this.scheduleCount()
    }, COUNT_INTERVAL_MS)
  }

  private needsCounts(): boolean {
    return [...this.active.values()].some(({ listener }) => countsMatterTo(listener))
  }

  private async inside(program: string, programArgs: string[], input?: string) {
    const [command, args] = inNamespaceArguments(this.namespace, program, programArgs)
    return exec(command, args, { input })
  }

  private readState(listener_id: string): Saved {
    const text = readIfThere(this.paths.lvsState(listener_id))
    return text === null ? { down: [], services: [] } : (JSON.parse(text) as Saved)
  }
}

/** Its members are chosen by how many connections they have. */
function countsMatterTo({ services }: ForwardedListener): boolean {
  return services.some(({ choice, members }) => choice === 'fewest' || members.some(({ limit }) => limit !== null))
}

function monitorsOf({ services }: ForwardedListener): Map<string, MonitoredCheck> {
  const members = services.flatMap(({ members }) => members)
  return new Map(members.flatMap((member) => (member.monitor === null ? [] : [[keyOf(member), member.monitor]])))
}

/** Connections to members that carried some and no longer may, and of VIPs that are no longer the listener's. */
function endedFlows(before: readonly SavedService[], after: readonly SavedService[]): Flow[] {
  return before.flatMap(({ family, vips, carrying }) => {
    const now = after.find((service) => service.family === family)
    const isKept = (list: readonly Endpoint[] | undefined, endpoint: Endpoint) => list?.some((each) => keyOf(each) === keyOf(endpoint))
    const gone = carrying.filter((member) => !isKept(now?.carrying, member))
    return vips.flatMap((vip): Flow[] => (isKept(now?.vips, vip) ? gone.map((member) => ({ vip, member })) : [{ vip, member: null }]))
  })
}
