/** Generated from docs/generated/openapi.json by `npm run generate`: change the schemas of the API instead. */
import { Connection, type Page, segment } from './connection.ts'

export interface Amphora {
  id: string
  loadbalancer_id: string | null
  compute_id: string | null
  lb_network_ip: string | null
  vrrp_ip: string | null
  ha_ip: string | null
  vrrp_port_id: string | null
  ha_port_id: string | null
  cert_expiration: string | null
  cert_busy: boolean
  role: 'MASTER' | 'BACKUP' | 'STANDALONE' | null
  status: 'BOOTING' | 'ALLOCATED' | 'READY' | 'PENDING_CREATE' | 'PENDING_DELETE' | 'DELETED' | 'ERROR' | 'FAILOVER_STOPPED'
  vrrp_interface: string | null
  vrrp_id: number | null
  vrrp_priority: number | null
  cached_zone: string | null
  image_id: string | null
  compute_flavor: string | null
  created_at: string
  updated_at: string | null
  /** Ours, as is `fault`: of agents that tell it. */
  agent_version?: string
  fault?: ObjectFault
}

export interface AmphoraStatistics {
  id: string
  listener_id: string
  loadbalancer_id: string
  bytes_in: number
  bytes_out: number
  active_connections: number
  total_connections: number
  request_errors: number
}

export interface AvailabilityZone {
  name: string
  description: string
  enabled: boolean
  availability_zone_profile_id: string
}

export interface AvailabilityZoneCreate {
  name: string
  description?: string | null
  enabled?: boolean | null
  availability_zone_profile_id: string
}

export interface AvailabilityZoneProfile {
  id: string
  name: string
  provider_name: string
  /** JSON: an object whose keys the provider lists as its availability zone capabilities */
  availability_zone_data: string
}

export interface AvailabilityZoneProfileCreate {
  name: string
  provider_name: string
  /** JSON: an object whose keys the provider lists as its availability zone capabilities */
  availability_zone_data: string
}

export interface AvailabilityZoneProfileUpdate {
  name?: string | null
  provider_name?: string | null
  /** JSON: an object whose keys the provider lists as its availability zone capabilities */
  availability_zone_data?: string | null
}

export interface AvailabilityZoneUpdate {
  description?: string | null
  enabled?: boolean | null
}

export interface Capability {
  name: string
  description: string
}

export interface Event {
  id: string
  /** What was done, or that an operating status has changed. */
  event: 'create' | 'update' | 'delete' | 'update_members' | 'failover' | 'replace_amphora' | 'configure_amphora' | 'refresh_certificates' | 'operating_status' | 'members_operating_status' | 'certificate_unusable' | 'certificate_expires' | 'failover_held_back' | 'amphora_certificate_not_renewed'
  object_type: 'loadbalancer' | 'listener' | 'pool' | 'member' | 'healthmonitor' | 'l7policy' | 'l7rule'
  object_id: string
  /** As it was at the beginning. */
  object_name: string
  /** The new one; null where none changed. */
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR' | null
  /** How many changes of the same kind this event stands for. */
  count: number
  started_at: string
  /** Null while it goes on. */
  duration_ms: number | null
  outcome: 'in_progress' | 'success' | 'failure'
  /** Why it failed, or what is about to happen. */
  message: string | null
  /** For admins. */
  details?: string | null
}

export interface Flavor {
  id: string
  name: string
  description: string
  enabled: boolean
  flavor_profile_id: string
}

export interface FlavorCreate {
  name: string
  description?: string | null
  enabled?: boolean | null
  flavor_profile_id: string
}

export interface FlavorProfile {
  id: string
  name: string
  provider_name: string
  /** JSON: an object whose keys the provider lists as its flavor capabilities */
  flavor_data: string
}

export interface FlavorProfileCreate {
  name: string
  provider_name: string
  /** JSON: an object whose keys the provider lists as its flavor capabilities */
  flavor_data: string
}

export interface FlavorProfileUpdate {
  name?: string | null
  provider_name?: string | null
  /** JSON: an object whose keys the provider lists as its flavor capabilities */
  flavor_data?: string | null
}

export interface FlavorUpdate {
  name?: string | null
  description?: string | null
  enabled?: boolean | null
}

export interface HealthMonitor {
  name: string
  type: 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'
  delay: number
  timeout: number
  max_retries_down: number
  max_retries: number
  http_method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH' | null
  url_path: string | null
  expected_codes: string | null
  admin_state_up: boolean
  tags: string[]
  http_version: 1 | 1.1 | null
  domain_name: string | null
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  pools: IdOnly[]
}

