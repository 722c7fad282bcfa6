/** Agents in this process's memory: what each was told is kept, for tests to look at. */
import { PassThrough } from 'node:stream'
import { VERSION } from '../../lib/version.ts'
import { AgentError, AgentUnreachable } from '../errors.ts'
import { Failures } from '../failures.ts'
import { Fences } from '../fences.ts'
import type { Fence } from '../network/driver.ts'
import { everything } from './capabilities.ts'
import type {
  AgentAddress,
  AgentInfo,
  AmphoraDriver,
  Applied,
  HaproxyFiles,
  NetworkPlug,
  Patience,
  ProviderCapabilities,
  VipPlug,
} from './driver.ts'

type Call = Exclude<keyof AmphoraDriver, 'capabilities' | 'hasHaproxy'>

export type MemoryAgent = {
  vip: VipPlug | null
  networks: NetworkPlug[]
  /** By load balancer. */
  haproxy: Map<string, HaproxyFiles>
  /** The LVS configurations, by listener. */
  udp: Map<string, string>
  keepalived: string | null
  agentConfiguration: string | null
  serverCertificate: string | null
  clientCas: string | null
  /** What was logged, and who follows it; null: an agent that keeps no logs. */
  log: { lines: string[]; followers: Set<PassThrough> } | null
}

export class MemoryAmphora implements AmphoraDriver {
  /** What has been told to each agent, by amphora id; an agent appears when it is first spoken to. */
  readonly agents = new Map<string, MemoryAgent>()
  /** Everything, until a test takes some away. */
  capabilities: ProviderCapabilities = everything
  hasHaproxy = false
  /** What agents say they can do beyond upstream's. */
  agentCapabilities: string[] = ['handover']
  /** As agents of upstream's. */
  takeNoClientCas = false
  private readonly unreachable = new Set<string>()
  private readonly failures = new Failures<Call>()
  private readonly fences = new Fences()

  /** The next call of this method fails; with `after` it has its effect all the same. */
  failNext(method: Call, error?: Error, options?: { after?: boolean }): void {
    this.failures.failNext(method, error, options)
  }

  /** From now on the agent does not answer. */
  disconnect(amphora_id: string): void {
    this.unreachable.add(amphora_id)
  }

  reconnect(amphora_id: string): void {
    this.unreachable.delete(amphora_id)
  }

  /** The configuration HAProxy runs with on an amphora that serves one load balancer; throws when there is none. */
  haproxyCfg(amphora_id: string): string {
    const [files] = this.agents.get(amphora_id)?.haproxy.values() ?? []
    if (files === undefined) throw new Error(`amphora ${amphora_id} has no haproxy.cfg`)
    return files.configuration
  }

  async takesLogs(): Promise<boolean> {
    return this.agentCapabilities.includes('logs')
  }

  waitForAgent(amphora: AgentAddress, _patience: Patience, options: { stillThere?: () => Promise<boolean> } = {}): Promise<AgentInfo> {
    return this.failures.around('waitForAgent', async () => {
      if (options.stillThere !== undefined && !(await options.stillThere())) throw new AgentUnreachable(amphora.id, 'its machine is gone')
      this.agent(amphora)
      return {
        hostname: `amphora-${amphora.id}`,
        api_version: '1.0',
        haproxy_version: '2.6.12',
        keepalived_version: '2.2.7',
        ipvsadm_version: '',
        agent_version: VERSION,
        capabilities: this.agentCapabilities,
      }
    })
  }

  plugVip(amphora: AgentAddress, plug: VipPlug, fence: Fence): Promise<void> {
    return this.told('plugVip', amphora, fence, (agent) => {
      agent.vip = structuredClone(plug)
    })
  }

  plugNetwork(amphora: AgentAddress, plug: NetworkPlug, fence: Fence): Promise<void> {
    return this.told('plugNetwork', amphora, fence, (agent) => {
      agent.networks = [...agent.networks.filter((known) => known.mac_address !== plug.mac_address), structuredClone(plug)]
    })
  }

  getInterface(amphora: AgentAddress, ip: string): Promise<string> {
    return this.failures.around('getInterface', () => {
      const agent = this.agent(amphora)
      if (agent.vip !== null && [agent.vip.vrrp_ip, agent.vip.vip_address].includes(ip)) return 'eth1'
      const index = agent.networks.findIndex((plug) => plug.fixed_ips.some((fixed) => fixed.ip_address === ip))
      if (index < 0)
        throw new AgentError(amphora.id, `GET /1.0/interface/${ip}`, 404, '{"message":"Error interface not found for IP address"}')
      return `eth${index + 2}`
    })
  }

  async applyHaproxy(amphora: AgentAddress, load_balancer_id: string, files: HaproxyFiles, fence: Fence): Promise<Applied> {
    let how: Applied['how'] = 'start'
    await this.told('applyHaproxy', amphora, fence, (agent) => {
      if (agent.haproxy.has(load_balancer_id)) how = 'reload'
      const names = new Set(files.certificates.map(({ name }) => name))
      // As an agent does, it forgets what nothing names any more.
      const texts = [files.configuration, ...files.certificates.map(({ contents }) => contents)]
      const kept = (agent.haproxy.get(load_balancer_id)?.certificates ?? []).filter(
        ({ name }) => !names.has(name) && texts.some((text) => text.includes(name)),
      )
      agent.haproxy.set(load_balancer_id, structuredClone({ ...files, certificates: [...kept, ...files.certificates] }))
    })
    return { how, duration_ms: 0 }
  }

