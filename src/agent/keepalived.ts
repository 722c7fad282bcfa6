/**
 * Keepalived, which owns the VIPs of an amphora of a pair. It learns whether HAProxy serves in two ways: by a check script, as upstream's
 * controllers configure it, and by a status file that it watches and that is written the moment HAProxy dies or comes back.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { exec } from '../lib/exec.ts'
import { Daemon } from './daemon.ts'
import { loadBalancersIn, md5, type Paths, readIfThere, writeAtomically } from './files.ts'
import { inNamespaceArguments } from './ip-command.ts'
import type { AgentLog } from './log.ts'
import { Serial } from './serial.ts'
import type { AgentSettings } from './settings.ts'

/** `keepalived -t`: nothing wrong but scripts that could be safer (KEEPALIVED_EXIT_CONFIG_TEST_SECURITY). */
const ONLY_SECURITY_REMARKS = 6

/**
 * At a reload keepalived 2.2 sets its real-time limit to nothing before it sets what this word says. Who may not raise limits (CAP_SYS_RESOURCE) stays with
 * nothing then, and is killed by the kernel within moments.
 */
const REALTIME_LIMIT = 'vrrp_rlimit_rttime'
const CAP_SYS_RESOURCE = 24n
const mayRaiseLimits = ((effectiveCapabilities() >> CAP_SYS_RESOURCE) & 1n) === 1n

