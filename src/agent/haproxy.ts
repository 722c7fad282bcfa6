/**
 * HAProxy on this amphora, one per load balancer: master-worker mode in the inner namespace, reloaded without a lost connection. The uploaded
 * file stays byte for byte what the controller sent; what is ours comes from small files before it and from the command line.
 */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec } from '../lib/exec.ts'
import { peerName } from '../lib/peer-name.ts'
import { Daemon } from './daemon.ts'
import { loadBalancersIn, md5, type Paths, readIfThere, writeAtomically } from './files.ts'
import { withLogPipe, writeAdditions } from './haproxy-additions.ts'
import { type MasterState, parseProcesses, queryHaproxy } from './haproxy-socket.ts'
import type { AgentLog } from './log.ts'
import { mostConnectionsHere } from './open-files.ts'
import { Serial } from './serial.ts'
import type { AgentSettings } from './settings.ts'

/** How long a start or a reload may take until the new worker serves. */
const SERVING_TIMEOUT_MS = 15_000
const SERVING_POLL_MS = 4

/** What PING monitors run; HAProxy names the server in the environment, which has no PATH. */
const PING_WRAPPER = '#!/bin/sh\nexec /bin/ping -q -n -c 1 -w 1 "$HAPROXY_SERVER_ADDR" >/dev/null 2>&1\n'

export interface HaproxyEvents {
  /** The worker is about to be replaced: its counters can be read for the last time. */
  beforeReload(load_balancer_id: string): Promise<void>
  /** The worker whose counters were last read is gone; the next one counts from zero. */
  onWorkerGone(): void
  /** Some HAProxy died, came back, was started or stopped, or serves another configuration. */
  onChange(): void
}

/** HAProxy refused a configuration; the message is its own words. */
export class InvalidConfiguration extends Error {}

export class Haproxies {
  private readonly daemons = new Map<string, Daemon>()
  /** The ETag of the last file that HAProxy accepted, by load balancer: the same file need not be checked again. */
  private readonly accepted = new Map<string, string>()
  private readonly serial = new Serial()
  private readonly settings: AgentSettings
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly events: HaproxyEvents

  constructor(settings: AgentSettings, paths: Paths, log: AgentLog, events: HaproxyEvents) {
    this.settings = settings
    this.paths = paths
    this.log = log
    this.events = events
  }

  /** Takes over what an earlier agent left running, and starts what should run and doesn't. */
  async resume(): Promise<void> {
    // HAProxy keeps the first value of user and group: this file comes first, so no upload makes it run as root. Of hard-stop-after it
    // keeps the last: a controller that sets it has its way. A machine that allows fewer open files than the listeners' limits would need
    // serves with what it has.
    const directives = ['user nobody', 'group nogroup', `hard-stop-after ${this.settings.hardStopAfterSeconds}s`, 'no strict-limits']
    const defaults = `global\n${directives.map((directive) => `    ${directive}\n`).join('')}`
    writeAtomically(this.paths.userGroupCfg, defaults)
    writeAtomically(this.paths.pingWrapper, PING_WRAPPER, { mode: 0o755 })
    for (const id of loadBalancersIn(this.paths)) {
      if (!existsSync(this.paths.haproxyWanted(id))) continue
      const daemon = this.daemon(id)
      if (daemon.adopt()) this.log.info(`haproxy ${id} adopted (pid ${daemon.pid})`)
      else await daemon.start().catch((error: Error) => this.log.error(`haproxy ${id} could not be started: ${error.message}`))
    }
  }

  /** Checks and stores a configuration; returns its ETag. Throws InvalidConfiguration. */
  upload(id: string, configuration: Uint8Array): Promise<string> {
    return this.serial.run(async () => {
      const etag = md5(configuration)
      if (this.accepted.get(id) === etag && existsSync(this.paths.haproxyCfg(id))) return etag
      const candidate = `${this.paths.haproxyCfg(id)}.candidate`
      writeAtomically(candidate, configuration, { mode: 0o600, sync: true })
      writeAdditions(this.paths, id, Buffer.from(configuration).toString('utf8'))
      const check = await exec(this.settings.haproxyCommand, ['-c', ...this.fileArguments(id, candidate)], { anyStatus: true })
      if (check.code !== 0) {
        rmSync(candidate)
        if (!existsSync(this.paths.haproxyCfg(id))) rmSync(this.paths.loadBalancer(id), { recursive: true })
        throw new InvalidConfiguration(`${check.stdout}${check.stderr}`)
      }
      renameSync(candidate, this.paths.haproxyCfg(id))
      this.accepted.set(id, etag)
      return etag
    })
  }

  /** The stored configuration, or null. */
  configuration(id: string): string | null {
    return readIfThere(this.paths.haproxyCfg(id))
  }

  start(id: string): Promise<void> {
    return this.serial.run(() => this.startNow(id))
  }

  /** Starts HAProxy where it does not run. Resolves when the worker with the new configuration serves. */
  reload(id: string): Promise<void> {
    return this.serial.run(async () => {
      const daemon = this.daemon(id)
      if (daemon.pid === undefined) {
        await this.startNow(id)
        return
      }
      writeAdditions(this.paths, id, this.configuration(id) ?? '')
      const before = await this.master(id)
      if (before === null) throw new Error('the master process does not answer')
      await this.events.beforeReload(id)
      await this.saveServersState(id)
      daemon.signal('SIGUSR2')
      await this.untilServing(id, ({ workerPid, reloads, failedReloads }) => {
        if (failedReloads > before.failedReloads) throw new Error(`HAProxy refused to reload: ${daemon.output()}`)
        return reloads > before.reloads && workerPid !== before.workerPid
      })
      this.events.onWorkerGone()
      this.events.onChange()
    })
  }

