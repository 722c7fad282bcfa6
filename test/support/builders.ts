/** Objects for tests: each builder fills in what the test doesn't speak of. */
import { randomUUID } from 'node:crypto'
import { type Config, type ConfigSource, loadConfig } from '../../src/config/config.ts'
import type {
  AmphoraRow,
  HealthMonitorRow,
  L7PolicyRow,
  L7RuleRow,
  ListenerRow,
  LoadBalancerRow,
  MemberRow,
  PoolRow,
} from '../../src/db/tables.ts'

/** The options' defaults, without authentication, and what the test wants otherwise. */
export function aConfig(overrides: NonNullable<ConfigSource['overrides']> = {}): Config {
  const api_settings = { auth_strategy: 'noauth' as const, ...overrides.api_settings }
  const health_manager = { heartbeat_key: 'heartbeat key', controller_ip_port_list: ['192.0.2.100:5555'], ...overrides.health_manager }
  const certificates = { server_certs_key_passphrase: ['passphrase'], ...overrides.certificates }
  return loadConfig({ stateDirectory: '/nonexistent', overrides: { ...overrides, api_settings, health_manager, certificates } })
}

const owned = () => ({
  id: randomUUID() as string,
  project_id: 'project-1',
  name: '',
  tags: [],
  provisioning_status: 'ACTIVE' as const,
  operating_status: 'ONLINE' as const,
  admin_state_up: true,
  fault: null,
  created_at: '2026-01-01T00:00:00',
  updated_at: null,
})

export function aLoadBalancerRow(given: Partial<LoadBalancerRow> = {}): LoadBalancerRow {
  return {
    ...owned(),
    description: '',
    vip_address: '10.0.0.5',
    vip_port_id: randomUUID(),
    vip_subnet_id: randomUUID(),
    vip_network_id: randomUUID(),
    vip_qos_policy_id: null,
    vip_vnic_type: 'normal',
    vip_sg_ids: [],
    additional_vips: [],
    vip_port_owned: true,
    provider: 'amphora',
    flavor_id: null,
    availability_zone: null,
    topology: 'SINGLE',
    server_group_id: null,
    ...given,
  }
}

export function aListenerRow(given: Partial<ListenerRow> = {}): ListenerRow {
  return {
    ...owned(),
    description: '',
    load_balancer_id: randomUUID(),
    protocol: 'HTTP',
    protocol_port: 80,
    connection_limit: -1,
    default_pool_id: null,
    insert_headers: {},
    timeout_client_data: 50_000,
    timeout_member_connect: 5_000,
    timeout_member_data: 50_000,
    timeout_tcp_inspect: 0,
    default_tls_container_ref: null,
    sni_container_refs: [],
    client_ca_tls_container_ref: null,
    client_authentication: 'NONE',
    client_crl_container_ref: null,
    allowed_cidrs: null,
    tls_ciphers: null,
    tls_versions: [],
    alpn_protocols: [],
    hsts_max_age: null,
    hsts_include_subdomains: false,
    hsts_preload: false,
    ...given,
  }
}

export function aPoolRow(given: Partial<PoolRow> = {}): PoolRow {
  return {
    ...owned(),
    description: '',
    load_balancer_id: randomUUID(),
    protocol: 'HTTP',
    lb_algorithm: 'ROUND_ROBIN',
    session_persistence: null,
    tls_enabled: false,
    tls_container_ref: null,
    ca_tls_container_ref: null,
    crl_container_ref: null,
    tls_ciphers: null,
    tls_versions: [],
    alpn_protocols: [],
    ...given,
  }
}

export function aMemberRow(given: Partial<MemberRow> = {}): MemberRow {
  return {
    ...owned(),
    pool_id: randomUUID(),
    address: '10.0.0.10',
    protocol_port: 80,
    weight: 1,
    backup: false,
    subnet_id: null,
    monitor_address: null,
    monitor_port: null,
    vnic_type: 'normal',
    operating_status: 'NO_MONITOR',
    ...given,
  }
}

export function aHealthMonitorRow(given: Partial<HealthMonitorRow> = {}): HealthMonitorRow {
  return {
    ...owned(),
    pool_id: randomUUID(),
    type: 'HTTP',
    delay: 5,
    timeout: 3,
    max_retries: 3,
    max_retries_down: 3,
    http_method: 'GET',
    url_path: '/',
    expected_codes: '200',
    http_version: null,
    domain_name: null,
    ...given,
  }
}

export function anL7PolicyRow(given: Partial<L7PolicyRow> = {}): L7PolicyRow {
  return {
    ...owned(),
    description: '',
    listener_id: randomUUID(),
    action: 'REJECT',
    redirect_pool_id: null,
    redirect_url: null,
    redirect_prefix: null,
    redirect_http_code: null,
    position: 1,
    ...given,
  }
}

export function anL7RuleRow(given: Partial<L7RuleRow> = {}): L7RuleRow {
  const { name: _, ...common } = owned()
  return { ...common, l7policy_id: randomUUID(), type: 'PATH', compare_type: 'STARTS_WITH', key: null, value: '/', invert: false, ...given }
}

export function anAmphoraRow(given: Partial<AmphoraRow> = {}): AmphoraRow {
  return {
    id: randomUUID(),
    loadbalancer_id: randomUUID(),
    compute_id: randomUUID(),
    lb_network_ip: '192.0.2.1',
    vrrp_ip: null,
    ha_ip: '10.0.0.10',
    vrrp_port_id: randomUUID(),
    ha_port_id: randomUUID(),
    cert_expiration: null,
    cert_busy: false,
    role: 'STANDALONE',
    status: 'ALLOCATED',
    vrrp_interface: 'eth1',
    vrrp_id: null,
    vrrp_priority: null,
    cached_zone: null,
    image_id: null,
    compute_flavor: null,
    server_certificate: null,
    agent_version: null,
    fault: null,
    created_at: '2026-01-01T00:00:00',
    updated_at: null,
    ...given,
  }
}
