/**
 * UDP and SCTP listeners by the kernel's IPVS, as upstream's agent has them: a keepalived for each, which checks the members and tells the kernel
 * (`octavia/amphorae/backends/agent/api_server/keepalivedlvs.py`).
 */
import { existsSync, rmSync } from 'node:fs'
import { exec } from '../../lib/exec.ts'
import { formatIp, parseIp } from '../../lib/ip.ts'
import { hasIpvs } from '../../lib/ipvs.ts'
import { Daemon } from '../daemon.ts'
import { type Paths, writeAtomically } from '../files.ts'
import type { StatRow } from '../haproxy-socket.ts'
import { inNamespaceArguments } from '../ip-command.ts'
import type { AgentLog } from '../log.ts'
import { Serial } from '../serial.ts'
import type { AgentSettings } from '../settings.ts'
import type { Forwarder } from './forwarder.ts'
import { heartbeatRows, type ListenerCounts, type MemberState } from './heartbeat-rows.ts'
import type { ForwardedListener, ForwardedMember } from './lvs-file.ts'
import { keyOf } from './shares.ts'

/** How long a new keepalived may take to tell the kernel its members. */
const SETTLING_MS = 5_000

/**
 * What keepalived runs as a UDP-CONNECT check, in upstream's place: a datagram, and a second one, which fails when the first was answered with
 * an ICMP error.
 */
const UDP_CHECK = '#!/bin/bash\nexec 3<>"/dev/udp/$1/$2" && printf X >&3 && sleep 0.5 && printf X >&3\n'

/**
 * IPVS sends packets on with their sender's address, and a member would answer past the amphora: they get the amphora's own, which needs the kernel to
 * track IPVS's connections. As upstream's image does with each interface (`lvs-masquerade.sh`); laid again it is the same.
 */
const MASQUERADE = `echo 1 > /proc/sys/net/ipv4/vs/conntrack && nft -f - <<'END'
table inet octavia-lvs
delete table inet octavia-lvs
table inet octavia-lvs {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "eth*" meta l4proto { udp, sctp } masquerade
  }
}
END`

/** To be asked when the agent has prepared its namespace, which loads the module where there is one. */
export function usesIpvs({ prefersNftables }: Pick<AgentSettings, 'prefersNftables'>): boolean {
  return !prefersNftables && hasIpvs()
}

interface Active {
  listener: ForwardedListener
  daemon: Daemon
  startedAt: number
}

export class IpvsForwarder implements Forwarder {
  readonly protocols = ['UDP', 'SCTP'] as const
  private readonly settings: AgentSettings
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly serial = new Serial()
  private readonly active = new Map<string, Active>()
  private table: IpvsTable = new Map()
  private masqueraded: Promise<unknown> | undefined

  constructor(settings: AgentSettings, paths: Paths, log: AgentLog) {
    this.settings = settings
    this.paths = paths
    this.log = log
  }

  /** Keepalived is started anew, as by upstream: reloaded, it does not give members back what they were. */
  apply(listener_id: string, listener: ForwardedListener, path: string): Promise<void> {
    return this.serial.run(async () => {
      await this.masquerade()
      const active = this.prepare(listener_id, listener, path)
      await active.daemon.stop('SIGTERM')
      await active.daemon.start()
    })
  }

  resume(listener_id: string, listener: ForwardedListener, path: string): Promise<void> {
    return this.serial.run(async () => {
      await this.masquerade()
      const { daemon } = this.prepare(listener_id, listener, path)
      if (daemon.adopt()) this.log.info(`keepalived of listener ${listener_id} adopted (pid ${daemon.pid})`)
      else await daemon.start()
    })
  }

  remove(listener_id: string): Promise<void> {
    return this.serial.run(async () => {
      await this.active.get(listener_id)?.daemon.stop('SIGTERM')
      this.active.delete(listener_id)
      for (const extension of ['pid', 'check.pid', 'log']) rmSync(this.paths.lvs(listener_id, extension), { force: true })
    })
  }

  async refresh(): Promise<void> {
    if (this.active.size === 0) return
    const script = 'ipvsadm -L -n && echo --- && ipvsadm -L -n --stats --exact'
    const [command, args] = inNamespaceArguments(this.settings.namespace, 'sh', ['-c', script])
    this.table = parseIpvs((await exec(command, args)).stdout)
  }