export interface HealthMonitorCreate {
  name?: string | null
  type: 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'
  delay: number
  timeout: number
  max_retries_down?: number | null
  max_retries: number
  http_method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH' | null
  url_path?: string | null
  expected_codes?: string | null
  admin_state_up?: boolean | null
  project_id?: string | null
  pool_id: string
  tags?: string[] | null
  http_version?: 1 | 1.1 | null
  domain_name?: string | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface HealthMonitorInTree {
  name?: string | null
  type: 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'
  delay: number
  timeout: number
  max_retries_down?: number | null
  max_retries: number
  http_method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH' | null
  url_path?: string | null
  expected_codes?: string | null
  admin_state_up?: boolean | null
  tags?: string[] | null
  http_version?: 1 | 1.1 | null
  domain_name?: string | null
}

export interface HealthMonitorTree {
  name: string
  type: 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'
  delay: number
  timeout: number
  max_retries_down: number
  max_retries: number
  http_method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH' | null
  url_path: string | null
  expected_codes: string | null
  admin_state_up: boolean
  tags: string[]
  http_version: 1 | 1.1 | null
  domain_name: string | null
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
}

export interface HealthMonitorUpdate {
  name?: string | null
  delay?: number | null
  timeout?: number | null
  max_retries_down?: number | null
  max_retries?: number | null
  http_method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH' | null
  url_path?: string | null
  expected_codes?: string | null
  admin_state_up?: boolean | null
  tags?: string[] | null
  http_version?: 1 | 1.1 | null
  domain_name?: string | null
}

export interface IdOnly {
  id: string
}

export interface L7Policy {
  name: string
  description: string
  admin_state_up: boolean
  action: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'
  redirect_pool_id: string | null
  redirect_url: string | null
  redirect_prefix: string | null
  redirect_http_code: 301 | 302 | 303 | 307 | 308 | null
  tags: string[]
  position: number
  listener_id: string
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  rules: IdOnly[]
}

export interface L7PolicyCreate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  project_id?: string | null
  action: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'
  redirect_pool_id?: string | null
  redirect_url?: string | null
  redirect_prefix?: string | null
  position?: number | null
  listener_id: string
  rules?: L7RuleInTree[] | null
  tags?: string[] | null
  redirect_http_code?: 301 | 302 | 303 | 307 | 308 | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface L7PolicyInTree {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  action: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'
  redirect_pool?: PoolInTree | null
  redirect_url?: string | null
  redirect_prefix?: string | null
  position?: number | null
  rules?: L7RuleInTree[] | null
  tags?: string[] | null
  redirect_http_code?: 301 | 302 | 303 | 307 | 308 | null
}

export interface L7PolicyTree {
  name: string
  description: string
  admin_state_up: boolean
  action: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'
  redirect_pool_id: string | null
  redirect_url: string | null
  redirect_prefix: string | null
  redirect_http_code: 301 | 302 | 303 | 307 | 308 | null
  tags: string[]
  position: number
  listener_id: string
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  rules: L7Rule[]
}

export interface L7PolicyUpdate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  action?: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX' | null
  redirect_pool_id?: string | null
  redirect_url?: string | null
  redirect_prefix?: string | null
  position?: number | null
  tags?: string[] | null
  redirect_http_code?: 301 | 302 | 303 | 307 | 308 | null
}

export interface L7Rule {
  type: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD'
  compare_type: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
  key: string | null
  value: string
  invert: boolean
  admin_state_up: boolean
  tags: string[]
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
}

export interface L7RuleCreate {
  type: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD'
  compare_type: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
  key?: string | null
  value: string
  invert?: boolean | null
  admin_state_up?: boolean | null
  project_id?: string | null
  tags?: string[] | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface L7RuleInTree {
  type: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD'
  compare_type: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
  key?: string | null
  value: string
  invert?: boolean | null
  admin_state_up?: boolean | null
  tags?: string[] | null
}

export interface L7RuleUpdate {
  type?: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD' | null
  compare_type?: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO' | null
  key?: string | null
  value?: string | null
  invert?: boolean | null
  admin_state_up?: boolean | null
  tags?: string[] | null
}

export interface Listener {
  name: string
  description: string
  admin_state_up: boolean
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'
  protocol_port: number
  connection_limit: number
  default_tls_container_ref: string | null
  sni_container_refs: string[]
  default_pool_id: string | null
  insert_headers: Record<string, string>
  timeout_client_data: number
  timeout_member_connect: number
  timeout_member_data: number
  timeout_tcp_inspect: number
  tags: string[]
  client_ca_tls_container_ref: string | null
  client_authentication: 'NONE' | 'OPTIONAL' | 'MANDATORY'
  client_crl_container_ref: string | null
  allowed_cidrs: string[] | null
  tls_ciphers: string | null
  tls_versions: string[] | null
  alpn_protocols: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  hsts_max_age: number | null
  hsts_include_subdomains: boolean
  hsts_preload: boolean
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  loadbalancers: IdOnly[]
  l7policies: IdOnly[]
  tls_certificates?: TlsCertificate[]
}

export interface ListenerCreate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'
  protocol_port: number
  connection_limit?: number | null
  default_tls_container_ref?: string | null
  sni_container_refs?: string[] | null
  project_id?: string | null
  default_pool_id?: string | null
  default_pool?: PoolInTree | null
  l7policies?: L7PolicyInTree[] | null
  insert_headers?: Record<string, string> | null
  loadbalancer_id: string
  timeout_client_data?: number | null
  timeout_member_connect?: number | null
  timeout_member_data?: number | null
  timeout_tcp_inspect?: number | null
  tags?: string[] | null
  client_ca_tls_container_ref?: string | null
  client_authentication?: 'NONE' | 'OPTIONAL' | 'MANDATORY' | null
  client_crl_container_ref?: string | null
  allowed_cidrs?: string[] | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  hsts_max_age?: number | null
  hsts_include_subdomains?: boolean | null
  hsts_preload?: boolean | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface ListenerInTree {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'
  protocol_port: number
  connection_limit?: number | null
  default_tls_container_ref?: string | null
  sni_container_refs?: string[] | null
  default_pool_id?: string | null
  default_pool?: PoolInTree | null
  l7policies?: L7PolicyInTree[] | null
  insert_headers?: Record<string, string> | null
  timeout_client_data?: number | null
  timeout_member_connect?: number | null
  timeout_member_data?: number | null
  timeout_tcp_inspect?: number | null
  tags?: string[] | null
  client_ca_tls_container_ref?: string | null
  client_authentication?: 'NONE' | 'OPTIONAL' | 'MANDATORY' | null
  client_crl_container_ref?: string | null
  allowed_cidrs?: string[] | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  hsts_max_age?: number | null
  hsts_include_subdomains?: boolean | null
  hsts_preload?: boolean | null
}

export interface ListenerTree {
  name: string
  description: string
  admin_state_up: boolean
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'
  protocol_port: number
  connection_limit: number
  default_tls_container_ref: string | null
  sni_container_refs: string[]
  default_pool_id: string | null
  insert_headers: Record<string, string>
  timeout_client_data: number
  timeout_member_connect: number
  timeout_member_data: number
  timeout_tcp_inspect: number
  tags: string[]
  client_ca_tls_container_ref: string | null
  client_authentication: 'NONE' | 'OPTIONAL' | 'MANDATORY'
  client_crl_container_ref: string | null
  allowed_cidrs: string[] | null
  tls_ciphers: string | null
  tls_versions: string[] | null
  alpn_protocols: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  hsts_max_age: number | null
  hsts_include_subdomains: boolean
  hsts_preload: boolean
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  l7policies: L7PolicyTree[]
}

export interface ListenerUpdate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  connection_limit?: number | null
  default_tls_container_ref?: string | null
  sni_container_refs?: string[] | null
  default_pool_id?: string | null
  insert_headers?: Record<string, string> | null
  timeout_client_data?: number | null
  timeout_member_connect?: number | null
  timeout_member_data?: number | null
  timeout_tcp_inspect?: number | null
  tags?: string[] | null
  client_ca_tls_container_ref?: string | null
  client_authentication?: 'NONE' | 'OPTIONAL' | 'MANDATORY' | null
  client_crl_container_ref?: string | null
  allowed_cidrs?: string[] | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  hsts_max_age?: number | null
  hsts_include_subdomains?: boolean | null
  hsts_preload?: boolean | null
}

