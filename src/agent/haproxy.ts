/**
 * One load balancer's HAProxy: what its controller has stored, what runs, and how the one becomes the other. What only differs in servers or
 * contents of certificate files is told to the running process; anything else is a seamless reload (docs/decisions/0020-changes-without-a-reload.md).
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { md5, type Paths, readIfThere, writeAtomically } from './files.ts'
import { writeAdditions } from './haproxy-additions.ts'
import { CertificateFiles } from './haproxy-certificate-files.ts'
import { isSureToBeValid, type Plan, planChange, type ReloadReason, removedServers, serversOf } from './haproxy-change.ts'
import { Draining } from './haproxy-draining.ts'
import { hardStopAfterMs, withoutKeepAlive } from './haproxy-file.ts'
import { HaproxyProcess } from './haproxy-process.ts'
import { carryOut } from './haproxy-runtime.ts'
import { type Snapshot, takeSnapshot } from './haproxy-snapshot.ts'
import { parseStat } from './haproxy-socket.ts'
import type { AgentLog } from './log.ts'
import { Serial } from './serial.ts'
import type { AgentSettings } from './settings.ts'

/** The states of servers are written at most so often. */
const KEEP_STATES_MS = 1_000
/** A configuration that was accepted without a check is checked so long after, with those that came meanwhile. */
const LATER_CHECK_MS = 1_000

export interface HaproxyEvents {
  /** The worker is about to be replaced: its counters can be read for the last time. */
  beforeReload(load_balancer_id: string): Promise<void>
  /** The worker whose counters were last read is gone; the next one counts from zero. */
  onWorkerGone(): void
  /** Some HAProxy died, came back, was started or stopped, or serves another configuration. */
  onChange(): void
}

export interface Applied {
  how: 'unchanged' | 'runtime' | 'reload' | 'start'
  duration_ms: number
}

/** Counted since the agent started. */
export type Changes = Record<Applied['how'], number> & {
  /** Could not be applied; what ran before goes on. */
  failed: number
  /** Why there were reloads. */
  reload_reasons: Partial<Record<ReloadReason, number>>
}

/** HAProxy refused a configuration; the message is its own words. */
export class InvalidConfiguration extends Error {}

export class Haproxy {
  readonly changes: Changes = { unchanged: 0, runtime: 0, reload: 0, start: 0, failed: 0, reload_reasons: {} }
  readonly draining: Draining
  private readonly id: string
  private settings: AgentSettings
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly events: HaproxyEvents
  private readonly process: HaproxyProcess
  private readonly certificates: CertificateFiles
  private readonly serial = new Serial()
  /** The ETag of the stored file, if it and the certificate files are as HAProxy has accepted them. */
  private accepted: string | undefined
  /** Asked for and not yet begun: whoever asks meanwhile is served by it, too. */
  private waiting: Promise<Applied> | undefined
  private laterCheck: NodeJS.Timeout | undefined
  private statesTimer: NodeJS.Timeout | undefined
  /** What HAProxy has read at its start. */
  private started: Snapshot | undefined
  private hardStopAfterMs: number

  constructor(id: string, settings: AgentSettings, paths: Paths, log: AgentLog, events: HaproxyEvents) {
    this.id = id
    this.settings = settings
    this.paths = paths
    this.log = log
    this.events = events
    this.hardStopAfterMs = settings.hardStopAfterSeconds * 1000
    this.certificates = new CertificateFiles(paths.certificates(id))
    this.process = new HaproxyProcess(id, settings, paths, log, {
      beforeLaunch: () => {
        this.forgetApplied()
        this.started = takeSnapshot(this.runningConfiguration())
        writeAdditions(paths, id, this.started.configuration)
      },
      onServing: () => {
        if (this.started !== undefined) this.rememberApplied(this.started)
        this.started = undefined
        events.onChange()
      },
      onDeath: () => {
        this.draining.clear()
        events.onWorkerGone()
        events.onChange()
      },
    })
    this.draining = new Draining({
      file: paths.haproxyDraining(id),
      masterSocket: this.process.masterSocket,
      log,
      limitMs: () => this.deregistrationDelayMs() ?? this.hardStopAfterMs,
      oldWorkersLimitMs: () => this.deregistrationDelayMs(),
      run: (work) => this.serial.run(work),
    })
  }