function effectiveCapabilities(): bigint {
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]}`)
}

/** Keepalived refused a configuration; the message is its own words. */
export class InvalidKeepalivedConfiguration extends Error {}

export class Keepalived {
  private readonly daemon: Daemon
  private readonly serial = new Serial()
  private readonly settings: AgentSettings
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly handOverVips: () => Promise<void>

  constructor(settings: AgentSettings, paths: Paths, log: AgentLog, handOverVips: () => Promise<void>) {
    this.settings = settings
    this.paths = paths
    this.log = log
    this.handOverVips = handOverVips
    const [command, args] = inNamespaceArguments(settings.namespace, settings.keepalivedCommand, [
      ...['--dont-fork', '--log-console', '--vrrp', '-f', paths.keepalivedConf],
      ...['-p', paths.keepalivedPid, '-r', paths.keepalivedVrrpPid],
    ])
    this.daemon = new Daemon({
      name: 'keepalived',
      command,
      args,
      // A stale file whose number meanwhile is another process makes keepalived believe that it already runs.
      pidFiles: [paths.keepalivedPid, paths.keepalivedVrrpPid],
      mark: paths.keepalivedConf,
      outputFile: paths.keepalivedLog,
      log,
      ready: () => this.daemon.untilWritten(paths.keepalivedVrrpPid),
      onChange: () => {},
    })
  }

  /** Takes over what an earlier agent left running, or starts what should run. */
  async resume(): Promise<void> {
    if (!existsSync(this.paths.keepalivedWanted)) return
    if (this.daemon.adopt()) this.log.info(`keepalived adopted (pid ${this.daemon.pid})`)
    else await this.daemon.start().catch((error: Error) => this.log.error(`keepalived could not be started: ${error.message}`))
  }

  /** Checks and stores a configuration; returns its ETag. Throws InvalidKeepalivedConfiguration. */
  upload(configuration: Uint8Array): Promise<string> {
    return this.serial.run(async () => {
      this.writeCheckScripts()
      const candidate = `${this.paths.keepalivedConf}.candidate`
      writeAtomically(candidate, configuration, { mode: 0o600, sync: true })
      try {
        // In the namespace where the interfaces it names are.
        const [command, args] = inNamespaceArguments(this.settings.namespace, this.settings.keepalivedCommand, ['-t', '-f', candidate])
        const check = await exec(command, args, { anyStatus: true })
        if (check.code !== 0 && check.code !== ONLY_SECURITY_REMARKS)
          throw new InvalidKeepalivedConfiguration(`${check.stdout}${check.stderr}`)
        writeAtomically(this.paths.keepalivedConf, configuration, { mode: 0o644, sync: true })
      } finally {
        rmSync(candidate, { force: true })
      }
      return md5(configuration)
    })
  }

  /** Starts it, or has the running one take its file. */
  start(): Promise<void> {
    return this.serial.run(async () => {
      if (this.daemon.pid !== undefined) return this.takeFile()
      await this.handOverVips()
      await this.startNow()
      writeAtomically(this.paths.keepalivedWanted, '')
    })
  }

  reload(): Promise<void> {
    return this.serial.run(async () => {
      if (this.daemon.pid === undefined) throw new Error('keepalived does not run')
      await this.takeFile()
    })
  }

  private async startNow(): Promise<void> {
    await this.daemon.start()
    this.rememberFile()
  }

  /** What it runs with is not read again. A restart hands the VIPs to the peer, where a reload would have keepalived killed. */
  private async takeFile(): Promise<void> {
    const configuration = readIfThere(this.paths.keepalivedConf) ?? ''
    if (readIfThere(this.paths.keepalivedApplied) === md5(configuration)) return
    if (mayRaiseLimits || !configuration.includes(REALTIME_LIMIT)) {
      this.daemon.signal('SIGHUP')
      this.rememberFile()
      return
    }
    await this.daemon.stop('SIGTERM')
    await this.startNow()
  }

  private rememberFile(): void {
    writeAtomically(this.paths.keepalivedApplied, md5(readIfThere(this.paths.keepalivedConf) ?? ''))
  }

  stop(): Promise<void> {
    return this.serial.run(async () => {
      rmSync(this.paths.keepalivedWanted, { force: true })
      await this.daemon.stop('SIGTERM')
    })
  }

  /** A pair's amphora: keepalived owns the VIPs. */
  isConfigured(): boolean {
    return existsSync(this.paths.keepalivedConf)
  }

  isRunning(): boolean {
    return this.daemon.pid !== undefined
  }

  check(): void {
    this.daemon.check()
  }

  /**
   * Tells keepalived whether HAProxy serves. An amphora that has no HAProxy to run counts as serving, so that the VIP is already there when
   * the first listener comes. Written in place: keepalived watches this file.
   */
  tellStatus(serves: boolean): void {
    if (!existsSync(this.paths.checkScript)) return
    const wanted = serves ? '0\n' : '1\n'
    if (!existsSync(this.paths.haproxyStatus) || readFileSync(this.paths.haproxyStatus, 'utf8') !== wanted)
      writeFileSync(this.paths.haproxyStatus, wanted)
    this.writeHaproxyCheck()
  }

  private writeCheckScripts(): void {
    const each = this.paths.haproxyCheckScript.replace(/[^/]+$/, '*')
    const script = `#!/bin/sh\nfor script in ${each}; do\n    [ ! -f "$script" ] || sh "$script" || exit 1\ndone\n`
    if (!existsSync(this.paths.checkScript)) writeAtomically(this.paths.checkScript, script, { mode: 0o755 })
    if (!existsSync(this.paths.haproxyStatus)) writeFileSync(this.paths.haproxyStatus, '0\n')
    this.writeHaproxyCheck()
  }

  /** The status file is as good as the agent that writes it; the processes themselves are looked at too, should the agent be dead. */
  private writeHaproxyCheck(): void {
    const alive = loadBalancersIn(this.paths)
      .filter((id) => existsSync(this.paths.haproxyWanted(id)))
      .map((id) => `[ -d "/proc/$(head -n 1 ${this.paths.haproxyPid(id)})" ] || exit 1\n`)
    const script = `read -r status < ${this.paths.haproxyStatus}\n[ "$status" = 0 ] || exit 1\n${alive.join('')}`
    if (!existsSync(this.paths.haproxyCheckScript) || readFileSync(this.paths.haproxyCheckScript, 'utf8') !== script)
      writeAtomically(this.paths.haproxyCheckScript, script)
  }
}
