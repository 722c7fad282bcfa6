/** What each driver's amphorae can be asked for. */
import type { ProviderCapabilities } from './driver.ts'

/** For agents that serve nothing and agree to everything. */
export const everything: ProviderCapabilities = {
  listener_protocols: ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'UDP', 'SCTP', 'PROMETHEUS'],
  l7policy_protocols: ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'UDP', 'SCTP'],
  listener_tls: true,
  allowed_cidrs: true,
  pool_protocols: ['TCP', 'HTTP', 'HTTPS', 'PROXY', 'PROXYV2', 'UDP', 'SCTP'],
  lb_algorithms: ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP', 'SOURCE_IP_PORT'],
  pool_tls: true,
  values_must_be_servable: false,
  health_monitor_types: ['HTTP', 'HTTPS', 'PING', 'TCP', 'TLS-HELLO', 'UDP-CONNECT', 'SCTP'],
  mixed_families: true,
  vip_sg_ids: true,
  additional_vips: true,
  sriov: true,
  failover: true,
  amphora_configuration: true,
  amphora_deletion: true,
  missing: {},
}

/** What amphorae serve today. A feature that arrives adds itself here, and nothing else changes in the resources. */
export const servedByAmphorae: ProviderCapabilities = {
  listener_protocols: ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'UDP', 'SCTP', 'PROMETHEUS'],
  // Upstream's amphora provider has them on these listeners alone, too.
  l7policy_protocols: ['HTTP', 'TERMINATED_HTTPS'],
  listener_tls: true,
  allowed_cidrs: true,
  pool_protocols: ['TCP', 'HTTP', 'HTTPS', 'PROXY', 'PROXYV2', 'UDP', 'SCTP'],
  lb_algorithms: ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP', 'SOURCE_IP_PORT'],
  pool_tls: true,
  values_must_be_servable: true,
  health_monitor_types: everything.health_monitor_types,
  // As upstream's: UDP and SCTP packets are forwarded, and stay of their family.
  mixed_families: false,
  vip_sg_ids: true,
  additional_vips: true,
  sriov: false,
  failover: true,
  amphora_configuration: true,
  amphora_deletion: true,
  missing: {},
}

/** SCTP needs the kernel's IPVS where the amphorae are; `why` is told to who asks for it all the same. */
export function withoutSctp(capabilities: ProviderCapabilities, why: string): ProviderCapabilities {
  const others = (names: readonly string[]) => names.filter((name) => name !== 'SCTP')
  return {
    ...capabilities,
    listener_protocols: others(capabilities.listener_protocols),
    pool_protocols: others(capabilities.pool_protocols),
    health_monitor_types: others(capabilities.health_monitor_types),
    missing: { ...capabilities.missing, SCTP: why },
  }
}