  get isRunning(): boolean {
    return this.process.pid !== undefined
  }

  /** False while it should serve and does not. */
  get isAsWanted(): boolean {
    return this.process.isAsWanted
  }

  configure(settings: AgentSettings): void {
    this.settings = settings
  }

  /** Takes over what an earlier agent left running, or starts it. */
  async resume(): Promise<void> {
    if (this.process.adopt()) {
      this.hardStopAfterMs = this.hardStopIn(this.runningConfiguration())
      this.log.info(`haproxy ${this.id} adopted (pid ${this.process.pid})`)
    } else {
      this.draining.clear()
      if (!existsSync(this.paths.haproxyRunning(this.id))) this.useStored()
      await this.process.start().catch((error: Error) => this.log.error(`haproxy ${this.id} could not be started: ${error.message}`))
    }
  }

  checkAlive(): void {
    this.process.checkAlive()
  }

  upload(bytes: Uint8Array): Promise<string> {
    return this.serial.run(async () => {
      const etag = md5(bytes)
      const stored = this.paths.haproxyCfg(this.id)
      if (this.accepted === etag && existsSync(stored)) {
        // Certificate files that are older and that it does not name are nobody's (`CertificateFiles.removeStale`).
        utimesSync(stored, new Date(), new Date())
        return etag
      }
      const candidate = `${stored}.candidate`
      writeAtomically(candidate, bytes, { mode: 0o600, sync: true })
      const configuration = Buffer.from(bytes).toString('utf8')
      const before = readIfThere(stored)
      if (before !== null && this.accepted === md5(before) && isSureToBeValid(before, configuration)) this.checkLater()
      else {
        await this.check(candidate, configuration).catch((error) => {
          rmSync(candidate)
          if (before === null) rmSync(this.paths.loadBalancer(this.id), { recursive: true })
          throw error
        })
      }
      renameSync(candidate, stored)
      this.accepted = etag
      return etag
    })
  }

  storeCertificate(name: string, contents: Buffer): string {
    // A list names other files, which only HAProxy can judge.
    if (this.certificates.store(name, contents) === 'other') this.accepted = undefined
    return md5(contents)
  }

  removeCertificate(name: string): void {
    this.certificates.remove(name)
    this.accepted = undefined
  }

  start(): Promise<Applied> {
    return this.counted(async () => {
      if (this.isRunning) return 'unchanged'
      await this.startNow()
      return 'start'
    })
  }

  /** Resolves when HAProxy serves what was stored when this began. */
  apply(): Promise<Applied> {
    this.waiting ??= this.counted(() => {
      this.waiting = undefined
      return this.applyNow()
    })
    return this.waiting
  }

  stop(): Promise<void> {
    return this.serial.run(async () => {
      rmSync(this.paths.haproxyWanted(this.id), { force: true })
      await this.process.stop()
      // When it is started again, nobody knows any more who is up.
      rmSync(this.paths.serversState(this.id), { force: true })
    })
  }

  async remove(): Promise<void> {
    await this.stop()
    await this.serial.run(async () => {
      clearTimeout(this.laterCheck)
      clearTimeout(this.statesTimer)
      this.draining.clear()
      for (const path of [this.paths.statsSocket(this.id), this.paths.certificates(this.id), this.paths.loadBalancer(this.id)])
        rmSync(path, { recursive: true, force: true })
    })
  }

  /** Also where nothing differs, the worker is replaced: an old one closes what is idle, and the rest as it answers. */
  askToLeave(): Promise<void> {
    return this.serial.run(async () => {
      const running = this.applied()
      const configuration = withoutKeepAlive(this.runningConfiguration())
      // Nobody has stored this: the next change is a reload, whatever it is.
      this.forgetApplied()
      await this.reload('handover', running, { configuration, files: running?.files ?? {} }, () =>
        writeAtomically(this.paths.haproxyRunning(this.id), configuration, { mode: 0o600 }),
      )
    })
  }

  async hasOldWorkers(): Promise<boolean> {
    return ((await this.process.master())?.oldWorkerPids.length ?? 0) > 0
  }