export interface LoadBalancer {
  name: string
  description: string
  admin_state_up: boolean
  tags: string[]
  vip_address: string
  vip_port_id: string
  vip_subnet_id: string | null
  vip_network_id: string
  vip_qos_policy_id: string | null
  vip_vnic_type: 'normal' | 'direct'
  vip_sg_ids: string[]
  additional_vips: {
    subnet_id: string
    ip_address: string
    port_id: string
  }[]
  provider: string
  flavor_id: string | null
  availability_zone: string | null
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  listeners: IdOnly[]
  pools: IdOnly[]
}

export interface LoadBalancerCreate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  vip_address?: string | null
  vip_port_id?: string | null
  vip_subnet_id?: string | null
  vip_network_id?: string | null
  vip_qos_policy_id?: string | null
  vip_sg_ids?: string[] | null
  additional_vips?: {
    subnet_id: string
    ip_address?: string | null
    port_id?: string | null
  }[] | null
  project_id?: string | null
  listeners?: ListenerInTree[] | null
  pools?: PoolInTree[] | null
  provider?: string | null
  tags?: string[] | null
  flavor_id?: string | null
  availability_zone?: string | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface LoadBalancerTree {
  name: string
  description: string
  admin_state_up: boolean
  tags: string[]
  vip_address: string
  vip_port_id: string
  vip_subnet_id: string | null
  vip_network_id: string
  vip_qos_policy_id: string | null
  vip_vnic_type: 'normal' | 'direct'
  vip_sg_ids: string[]
  additional_vips: {
    subnet_id: string
    ip_address: string
    port_id: string
  }[]
  provider: string
  flavor_id: string | null
  availability_zone: string | null
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  listeners: ListenerTree[]
  pools: PoolTree[]
}

export interface LoadBalancerUpdate {
  name?: string | null
  description?: string | null
  vip_qos_policy_id?: string | null
  admin_state_up?: boolean | null
  vip_sg_ids?: string[] | null
  tags?: string[] | null
}

export interface Member {
  name: string
  admin_state_up: boolean
  address: string
  protocol_port: number
  weight: number
  backup: boolean
  subnet_id: string | null
  monitor_port: number | null
  monitor_address: string | null
  tags: string[]
  vnic_type: 'normal' | 'direct'
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
}

