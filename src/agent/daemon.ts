/**
 * A long-running program under the agent's care. It has a session of its own and no pipe to the agent, so it outlives the agent; a new agent
 * finds it by its pid file and takes it over. While it is wanted, it is started again when it dies.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readIfThere } from './files.ts'
import type { AgentLog } from './log.ts'

/** The wait before a restart: none the first time, then doubling from the first to the longest. */
const FIRST_RESTART_WAIT_MS = 100
const LONGEST_RESTART_WAIT_MS = 10_000
/** Who has lived this long is healthy: its next death is a first one. */
const HEALTHY_AFTER_MS = 10_000
/** How long a program may take to end in good order, then it is killed. */
const STOP_TIMEOUT_MS = 5_000
const STOP_POLL_MS = 5
/** How long a program may take until it has written its pid file; one that ends is seen at once. Emulated machines need seconds for it. */
const WRITTEN_TIMEOUT_MS = 20_000
const WRITTEN_POLL_MS = 2
/** The program's output beyond this is dropped. */
const MAX_OUTPUT_BYTES = 1024 * 1024

export interface DaemonSpec {
  name: string
  command: string
  args: string[]
  /** Written by the program; removed before each start, since the number in an old one may meanwhile be another process. */
  pidFiles: [string, ...string[]]
  /** An argument that only this program's command line has. */
  mark: string
  /** Gets its standard output and error. */
  outputFile: string
  log: AgentLog
  /** Called right before each start. */
  beforeLaunch?: () => void
  /** Called after a start that was asked for, or a restart: resolves when the program serves. */
  ready: () => Promise<void>
  /** Told of each death and each return to service. */
  onChange: (alive: boolean) => void
}

export class Daemon {
  private readonly spec: DaemonSpec
  private child: ChildProcess | undefined
  private mainPid: number | undefined
  private wanted = false
  private startedAt = 0
  private restartWaitMs = 0
  private restartTimer: NodeJS.Timeout | undefined

  constructor(spec: DaemonSpec) {
    this.spec = spec
  }

  get pid(): number | undefined {
    return this.mainPid
  }

  get isWanted(): boolean {
    return this.wanted
  }

  /** Takes over the program an earlier agent started. False when it does not run. */
  adopt(): boolean {
    const pid = Number.parseInt(readIfThere(this.spec.pidFiles[0]) ?? '', 10)
    if (!(pid > 1) || !isRunning(pid, this.spec.mark)) return false
    this.mainPid = pid
    this.wanted = true
    this.startedAt = performance.now()
    return true
  }

  /** Starts the program unless it runs, and waits until it serves. Throws with the program's own words when it doesn't. */
  async start(): Promise<void> {
    this.wanted = true
    this.cancelRestart()
    this.restartWaitMs = 0
    if (this.mainPid !== undefined) return
    try {
      await this.launch()
    } catch (error) {
      // The caller is told and decides; a program that cannot start is not tried for ever.
      await this.stop('SIGTERM')
      throw error
    }
  }

  /** Ends the program; it is not restarted. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.wanted = false
    this.cancelRestart()
    const pid = this.mainPid
    if (pid === undefined) return
    send(pid, signal)
    const deadline = performance.now() + STOP_TIMEOUT_MS
    while (isRunning(pid, this.spec.mark)) {
      if (performance.now() > deadline) send(pid, 'SIGKILL')
      await sleep(STOP_POLL_MS)
    }
    this.ended(pid)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.mainPid !== undefined) send(this.mainPid, signal)
  }

  /** To be called now and then: sees the death of an adopted program, which is not our child, and bounds the output. */
  check(): void {
    if (this.mainPid !== undefined && this.child === undefined && !isRunning(this.mainPid, this.spec.mark)) this.ended(this.mainPid)
    const size = statSync(this.spec.outputFile, { throwIfNoEntry: false })?.size ?? 0
    if (size > MAX_OUTPUT_BYTES) truncateSync(this.spec.outputFile)
  }

  /** For programs that serve when they have written a pid file. Throws with the program's own words when it ends or takes too long. */
  async untilWritten(pidFile: string): Promise<void> {
    const deadline = performance.now() + WRITTEN_TIMEOUT_MS
    while (!existsSync(pidFile)) {
      if (this.mainPid === undefined) throw new Error(`${this.spec.name} ended: ${this.output()}`)
      if (performance.now() > deadline) throw new Error(`${this.spec.name} does not run after ${WRITTEN_TIMEOUT_MS} ms: ${this.output()}`)
      await sleep(WRITTEN_POLL_MS)
    }
  }

  /** What the program last wrote. */
  output(): string {
    return (readIfThere(this.spec.outputFile) ?? '').slice(-4096).trim()
  }

  private async launch(): Promise<void> {
    for (const file of this.spec.pidFiles) rmSync(file, { force: true })
    mkdirSync(dirname(this.spec.outputFile), { recursive: true })
    const output = openSync(this.spec.outputFile, 'w', 0o600)
    closeSync(output)
    this.spec.beforeLaunch?.()
    // Appending, so that truncating bounds the file.
    const append = openSync(this.spec.outputFile, 'a')
    const child = spawn(this.spec.command, this.spec.args, { detached: true, stdio: ['ignore', append, append] })
    closeSync(append)
    child.unref()
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('spawn', () => resolve(child.pid!))
      child.once('error', reject)
    })
    this.child = child
    this.mainPid = pid
    this.startedAt = performance.now()
    child.once('exit', (code, signal) => {
      this.spec.log.info(`${this.spec.name} (pid ${pid}) ended: ${signal ?? `status ${code}`}`)
      this.ended(pid)
    })
    this.spec.log.info(`${this.spec.name} started (pid ${pid})`)
    await this.spec.ready()
    if (this.mainPid === pid) this.spec.onChange(true)
  }

  private ended(pid: number): void {
    if (this.mainPid !== pid) return
    this.mainPid = undefined
    this.child = undefined
    this.spec.onChange(false)
    if (performance.now() - this.startedAt > HEALTHY_AFTER_MS) this.restartWaitMs = 0
    this.scheduleRestart()
  }

  private scheduleRestart(): void {
    if (!this.wanted || this.restartTimer !== undefined || this.mainPid !== undefined) return
    this.restartTimer = setTimeout(() => {
      this.restartTimer = undefined
      this.launch().catch((error: Error) => {
        this.spec.log.error(`${this.spec.name} could not be restarted: ${error.message}`)
        this.scheduleRestart()
      })
    }, this.restartWaitMs)
    this.restartWaitMs = Math.min(Math.max(this.restartWaitMs * 2, FIRST_RESTART_WAIT_MS), LONGEST_RESTART_WAIT_MS)
  }

  private cancelRestart(): void {
    clearTimeout(this.restartTimer)
    this.restartTimer = undefined
  }
}

/**
 * A process of this number whose command line has the mark. One that executes itself anew, as HAProxy does at a reload, has no command line for a
 * moment; a zombie has none for ever.
 */
export function isRunning(pid: number, mark: string): boolean {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return commandLine === '' ? !hasEnded(pid) : commandLine.split('\0').includes(mark)
  } catch {
    return false
  }
}

function hasEnded(pid: number): boolean {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // After the program's name, which may itself hold parentheses.
  return /^[ZX]/.test(text.slice(text.lastIndexOf(')') + 2))
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has just ended by itself.
  }
}
