/** The agent's configuration: upstream's `amphora-agent.conf` (`templates/amphora_agent_conf.template`), and some options of ours. */
import { ConfigSyntaxError, type ParsedOption, parseOsloConfig } from '../config/parse.ts'

export interface AgentSettings {
  amphoraId: string
  bindHost: string
  bindPort: number
  basePath: string
  certificatesPath: string
  interfacesPath: string
  /** PEM: the CA of controllers, and the agent's own certificate with its key. */
  clientCaPath: string
  serverCertificatePath: string
  requestReadTimeoutMs: number
  haproxyCommand: string
  keepalivedCommand: string
  /** Seconds an old HAProxy process may finish its connections. Ours. */
  hardStopAfterSeconds: number
  /** UDP listeners go through nftables also where the kernel has IPVS. Ours. */
  prefersNftables: boolean
  /** Seconds after which what still runs on a removed member is shut; 0: not before the end of an old process. Ours. */
  deregistrationDelaySeconds: number
  /** The namespace of tenants' traffic, by its name for `ip netns`. Ours; others than the default let tests run several agents. */
  namespace: string
  topology: 'SINGLE' | 'ACTIVE_STANDBY'
  controllers: Endpoint[]
  heartbeatIntervalMs: number
  heartbeatKey: string
  /** The key is this amphora's alone; without it all amphorae of a controller have one. Ours. */
  hasOwnHeartbeatKey: boolean
  /** A file instead of standard error. Ours. */
  logFile: string | null
  debug: boolean
  logs: LogSettings
}

/** Where logs go besides, by upstream's options of `[amphora_agent]`. */
export interface LogSettings {
  /** The first that can be reached gets the lines. */
  adminLogTargets: Endpoint[]
  tenantLogTargets: Endpoint[]
  /** The numbers of LOG_LOCALs. */
  userLogFacility: number
  adminLogFacility: number
  logProtocol: 'UDP' | 'TCP'
  logRetryCount: number
  logRetryIntervalMs: number
  logQueueSize: number
  forwardAllLogs: boolean
  disableLocalLogStorage: boolean
}

export interface Endpoint {
  host: string
  port: number
}

/** A configuration that the agent cannot work with: names section and option, never a value. */
export class SettingsError extends Error {}

export function parseSettings(text: string): AgentSettings {
  const values = new Map<string, string[]>()
  for (const { section, name, value } of parse(text)) {
    const key = `${section}.${name}`
    values.set(key, [...(values.get(key) ?? []), value])
  }
  const optional = (key: string): string | undefined => values.get(key)?.at(-1) || undefined
  const required = (key: string): string => {
    const value = optional(key)
    if (value === undefined) throw new SettingsError(`${shown(key)} is missing`)
    return value
  }
  const number = (key: string, fallback: number, least = 0): number => {
    const value = Number(optional(key) ?? fallback)
    if (!Number.isFinite(value) || value < least) throw new SettingsError(`${shown(key)} is not a number`)
    return value
  }
  const flag = (key: string): boolean => /^(true|1|on|yes)$/i.test(optional(key) ?? '')
  const endpoints = (key: string): Endpoint[] =>
    (values.get(key) ?? [])
      .flatMap((list) => list.split(/[,\n]/))
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((item) => endpoint(key, item))
  const basePath = optional('haproxy_amphora.base_path') ?? '/var/lib/octavia'
  return {
    amphoraId: required('amphora_agent.amphora_id'),
    bindHost: optional('haproxy_amphora.bind_host') ?? '::',
    bindPort: number('haproxy_amphora.bind_port', 9443),
    basePath,
    certificatesPath: optional('haproxy_amphora.base_cert_dir') ?? `${basePath}/certs`,
    interfacesPath: optional('amphora_agent.agent_server_network_dir') ?? '/etc/octavia/interfaces',
    clientCaPath: optional('amphora_agent.agent_server_ca') ?? '/etc/octavia/certs/client_ca.pem',
    serverCertificatePath: optional('amphora_agent.agent_server_cert') ?? '/etc/octavia/certs/server.pem',
    requestReadTimeoutMs: number('amphora_agent.agent_request_read_timeout', 180) * 1000,
    haproxyCommand: optional('haproxy_amphora.haproxy_cmd') ?? '/usr/sbin/haproxy',
    keepalivedCommand: optional('haproxy_amphora.keepalived_cmd') ?? '/usr/sbin/keepalived',
    hardStopAfterSeconds: number('haproxy_amphora.hard_stop_after', 120),
    prefersNftables: optional('haproxy_amphora.udp_backend') === 'nftables',
    deregistrationDelaySeconds: number('haproxy_amphora.deregistration_delay', 0),
    namespace: optional('amphora_agent.amphora_netns') ?? 'amphora-haproxy',
    topology: optional('controller_worker.loadbalancer_topology') === 'ACTIVE_STANDBY' ? 'ACTIVE_STANDBY' : 'SINGLE',
    controllers: endpoints('health_manager.controller_ip_port_list'),
    heartbeatIntervalMs: number('health_manager.heartbeat_interval', 10) * 1000,
    heartbeatKey: optional('health_manager.heartbeat_key') ?? '',
    hasOwnHeartbeatKey: flag('health_manager.own_heartbeat_key'),
    logFile: optional('DEFAULT.log_file') ?? null,
    debug: flag('DEFAULT.debug'),
    logs: {
      adminLogTargets: endpoints('amphora_agent.admin_log_targets'),
      tenantLogTargets: endpoints('amphora_agent.tenant_log_targets'),
      userLogFacility: number('amphora_agent.user_log_facility', 0),
      adminLogFacility: number('amphora_agent.administrative_log_facility', 1),
      logProtocol: optional('amphora_agent.log_protocol') === 'TCP' ? 'TCP' : 'UDP',
      logRetryCount: number('amphora_agent.log_retry_count', 5, -1),
      logRetryIntervalMs: number('amphora_agent.log_retry_interval', 2) * 1000,
      logQueueSize: number('amphora_agent.log_queue_size', 10_000),
      forwardAllLogs: flag('amphora_agent.forward_all_logs'),
      disableLocalLogStorage: flag('amphora_agent.disable_local_log_storage'),
    },
  }
}

function parse(text: string): ParsedOption[] {
  try {
    return parseOsloConfig(text)
  } catch (error) {
    if (error instanceof ConfigSyntaxError) throw new SettingsError(error.message)
    throw error
  }
}

/** `192.0.2.1:5555`, `[2001:db8::1]:5555` and, as upstream writes it, `2001:db8::1:5555`. */
function endpoint(key: string, text: string): Endpoint {
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new SettingsError(`${shown(key)}: '${text}' is not an address and a port`)
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port }
}

function shown(key: string): string {
  return `[${key.replace('.', '] ')}`
}