export interface MemberCreate {
  name?: string | null
  admin_state_up?: boolean | null
  address: string
  protocol_port: number
  weight?: number | null
  backup?: boolean | null
  subnet_id?: string | null
  project_id?: string | null
  monitor_port?: number | null
  monitor_address?: string | null
  tags?: string[] | null
  request_sriov?: boolean | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface MemberInBatch {
  name?: string | null
  admin_state_up?: boolean | null
  address: string
  protocol_port: number
  weight?: number | null
  backup?: boolean | null
  subnet_id?: string | null
  project_id?: string | null
  monitor_port?: number | null
  monitor_address?: string | null
  tags?: string[] | null
  request_sriov?: boolean | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface MemberInTree {
  name?: string | null
  admin_state_up?: boolean | null
  address: string
  protocol_port: number
  weight?: number | null
  backup?: boolean | null
  subnet_id?: string | null
  monitor_port?: number | null
  monitor_address?: string | null
  tags?: string[] | null
  request_sriov?: boolean | null
}

export interface MemberUpdate {
  name?: string | null
  admin_state_up?: boolean | null
  weight?: number | null
  backup?: boolean | null
  monitor_port?: number | null
  monitor_address?: string | null
  tags?: string[] | null
}

export interface ObjectFault {
  message: string
  created_at: string
  details?: string
}

export interface PageLink {
  rel: 'next' | 'previous'
  href: string
}

export interface Pool {
  name: string
  description: string
  admin_state_up: boolean
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP'
  lb_algorithm: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT'
  tags: string[]
  tls_container_ref: string | null
  ca_tls_container_ref: string | null
  crl_container_ref: string | null
  tls_enabled: boolean
  tls_ciphers: string | null
  tls_versions: string[] | null
  alpn_protocols: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  session_persistence: {
    type: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE'
    cookie_name: string | null
    persistence_timeout: number | null
    persistence_granularity: string | null
  } | null
  listeners: IdOnly[]
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  loadbalancers: IdOnly[]
  healthmonitor_id?: string
  members: IdOnly[]
  tls_certificates?: TlsCertificate[]
}

export interface PoolCreate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  listener_id?: string | null
  loadbalancer_id?: string | null
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP'
  lb_algorithm: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT'
  session_persistence?: {
    type: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE'
    cookie_name?: string | null
    persistence_timeout?: number | null
    persistence_granularity?: string | null
  } | null
  project_id?: string | null
  healthmonitor?: HealthMonitorInTree | null
  members?: MemberInTree[] | null
  tags?: string[] | null
  tls_container_ref?: string | null
  ca_tls_container_ref?: string | null
  crl_container_ref?: string | null
  tls_enabled?: boolean | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  /** Another spelling of project_id */
  tenant_id?: string | null
}

export interface PoolInTree {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  protocol?: 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP' | null
  lb_algorithm?: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT' | null
  session_persistence?: {
    type: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE'
    cookie_name?: string | null
    persistence_timeout?: number | null
    persistence_granularity?: string | null
  } | null
  healthmonitor?: HealthMonitorInTree | null
  members?: MemberInTree[] | null
  tags?: string[] | null
  tls_container_ref?: string | null
  ca_tls_container_ref?: string | null
  crl_container_ref?: string | null
  tls_enabled?: boolean | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
}

export interface PoolTree {
  name: string
  description: string
  admin_state_up: boolean
  protocol: 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP'
  lb_algorithm: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT'
  tags: string[]
  tls_container_ref: string | null
  ca_tls_container_ref: string | null
  crl_container_ref: string | null
  tls_enabled: boolean
  tls_ciphers: string | null
  tls_versions: string[] | null
  alpn_protocols: ('h2' | 'http/1.1' | 'http/1.0')[] | null
  session_persistence: {
    type: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE'
    cookie_name: string | null
    persistence_timeout: number | null
    persistence_granularity: string | null
  } | null
  listeners: IdOnly[]
  id: string
  project_id: string
  tenant_id: string
  provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  created_at: string
  updated_at: string | null
  fault?: ObjectFault
  healthmonitor: HealthMonitorTree | null
  members: Member[]
}

export interface PoolUpdate {
  name?: string | null
  description?: string | null
  admin_state_up?: boolean | null
  lb_algorithm?: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT' | null
  session_persistence?: {
    type?: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE' | null
    cookie_name?: string | null
    persistence_timeout?: number | null
    persistence_granularity?: string | null
  } | null
  tags?: string[] | null
  tls_container_ref?: string | null
  ca_tls_container_ref?: string | null
  crl_container_ref?: string | null
  tls_enabled?: boolean | null
  tls_ciphers?: string | null
  tls_versions?: string[] | null
  alpn_protocols?: ('h2' | 'http/1.1' | 'http/1.0')[] | null
}

export interface Provider {
  name: string
  description: string
}

export interface Quota {
  project_id: string
  tenant_id: string
  loadbalancer: number
  load_balancer: number
  listener: number
  member: number
  pool: number
  healthmonitor: number
  health_monitor: number
  l7policy: number
  l7rule: number
}

export interface QuotaInList {
  project_id: string
  tenant_id: string
  loadbalancer: number | null
  load_balancer: number | null
  listener: number | null
  member: number | null
  pool: number | null
  healthmonitor: number | null
  health_monitor: number | null
  l7policy: number | null
  l7rule: number | null
}

export interface QuotaUpdate {
  loadbalancer?: number | null
  load_balancer?: number | null
  listener?: number | null
  member?: number | null
  pool?: number | null
  healthmonitor?: number | null
  health_monitor?: number | null
  l7policy?: number | null
  l7rule?: number | null
}

export interface Statistics {
  bytes_in: number
  bytes_out: number
  active_connections: number
  total_connections: number
  request_errors: number
}

export interface StatusTree {
  loadbalancer: {
    id: string
    name: string
    provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
    operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
    listeners: {
      id: string
      name: string
      provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
      operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
      pools: {
        id: string
        name: string
        provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
        operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
        health_monitor?: {
          id: string
          name: string
          provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
          operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
          type: string
        }
        members: {
          id: string
          name: string
          provisioning_status: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
          operating_status: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
          address: string
          protocol_port: number
        }[]
      }[]
    }[]
  }
}

export interface TlsCertificate {
  field: 'default_tls_container_ref' | 'sni_container_refs' | 'client_ca_tls_container_ref' | 'client_crl_container_ref' | 'tls_container_ref' | 'ca_tls_container_ref' | 'crl_container_ref'
  reference: string
  subject: string | null
  issuer: string | null
  not_before: string | null
  /** Of a revocation list: when a newer one is due. */
  not_after: string | null
  /** SHA-256. */
  fingerprint: string | null
  /** Why what the reference holds now is not in service. */
  problem: string | null
}

/** What queries of lists share. */
export interface SharedQuery {
  /** Only these keys are answered, mandatory or not; unknown ones are ignored. May be repeated. */
  fields?: string[]
  /** Keys to sort by, each with its direction: `name:desc,created_at`. */
  sort?: string
  /** Keys to sort by, parted by commas; `sort` goes before it. */
  sort_key?: string
  /** The directions that belong to `sort_key`: asc or desc, parted by commas. */
  sort_dir?: string
  /** How many at most; the configuration has a limit of its own. 0 and `infinite` stand for none. */
  limit?: number | string
  /** The id of the last object seen: the page begins after it. */
  marker?: string
  /** The page ends before the marker. */
  page_reverse?: boolean
  /** Has all of these tags, parted by commas. */
  tags?: string[]
  /** Has any of these tags. */
  'tags-any'?: string[]
  /** Has not all of these tags. */
  'not-tags'?: string[]
  /** Has none of these tags. */
  'not-tags-any'?: string[]
}

export interface ListLoadBalancersQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  description?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  vip_address?: string
  vip_port_id?: string
  vip_subnet_id?: string
  vip_network_id?: string
  vip_qos_policy_id?: string
  vip_vnic_type?: 'normal' | 'direct'
  provider?: string
  flavor_id?: string
  availability_zone?: string
  topology?: string
  tenant_id?: string
}

export interface GetLoadBalancerQuery extends Pick<SharedQuery, 'fields'> {}

export interface DeleteLoadBalancerQuery {
  /** with all that belongs to it */
  cascade?: boolean
}

export interface ListLoadBalancerEventsQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  event?: 'create' | 'update' | 'delete' | 'update_members' | 'failover' | 'replace_amphora' | 'configure_amphora' | 'refresh_certificates' | 'operating_status' | 'members_operating_status' | 'certificate_unusable' | 'certificate_expires' | 'failover_held_back' | 'amphora_certificate_not_renewed'
  object_type?: 'loadbalancer' | 'listener' | 'pool' | 'member' | 'healthmonitor' | 'l7policy' | 'l7rule'
  object_id?: string
  object_name?: string
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  count?: number
  duration_ms?: number
  outcome?: 'in_progress' | 'success' | 'failure'
  started_at?: string
}

export interface GetLoadBalancerLogsQuery {
  /** the lines from now on instead of the last ones */
  follow?: boolean
}

