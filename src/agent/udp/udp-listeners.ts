/** The UDP and SCTP listeners of this amphora: their files, and what the kernel forwards by them. */
import { existsSync, rmSync } from 'node:fs'
import { lvsListenersIn, md5, type Paths, readIfThere, writeAtomically } from '../files.ts'
import type { StatRow } from '../haproxy-socket.ts'
import type { AgentLog } from '../log.ts'
import type { Forwarder } from './forwarder.ts'
import { type ForwardedListener, parseLvsFile } from './lvs-file.ts'

/** As `GET /1.0/listeners` shows it. */
export interface ConfiguredUdpListener {
  status: 'ACTIVE' | 'OFFLINE' | 'ERROR'
  uuid: string
  type: ForwardedListener['protocol']
}

export class UdpListeners {
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly choose: () => Forwarder
  private chosen: Forwarder | undefined
  private readonly forwarded = new Set<string>()

  /** `choose` is called once, at the start. */
  constructor(paths: Paths, log: AgentLog, choose: () => Forwarder) {
    this.paths = paths
    this.log = log
    this.choose = choose
  }

  /** Takes over what an earlier agent left at work, and begins what should be. */
  async resume(): Promise<void> {
    for (const id of lvsListenersIn(this.paths)) {
      if (!existsSync(this.paths.lvsWanted(id))) continue
      try {
        await this.forwarder.resume(id, this.read(id), this.paths.lvsConf(id))
        this.forwarded.add(id)
      } catch (error) {
        this.log.error(`listener ${id} is not served: ${(error as Error).message}`)
      }
    }
  }

  /** Stores a configuration; returns its ETag. Throws UnreadableConfiguration. */
  upload(id: string, configuration: Buffer): string {
    parseLvsFile(configuration.toString('utf8'))
    writeAtomically(this.paths.lvsConf(id), configuration, { sync: true })
    return md5(configuration)
  }

  /** The stored configuration, or null. */
  configuration(id: string): string | null {
    return readIfThere(this.paths.lvsConf(id))
  }

  /** Serves as the stored configuration says, whatever was before. */
  async start(id: string): Promise<void> {
    const listener = this.read(id)
    if (!this.forwarder.protocols.includes(listener.protocol))
      throw new Error(`this amphora has no IPVS, which ${listener.protocol} listeners need`)
    await this.forwarder.apply(id, listener, this.paths.lvsConf(id))
    this.forwarded.add(id)
    if (!existsSync(this.paths.lvsWanted(id))) writeAtomically(this.paths.lvsWanted(id), '')
  }

  reload(id: string): Promise<void> {
    return this.start(id)
  }

  async stop(id: string): Promise<void> {
    rmSync(this.paths.lvsWanted(id), { force: true })
    this.forwarded.delete(id)
    await this.forwarder.remove(id)
  }

  /** Ends it and removes its files; content when there are none. */
  async remove(id: string): Promise<void> {
    if (this.configuration(id) === null) return
    await this.stop(id)
    rmSync(this.paths.lvsConf(id), { force: true })
  }

  isForwarded(id: string): boolean {
    return this.forwarded.has(id)
  }

  list(): ConfiguredUdpListener[] {
    return lvsListenersIn(this.paths).map((uuid) => {
      const wanted = existsSync(this.paths.lvsWanted(uuid))
      const status = this.isForwarded(uuid) ? 'ACTIVE' : wanted ? 'ERROR' : 'OFFLINE'
      return { status, uuid, type: this.read(uuid).protocol }
    })
  }

  rows(): StatRow[] {
    return this.forwarder.rows()
  }

  refresh(): Promise<void> {
    return this.forwarder.refresh()
  }

  check(): void {
    this.forwarder.check()
  }

  /** The agent ends; packets are forwarded on. */
  close(): void {
    this.chosen?.stop()
  }

  private get forwarder(): Forwarder {
    this.chosen ??= this.choose()
    return this.chosen
  }

  private read(id: string): ForwardedListener {
    return parseLvsFile(this.configuration(id) ?? '')
  }
}
