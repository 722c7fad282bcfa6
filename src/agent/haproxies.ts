/**
 * HAProxy on this amphora, one per load balancer. The uploaded file stays byte for byte what the controller sent; what is ours comes from small
 * files before it and from the command line.
 */
import { existsSync } from 'node:fs'
import { loadBalancersIn, type Paths, readIfThere, writeAtomically } from './files.ts'
import { type Applied, type Changes, Haproxy, type HaproxyEvents } from './haproxy.ts'
import type { DrainingServer } from './haproxy-draining.ts'
import type { AgentLog } from './log.ts'
import type { AgentSettings } from './settings.ts'

/** What PING monitors run; HAProxy names the server in the environment, which has no PATH. */
const PING_WRAPPER = '#!/bin/sh\nexec /bin/ping -q -n -c 1 -w 1 "$HAPROXY_SERVER_ADDR" >/dev/null 2>&1\n'

export class Haproxies {
  private readonly known = new Map<string, Haproxy>()
  private settings: AgentSettings
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
    for (const id of loadBalancersIn(this.paths)) if (existsSync(this.paths.haproxyWanted(id))) await this.of(id).resume()
  }

  /** Settings that take effect without a restart. */
  configure(settings: AgentSettings): void {
    this.settings = settings
    for (const haproxy of this.known.values()) haproxy.configure(settings)
  }

  /** The stored configuration, or null. */
  configuration(id: string): string | null {
    return readIfThere(this.paths.haproxyCfg(id))
  }

  /** Checks and stores a configuration; returns its ETag. Throws InvalidConfiguration. */
  upload(id: string, configuration: Uint8Array): Promise<string> {
    return this.of(id).upload(configuration)
  }

  /** Checks and stores a certificate file; returns its ETag. HAProxy reads it at the next reload. Throws InvalidCertificate. */
  storeCertificate(id: string, name: string, contents: Buffer): string {
    return this.of(id).storeCertificate(name, contents)
  }

  removeCertificate(id: string, name: string): void {
    this.of(id).removeCertificate(name)
  }

  start(id: string): Promise<Applied> {
    return this.of(id).start()
  }

  /** Makes HAProxy serve what is stored, with as little ado as it takes; starts it where it does not run. */
  reload(id: string): Promise<Applied> {
    return this.of(id).apply()
  }

  async stop(id: string): Promise<void> {
    await this.of(id).stop()
  }

  /** Stops it and removes all that belongs to it. */
  async remove(id: string): Promise<void> {
    await this.of(id).remove()
    this.known.delete(id)
  }

  /** All clients are asked to close after their answers; who comes back gets one answer. Ends with the next configuration that is applied. */
  async askToLeave(): Promise<void> {
    await Promise.all(this.running().map((haproxy) => haproxy.askToLeave()))
  }

  /** Whether clients are left who came before they were asked to leave. */
  async haveOldWorkers(): Promise<boolean> {
    return (await Promise.all(this.running().map((haproxy) => haproxy.hasOldWorkers()))).includes(true)
  }

  /** Of clients, of old workers too. */
  async countConnections(): Promise<number> {
    return (await Promise.all(this.running().map((haproxy) => haproxy.countConnections()))).reduce((sum, count) => sum + count, 0)
  }

  isRunning(id: string): boolean {
    return this.known.get(id)?.isRunning ?? false
  }

  /** Whether a server is no longer configured, but has connections to finish. */
  isDraining(id: string, backend: string, server: string): boolean {
    return this.known.get(id)?.draining.has(backend, server) ?? false
  }

  /** False while an HAProxy that should serve does not. */
  allServe(): boolean {
    return [...this.known.values()].every((haproxy) => haproxy.isAsWanted)
  }

  /** To be called now and then: sees deaths of adopted processes. */
  check(): void {
    for (const haproxy of this.known.values()) haproxy.checkAlive()
  }

  /** To be called when a server went up or down: it will still be so after a crash of HAProxy. */
  keepStates(): void {
    for (const haproxy of this.known.values()) haproxy.keepStates()
  }

  /** How configurations were applied since the agent started, and which servers drain; by load balancer. */
  report(): Record<string, { changes: Changes; draining: readonly DrainingServer[] }> {
    return Object.fromEntries([...this.known].map(([id, { changes, draining }]) => [id, { changes, draining: draining.list() }]))
  }

  private running(): Haproxy[] {
    return [...this.known.values()].filter(({ isRunning }) => isRunning)
  }

  private of(id: string): Haproxy {
    const known = this.known.get(id)
    if (known !== undefined) return known
    const haproxy = new Haproxy(id, this.settings, this.paths, this.log, this.events)
    this.known.set(id, haproxy)
    return haproxy
  }
}