export interface ListListenersQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  description?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  protocol?: 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'
  protocol_port?: number
  connection_limit?: number
  default_pool_id?: string
  timeout_client_data?: number
  timeout_member_connect?: number
  timeout_member_data?: number
  timeout_tcp_inspect?: number
  default_tls_container_ref?: string
  client_ca_tls_container_ref?: string
  client_authentication?: 'NONE' | 'OPTIONAL' | 'MANDATORY'
  client_crl_container_ref?: string
  tls_ciphers?: string
  hsts_max_age?: number
  hsts_include_subdomains?: boolean
  hsts_preload?: boolean
  loadbalancer_id?: string
  tenant_id?: string
}

export interface GetListenerQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListPoolsQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  description?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  protocol?: 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP'
  lb_algorithm?: 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT'
  tls_enabled?: boolean
  tls_container_ref?: string
  ca_tls_container_ref?: string
  crl_container_ref?: string
  tls_ciphers?: string
  loadbalancer_id?: string
  tenant_id?: string
}

export interface GetPoolQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListMembersQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  address?: string
  protocol_port?: number
  weight?: number
  backup?: boolean
  subnet_id?: string
  monitor_address?: string
  monitor_port?: number
  vnic_type?: 'normal' | 'direct'
  tenant_id?: string
}

export interface UpdateMembersQuery {
  /** leave members that the body does not list */
  additive_only?: boolean
}

export interface GetMemberQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListHealthMonitorsQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  pool_id?: string
  type?: 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'
  delay?: number
  timeout?: number
  max_retries?: number
  max_retries_down?: number
  http_method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH'
  url_path?: string
  expected_codes?: string
  http_version?: 1 | 1.1
  domain_name?: string
  tenant_id?: string
}

export interface GetHealthMonitorQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListL7PoliciesQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  description?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  listener_id?: string
  action?: 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'
  redirect_pool_id?: string
  redirect_url?: string
  redirect_prefix?: string
  redirect_http_code?: 301 | 302 | 303 | 307 | 308
  position?: number
  tenant_id?: string
}

export interface GetL7PolicyQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListL7RulesQuery extends Pick<SharedQuery, 'tags' | 'tags-any' | 'not-tags' | 'not-tags-any' | 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  project_id?: string
  provisioning_status?: 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
  operating_status?: 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
  admin_state_up?: boolean
  created_at?: string
  updated_at?: string
  type?: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD'
  compare_type?: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
  key?: string
  value?: string
  invert?: boolean
  tenant_id?: string
}

export interface GetL7RuleQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListAmphoraeQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  compute_id?: string
  lb_network_ip?: string
  vrrp_ip?: string
  ha_ip?: string
  vrrp_port_id?: string
  ha_port_id?: string
  cert_expiration?: string
  cert_busy?: boolean
  role?: 'MASTER' | 'BACKUP' | 'STANDALONE'
  status?: 'BOOTING' | 'ALLOCATED' | 'READY' | 'PENDING_CREATE' | 'PENDING_DELETE' | 'DELETED' | 'ERROR' | 'FAILOVER_STOPPED'
  vrrp_interface?: string
  vrrp_id?: number
  vrrp_priority?: number
  cached_zone?: string
  image_id?: string
  compute_flavor?: string
  agent_version?: string
  created_at?: string
  updated_at?: string
  load_balancer_id?: string
  project_id?: string
  tenant_id?: string
}

export interface GetAmphoraQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListProvidersQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListProviderFlavorCapabilitiesQuery extends Pick<SharedQuery, 'fields'> {
  name?: string
  description?: string
}

export interface ListProviderAvailabilityZoneCapabilitiesQuery extends Pick<SharedQuery, 'fields'> {
  name?: string
  description?: string
}

export interface ListQuotasQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  project_id?: string
  listener?: number
  pool?: number
  member?: number
  l7policy?: number
  l7rule?: number
  loadbalancer?: number
  healthmonitor?: number
  tenant_id?: string
}

export interface ListFlavorProfilesQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  provider_name?: string
  flavor_data?: string
}

export interface GetFlavorProfileQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListFlavorsQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  description?: string
  enabled?: boolean
  flavor_profile_id?: string
}

export interface GetFlavorQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListAvailabilityZoneProfilesQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  id?: string
  name?: string
  provider_name?: string
  availability_zone_data?: string
}

export interface GetAvailabilityZoneProfileQuery extends Pick<SharedQuery, 'fields'> {}

export interface ListAvailabilityZonesQuery extends Pick<SharedQuery, 'fields' | 'sort' | 'sort_key' | 'sort_dir' | 'limit' | 'marker' | 'page_reverse'> {
  name?: string
  description?: string
  enabled?: boolean
  availability_zone_profile_id?: string
}

export interface GetAvailabilityZoneQuery extends Pick<SharedQuery, 'fields'> {}

/** The load balancing API: a method for each of its operations. Each throws `Fault` when the service refuses. */
export class LoadBalancing extends Connection {
  /** List load balancers. */
  listLoadBalancers(query: ListLoadBalancersQuery = {}): Promise<Page<LoadBalancer>> {
    return this.page<LoadBalancer>('/v2/lbaas/loadbalancers', 'loadbalancers', 'loadbalancers_links', { query })
  }

  /** Create a load balancer, alone or with all that belongs to it. */
  createLoadBalancer(loadbalancer: LoadBalancerCreate): Promise<LoadBalancerTree> {
    return this.object<LoadBalancerTree>('POST', '/v2/lbaas/loadbalancers', 'loadbalancer', { body: { loadbalancer } })
  }

  /** Show a load balancer. */
  getLoadBalancer(id: string, query: GetLoadBalancerQuery = {}): Promise<LoadBalancer> {
    return this.object<LoadBalancer>('GET', `/v2/lbaas/loadbalancers/${segment(id)}`, 'loadbalancer', { query })
  }

  /** Update a load balancer. */
  updateLoadBalancer(id: string, loadbalancer: LoadBalancerUpdate): Promise<LoadBalancer> {
    return this.object<LoadBalancer>('PUT', `/v2/lbaas/loadbalancers/${segment(id)}`, 'loadbalancer', { body: { loadbalancer } })
  }

