/**
 * The columns of every table. Names are those of the wire; types are what repositories see: booleans and JSON columns are turned
 * by the connection (`db/connection.ts`), by name, so a name means the same type in every table.
 */
import type { ControllersTables } from '../controllers/tables.ts'
import type { EmbeddedComputeTables } from '../embedded/compute/tables.ts'
import type { EmbeddedIdentityTables } from '../embedded/identity/tables.ts'
import type { NetworkTagsTables } from '../embedded/network/api/tags.ts'
import type { EmbeddedNetworkTables } from '../embedded/network/tables.ts'
import type { EmbeddedSecretsTables } from '../embedded/secrets/tables.ts'
import type { FlowRow, FlowStepRow } from '../flow/tables.ts'
import type { Flaw } from '../lib/tls-material.ts'
import type { TrustTables } from '../trust/tables.ts'

export type ProvisioningStatus = 'ACTIVE' | 'PENDING_CREATE' | 'PENDING_UPDATE' | 'PENDING_DELETE' | 'ERROR' | 'DELETED'
export type OperatingStatus = 'ONLINE' | 'OFFLINE' | 'DEGRADED' | 'ERROR' | 'DRAINING' | 'NO_MONITOR'
export type Topology = 'SINGLE' | 'ACTIVE_STANDBY'

/** Why an object is in ERROR; `details` is for admins. */
export type Fault = { message: string; created_at: string; details: string }

interface Owned {
  id: string
  project_id: string
  name: string
  tags: string[]
  provisioning_status: ProvisioningStatus
  operating_status: OperatingStatus
  admin_state_up: boolean
  fault: Fault | null
  created_at: string
  updated_at: string | null
}

/** Another address of the VIP's port, on another subnet of its network. */
export type AdditionalVip = { subnet_id: string; ip_address: string; port_id: string }

export interface LoadBalancerRow extends Owned {
  description: string
  vip_address: string
  vip_port_id: string
  vip_subnet_id: string | null
  vip_network_id: string
  vip_qos_policy_id: string | null
  vip_vnic_type: 'normal' | 'direct'
  vip_sg_ids: string[]
  additional_vips: AdditionalVip[]
  /** We made the VIP's port, so we delete it; a user's own stays. */
  vip_port_owned: boolean
  provider: string
  flavor_id: string | null
  availability_zone: string | null
  topology: Topology
  server_group_id: string | null
}

export type ListenerProtocol = 'TCP' | 'HTTP' | 'HTTPS' | 'TERMINATED_HTTPS' | 'UDP' | 'SCTP' | 'PROMETHEUS'

export interface ListenerRow extends Owned {
  description: string
  load_balancer_id: string
  protocol: ListenerProtocol
  protocol_port: number
  connection_limit: number
  default_pool_id: string | null
  insert_headers: Record<string, string>
  timeout_client_data: number
  timeout_member_connect: number
  timeout_member_data: number
  timeout_tcp_inspect: number
  default_tls_container_ref: string | null
  sni_container_refs: string[]
  client_ca_tls_container_ref: string | null
  client_authentication: 'NONE' | 'OPTIONAL' | 'MANDATORY'
  client_crl_container_ref: string | null
  allowed_cidrs: string[] | null
  tls_ciphers: string | null
  tls_versions: string[]
  alpn_protocols: string[]
  hsts_max_age: number | null
  hsts_include_subdomains: boolean
  hsts_preload: boolean
}

export type PoolProtocol = 'TCP' | 'HTTP' | 'HTTPS' | 'PROXY' | 'PROXYV2' | 'UDP' | 'SCTP'
export type LbAlgorithm = 'ROUND_ROBIN' | 'LEAST_CONNECTIONS' | 'SOURCE_IP' | 'SOURCE_IP_PORT'
export type SessionPersistence = {
  type: 'SOURCE_IP' | 'HTTP_COOKIE' | 'APP_COOKIE'
  cookie_name: string | null
  persistence_timeout: number | null
  persistence_granularity: string | null
}