  heldCertificates(amphora: AgentAddress, load_balancer_id: string, names: string[]): Promise<string[]> {
    return this.failures.around('heldCertificates', () => {
      const files = this.agent(amphora).haproxy.get(load_balancer_id)?.certificates ?? []
      return names.filter((wanted) => files.some(({ name }) => name === wanted))
    })
  }

  deleteHaproxy(amphora: AgentAddress, load_balancer_id: string, fence: Fence): Promise<void> {
    return this.told('deleteHaproxy', amphora, fence, (agent) => {
      agent.haproxy.delete(load_balancer_id)
    })
  }

  applyUdpListener(amphora: AgentAddress, listener_id: string, configuration: string, fence: Fence): Promise<void> {
    return this.told('applyUdpListener', amphora, fence, (agent) => {
      agent.udp.set(listener_id, configuration)
    })
  }

  listUdpListeners(amphora: AgentAddress): Promise<string[]> {
    return this.failures.around('listUdpListeners', () => [...this.agent(amphora).udp.keys()])
  }

  deleteUdpListener(amphora: AgentAddress, listener_id: string, fence: Fence): Promise<void> {
    return this.told('deleteUdpListener', amphora, fence, (agent) => {
      agent.udp.delete(listener_id)
    })
  }

  applyKeepalived(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void> {
    return this.told('applyKeepalived', amphora, fence, (agent) => {
      agent.keepalived = configuration
    })
  }

  stopKeepalived(amphora: AgentAddress, fence: Fence): Promise<void> {
    return this.told('stopKeepalived', amphora, fence, (agent) => {
      agent.keepalived = null
    })
  }

  async handOver(amphora: AgentAddress, { release_vips }: { release_vips: boolean }, fence: Fence): Promise<{ connections_left: number }> {
    await this.told('handOver', amphora, fence, (agent) => {
      if (release_vips) agent.keepalived = null
    })
    return { connections_left: 0 }
  }

  readLogs(
    amphora: AgentAddress,
    _load_balancer_id: string,
    { follow, signal }: { follow: boolean; signal: AbortSignal },
  ): Promise<AsyncIterable<string> | null> {
    return this.failures.around('readLogs', () => {
      const { log } = this.agent(amphora)
      if (log === null) return null
      const text = new PassThrough({ encoding: 'utf8', signal })
      if (!follow) return text.end(log.lines.map((line) => `${line}\n`).join(''))
      log.followers.add(text)
      return text.on('close', () => log.followers.delete(text))
    })
  }

  /** Something passed through a load balancer of this amphora. */
  logLine(amphora_id: string, line: string): void {
    const { log } = this.agent({ id: amphora_id, lb_network_ip: '' })
    log?.lines.push(line)
    for (const follower of log?.followers ?? []) follower.write(`${line}\n`)
  }

  /** As when its machine ends. */
  endLogs(amphora_id: string): void {
    for (const follower of this.agents.get(amphora_id)?.log?.followers ?? []) follower.end()
  }

  /** As agents of upstream's. */
  keepNoLogs(amphora_id: string): void {
    this.agent({ id: amphora_id, lb_network_ip: '' }).log = null
  }

  updateAgentConfiguration(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void> {
    return this.told('updateAgentConfiguration', amphora, fence, (agent) => {
      agent.agentConfiguration = configuration
    })
  }

  replaceServerCertificate(amphora: AgentAddress, pem: string, fence: Fence): Promise<void> {
    return this.told('replaceServerCertificate', amphora, fence, (agent) => {
      agent.serverCertificate = pem
    })
  }

  async replaceClientCas(amphora: AgentAddress, pem: string, fence: Fence): Promise<boolean> {
    await this.told('replaceClientCas', amphora, fence, (agent) => {
      if (!this.takeNoClientCas) agent.clientCas = pem
    })
    return !this.takeNoClientCas
  }

  private told(method: Call, amphora: AgentAddress, fence: Fence, change: (agent: MemoryAgent) => void): Promise<void> {
    return this.failures.around(method, () => {
      const agent = this.agent(amphora)
      this.fences.check(amphora.id, fence)
      change(agent)
    })
  }

  private agent({ id }: AgentAddress): MemoryAgent {
    if (this.unreachable.has(id)) throw new AgentUnreachable(id, 'connection refused')
    const known = this.agents.get(id)
    if (known !== undefined) return known
    const agent: MemoryAgent = {
      vip: null,
      networks: [],
      haproxy: new Map(),
      udp: new Map(),
      keepalived: null,
      agentConfiguration: null,
      serverCertificate: null,
      clientCas: null,
      log: { lines: [], followers: new Set() },
    }
    this.agents.set(id, agent)
    return agent
  }
}
