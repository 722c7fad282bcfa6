/** The agent's parts and how they hang together. */
import { existsSync, readFileSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import { type AmphoraInfo, readAmphoraInfo } from './details.ts'
import { Fences } from './fence.ts'
import { loadBalancersIn, type Paths, pathsOf, writeAtomically } from './files.ts'
import { Handover } from './handover.ts'
import { Haproxies } from './haproxies.ts'
import { showsMetrics } from './haproxy-additions.ts'
import { HeartbeatSender } from './heartbeat-sender.ts'
import { Keepalived } from './keepalived.ts'
import { type AgentLog, createAgentLog } from './log.ts'
import { MetricsServer } from './metrics-server.ts'
import { InnerNetwork } from './network.ts'
import { agentRoutes } from './routes.ts'
import { AgentServer } from './server.ts'
import { type AgentSettings, parseSettings } from './settings.ts'
import { TrafficLogs } from './traffic-logs.ts'
import { IpvsForwarder, usesIpvs } from './udp/ipvs.ts'
import { NftablesForwarder } from './udp/nftables.ts'
import { UdpListeners } from './udp/udp-listeners.ts'

export class Agent {
  readonly paths: Paths
  readonly haproxies: Haproxies
  readonly udpListeners: UdpListeners
  readonly keepalived: Keepalived
  readonly handover: Handover
  readonly network: InnerNetwork
  readonly log: AgentLog
  readonly logs: TrafficLogs
  readonly info: Promise<AmphoraInfo>
  settings: AgentSettings
  private readonly configurationPath: string
  private readonly heartbeats: HeartbeatSender
  private readonly metrics: MetricsServer
  private readonly server: AgentServer
  private readonly prepared: Promise<void>

  constructor(configurationPath: string) {
    this.configurationPath = configurationPath
    this.settings = parseSettings(readFileSync(configurationPath, 'utf8'))
    this.paths = pathsOf(this.settings)
    const { logFile, debug, logs } = this.settings
    this.log = createAgentLog({
      path: logFile,
      isStored: !logs.disableLocalLogStorage,
      debug,
      tell: (level, text) => this.logs?.tell(level, text),
    })
    this.logs = new TrafficLogs(logs, this.paths, this.log)
    // What others do for the agent begins first: it goes on while the agent is busy with itself.
    this.network = new InnerNetwork(this.settings.namespace, this.paths, this.log, () => this.isOfPair())
    this.prepared = this.network.prepare()
    this.info = readAmphoraInfo(this.settings, this.prepared)
    this.keepalived = new Keepalived(this.settings, this.paths, this.log, () => this.network.handOverVips())
    this.haproxies = new Haproxies(this.settings, this.paths, this.log, {
      beforeReload: (id) => this.heartbeats.keepCounters(id),
      onWorkerGone: () => this.heartbeats.startOver(),
      onChange: () => {
        this.observe()
        this.keepalived.tellStatus(this.haproxies.allServe())
        this.heartbeats.lookNow()
      },
    })
    this.handover = new Handover(this.settings.namespace, this.haproxies, this.keepalived, this.log)
    this.udpListeners = new UdpListeners(this.paths, this.log, () =>
      usesIpvs(this.settings)
        ? new IpvsForwarder(this.settings, this.paths, this.log)
        : new NftablesForwarder(this.settings.namespace, this.paths, this.log, () => this.heartbeats.lookNow()),
    )
    this.metrics = new MetricsServer(this.paths, this.log, async () => {
      await this.udpListeners.refresh().catch((error: Error) => this.log.debug(`listeners are shown as they were: ${error.message}`))
      return this.udpListeners.rows()
    })
    this.heartbeats = new HeartbeatSender(this.settings, this.paths, this.log, {
      running: () => this.running(),
      isSilenced: () => this.keepalived.isConfigured() && !this.keepalived.isRunning(),
      forwarded: () => this.udpListeners.rows(),
      refresh: () => this.udpListeners.refresh(),
      beforeLook: () => {
        this.haproxies.check()
        this.udpListeners.check()
        this.keepalived.check()
      },
      isRemoved: (id, backend, server) => this.haproxies.isDraining(id, backend, server),
      onStatuses: () => this.haproxies.keepStates(),
    })
    this.server = new AgentServer(this.settings, agentRoutes(this), new Fences(this.paths.fences), this.log)
  }

  /** Takes over or starts what was running, then answers controllers. */
  async start(): Promise<void> {
    await this.prepared
    await this.haproxies.resume()
    this.observe()
    this.keepalived.tellStatus(this.haproxies.allServe())
    await this.udpListeners.resume()
    await this.keepalived.resume()
    await this.server.listen()
    this.heartbeats.start()
    this.log.info(`agent of amphora ${this.settings.amphoraId} listens on port ${this.settings.bindPort}`)
  }

  /** Ends in good order; HAProxy, keepalived and what the kernel forwards go on. */
  async stop(): Promise<void> {
    this.heartbeats.stop()
    this.udpListeners.close()
    this.metrics.stop()
    this.logs.stop()
    await this.server.close()
  }

  /**
   * Stores a new configuration. Controllers, heartbeats' key and interval, the receivers of logs and the delay of deregistration take effect now,
   * the rest at the next start. Throws SettingsError.
   */
  configure(text: string): void {
    const settings = parseSettings(text)
    writeAtomically(this.configurationPath, text, { mode: 0o600, sync: true })
    const { controllers, heartbeatKey, hasOwnHeartbeatKey, heartbeatIntervalMs, logs, deregistrationDelaySeconds } = settings
    const heartbeats = { controllers, heartbeatKey, hasOwnHeartbeatKey, heartbeatIntervalMs }
    this.settings = { ...this.settings, ...heartbeats, logs, deregistrationDelaySeconds }
    this.heartbeats.configure(this.settings)
    this.logs.configure(logs)
    this.haproxies.configure(this.settings)
  }

  replaceCertificate(pem: Buffer): void {
    this.server.replaceCertificate(pem)
    this.log.info('the server certificate was replaced')
  }

  replaceClientCas(pem: Buffer, asking: TLSSocket): void {
    this.server.replaceClientCas(pem, asking)
    this.log.info('the CAs of controllers were replaced')
  }

  private running(): string[] {
    return loadBalancersIn(this.paths).filter((id) => this.haproxies.isRunning(id))
  }

  /** Attends to what is to be seen of each HAProxy that runs now; the last lines of one that died are read, too. */
  private observe(): void {
    this.logs.read(loadBalancersIn(this.paths).filter((id) => this.haproxies.isRunning(id) || existsSync(this.paths.haproxyWanted(id))))
    this.metrics.serve(this.running().filter((id) => showsMetrics(this.paths, id)))
  }

  /** Keepalived owns the VIPs: the controller said so when it made the amphora, or it has sent keepalived's configuration. */
  private isOfPair(): boolean {
    return this.settings.topology === 'ACTIVE_STANDBY' || this.keepalived.isConfigured()
  }
}