export interface PoolRow extends Owned {
  description: string
  load_balancer_id: string
  protocol: PoolProtocol
  lb_algorithm: LbAlgorithm
  session_persistence: SessionPersistence | null
  tls_enabled: boolean
  tls_container_ref: string | null
  ca_tls_container_ref: string | null
  crl_container_ref: string | null
  tls_ciphers: string | null
  tls_versions: string[]
  alpn_protocols: string[]
}

export interface MemberRow extends Owned {
  pool_id: string
  address: string
  protocol_port: number
  weight: number
  backup: boolean
  subnet_id: string | null
  monitor_address: string | null
  monitor_port: number | null
  vnic_type: 'normal' | 'direct'
}

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'OPTIONS' | 'CONNECT' | 'PATCH'
export type HealthMonitorType = 'HTTP' | 'HTTPS' | 'PING' | 'TCP' | 'TLS-HELLO' | 'UDP-CONNECT' | 'SCTP'

export interface HealthMonitorRow extends Owned {
  pool_id: string
  type: HealthMonitorType
  delay: number
  timeout: number
  max_retries: number
  max_retries_down: number
  http_method: HttpMethod | null
  url_path: string | null
  expected_codes: string | null
  http_version: 1.0 | 1.1 | null
  domain_name: string | null
}

export type L7PolicyAction = 'REJECT' | 'REDIRECT_TO_URL' | 'REDIRECT_TO_POOL' | 'REDIRECT_PREFIX'

export interface L7PolicyRow extends Owned {
  description: string
  listener_id: string
  action: L7PolicyAction
  redirect_pool_id: string | null
  redirect_url: string | null
  redirect_prefix: string | null
  redirect_http_code: 301 | 302 | 303 | 307 | 308 | null
  position: number
}

export interface L7RuleRow extends Omit<Owned, 'name'> {
  l7policy_id: string
  type: 'HOST_NAME' | 'PATH' | 'FILE_TYPE' | 'HEADER' | 'COOKIE' | 'SSL_CONN_HAS_CERT' | 'SSL_VERIFY_RESULT' | 'SSL_DN_FIELD'
  compare_type: 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
  key: string | null
  value: string
  invert: boolean
}

export type AmphoraStatus =
  | 'BOOTING'
  | 'ALLOCATED'
  | 'READY'
  | 'PENDING_CREATE'
  | 'PENDING_DELETE'
  | 'DELETED'
  | 'ERROR'
  | 'FAILOVER_STOPPED'

export interface AmphoraRow {
  id: string
  /** As on the wire: here alone it is written without the underscore between load and balancer. */
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
  status: AmphoraStatus
  vrrp_interface: string | null
  vrrp_id: number | null
  vrrp_priority: number | null
  cached_zone: string | null
  image_id: string | null
  compute_flavor: string | null
  /** The server certificate and key, encrypted with `[certificates] server_certs_key_passphrase`; null on no-op drivers. */
  server_certificate: string | null
  /** As the agent told when it was first reached; null of agents that tell none, such as upstream's. */
  agent_version: string | null
  fault: Fault | null
  created_at: string
  updated_at: string | null
}

export interface AmphoraHealthRow {
  amphora_id: string
  /** 0: its machine was seen to be gone, or its management port. */
  last_update_ms: number
  /** A health manager has begun to replace it. */
  busy: boolean
}

/** A dead amphora that a health manager has begun to replace; the row stays for a while after it is. */
export interface AmphoraFailoverRow {
  amphora_id: string
  attempts: number
  /** The last of them. */
  started_at_ms: number
  /** After one that failed: not before. Null while one is under way. */
  retry_at_ms: number | null
}

/** The highest number of the heartbeats that an amphora sent to a controller, as the agent calls it; of agents with a key of their own. */
export interface HeartbeatNumberRow {
  amphora_id: string
  controller: string
  seq: number
}

/** An amphora that was booted without a load balancer. The row stays when one has taken it. */
export interface SpareAmphoraRow {
  amphora_id: string
  /** Only a load balancer whose amphorae would be of the same kind may take it (`tasks/spare-amphorae.ts`). */
  kind: string
  /** The flow that has taken it. */
  taken_by: string | null
}

/** The leg of an amphora in a members' network, once it is plugged. */
export interface AmphoraMemberPortRow {
  port_id: string
  amphora_id: string
  network_id: string
  subnet_id: string
}