  async countConnections(): Promise<number> {
    const rows = (await this.process.statistics()).flatMap(parseStat)
    return rows.filter(({ server }) => server === 'FRONTEND').reduce((sum, { currentSessions }) => sum + currentSessions, 0)
  }

  /** Some server went up or down: after a crash of HAProxy it shall still be so. */
  keepStates(): void {
    this.statesTimer ??= setTimeout(() => {
      this.statesTimer = undefined
      const save = async () => {
        if (this.isRunning) await this.process.saveServersState(this.runningConfiguration())
      }
      this.serial.run(save).catch((error: Error) => this.log.error(`haproxy ${this.id}: states could not be written: ${error.message}`))
    }, KEEP_STATES_MS)
  }

  private async counted(work: () => Promise<Applied['how']>): Promise<Applied> {
    const began = performance.now()
    return this.serial.run(async () => {
      try {
        const how = await work()
        this.changes[how]++
        return { how, duration_ms: Math.round((performance.now() - began) * 10) / 10 }
      } catch (error) {
        this.changes.failed++
        throw error
      }
    })
  }

  private async applyNow(): Promise<Applied['how']> {
    if (!this.isRunning) {
      await this.startNow()
      return 'start'
    }
    // It may have died a moment ago and be on its way back.
    const workerPid = await this.process.currentWorker()
    const wanted = takeSnapshot(readIfThere(this.paths.haproxyCfg(this.id)) ?? '')
    const running = this.applied()
    const plan = this.plan(running, wanted, workerPid)
    if (plan.how === 'unchanged' && running?.configuration === wanted.configuration) return 'unchanged'
    const before = this.runningConfiguration()
    this.forgetApplied()
    const reason = plan.how === 'reload' ? plan.reason : await this.tell(plan, wanted, workerPid)
    if (reason !== null) await this.reload(reason, running, wanted)
    if (this.draining.list().length > 0) this.draining.cancel(serversOf(wanted.configuration))
    this.draining.add(workerPid, removedServers(before, wanted.configuration))
    this.finish(wanted)
    this.events.onChange()
    return reason === null ? plan.how : 'reload'
  }

  private plan(running: Snapshot | null, wanted: Snapshot, workerPid: number): Plan {
    if (running === null) return { how: 'reload', reason: 'unknown' }
    const plan = planChange(running, wanted, (backend, server) => this.draining.state(workerPid, backend, server))
    const removed = plan.how === 'runtime' ? plan.change.servers.filter(({ kind }) => kind === 'remove') : []
    return removed.length > this.draining.room ? { how: 'reload', reason: 'draining' } : plan
  }

  /** Null when HAProxy has taken it. */
  private async tell({ change }: Exclude<Plan, { how: 'reload' }>, wanted: Snapshot, workerPid: number): Promise<ReloadReason | null> {
    try {
      await carryOut(
        this.process.masterSocket,
        change,
        wanted,
        (backend, server) => this.draining.state(workerPid, backend, server) === 'same',
      )
    } catch (error) {
      this.log.error(`haproxy ${this.id} could not be changed while it runs, so it is reloaded: ${(error as Error).message}`)
      return 'refused'
    }
    this.useStored()
    return null
  }

  private async reload(
    reason: ReloadReason,
    running: Snapshot | null,
    wanted: Snapshot,
    place: () => void = () => this.useStored(),
  ): Promise<void> {
    await this.process.untilFewOldWorkers()
    await this.process.untilTablesMove()
    await this.events.beforeReload(this.id)
    await this.process.saveServersState(wanted.configuration)
    const [file, previous] = [this.paths.haproxyRunning(this.id), `${this.paths.haproxyRunning(this.id)}.previous`]
    link(file, previous)
    place()
    writeAdditions(this.paths, this.id, wanted.configuration)
    try {
      await this.process.reload()
    } catch (error) {
      // The old worker goes on; what it was started from has to be there when it dies.
      link(previous, file)
      writeAdditions(this.paths, this.id, this.runningConfiguration())
      this.certificates.restore()
      if (reason !== 'refused' && running !== null) this.rememberApplied(running)
      throw error
    }
    this.changes.reload_reasons[reason] = (this.changes.reload_reasons[reason] ?? 0) + 1
    this.log.info(`haproxy ${this.id} was reloaded (${reason})`)
    this.events.onWorkerGone()
  }

