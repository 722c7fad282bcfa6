/** One HAProxy in master-worker mode in the inner namespace: its command line, when it serves, how it is replaced without a lost connection. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ExecResult, exec } from '../lib/exec.ts'
import { peerName } from '../lib/peer-name.ts'
import { Daemon } from './daemon.ts'
import { type Paths, writeAtomically } from './files.ts'
import { withLogPipe } from './haproxy-additions.ts'
import { type MasterState, parseProcesses, queryHaproxy } from './haproxy-socket.ts'
import { renderServersState } from './haproxy-states.ts'
import type { AgentLog } from './log.ts'
import { mostConnectionsHere } from './open-files.ts'
import type { AgentSettings } from './settings.ts'

/** How long a start or a reload may take until the new worker serves; an emulated machine on a busy host took 15 s. A controller waits 60 s for the answer. */
const SERVING_TIMEOUT_MS = 40_000
const SERVING_POLL_MS = 4
/**
 * Each old worker holds some MiB until its last connection ends. While there are this many, a reload waits for one to end, so long at most; what
 * comes meanwhile is taken along.
 */
const MANY_OLD_WORKERS = 16
const OLD_WORKERS_TIMEOUT_MS = 2_000
const OLD_WORKERS_POLL_MS = 50
/** HAProxy waits up to 5 s for its predecessor's tables, then as long for its peers'. */
const TABLES_TIMEOUT_MS = 11_000
const TABLES_POLL_MS = 100

export interface HaproxyProcessEvents {
  beforeLaunch(): void
  /** It serves, after a start that was asked for or after it had died. */
  onServing(): void
  onDeath(): void
}

export class HaproxyProcess {
  readonly masterSocket: string
  private readonly id: string
  private readonly settings: AgentSettings
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly daemon: Daemon

  constructor(id: string, settings: AgentSettings, paths: Paths, log: AgentLog, events: HaproxyProcessEvents) {
    this.id = id
    this.settings = settings
    this.paths = paths
    this.log = log
    this.masterSocket = paths.haproxyMaster(id)
    const configuration = paths.haproxyRunning(id)
    const [command, ...args] = withLogPipe(paths, id, [
      ...['nsenter', `--net=/run/netns/${settings.namespace}`, settings.haproxyCommand],
      // -db: stays in the foreground though upstream's files say `daemon`, so that the agent sees it end.
      ...['-W', '-db', '-S', `${this.masterSocket},mode,600`],
      ...['-p', paths.haproxyPid(id), ...this.fileArguments(configuration)],
    ])
    this.daemon = new Daemon({
      name: `haproxy ${id}`,
      command,
      args,
      pidFiles: [paths.haproxyPid(id)],
      mark: configuration,
      outputFile: paths.haproxyLog(id),
      log,
      beforeLaunch: () => events.beforeLaunch(),
      ready: () => this.untilServing(({ workerPid }) => workerPid !== null),
      onChange: (alive) => (alive ? events.onServing() : events.onDeath()),
    })
  }

  get pid(): number | undefined {
    return this.daemon.pid
  }

  /** False while it should serve and does not. */
  get isAsWanted(): boolean {
    return !this.daemon.isWanted || this.daemon.pid !== undefined
  }

  /** Takes over what an earlier agent left running. */
  adopt(): boolean {
    return this.daemon.adopt()
  }

  start(): Promise<void> {
    return this.daemon.start()
  }

  /** In master-worker mode SIGTERM ends the workers at once, without waiting for their connections. */
  stop(): Promise<void> {
    return this.daemon.stop('SIGTERM')
  }

  checkAlive(): void {
    this.daemon.check()
  }

  /** What HAProxy says of a configuration file. */
  examine(file: string): Promise<ExecResult> {
    return exec(this.settings.haproxyCommand, ['-c', ...this.fileArguments(file)], { anyStatus: true })
  }

  /** Resolves when a new worker serves. Throws with HAProxy's words when it refuses; then the old worker goes on. */
  async reload(): Promise<void> {
    const before = await this.master()
    if (before === null) throw new Error('the master process does not answer')
    this.daemon.signal('SIGUSR2')
    await this.untilServing(({ workerPid, reloads, failedReloads }) => {
      if (failedReloads > before.failedReloads) throw new Error(`HAProxy refused to reload: ${this.daemon.output()}`)
      return reloads > before.reloads && workerPid !== before.workerPid
    })
  }