/** A leg that is being plugged or taken away, or was when that failed: some of it may be there, or appear yet. One that has both rows is plugged. */
export interface UnfinishedLegRow {
  amphora_id: string
  subnet_id: string
}

/** What one amphora counted. Those of replaced amphorae are added up in one row, so that the sum never falls. */
export interface StatisticsRow {
  amphora_id: string
  load_balancer_id: string
  bytes_in: number
  bytes_out: number
  active_connections: number
  total_connections: number
  request_errors: number
}

export interface ListenerStatisticsRow extends StatisticsRow {
  listener_id: string
}

export interface MemberStatisticsRow extends StatisticsRow {
  member_id: string
}

/** A null limit is the configured default; counters are kept in the transaction that stores or removes the object. */
export interface QuotaRow {
  project_id: string
  /** Shown in lists: limits were set, or hold. A row may also only count what is in use. */
  listed: boolean
  load_balancer: number | null
  listener: number | null
  pool: number | null
  member: number | null
  health_monitor: number | null
  l7policy: number | null
  l7rule: number | null
  in_use_load_balancer: number
  in_use_listener: number
  in_use_pool: number
  in_use_member: number
  in_use_health_monitor: number
  in_use_l7policy: number
  in_use_l7rule: number
}

/** The fields of listeners and pools that name secrets. */
export type TlsField =
  | 'default_tls_container_ref'
  | 'sni_container_refs'
  | 'client_ca_tls_container_ref'
  | 'client_crl_container_ref'
  | 'tls_container_ref'
  | 'ca_tls_container_ref'
  | 'crl_container_ref'

/** A load balancer in a secret's list of who uses it (`src/resources/secret-uses.ts`). */
export interface SecretUseRow {
  load_balancer_id: string
  secret_id: string
  /** One of the ways in which it is named. */
  reference: string
  state: 'to_note' | 'noted' | 'to_remove'
  changed_at_ms: number
}

/** A secret that a listener or pool names, as amphorae were last given it. Nothing here is secret. */
export interface TlsCertificateRow {
  object_id: string
  field: TlsField
  reference: string
  object_type: 'listener' | 'pool'
  load_balancer_id: string
  /** A keyed digest, by which other contents are noticed; it and what follows is null where none ever was in service. */
  digest: string | null
  /** Public, SHA-256, as OpenSSL shows it. */
  fingerprint: string | null
  subject: string | null
  issuer: string | null
  not_before: string | null
  not_after: string | null
  /** Why what the reference has now is not in service; null where it is. */
  problem: CertificateProblem | null
  /** Its end was told of so many days before; null: not yet. */
  told_days: number | null
  /** When a renewal last failed; 0: it never did. */
  renewal_failed_at_ms: number
}

/** Named as in `resources/failures.ts`. */
export type CertificateProblem =
  | Flaw
  | 'secret_gone'
  | 'secret_store_missing'
  | 'secret_store_silent'
  | 'bundle_unreadable'
  | 'expired_replacement'

/** Something that happened to a load balancer or to what is below it; how it ended is written in the transaction that ends it. */
export interface EventRow {
  id: string
  load_balancer_id: string
  event: EventName
  object_type: EventObject
  object_id: string
  object_name: string
  /** What it is since the event; null where the event is about something else. */
  operating_status: OperatingStatus | null
  /** How many alike this one stands for: the changes of a flapping member, the members of a batch. */
  count: number
  started_at_ms: number
  duration_ms: number | null
  outcome: 'in_progress' | 'success' | 'failure'
  /** Why it failed, from a fixed list of texts; of a certificate, when it ends. */
  message: string | null
  /** For admins. */
  details: string | null
}

export type EventName =
  | 'create'
  | 'update'
  | 'delete'
  | 'update_members'
  | 'failover'
  | 'replace_amphora'
  | 'configure_amphora'
  | 'refresh_certificates'
  | MomentaryEvent
/** What happens by itself, and no flow does. */
export type MomentaryEvent =
  | 'operating_status'
  | 'members_operating_status'
  | 'certificate_unusable'
  | 'certificate_expires'
  | 'failover_held_back'
  | 'amphora_certificate_not_renewed'