  private async startNow(): Promise<void> {
    this.useStored()
    await this.process.start()
    this.finish(null)
    writeAtomically(this.paths.haproxyWanted(this.id), '')
  }

  /** HAProxy serves what is stored, with the files that are there. */
  private finish(applied: Snapshot | null): void {
    if (applied !== null) this.rememberApplied(applied)
    const { configuration, files } = applied ?? this.applied() ?? takeSnapshot(this.runningConfiguration())
    this.hardStopAfterMs = this.hardStopIn(configuration)
    this.certificates.removeStale(files, statSync(this.paths.haproxyCfg(this.id)).mtimeMs)
  }

  // What runs. Its file is another name of the stored one, until that is replaced.

  private runningConfiguration(): string {
    return readIfThere(this.paths.haproxyRunning(this.id)) ?? ''
  }

  private useStored(): void {
    const file = this.paths.haproxyRunning(this.id)
    link(this.paths.haproxyCfg(this.id), file)
  }

  /** Null where HAProxy was being changed when the agent died, or nobody knows. */
  private applied(): Snapshot | null {
    try {
      const { configuration, files } = JSON.parse(readIfThere(this.paths.haproxyApplied(this.id)) ?? '') as AppliedFile
      const text = this.runningConfiguration()
      return md5(text) === configuration ? { configuration: text, files } : null
    } catch {
      return null
    }
  }

  private rememberApplied({ configuration, files }: Snapshot): void {
    const contents: AppliedFile = { configuration: md5(configuration), files }
    writeAtomically(this.paths.haproxyApplied(this.id), JSON.stringify(contents), { mode: 0o600 })
  }

  private forgetApplied(): void {
    this.started = undefined
    rmSync(this.paths.haproxyApplied(this.id), { force: true })
  }

  // Checks

  private async check(file: string, configuration: string): Promise<void> {
    writeAdditions(this.paths, this.id, configuration)
    const { code, stdout, stderr } = await this.process.examine(file)
    if (code !== 0) throw new InvalidConfiguration(`${stdout}${stderr}`)
    link(file, this.paths.haproxyChecked(this.id))
  }

  /** What was stored because it is sure to be valid is checked all the same, when nobody waits for it. */
  private checkLater(): void {
    this.laterCheck ??= setTimeout(() => {
      this.laterCheck = undefined
      this.checkNow().catch((error: Error) => this.log.error(`haproxy ${this.id} could not be checked: ${error.message}`))
    }, LATER_CHECK_MS)
  }

  private async checkNow(): Promise<void> {
    const [running, file] = [this.paths.haproxyRunning(this.id), `${this.paths.haproxyRunning(this.id)}.checking`]
    if (!existsSync(running)) return
    link(running, file)
    try {
      await this.check(file, readFileSync(file, 'utf8'))
    } catch (error) {
      // The load balancer was removed meanwhile.
      if (!existsSync(file)) return
      this.log.error(`haproxy ${this.id} runs with a configuration that it would not start with: ${(error as Error).message}`)
      this.changes.failed++
      this.accepted = undefined
      // What was checked last is better than nothing, if HAProxy dies now.
      if (statSync(file).ino === statSync(running).ino && existsSync(this.paths.haproxyChecked(this.id))) {
        this.forgetApplied()
        link(this.paths.haproxyChecked(this.id), running)
      }
    } finally {
      rmSync(file, { force: true })
    }
  }

  private deregistrationDelayMs(): number | null {
    return this.settings.deregistrationDelaySeconds === 0 ? null : this.settings.deregistrationDelaySeconds * 1000
  }

  private hardStopIn(configuration: string): number {
    return hardStopAfterMs(configuration) ?? this.settings.hardStopAfterSeconds * 1000
  }
}

interface AppliedFile {
  /** The md5 of running.cfg. */
  configuration: string
  files: Snapshot['files']
}

/** Makes `name` a name of `file`, instead of what it was. */
function link(file: string, name: string): void {
  rmSync(`${name}.new`, { force: true })
  linkSync(file, `${name}.new`)
  renameSync(`${name}.new`, name)
  // Between two names of one file a rename does nothing and leaves both.
  rmSync(`${name}.new`, { force: true })
}