  rows(): StatRow[] {
    return [...this.active].flatMap(([id, active]) => {
      const { listener } = active
      const services = servicesIn(this.table, listener)
      const counts: ListenerCounts = { activeConnections: 0, totalConnections: 0, bytesIn: 0, bytesOut: 0 }
      for (const service of services) {
        counts.activeConnections += [...service.members.values()].reduce((sum, active) => sum + active, 0)
        counts.totalConnections += service.connections
        counts.bytesIn += service.bytesIn
        counts.bytesOut += service.bytesOut
      }
      const stateOf = (member: ForwardedMember): MemberState => {
        if (!member.isChecked || services.some(({ members }) => members.has(keyOf(member)))) return 'UP'
        return performance.now() - active.startedAt < SETTLING_MS ? 'RESTARTING' : 'DOWN'
      }
      return heartbeatRows(id, listener, counts, stateOf)
    })
  }

  check(): void {
    for (const { daemon } of this.active.values()) daemon.check()
  }

  stop(): void {}

  /** Once in the agent's life; again when it failed. */
  private async masquerade(): Promise<void> {
    const [command, args] = inNamespaceArguments(this.settings.namespace, 'sh', ['-c', MASQUERADE])
    this.masqueraded ??= exec(command, args)
    await this.masqueraded.catch((error: unknown) => {
      this.masqueraded = undefined
      throw error
    })
  }

  private prepare(listener_id: string, listener: ForwardedListener, path: string): Active {
    if (!existsSync(this.paths.udpCheckScript)) writeAtomically(this.paths.udpCheckScript, UDP_CHECK, { mode: 0o755 })
    const daemon = this.active.get(listener_id)?.daemon ?? this.daemon(listener_id, path)
    const active = { listener, daemon, startedAt: performance.now() }
    this.active.set(listener_id, active)
    return active
  }

  private daemon(listener_id: string, path: string): Daemon {
    const [pid, checkPid] = [this.paths.lvs(listener_id, 'pid'), this.paths.lvs(listener_id, 'check.pid')]
    const [command, args] = inNamespaceArguments(this.settings.namespace, this.settings.keepalivedCommand, [
      ...['--dont-fork', '--log-console', '--check', '-f', path, '-p', pid, '-c', checkPid],
    ])
    const daemon: Daemon = new Daemon({
      name: `keepalived of listener ${listener_id}`,
      command,
      args,
      pidFiles: [pid, checkPid],
      mark: path,
      outputFile: this.paths.lvs(listener_id, 'log'),
      log: this.log,
      ready: () => daemon.untilWritten(checkPid),
      onChange: () => {},
    })
    return daemon
  }
}

export interface IpvsService {
  connections: number
  bytesIn: number
  bytesOut: number
  /** Active connections by the member's key. */
  members: Map<string, number>
}

/** By protocol and `keyOf` of the VIP. */
export type IpvsTable = Map<string, IpvsService>

function servicesIn(table: IpvsTable, { protocol, services }: ForwardedListener): IpvsService[] {
  return services.flatMap(({ vips }) => vips.flatMap((vip) => table.get(`${protocol} ${keyOf(vip)}`) ?? []))
}

/**
 * Reads what `ipvsadm -L -n` prints, `---`, and what it prints with `--stats --exact`. A service is `UDP  10.0.0.10:53 wrr`, below it each member
 * `  -> 10.0.0.21:53  Masq  1  0  0` (its last columns active and inactive connections); with statistics both end in connections, packets in and
 * out, bytes in and out.
 */
export function parseIpvs(text: string): IpvsTable {
  const table: IpvsTable = new Map()
  const [lists = '', statistics = ''] = text.split('---\n')
  let service: IpvsService | undefined
  for (const line of lists.split('\n')) {
    const words = line.trim().split(/\s+/)
    if (words[0] === 'UDP' || words[0] === 'SCTP') {
      service = { connections: 0, bytesIn: 0, bytesOut: 0, members: new Map() }
      table.set(`${words[0]} ${keyIn(words[1])}`, service)
    } else if (words[0] === '->' && service !== undefined) service.members.set(keyIn(words[1]), Number(words[4]))
  }
  for (const line of statistics.split('\n')) {
    const [protocol, endpoint, connections, , , bytesIn, bytesOut] = line.trim().split(/\s+/)
    const counted = table.get(`${protocol} ${keyIn(endpoint)}`)
    if (counted !== undefined)
      Object.assign(counted, { connections: Number(connections), bytesIn: Number(bytesIn), bytesOut: Number(bytesOut) })
  }
  return table
}

/** `10.0.0.10:53` or `[fd00::10]:53`. */
function keyIn(text = ''): string {
  const colon = text.lastIndexOf(':')
  const ip = parseIp(text.slice(0, Math.max(colon, 0)).replace(/^\[|\]$/g, ''))
  return ip === null ? '' : keyOf({ address: formatIp(ip), port: Number(text.slice(colon + 1)) })
}
