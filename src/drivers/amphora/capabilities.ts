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
  mixed_families: true,
  vip_sg_ids: true,
  additional_vips: true,
  sriov: true,
  failover: true,
  amphora_configuration: true,
  amphora_deletion: true,
}

/** What amphorae serve today. A feature that arrives adds itself here, and nothing else changes in the resources. */
export const servedByHaproxy: ProviderCapabilities = {
  listener_protocols: ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'PROMETHEUS'],
  // Upstream's amphora provider has them on these listeners alone, too.
  l7policy_protocols: ['HTTP', 'TERMINATED_HTTPS'],
  listener_tls: true,
  allowed_cidrs: true,
  pool_protocols: ['TCP', 'HTTP', 'HTTPS', 'PROXY', 'PROXYV2'],
  lb_algorithms: ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP', 'SOURCE_IP_PORT'],
  pool_tls: true,
  values_must_be_servable: true,
  // As upstream's, whose UDP and SCTP go through the kernel's LVS.
  mixed_families: false,
  vip_sg_ids: true,
  additional_vips: true,
  sriov: false,
  failover: false,
  amphora_configuration: false,
  amphora_deletion: false,
}