  /** The worker that serves; waits for it where HAProxy is just being started. */
  async currentWorker(): Promise<number> {
    let found = 0
    await this.untilServing(({ workerPid }) => {
      found = workerPid ?? 0
      return workerPid !== null
    })
    return found
  }

  async untilFewOldWorkers(): Promise<void> {
    const deadline = performance.now() + OLD_WORKERS_TIMEOUT_MS
    while (((await this.master())?.oldWorkerPids.length ?? 0) >= MANY_OLD_WORKERS && performance.now() < deadline)
      await sleep(OLD_WORKERS_POLL_MS)
  }

  /**
   * A process hands its stick tables on only when it no longer waits for tables itself, which after a start without predecessor or peer it does for
   * some seconds (docs/decisions/0011-stick-tables-over-a-reload.md). Resolves then, or at once where nobody has been remembered yet.
   */
  async untilTablesMove(): Promise<void> {
    const deadline = performance.now() + TABLES_TIMEOUT_MS
    while (performance.now() < deadline) {
      const ask = (command: string) => queryHaproxy(this.masterSocket, `@1 ${command}`).catch(() => '')
      const [peers, tables] = [await ask('show peers'), await ask('show table')]
      if (!waitsForTables(peers) || !/ used:[1-9]/.test(tables)) return
      await sleep(TABLES_POLL_MS)
    }
  }

  /** Members that are down stay so in the next worker, which will have this configuration. */
  async saveServersState(configuration: string): Promise<void> {
    const shown = await queryHaproxy(this.masterSocket, '@1 show servers state').catch((error: Error) => error.message)
    const state = renderServersState(shown, configuration)
    if (state === null) this.log.error(`haproxy ${this.id}: the state of its servers could not be saved: ${shown.slice(0, 200)}`)
    else writeAtomically(this.paths.serversState(this.id), state)
  }

  /** `show stat` of all workers, one after the other; of one that ends meanwhile nothing. */
  async statistics(): Promise<string[]> {
    const state = await this.master()
    const workers = [...(state?.oldWorkerPids ?? []), ...(state?.workerPid == null ? [] : [state.workerPid])]
    return Promise.all(workers.map((pid) => queryHaproxy(this.masterSocket, `@!${pid} show stat`).catch(() => '')))
  }

  /** Null while the master does not answer: it starts, or replaces itself. */
  async master(): Promise<MasterState | null> {
    try {
      const text = await queryHaproxy(this.masterSocket, 'show proc')
      return text.includes('master') ? parseProcesses(text) : null
    } catch {
      return null
    }
  }

  private fileArguments(configuration: string): string[] {
    // Told what it can have, HAProxy lets further clients wait; else it would run out of files, and set memory aside for connections that never come.
    const most = mostConnectionsHere()
    const limit = most === null ? [] : ['-n', String(most)]
    const files = [this.paths.userGroupCfg, this.paths.haproxyAdditions(this.id), configuration].flatMap((file) => ['-f', file])
    return [...limit, '-L', peerName(this.settings.amphoraId), ...files]
  }

  private async untilServing(serves: (state: MasterState) => boolean): Promise<void> {
    const deadline = performance.now() + SERVING_TIMEOUT_MS
    for (;;) {
      if (this.pid === undefined) throw new Error(`HAProxy ended: ${this.daemon.output()}`)
      const state = await this.master()
      // The worker itself is asked, too: the master names it before it runs.
      if (state !== null && serves(state) && (await this.workerAnswers())) return
      if (performance.now() > deadline) throw new Error(`HAProxy does not serve after ${SERVING_TIMEOUT_MS} ms: ${this.daemon.output()}`)
      await sleep(SERVING_POLL_MS)
    }
  }

  private async workerAnswers(): Promise<boolean> {
    try {
      return (await queryHaproxy(this.masterSocket, '@1 show info')).includes('Uptime_sec')
    } catch {
      return false
    }
  }
}

/** `0x55d4ebe11da0: [...] id=peers disabled=0 flags=0x33 resync_timeout=<PAST> ...`: the two lowest bits say that the predecessor and the peers have told all. */
function waitsForTables(shownPeers: string): boolean {
  return [...shownPeers.matchAll(/\bflags=0x([0-9a-f]+) resync_timeout=/g)].some(([, flags]) => (Number.parseInt(flags!, 16) & 3) !== 3)
}
