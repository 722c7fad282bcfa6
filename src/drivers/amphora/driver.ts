/** How the controller speaks to an amphora's agent (API 1.0). */
import type { Fence, HostRoute } from '../network/driver.ts'

/** A file of TLS material, by its name below the load balancer's directory of certificates. */
export type CertificateFile = { name: string; contents: string }

/** HAProxy's configuration of a load balancer and all the files of certificates that it names. Holds private keys: never journal or log it. */
export type HaproxyFiles = { configuration: string; certificates: CertificateFile[] }

/** What an agent of ours says of a change: whether HAProxy took it while it ran, was reloaded or started, and how long that took. */
export type Applied = { how: 'unchanged' | 'runtime' | 'reload' | 'start'; duration_ms: number }

/** What is needed to reach an agent: its certificate's name and where it listens. */
export type AgentAddress = { id: string; lb_network_ip: string }

export type AgentInfo = {
  hostname: string
  api_version: string
  haproxy_version: string
  keepalived_version: string
  ipvsadm_version: string
  /** Ours, absent on other agents, and on ours from before they told it. */
  agent_version?: string
  /** Ours, absent on other agents: what this agent can do beyond upstream's ('fractional-advert', 'nftables-udp', ...). */
  capabilities?: string[]
}

export type VipPlug = {
  vip_address: string
  subnet_cidr: string
  gateway: string | null
  mac_address: string
  vrrp_ip: string
  mtu: number
  host_routes: HostRoute[]
  additional_vips: { ip_address: string; subnet_cidr: string; gateway: string | null; host_routes: HostRoute[] }[]
}

export type NetworkPlug = {
  mac_address: string
  mtu: number
  fixed_ips: { ip_address: string; subnet_cidr: string; gateway: string | null; host_routes: HostRoute[] }[]
}

/** What may be asked of load balancers whose amphorae a driver drives; a request for anything else is answered with 501. */
export type ProviderCapabilities = {
  listener_protocols: readonly string[]
  /** Of listeners that may have l7policies. */
  l7policy_protocols: readonly string[]
  listener_tls: boolean
  allowed_cidrs: boolean
  pool_protocols: readonly string[]
  lb_algorithms: readonly string[]
  pool_tls: boolean
  /** Values that HAProxy or OpenSSL would refuse, and with them a whole configuration, are refused by the API. */
  values_must_be_servable: boolean
  health_monitor_types: readonly string[]
  /** Members of UDP and SCTP pools whose family no VIP has. */
  mixed_families: boolean
  vip_sg_ids: boolean
  additional_vips: boolean
  /** VIPs and members on SR-IOV ports, which flavors give. */
  sriov: boolean
  /** Of load balancers and of single amphorae, when asked for. */
  failover: boolean
  amphora_configuration: boolean
  amphora_deletion: boolean
  /** More to be said of why a protocol or a type of monitor is missing, by its name. */
  missing: Readonly<Record<string, string>>
}

/** How long and how often a booting, an active and a failing-over amphora is asked again. */
export type Patience = 'booting' | 'active' | 'failover'

/** Errors: AgentUnreachable after the bounded retries of `patience`; AgentError with status and body for what the agent refused. */
export interface AmphoraDriver {
  readonly capabilities: ProviderCapabilities
  /** False where nothing reads HAProxy's configuration: a listener that cannot be rendered is left out of it then, instead of failing its flow. */
  readonly hasHaproxy: boolean
  /** The agent's answer to GET /1.0/info; `stillThere` is asked between attempts and ends the wait when it says false. */
  waitForAgent(
    amphora: AgentAddress,
    patience: Patience,
    options?: { stillThere?: () => Promise<boolean>; signal?: AbortSignal },
  ): Promise<AgentInfo>
  /** Whether the agent takes HAProxy's log itself; upstream's leaves that to a log daemon. Asks an amphora once. */
  takesLogs(amphora: AgentAddress): Promise<boolean>
  plugVip(amphora: AgentAddress, plug: VipPlug, fence: Fence): Promise<void>
  plugNetwork(amphora: AgentAddress, plug: NetworkPlug, fence: Fence): Promise<void>
  /** The name of the interface that carries this address. */
  getInterface(amphora: AgentAddress, ip: string): Promise<string>
  /**
   * Uploads the files that are not there yet as they are, then starts or reloads HAProxy. Files that are there and not given stay, if the configuration
   * names them. Null where the agent does not say how.
   */
  applyHaproxy(amphora: AgentAddress, load_balancer_id: string, files: HaproxyFiles, fence: Fence): Promise<Applied | null>
  /** Which of these files of certificates are there. */
  heldCertificates(amphora: AgentAddress, load_balancer_id: string, names: string[]): Promise<string[]>
  /** Stops HAProxy and removes its files; content when there is none. */
  deleteHaproxy(amphora: AgentAddress, load_balancer_id: string, fence: Fence): Promise<void>
  /** Uploads the LVS configuration of a UDP or SCTP listener and starts or reloads what serves it. */
  applyUdpListener(amphora: AgentAddress, listener_id: string, configuration: string, fence: Fence): Promise<void>
  /** The ids of the UDP and SCTP listeners that the agent has a configuration of. */
  listUdpListeners(amphora: AgentAddress): Promise<string[]>
  /** Content when there is none. */
  deleteUdpListener(amphora: AgentAddress, listener_id: string, fence: Fence): Promise<void>
  /** Uploads keepalived.conf and starts or reloads keepalived. */
  applyKeepalived(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void>
  stopKeepalived(amphora: AgentAddress, fence: Fence): Promise<void>
  /**
   * Lets the clients of this amphora go: they are asked to close after their answers, for `drain_seconds` at most, then nobody new is let in for a moment,
   * and with `release_vips` keepalived tells its peer to take the VIPs. Answers how many connections were left. For agents that offer 'handover'; the
   * configuration that is pushed next ends it.
   */
  handOver(
    amphora: AgentAddress,
    options: { drain_seconds: number; release_vips: boolean },
    fence: Fence,
  ): Promise<{ connections_left: number }>
  /**
   * Text about the traffic of a load balancer, a line per request or connection, in pieces that are cut anywhere: the last lines, or with `follow` those
   * from now on, until `signal` aborts it. Null where the agent keeps no logs. Asks once. RefusedError when too many follow it.
   */
  readLogs(
    amphora: AgentAddress,
    load_balancer_id: string,
    options: { follow: boolean; signal: AbortSignal },
  ): Promise<AsyncIterable<string> | null>
  updateAgentConfiguration(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void>
  /** PEM of a certificate of the amphora's id, with its key; the agent shows it from the next connection on. Not asked for long. */
  replaceServerCertificate(amphora: AgentAddress, pem: string, fence: Fence): Promise<void>
  /**
   * PEM of the CAs by whose certificates the agent is to know controllers, from the next connection on; whose certificate is of none of them is cut off.
   * AgentError where we would be. False where the agent cannot be told. Not asked for long.
   */
  replaceClientCas(amphora: AgentAddress, pem: string, fence: Fence): Promise<boolean>
}