  /** Delete a load balancer. */
  deleteLoadBalancer(id: string, query: DeleteLoadBalancerQuery = {}): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/loadbalancers/${segment(id)}`, { query })
  }

  /** Show the statuses of a load balancer and of all that serves it. */
  getLoadBalancerStatus(id: string): Promise<StatusTree> {
    return this.object<StatusTree>('GET', `/v2/lbaas/loadbalancers/${segment(id)}/status`, 'statuses')
  }

  /** Show the statuses of a load balancer and of all that serves it. */
  getLoadBalancerStatuses(id: string): Promise<StatusTree> {
    return this.object<StatusTree>('GET', `/v2/lbaas/loadbalancers/${segment(id)}/statuses`, 'statuses')
  }

  /** Show what passed through a load balancer. */
  getLoadBalancerStats(id: string): Promise<Statistics> {
    return this.object<Statistics>('GET', `/v2/lbaas/loadbalancers/${segment(id)}/stats`, 'stats')
  }

  /** Replace the amphorae of a load balancer. */
  failoverLoadBalancer(id: string): Promise<void> {
    return this.nothing('PUT', `/v2/lbaas/loadbalancers/${segment(id)}/failover`)
  }

  /** List what happened to a load balancer. */
  listLoadBalancerEvents(id: string, query: ListLoadBalancerEventsQuery = {}): Promise<Page<Event>> {
    return this.page<Event>(`/v2/lbaas/loadbalancers/${segment(id)}/events`, 'events', 'events_links', { query })
  }

  /** Read the access log of a load balancer. */
  getLoadBalancerLogs(id: string, query: GetLoadBalancerLogsQuery = {}): AsyncGenerator<string> {
    return this.lines(`/v2/lbaas/loadbalancers/${segment(id)}/logs`, { query })
  }

  /** List listeners. */
  listListeners(query: ListListenersQuery = {}): Promise<Page<Listener>> {
    return this.page<Listener>('/v2/lbaas/listeners', 'listeners', 'listeners_links', { query })
  }

  /** Create a listener. */
  createListener(listener: ListenerCreate): Promise<Listener> {
    return this.object<Listener>('POST', '/v2/lbaas/listeners', 'listener', { body: { listener } })
  }

  /** Show a listener. */
  getListener(id: string, query: GetListenerQuery = {}): Promise<Listener> {
    return this.object<Listener>('GET', `/v2/lbaas/listeners/${segment(id)}`, 'listener', { query })
  }

  /** Update a listener. */
  updateListener(id: string, listener: ListenerUpdate): Promise<Listener> {
    return this.object<Listener>('PUT', `/v2/lbaas/listeners/${segment(id)}`, 'listener', { body: { listener } })
  }

  /** Delete a listener. */
  deleteListener(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/listeners/${segment(id)}`)
  }

  /** Show what passed through a listener. */
  getListenerStats(id: string): Promise<Statistics> {
    return this.object<Statistics>('GET', `/v2/lbaas/listeners/${segment(id)}/stats`, 'stats')
  }

  /** List pools. */
  listPools(query: ListPoolsQuery = {}): Promise<Page<Pool>> {
    return this.page<Pool>('/v2/lbaas/pools', 'pools', 'pools_links', { query })
  }

  /** Create a pool. */
  createPool(pool: PoolCreate): Promise<Pool> {
    return this.object<Pool>('POST', '/v2/lbaas/pools', 'pool', { body: { pool } })
  }

  /** Show a pool. */
  getPool(id: string, query: GetPoolQuery = {}): Promise<Pool> {
    return this.object<Pool>('GET', `/v2/lbaas/pools/${segment(id)}`, 'pool', { query })
  }

  /** Update a pool. */
  updatePool(id: string, pool: PoolUpdate): Promise<Pool> {
    return this.object<Pool>('PUT', `/v2/lbaas/pools/${segment(id)}`, 'pool', { body: { pool } })
  }

  /** Delete a pool. */
  deletePool(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/pools/${segment(id)}`)
  }

  /** List the members of a pool. */
  listMembers(pool_id: string, query: ListMembersQuery = {}): Promise<Page<Member>> {
    return this.page<Member>(`/v2/lbaas/pools/${segment(pool_id)}/members`, 'members', 'members_links', { query })
  }

  /** Create a member. */
  createMember(pool_id: string, member: MemberCreate): Promise<Member> {
    return this.object<Member>('POST', `/v2/lbaas/pools/${segment(pool_id)}/members`, 'member', { body: { member } })
  }

  /** Update all members of a pool at once. */
  updateMembers(pool_id: string, members: MemberInBatch[], query: UpdateMembersQuery = {}): Promise<void> {
    return this.nothing('PUT', `/v2/lbaas/pools/${segment(pool_id)}/members`, { query, body: { members } })
  }

  /** Show a member. */
  getMember(pool_id: string, id: string, query: GetMemberQuery = {}): Promise<Member> {
    return this.object<Member>('GET', `/v2/lbaas/pools/${segment(pool_id)}/members/${segment(id)}`, 'member', { query })
  }

  /** Update a member. */
  updateMember(pool_id: string, id: string, member: MemberUpdate): Promise<Member> {
    return this.object<Member>('PUT', `/v2/lbaas/pools/${segment(pool_id)}/members/${segment(id)}`, 'member', { body: { member } })
  }

  /** Delete a member. */
  deleteMember(pool_id: string, id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/pools/${segment(pool_id)}/members/${segment(id)}`)
  }

  /** Show what passed through a member. */
  getMemberStats(pool_id: string, id: string): Promise<Statistics> {
    return this.object<Statistics>('GET', `/v2/lbaas/pools/${segment(pool_id)}/members/${segment(id)}/stats`, 'stats')
  }

  /** List health monitors. */
  listHealthMonitors(query: ListHealthMonitorsQuery = {}): Promise<Page<HealthMonitor>> {
    return this.page<HealthMonitor>('/v2/lbaas/healthmonitors', 'healthmonitors', 'healthmonitors_links', { query })
  }

  /** Create the health monitor of a pool. */
  createHealthMonitor(healthmonitor: HealthMonitorCreate): Promise<HealthMonitor> {
    return this.object<HealthMonitor>('POST', '/v2/lbaas/healthmonitors', 'healthmonitor', { body: { healthmonitor } })
  }

  /** Show a health monitor. */
  getHealthMonitor(id: string, query: GetHealthMonitorQuery = {}): Promise<HealthMonitor> {
    return this.object<HealthMonitor>('GET', `/v2/lbaas/healthmonitors/${segment(id)}`, 'healthmonitor', { query })
  }

  /** Update a health monitor. */
  updateHealthMonitor(id: string, healthmonitor: HealthMonitorUpdate): Promise<HealthMonitor> {
    return this.object<HealthMonitor>('PUT', `/v2/lbaas/healthmonitors/${segment(id)}`, 'healthmonitor', { body: { healthmonitor } })
  }

  /** Delete a health monitor. */
  deleteHealthMonitor(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/healthmonitors/${segment(id)}`)
  }

  /** List l7policies. */
  listL7Policies(query: ListL7PoliciesQuery = {}): Promise<Page<L7Policy>> {
    return this.page<L7Policy>('/v2/lbaas/l7policies', 'l7policies', 'l7policies_links', { query })
  }

  /** Create an l7policy. */
  createL7Policy(l7policy: L7PolicyCreate): Promise<L7Policy> {
    return this.object<L7Policy>('POST', '/v2/lbaas/l7policies', 'l7policy', { body: { l7policy } })
  }

  /** Show an l7policy. */
  getL7Policy(id: string, query: GetL7PolicyQuery = {}): Promise<L7Policy> {
    return this.object<L7Policy>('GET', `/v2/lbaas/l7policies/${segment(id)}`, 'l7policy', { query })
  }

  /** Update an l7policy. */
  updateL7Policy(id: string, l7policy: L7PolicyUpdate): Promise<L7Policy> {
    return this.object<L7Policy>('PUT', `/v2/lbaas/l7policies/${segment(id)}`, 'l7policy', { body: { l7policy } })
  }

  /** Delete an l7policy. */
  deleteL7Policy(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/l7policies/${segment(id)}`)
  }

  /** List the rules of an l7policy. */
  listL7Rules(l7policy_id: string, query: ListL7RulesQuery = {}): Promise<Page<L7Rule>> {
    return this.page<L7Rule>(`/v2/lbaas/l7policies/${segment(l7policy_id)}/rules`, 'rules', 'rules_links', { query })
  }

  /** Create an l7rule. */
  createL7Rule(l7policy_id: string, rule: L7RuleCreate): Promise<L7Rule> {
    return this.object<L7Rule>('POST', `/v2/lbaas/l7policies/${segment(l7policy_id)}/rules`, 'rule', { body: { rule } })
  }

  /** Show an l7rule. */
  getL7Rule(l7policy_id: string, id: string, query: GetL7RuleQuery = {}): Promise<L7Rule> {
    return this.object<L7Rule>('GET', `/v2/lbaas/l7policies/${segment(l7policy_id)}/rules/${segment(id)}`, 'rule', { query })
  }

  /** Update an l7rule. */
  updateL7Rule(l7policy_id: string, id: string, rule: L7RuleUpdate): Promise<L7Rule> {
    return this.object<L7Rule>('PUT', `/v2/lbaas/l7policies/${segment(l7policy_id)}/rules/${segment(id)}`, 'rule', { body: { rule } })
  }

  /** Delete an l7rule. */
  deleteL7Rule(l7policy_id: string, id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/l7policies/${segment(l7policy_id)}/rules/${segment(id)}`)
  }

  /** List amphorae. */
  listAmphorae(query: ListAmphoraeQuery = {}): Promise<Page<Amphora>> {
    return this.page<Amphora>('/v2/octavia/amphorae', 'amphorae', 'amphorae_links', { query })
  }

  /** Show an amphora. */
  getAmphora(id: string, query: GetAmphoraQuery = {}): Promise<Amphora> {
    return this.object<Amphora>('GET', `/v2/octavia/amphorae/${segment(id)}`, 'amphora', { query })
  }

  /** Delete an amphora that is in ERROR or spare. */
  deleteAmphora(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/octavia/amphorae/${segment(id)}`)
  }

  /** Show what passed through an amphora, by listener. */
  getAmphoraStats(id: string): Promise<AmphoraStatistics[]> {
    return this.object<AmphoraStatistics[]>('GET', `/v2/octavia/amphorae/${segment(id)}/stats`, 'amphora_stats')
  }

  /** Replace an amphora by a new one. */
  failoverAmphora(id: string): Promise<void> {
    return this.nothing('PUT', `/v2/octavia/amphorae/${segment(id)}/failover`)
  }

  /** Write an agent's configuration anew. */
  configureAmphora(id: string): Promise<void> {
    return this.nothing('PUT', `/v2/octavia/amphorae/${segment(id)}/config`)
  }

  /** List the providers that load balancers may have. */
  listProviders(query: ListProvidersQuery = {}): Promise<Provider[]> {
    return this.object<Provider[]>('GET', '/v2/lbaas/providers', 'providers', { query })
  }

  /** List what the profiles of flavors may say to a provider. */
  listProviderFlavorCapabilities(provider: string, query: ListProviderFlavorCapabilitiesQuery = {}): Promise<Capability[]> {
    return this.object<Capability[]>('GET', `/v2/lbaas/providers/${segment(provider)}/flavor_capabilities`, 'flavor_capabilities', { query })
  }

  /** List what the profiles of availability zones may say to a provider. */
  listProviderAvailabilityZoneCapabilities(provider: string, query: ListProviderAvailabilityZoneCapabilitiesQuery = {}): Promise<Capability[]> {
    return this.object<Capability[]>('GET', `/v2/lbaas/providers/${segment(provider)}/availability_zone_capabilities`, 'availability_zone_capabilities', { query })
  }

  /** List the quotas that were set. */
  listQuotas(query: ListQuotasQuery = {}): Promise<Page<QuotaInList>> {
    return this.page<QuotaInList>('/v2/lbaas/quotas', 'quotas', 'quotas_links', { query })
  }

  /** Show the quota of a project. */
  getQuota(project_id: string): Promise<Quota> {
    return this.object<Quota>('GET', `/v2/lbaas/quotas/${segment(project_id)}`, 'quota')
  }

  /** Set the quota of a project. */
  updateQuota(project_id: string, quota: QuotaUpdate): Promise<Quota> {
    return this.object<Quota>('PUT', `/v2/lbaas/quotas/${segment(project_id)}`, 'quota', { body: { quota } })
  }

  /** Reset the quota of a project to the defaults. */
  deleteQuota(project_id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/quotas/${segment(project_id)}`)
  }

  /** Show what a project may have where nothing was set for it. */
  getQuotaDefault(project_id: string): Promise<Quota> {
    return this.object<Quota>('GET', `/v2/lbaas/quotas/${segment(project_id)}/default`, 'quota')
  }

  /** List flavor profiles. */
  listFlavorProfiles(query: ListFlavorProfilesQuery = {}): Promise<Page<FlavorProfile>> {
    return this.page<FlavorProfile>('/v2/lbaas/flavorprofiles', 'flavorprofiles', 'flavorprofile_links', { query })
  }

  /** Create a flavor profile. */
  createFlavorProfile(flavorprofile: FlavorProfileCreate): Promise<FlavorProfile> {
    return this.object<FlavorProfile>('POST', '/v2/lbaas/flavorprofiles', 'flavorprofile', { body: { flavorprofile } })
  }

  /** Show a flavor profile. */
  getFlavorProfile(id: string, query: GetFlavorProfileQuery = {}): Promise<FlavorProfile> {
    return this.object<FlavorProfile>('GET', `/v2/lbaas/flavorprofiles/${segment(id)}`, 'flavorprofile', { query })
  }

  /** Update a flavor profile. */
  updateFlavorProfile(id: string, flavorprofile: FlavorProfileUpdate): Promise<FlavorProfile> {
    return this.object<FlavorProfile>('PUT', `/v2/lbaas/flavorprofiles/${segment(id)}`, 'flavorprofile', { body: { flavorprofile } })
  }

  /** Delete a flavor profile. */
  deleteFlavorProfile(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/flavorprofiles/${segment(id)}`)
  }

  /** List flavors. */
  listFlavors(query: ListFlavorsQuery = {}): Promise<Page<Flavor>> {
    return this.page<Flavor>('/v2/lbaas/flavors', 'flavors', 'flavors_links', { query })
  }

  /** Create a flavor. */
  createFlavor(flavor: FlavorCreate): Promise<Flavor> {
    return this.object<Flavor>('POST', '/v2/lbaas/flavors', 'flavor', { body: { flavor } })
  }

  /** Show a flavor. */
  getFlavor(id: string, query: GetFlavorQuery = {}): Promise<Flavor> {
    return this.object<Flavor>('GET', `/v2/lbaas/flavors/${segment(id)}`, 'flavor', { query })
  }

  /** Update a flavor. */
  updateFlavor(id: string, flavor: FlavorUpdate): Promise<Flavor> {
    return this.object<Flavor>('PUT', `/v2/lbaas/flavors/${segment(id)}`, 'flavor', { body: { flavor } })
  }

  /** Delete a flavor. */
  deleteFlavor(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/flavors/${segment(id)}`)
  }

  /** List availability zone profiles. */
  listAvailabilityZoneProfiles(query: ListAvailabilityZoneProfilesQuery = {}): Promise<Page<AvailabilityZoneProfile>> {
    return this.page<AvailabilityZoneProfile>('/v2/lbaas/availabilityzoneprofiles', 'availability_zone_profiles', 'availability_zone_profile_links', { query })
  }

  /** Create an availability zone profile. */
  createAvailabilityZoneProfile(availability_zone_profile: AvailabilityZoneProfileCreate): Promise<AvailabilityZoneProfile> {
    return this.object<AvailabilityZoneProfile>('POST', '/v2/lbaas/availabilityzoneprofiles', 'availability_zone_profile', { body: { availability_zone_profile } })
  }

  /** Show an availability zone profile. */
  getAvailabilityZoneProfile(id: string, query: GetAvailabilityZoneProfileQuery = {}): Promise<AvailabilityZoneProfile> {
    return this.object<AvailabilityZoneProfile>('GET', `/v2/lbaas/availabilityzoneprofiles/${segment(id)}`, 'availability_zone_profile', { query })
  }

  /** Update an availability zone profile. */
  updateAvailabilityZoneProfile(id: string, availability_zone_profile: AvailabilityZoneProfileUpdate): Promise<AvailabilityZoneProfile> {
    return this.object<AvailabilityZoneProfile>('PUT', `/v2/lbaas/availabilityzoneprofiles/${segment(id)}`, 'availability_zone_profile', { body: { availability_zone_profile } })
  }

  /** Delete an availability zone profile. */
  deleteAvailabilityZoneProfile(id: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/availabilityzoneprofiles/${segment(id)}`)
  }

  /** List availability zones. */
  listAvailabilityZones(query: ListAvailabilityZonesQuery = {}): Promise<Page<AvailabilityZone>> {
    return this.page<AvailabilityZone>('/v2/lbaas/availabilityzones', 'availability_zones', 'availability_zones_links', { query })
  }

  /** Create an availability zone. */
  createAvailabilityZone(availability_zone: AvailabilityZoneCreate): Promise<AvailabilityZone> {
    return this.object<AvailabilityZone>('POST', '/v2/lbaas/availabilityzones', 'availability_zone', { body: { availability_zone } })
  }

  /** Show an availability zone. */
  getAvailabilityZone(name: string, query: GetAvailabilityZoneQuery = {}): Promise<AvailabilityZone> {
    return this.object<AvailabilityZone>('GET', `/v2/lbaas/availabilityzones/${segment(name)}`, 'availability_zone', { query })
  }

  /** Update an availability zone. */
  updateAvailabilityZone(name: string, availability_zone: AvailabilityZoneUpdate): Promise<AvailabilityZone> {
    return this.object<AvailabilityZone>('PUT', `/v2/lbaas/availabilityzones/${segment(name)}`, 'availability_zone', { body: { availability_zone } })
  }

  /** Delete an availability zone. */
  deleteAvailabilityZone(name: string): Promise<void> {
    return this.nothing('DELETE', `/v2/lbaas/availabilityzones/${segment(name)}`)
  }
}
