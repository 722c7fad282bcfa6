/**
 * The table of options: upstream's sections, names, defaults and meanings where it has them (`octavia/common/config.py`); ours are marked.
 * `npm run generate` prints it as a page.
 */

import { barbicanService, keystone_authtoken, networkingRetries, servicesOptions } from './openstack-options.ts'
import { choice, dictionary, flag, hostsWithPorts, lines, list, manyOf, number, type Option, ours, tcpPort, text } from './option.ts'

export const options = {
  DEFAULT: {
    debug: flag(false, 'Log at debug level.'),
    log_file: text(
      null,
      'Where logs go; `-`: standard output, for a service manager; default: `log/controller.log` in the state directory.',
    ),
  },
  api_settings: {
    bind_host: text('127.0.0.1', 'The address the API listens on.'),
    bind_port: tcpPort(9876, 'The port the API listens on.'),
    auth_strategy: choice(['noauth', 'keystone', 'testing'], 'keystone', 'Whether requests need a token.'),
    allow_remote_noauth: flag(false, 'Allow auth_strategy noauth on an address that is not loopback.', ours),
    allowed_hosts: list([], 'Names accepted in the Host header besides the address and localhost.', ours),
    allow_pagination: flag(true, 'Allow the use of pagination.'),
    allow_sorting: flag(true, 'Allow the use of sorting.'),
    allow_filtering: flag(true, 'Allow the use of filters.'),
    allow_field_selection: flag(true, 'Allow the use of fields.'),
    pagination_max_limit: number(1000, 'The most items on a page.', { min: 1 }),
    api_base_uri: text(null, 'The base of links; default: as the request was made.'),
    allow_tls_terminated_listeners: flag(true, 'Allow TERMINATED_HTTPS listeners.'),
    allow_ping_health_monitors: flag(true, 'Allow PING health monitors.'),
    allow_prometheus_listeners: flag(true, 'Allow PROMETHEUS listeners.'),
    enabled_provider_drivers: dictionary(
      { amphora: 'The Octavia Amphora driver.', octavia: 'Deprecated alias of the Octavia Amphora driver.' },
      'Providers and what is said of each.',
    ),
    default_provider_driver: text('amphora', 'The provider of load balancers that name none.'),
    udp_connect_min_interval_health_monitor: number(3, 'The smallest delay of an UDP-CONNECT health monitor, in seconds.', { min: 0 }),
    drain_seconds: number(
      0,
      'For so long after SIGTERM the API still serves, while /healthcheck says 503 and connections are closed after their answer.',
      { min: 0, max: 3600, ...ours },
    ),
    healthcheck_enabled: flag(false, 'Serve /healthcheck (true in the embedded cloud).'),
    healthcheck_refresh_interval: number(5, 'For how many seconds the checks of /healthcheck are not done again.', { min: 0 }),
    default_listener_ciphers: text(
      'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256',
      'Ciphers of TLS listeners that name none.',
    ),
    default_pool_ciphers: text(
      'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256',
      'Ciphers of TLS pools that name none.',
    ),
    default_listener_tls_versions: list(['TLSv1.2', 'TLSv1.3'], 'TLS versions of listeners that name none.'),
    default_pool_tls_versions: list(['TLSv1.2', 'TLSv1.3'], 'TLS versions of pools that name none.'),
    default_listener_alpn_protocols: list(['h2', 'http/1.1', 'http/1.0'], 'ALPN protocols of listeners that name none.'),
    default_pool_alpn_protocols: list(['h2', 'http/1.1', 'http/1.0'], 'ALPN protocols of pools that name none.'),
    tls_cipher_prohibit_list: text('', 'Ciphers that nobody may use, colon-separated.'),
    minimum_tls_version: choice(['SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], null, 'The lowest TLS version that may be asked for.'),
  },
  identity: {
    driver: choice(
      ['embedded', 'keystone'],
      null,
      'Who says who is who; default: keystone where [keystone_authtoken] has auth_url or www_authenticate_uri, else embedded.',
      ours,
    ),
    bind_host: text('127.0.0.1', 'The address the embedded identity service listens on.', ours),
    bind_port: tcpPort(5000, 'The port the embedded identity service listens on.', ours),
    token_lifetime: number(3600, 'How long a token of the embedded identity service is valid, in seconds.', { min: 1, ...ours }),
    password_hash_rounds: number(
      15,
      'What a guess of a password of the embedded identity service costs: 2 to this power rounds of scrypt, each of a KiB; 15 are 32 MiB and some 80 ms. Passwords that are stored already keep theirs.',
      { min: 10, max: 20, ...ours },
    ),
  },
  keystone_authtoken,
  oslo_policy: {
    policy_file: text('policy.yaml', 'Rules that differ from the default ones; a relative name is beside octavia.conf.'),
    policy_dirs: list(['policy.d'], 'Directories of more such files, which win over policy_file.'),
    policy_default_rule: text('default', 'The rule that stands for those which a file refers to and nobody defines.'),
    enforce_scope: flag(true, 'Tokens for the system are no admins by the rule context_is_admin, but by their roles.'),
    enforce_new_defaults: flag(true, 'False: the load-balancer_* roles of before 2025.1 count besides the default roles.'),
  },
  cors: {
    allowed_origin: list([], 'Origins (`https://host[:port]`, or `*`) whose pages may use the API.'),
    allow_credentials: flag(true, "Whether they may send the user's credentials."),
    expose_headers: list(['X-Auth-Token', 'X-Openstack-Request-Id'], 'Headers of answers that they may read.'),
    max_age: number(3600, 'For how many seconds a browser may remember what is allowed.', { min: 0 }),
    allow_methods: list(['GET', 'PUT', 'POST', 'DELETE'], 'Methods they may use.'),
    allow_headers: list(['X-Auth-Token', 'X-Openstack-Request-Id'], 'Headers they may send.'),
  },
  healthcheck: {
    backends: manyOf(
      ['octavia_db_check', 'disable_by_file', 'ottavia_roles_check'],
      'What /healthcheck checks; the last, ours: whether workers, health managers and housekeeping run.',
    ),
    detailed: flag(false, 'Tell more than the reason.'),
    disable_by_file_path: text(null, 'While this file exists, disable_by_file says that the service is unavailable.'),
  },
  oslo_middleware: {
    max_request_body_size: number(114_688, 'The largest body of a request, in bytes.', { min: 1 }),
    enable_proxy_headers_parsing: flag(false, 'Trust the headers of a proxy in front of the API (Forwarded, X-Forwarded-*).'),
  },
  embedded: {
    network_bind_port: tcpPort(9696, 'The port of the embedded network service.', ours),
    compute_bind_port: tcpPort(8774, 'The port of the embedded compute service.', ours),
    secrets_bind_port: tcpPort(9311, 'The port of the embedded secret store.', ours),
    bind_host: text('127.0.0.1', 'The address of the embedded network, compute and secrets services.', ours),
    private_cidr: text(null, 'The range of private-subnet; default: the first free /24 of 198.18.0.0/15.', ours),
    private_ipv6_cidr: text(null, 'The range of ipv6-private-subnet; default: a random ULA /64.', ours),
    management_cidr: text(null, 'The range of lb-mgmt-net; default: the next free /24 of 198.18.0.0/15.', ours),
    amphora_memory_mb: number(256, 'The memory limit of an amphora.', { min: 64, ...ours }),
    amphora_cpus: number(2, 'The cpu limit of an amphora.', { min: 0.1, fraction: true, ...ours }),
  },
  monitoring: {
    bind_host: text('127.0.0.1', 'The address of /metrics, which answers everybody who reaches it.', ours),
    bind_port: number(null, 'Its port; default: no metrics are shown (9877 in the embedded cloud).', { min: 1, max: 65535, ...ours }),
  },
  tracing: {
    otlp_endpoint: text(
      null,
      'An OpenTelemetry collector (`http://HOST:4318`), to which traces are sent as OTLP over HTTP; default: OTEL_EXPORTER_OTLP_ENDPOINT in the environment, else no traces are made.',
      ours,
    ),
    otlp_headers: dictionary({}, 'What it is told besides, `name:value` pairs; default: OTEL_EXPORTER_OTLP_HEADERS.', {
      secret: true,
      ...ours,
    }),
    service_name: text(null, 'What traces call this service; default: OTEL_SERVICE_NAME, else ottavia.', ours),
    sample_ratio: number(
      1,
      'Of traces that begin here, this part is made; whoever passes on a request with `traceparent` has decided for it.',
      {
        min: 0,
        max: 1,
        fraction: true,
        ...ours,
      },
    ),
  },
  database: {
    connection: text(null, '`sqlite:///PATH` or `postgresql://...`; default: `ottavia.db` in the state directory.', { secret: true }),
    max_pool_size: number(10, 'Connections to PostgreSQL; 2 at least, whatever this says.', { min: 1 }),
  },
  controller_worker: {
    loadbalancer_topology: choice(['SINGLE', 'ACTIVE_STANDBY'], 'SINGLE', 'The topology of load balancers whose flavor names none.'),
    compute_driver: choice(
      ['compute_embedded_driver', 'compute_noop_driver', 'compute_nova_driver'],
      'compute_embedded_driver',
      'Where amphorae run; default: with [service_auth] auth_url compute_nova_driver.',
    ),
    network_driver: choice(
      ['network_embedded_driver', 'network_noop_driver', 'allowed_address_pairs_driver'],
      'network_embedded_driver',
      'Where VIPs live; default: with [service_auth] auth_url allowed_address_pairs_driver, which is Neutron.',
    ),
    image_driver: choice(
      ['image_embedded_driver', 'image_noop_driver', 'image_glance_driver'],
      'image_embedded_driver',
      'Where the images of amphorae are; default: as compute_driver, with compute_nova_driver image_glance_driver.',
    ),
    volume_driver: choice(
      ['volume_noop_driver'],
      'volume_noop_driver',
      'What amphorae boot from: the disk of their flavor. Volumes are not served.',
    ),
    amphora_driver: choice(
      ['amphora_haproxy_rest_driver', 'amphora_noop_driver'],
      'amphora_haproxy_rest_driver',
      'How amphorae are driven.',
    ),
    amp_flavor_id: text(null, 'The compute flavor of amphorae.'),
    amp_image_tag: text('amphora', 'The tag of the image of amphorae, of which the newest is taken.'),
    amp_image_owner_id: text('', 'The project whose images count; empty: any that can be seen.'),
    amp_ssh_key_name: text('', 'A key pair of Nova with which one may log in on amphorae whose image allows that.'),
    amp_timezone: text('UTC', 'The time zone of amphorae whose image has cloud-init.'),
    user_data_config_drive: flag(false, "Pass an amphora's files as user data of cloud-init instead of files of the config drive."),
    amp_boot_network_list: list([], 'Networks of amphorae, the management network first.'),
    amp_secgroup_list: list([], 'Security groups of the management port.'),
    amp_active_retries: number(30, 'How often a booting machine is asked for.', { min: 1 }),
    amp_active_wait_sec: number(10, 'Seconds between two questions; a machine that answers sooner is used sooner.', { min: 0 }),
    client_ca: text(null, "The CA that signed the controller's certificate; default: made in the state directory."),
    workers: number(1, 'Worker processes.', { min: 1 }),
  },
  task_flow: {
    max_workers: number(
      5,
      'Flows that users asked for, under way at once in one worker. As many again for what the controllers do of themselves, besides failovers.',
      { min: 1 },
    ),
    lease_seconds: number(5, 'How long a worker may be silent before another takes its flows.', { min: 1, ...ours }),
    step_timeout_seconds: number(
      1_800,
      'How long one step of a change may take; then something it asked is taken to answer no more, and the change is undone. Longer than any wait of [haproxy_amphora] and [controller_worker].',
      { min: 1, ...ours },
    ),
    history_days: number(7, 'How long ended flows are kept.', { min: 0, ...ours }),
  },
  haproxy_amphora: {
    bind_port: tcpPort(9443, "The port of amphorae's agents."),
    lb_network_interface: text('o-hm0', 'The interface in which agents with a link-local address (fe80::) are.'),
    connection_max_retries: number(120, 'Attempts to reach a booting agent.', { min: 1 }),
    connection_retry_interval: number(5, 'Seconds between them, at most.', { min: 0 }),
    active_connection_max_retries: number(15, 'Attempts to reach a running agent.', { min: 1 }),
    active_connection_retry_interval: number(2, 'Seconds between them, at most.', { min: 0 }),
    failover_connection_max_retries: number(2, 'Attempts to reach an agent during failover.', { min: 1 }),
    failover_connection_retry_interval: number(5, 'Seconds between them, at most.', { min: 0 }),
    rest_request_conn_timeout: number(10, 'Seconds to connect to an agent.', { min: 0.1, fraction: true }),
    rest_request_read_timeout: number(60, "Seconds to wait for an agent's answer.", { min: 0.1, fraction: true }),
    haproxy_stick_size: text('10k', 'Entries of a stick table.'),
    user_log_format: text(
      '{{ project_id }} {{ lb_id }} %f %ci %cp %t %{+Q}r %ST %B %U %[ssl_c_verify] %{+Q}[ssl_c_s_dn] %b %s %Tt %tsc',
      'The format of access logs.',
    ),
    connection_logging: flag(true, 'Log connections.'),
    default_connection_limit: number(50000, 'Connections of a listener whose limit is -1.', { min: 1 }),
    timeout_client_data: number(50000, 'Milliseconds.', { min: 0 }),
    timeout_member_connect: number(5000, 'Milliseconds.', { min: 0 }),
    timeout_member_data: number(50000, 'Milliseconds.', { min: 0 }),
    timeout_tcp_inspect: number(0, 'Milliseconds.', { min: 0 }),
    hard_stop_after: number(120, 'Seconds an old HAProxy process may finish its connections after a reload.', { min: 1, ...ours }),
    handover_drain: number(
      5,
      'Seconds in which clients of an amphora are asked to close after their answers, at most, before a planned failover replaces it.',
      { min: 0, ...ours },
    ),
    deregistration_delay: number(
      0,
      'Seconds after which what still runs on a removed member is shut; 0: it may finish, until hard_stop_after.',
      { min: 0, ...ours },
    ),
    udp_backend: choice(
      ['auto', 'nftables'],
      'auto',
      "What forwards UDP listeners: `auto` is the kernel's IPVS where amphorae have it, else nftables; `nftables` always, without SCTP.",
      ours,
    ),
    client_cert: text(null, "The controller's client certificate and key; default: made in the state directory."),
    server_ca: text(null, "The CA that signed agents' certificates; default: made in the state directory."),
  },
  amphora_agent: {
    admin_log_targets: hostsWithPorts('Syslog receivers of what operators should know; the first that can be reached gets it.'),
    tenant_log_targets: hostsWithPorts("Syslog receivers of tenants' access logs; the first that can be reached gets them."),
    user_log_facility: number(0, 'The LOG_LOCAL of access logs.', { min: 0, max: 7 }),
    administrative_log_facility: number(1, 'The LOG_LOCAL of what operators should know.', { min: 0, max: 7 }),
    log_protocol: choice(['UDP', 'TCP'], 'UDP', 'How logs are sent. Only with TCP is it seen that a receiver is away.'),
    log_retry_count: number(5, 'Attempts to reach a receiver, after which the lines that wait are dropped; -1: no end.', { min: -1 }),
    log_retry_interval: number(2, 'Seconds between them.', { min: 1 }),
    log_queue_size: number(10_000, 'Lines that wait at most; the oldest are dropped and counted.', { min: 1 }),
    forward_all_logs: flag(false, "Send keepalived's log to admin_log_targets as well."),
    disable_local_log_storage: flag(false, "Keep the agent's log out of the amphora's file system."),
  },
  keepalived_vrrp: {
    vrrp_advert_int: number(1, 'Seconds between advertisements; a fraction (ours) means VRRPv3 (0.1 in the embedded cloud).', {
      min: 0.01,
      fraction: true,
    }),
    vrrp_check_interval: number(5, 'Seconds between health checks.', { min: 1 }),
    vrrp_fail_count: number(2, 'Failed checks until failover.', { min: 1 }),
    vrrp_success_count: number(2, 'Good checks until healthy.', { min: 1 }),
    vrrp_garp_refresh_interval: number(5, 'Seconds between gratuitous ARPs.', { min: 1 }),
    vrrp_garp_refresh_count: number(2, 'Gratuitous ARPs each time.', { min: 1 }),
  },
  health_manager: {
    bind_ip: text('127.0.0.1', 'The address heartbeats are received on.'),
    bind_port: tcpPort(5555, 'The port heartbeats are received on.'),
    heartbeat_key: text(null, 'Signs heartbeats; default: made at the first start.', { secret: true }),
    further_heartbeat_keys: lines([], 'Keys that heartbeats may be signed with besides, while one is exchanged; an option line each.', {
      secret: true,
      ...ours,
    }),
    heartbeat_interval: number(10, 'Seconds between heartbeats (1 in the embedded cloud).', { min: 1 }),
    heartbeat_timeout: number(60, 'Seconds without heartbeat until an amphora counts as dead.', { min: 1 }),
    health_check_interval: number(3, 'Seconds between looks for dead amphorae.', { min: 1 }),
    failover_threads: number(
      10,
      'Automatic failovers under way at once, of all health managers together; they take no place from what users asked for.',
      { min: 1 },
    ),
    failover_threshold: number(
      null,
      'Dead amphorae at once from which on none is replaced, but all are FAILOVER_STOPPED until fewer are dead; default: no such number.',
      { min: 1 },
    ),
    failovers_per_minute: number(30, 'Automatic failovers begun within a minute at most, of all health managers together.', {
      min: 1,
      ...ours,
    }),
    controller_ip_port_list: list(
      [],
      'Where agents send heartbeats: all health managers; default: this one. A port alone is one of this machine (ours; embedded cloud).',
    ),
  },
  certificates: {
    ...barbicanService,
    cert_generator: choice(['local_cert_generator'], 'local_cert_generator', "Who signs agents' certificates: the controllers themselves."),
    ca_certificate: text(null, "Signs agents' certificates; default: made in the state directory."),
    ca_private_key: text(null, 'Its key.'),
    ca_private_key_passphrase: text(null, "Its key's passphrase.", { secret: true }),
    server_certs_key_passphrase: list([], 'Encrypt stored server certificates, newest first; default: made in the state directory.', {
      secret: true,
    }),
    cert_manager: choice(
      ['barbican_cert_manager', 'castellan_cert_manager', 'embedded_cert_manager', 'local_cert_manager', 'noop_cert_manager'],
      null,
      "Where users' certificates are; default: with [service_auth] auth_url barbican_cert_manager, else embedded_cert_manager (ours; which barbican_cert_manager means there as well), with amphora_noop_driver noop_cert_manager. castellan_cert_manager is not served.",
    ),
    barbican_auth: choice(
      ['barbican_acl_auth'],
      'barbican_acl_auth',
      "How the service reads users' secrets: their lists of who may read name it.",
    ),
    store_key: list([], 'Encrypt the embedded secret store, newest first; default: made in the state directory.', {
      secret: true,
      ...ours,
    }),
    storage_path: text('/var/lib/octavia/certificates/', 'Where local_cert_manager finds its files.'),
    renewal_check_interval: number(300, 'Seconds between looks whether secrets in service were renewed (10 in the embedded cloud).', {
      min: 1,
      ...ours,
    }),
    cert_validity_time: number(30 * 86400, "Seconds an agent's certificate is valid.", { min: 3600 }),
  },
  house_keeping: {
    spare_amphora_pool_size: number(0, 'Amphorae that are booted and wait for a load balancer of the default kind.', { min: 0, max: 1000 }),
    spare_check_interval: number(30, 'Seconds between looks whether the pool of spare amphorae is as it should be.', { min: 1 }),
    cert_interval: number(3600, 'Seconds between looks for certificates of agents that end soon.', { min: 1 }),
    cert_expiry_buffer: number(14 * 86_400, "Seconds before the end of an agent's certificate it gets a new one.", { min: 0 }),
    cert_rotate_threads: number(10, 'Agents that get new certificates, CAs or keys at the same time.', { min: 1 }),
    cleanup_interval: number(30, 'Seconds between runs of the clean-up.', { min: 1 }),
    amphora_expiry_age: number(604800, 'Seconds a deleted amphora is remembered.', { min: 0 }),
    load_balancer_expiry_age: number(604800, 'Seconds a deleted load balancer is remembered.', { min: 0 }),
    event_expiry_age: number(604800, 'Seconds what happened to a load balancer is remembered.', { min: 0, ...ours }),
    max_events_per_load_balancer: number(1000, 'Events of one load balancer that are kept; older ones go.', { min: 1, ...ours }),
    orphan_check_interval: number(300, 'Seconds between looks for machines, ports and security groups that no row knows.', {
      min: 1,
      ...ours,
    }),
    orphan_grace_seconds: number(
      -1,
      'Seconds after which such a thing is deleted if it is known to have been made here; -1: never, they are only told of (600 in the embedded cloud).',
      { min: -1, ...ours },
    ),
    revert_retry_interval: number(
      60,
      'Seconds until what a failed operation could not take away is tried again; each next pause is as long as it is old then, at most an hour.',
      { min: 1, ...ours },
    ),
    reservation_expiry_age: number(60, 'Seconds until the reservation of a VIP that led to nothing is undone.', { min: 1, ...ours }),
  },
  networking: {
    ...networkingRetries,
    port_detach_timeout: number(300, 'Seconds until a port that an amphora does not let go of is an error.', { min: 1 }),
    allow_invisible_resource_usage: flag(false, 'Let users use networks, subnets, ports and security groups that they may not see.'),
    allow_vip_network_id: flag(true, 'Allow vip_network_id.'),
    allow_vip_subnet_id: flag(true, 'Allow vip_subnet_id.'),
    allow_vip_port_id: flag(true, 'Allow vip_port_id.'),
    valid_vip_networks: list([], 'The only networks VIPs may be on.'),
    denylist_vip_networks: list([], 'Networks VIPs may not be on.'),
    reserved_ips: list(['169.254.169.254'], 'Addresses members may not have.'),
  },
  ...servicesOptions,
  quotas: {
    default_load_balancer_quota: number(-1, 'Load balancers of a project.', { min: -1 }),
    default_listener_quota: number(-1, 'Listeners of a project.', { min: -1 }),
    default_pool_quota: number(-1, 'Pools of a project.', { min: -1 }),
    default_member_quota: number(-1, 'Members of a project.', { min: -1 }),
    default_health_monitor_quota: number(-1, 'Health monitors of a project.', { min: -1 }),
    default_l7policy_quota: number(-1, 'L7 policies of a project.', { min: -1 }),
    default_l7rule_quota: number(-1, 'L7 rules of a project.', { min: -1 }),
  },
} as const

type Value<O> = O extends Option<infer T> ? T : never
type Mutable<T> = T extends readonly (infer E)[] ? E[] : T

/** Every option's value, by section and name: `config.api_settings.bind_port`. */
export type Options = {
  [S in keyof typeof options]: { [N in keyof (typeof options)[S]]: Mutable<Value<(typeof options)[S][N]>> }
}