export type EventObject = 'loadbalancer' | 'listener' | 'pool' | 'member' | 'healthmonitor' | 'l7policy' | 'l7rule'

/** What flavors of it give: `flavor_data` is the JSON text that the client wrote. */
export interface FlavorProfileRow {
  id: string
  name: string
  provider_name: string
  flavor_data: string
}

export interface FlavorRow {
  id: string
  /** Unique. */
  name: string
  description: string
  enabled: boolean
  flavor_profile_id: string
}

/** What zones of it mean: `availability_zone_data` is the JSON text that the client wrote. */
export interface AvailabilityZoneProfileRow {
  id: string
  name: string
  provider_name: string
  availability_zone_data: string
}

/** Its name is its key. */
export interface AvailabilityZoneRow {
  name: string
  description: string
  enabled: boolean
  availability_zone_profile_id: string
}

/** A VIP's port is made between this row and the load balancer's (design, decision 3); old ones are undone by a periodic job. */
export interface VipReservationRow {
  load_balancer_id: string
  project_id: string
  created_at_ms: number
}

/** Something in a driver's backend that no row of a load balancer or amphora knows, and no flow is at work on. */
export interface OrphanRow {
  /** In the backend. */
  id: string
  kind: 'server' | 'port' | 'security_group' | 'server_group'
  name: string
  made_by: string
  /** It is known to have been made by this installation, and not by another one of the same cloud. */
  is_ours: boolean
  first_seen_ms: number
}

/** Small facts about the installation, such as the chosen address ranges. */
export interface SettingRow {
  key: string
  value: string
}

export interface Tables
  extends ControllersTables,
    EmbeddedComputeTables,
    EmbeddedIdentityTables,
    EmbeddedNetworkTables,
    EmbeddedSecretsTables,
    NetworkTagsTables,
    TrustTables {
  load_balancer: LoadBalancerRow
  listener: ListenerRow
  pool: PoolRow
  member: MemberRow
  health_monitor: HealthMonitorRow
  l7policy: L7PolicyRow
  l7rule: L7RuleRow
  amphora: AmphoraRow
  amphora_health: AmphoraHealthRow
  amphora_failover: AmphoraFailoverRow
  heartbeat_number: HeartbeatNumberRow
  spare_amphora: SpareAmphoraRow
  amphora_member_port: AmphoraMemberPortRow
  unfinished_leg: UnfinishedLegRow
  listener_statistics: ListenerStatisticsRow
  member_statistics: MemberStatisticsRow
  tls_certificate: TlsCertificateRow
  secret_use: SecretUseRow
  quota: QuotaRow
  event: EventRow
  flavor_profile: FlavorProfileRow
  flavor: FlavorRow
  availability_zone_profile: AvailabilityZoneProfileRow
  availability_zone: AvailabilityZoneRow
  vip_reservation: VipReservationRow
  orphan: OrphanRow
  setting: SettingRow
  flow: FlowRow
  flow_step: FlowStepRow
}

/** Columns that are true or false in every table (SQLite keeps 0 and 1). */
export const booleanColumns: ReadonlySet<string> = new Set([
  'admin_state_up',
  'vip_port_owned',
  'hsts_include_subdomains',
  'hsts_preload',
  'tls_enabled',
  'backup',
  'invert',
  'cert_busy',
  'busy',
  'takes_client_cas',
  'is_ours',
  'enabled',
  'shared',
  'external',
  'port_security_enabled',
  'enable_dhcp',
  'is_default',
  'listed',
  'project_access',
])

/** Columns that hold JSON as text in every table. */
export const jsonColumns: ReadonlySet<string> = new Set([
  'tags',
  'vip_sg_ids',
  'additional_vips',
  'sni_container_refs',
  'insert_headers',
  'allowed_cidrs',
  'tls_versions',
  'alpn_protocols',
  'session_persistence',
  'fault',
  'fixed_ips',
  'allowed_address_pairs',
  'security_group_ids',
  'allocation_pools',
  'host_routes',
  'dns_nameservers',
  'metadata',
  'binding',
  'command',
])