  stop(id: string): Promise<void> {
    return this.serial.run(() => this.stopNow(id))
  }

  /** Stops it and removes all that belongs to it. */
  remove(id: string): Promise<void> {
    return this.serial.run(async () => {
      await this.stopNow(id)
      this.daemons.delete(id)
      this.accepted.delete(id)
      for (const path of [this.paths.statsSocket(id), this.paths.certificates(id), this.paths.loadBalancer(id)])
        rmSync(path, { recursive: true, force: true })
    })
  }

  isRunning(id: string): boolean {
    return this.daemons.get(id)?.pid !== undefined
  }

  /** False while an HAProxy that should serve does not. */
  allServe(): boolean {
    return [...this.daemons.values()].every((daemon) => !daemon.isWanted || daemon.pid !== undefined)
  }

  /** To be called now and then: sees deaths of adopted processes. */
  check(): void {
    for (const daemon of this.daemons.values()) daemon.check()
  }

  private async startNow(id: string): Promise<void> {
    writeAdditions(this.paths, id, this.configuration(id) ?? '')
    await this.daemon(id).start()
    writeAtomically(this.paths.haproxyWanted(id), '')
  }

  private async stopNow(id: string): Promise<void> {
    rmSync(this.paths.haproxyWanted(id), { force: true })
    // In master-worker mode SIGTERM ends the workers at once, without waiting for their connections.
    await this.daemons.get(id)?.stop('SIGTERM')
  }

  private daemon(id: string): Daemon {
    const known = this.daemons.get(id)
    if (known !== undefined) return known
    const cfg = this.paths.haproxyCfg(id)
    const [command, ...args] = withLogPipe(this.paths, id, [
      ...['nsenter', `--net=/run/netns/${this.settings.namespace}`, this.settings.haproxyCommand],
      // -db: stays in the foreground though upstream's files say `daemon`, so that the agent sees it end.
      ...['-W', '-db', '-S', `${this.paths.haproxyMaster(id)},mode,600`],
      ...['-p', this.paths.haproxyPid(id), ...this.fileArguments(id, cfg)],
    ])
    const daemon: Daemon = new Daemon({
      name: `haproxy ${id}`,
      command,
      args,
      pidFiles: [this.paths.haproxyPid(id)],
      mark: cfg,
      outputFile: this.paths.haproxyLog(id),
      log: this.log,
      ready: () => this.untilServing(id, ({ workerPid }) => workerPid !== null),
      onChange: (alive) => {
        if (!alive) this.events.onWorkerGone()
        this.events.onChange()
      },
    })
    this.daemons.set(id, daemon)
    return daemon
  }

  /** Members that are down or drained stay so in the next worker. Its format begins with its version; anything else is a refusal. */
  private async saveServersState(id: string): Promise<void> {
    const state = await queryHaproxy(this.paths.haproxyMaster(id), '@1 show servers state').catch((error: Error) => error.message)
    if (/^\d+\n/.test(state)) writeAtomically(this.paths.serversState(id), state)
    else this.log.error(`haproxy ${id}: the state of its servers could not be saved: ${state.slice(0, 200)}`)
  }

  private fileArguments(id: string, cfg: string): string[] {
    // Told what it can have, HAProxy lets further clients wait; else it would run out of files, and set memory aside for connections that never come.
    const most = mostConnectionsHere()
    const limit = most === null ? [] : ['-n', String(most)]
    const files = [this.paths.userGroupCfg, this.paths.haproxyAdditions(id), cfg].flatMap((file) => ['-f', file])
    return [...limit, '-L', peerName(this.settings.amphoraId), ...files]
  }

  private async untilServing(id: string, serves: (state: MasterState) => boolean): Promise<void> {
    const deadline = performance.now() + SERVING_TIMEOUT_MS
    const daemon = this.daemon(id)
    for (;;) {
      if (daemon.pid === undefined) throw new Error(`HAProxy ended: ${daemon.output()}`)
      const state = await this.master(id)
      // The worker itself is asked, too: the master names it before it runs.
      if (state !== null && serves(state) && (await this.workerAnswers(id))) return
      if (performance.now() > deadline) throw new Error(`HAProxy does not serve after ${SERVING_TIMEOUT_MS} ms: ${daemon.output()}`)
      await sleep(SERVING_POLL_MS)
    }
  }

  /** Null while the master does not answer: it starts, or replaces itself. */
  private async master(id: string): Promise<MasterState | null> {
    try {
      const text = await queryHaproxy(this.paths.haproxyMaster(id), 'show proc')
      return text.includes('master') ? parseProcesses(text) : null
    } catch {
      return null
    }
  }

  private async workerAnswers(id: string): Promise<boolean> {
    try {
      return (await queryHaproxy(this.paths.haproxyMaster(id), '@1 show info')).includes('Uptime_sec')
    } catch {
      return false
    }
  }
}
