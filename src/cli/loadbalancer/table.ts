/**
 * Every command below `ottavia loadbalancer`: nouns, what each can be told, by which options, and what is shown of it. The words, options
 * and columns are those of `openstack loadbalancer` (python-octaviaclient), so that scripts need but another first word. The command line
 * is built from this table alone (`commander.ts`), and carried out by `run.ts`.
 */
import type { HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Pool } from '../../client/index.ts'

/** What is looked up by its name or id, each where it is kept. */
export type LookUp =
  | NounName
  | 'project'
  // Of the network service.
  | 'network'
  | 'subnet'
  | 'port'
  | 'qos policy'

export type NounName =
  | 'load balancer'
  | 'listener'
  | 'pool'
  | 'member'
  | 'health monitor'
  | 'l7policy'
  | 'l7rule'
  | 'flavor'
  | 'flavor profile'
  | 'availability zone'
  | 'availability zone profile'
  | 'amphora'

/** How the text of an option becomes a value of a body or query. */
export type Kind =
  | 'text'
  /** `none`, `null` and `void` stand for null. */
  | 'text or none'
  | 'integer'
  | 'number'
  /** A flag. */
  | 'true'
  | 'false'
  /** A flag that clears the field. */
  | 'null'
  /** May be repeated. */
  | 'list'
  /** Several words after one option. */
  | 'words'
  /** `name=value,name=value`. */
  | 'pairs'
  | 'additional vip'
  | { readonly lookUp: LookUp; readonly orNone?: true }

export interface Option {
  /** With what stands for its value: `--name <name>`. */
  readonly flags: string
  /** Of the body or query. */
  readonly field: string
  readonly kind: Kind
  readonly help: string
  readonly mandatory?: true
  /** In any case of letters. */
  readonly choices?: readonly (string | number)[]
  /** Flags of which this one may not stand beside. */
  readonly conflicts?: string
}

export interface Noun {
  readonly name: NounName
  /** Between `loadbalancer` and the verb; empty for the load balancer itself. */
  readonly words: readonly string[]
  /** What it stands in, named first on the command line and in the path. */
  readonly parent?: NounName
  /** What it stands in, named first at its creation and sent in the body. */
  readonly createdIn?: { readonly noun: NounName; readonly field: string }
  readonly create?: readonly Option[]
  readonly list: readonly Option[]
  readonly set?: readonly Option[]
  readonly unset?: readonly Option[]
  readonly delete?: readonly Option[]
  /** Has tags, and takes time to change. */
  readonly isProvisioned?: true
  /** Its deletion takes time, though it has no tags and nothing else of it can be changed. */
  readonly isGoneLater?: true
  /** Shown of one. */
  readonly rows: readonly string[]
  /** Shown of many. */
  readonly columns: readonly string[]
  /** Also shown of many with `--long`. */
  readonly longColumns?: readonly string[]
}

const o = (flags: string, field: string, kind: Kind, help: string, more: Partial<Option> = {}): Option => ({
  flags,
  field,
  kind,
  help,
  ...more,
})
const choice = (flags: string, field: string, choices: readonly (string | number)[], help: string, more: Partial<Option> = {}): Option =>
  o(flags, field, typeof choices[0] === 'number' ? 'number' : 'text', help, { choices, ...more })

const mandatory = { mandatory: true } as const
const name = o('--name <name>', 'name', 'text', 'its name')
const description = o('--description <text>', 'description', 'text', 'its description')
const upOrDown = [
  o('--enable', 'admin_state_up', 'true', 'administratively up', { conflicts: 'disable' }),
  o('--disable', 'admin_state_up', 'false', 'administratively down'),
]
const onOrOff = [
  o('--enable', 'enabled', 'true', 'may be used', { conflicts: 'disable' }),
  o('--disable', 'enabled', 'false', 'may not be used'),
]
const project = o('--project <project>', 'project_id', { lookUp: 'project' }, 'whose it is (name or id)')
const nothing = (flags: string, field: string): Option => o(flags, field, 'null', `clear ${field}`)

const provisioningStatuses = [
  'ACTIVE',
  'DELETED',
  'ERROR',
  'PENDING_CREATE',
  'PENDING_UPDATE',
  'PENDING_DELETE',
] satisfies LoadBalancer['provisioning_status'][]
const operatingStatuses = ['ONLINE', 'DRAINING', 'OFFLINE', 'DEGRADED', 'ERROR', 'NO_MONITOR'] satisfies LoadBalancer['operating_status'][]
const listenerProtocols = ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'UDP', 'SCTP', 'PROMETHEUS'] satisfies Listener['protocol'][]
const poolProtocols = ['TCP', 'HTTP', 'HTTPS', 'PROXY', 'PROXYV2', 'UDP', 'SCTP'] satisfies Pool['protocol'][]
const algorithms = ['SOURCE_IP', 'ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP_PORT'] satisfies Pool['lb_algorithm'][]
const checkTypes = ['PING', 'HTTP', 'TCP', 'HTTPS', 'TLS-HELLO', 'UDP-CONNECT', 'SCTP'] satisfies HealthMonitor['type'][]
const httpMethods = [
  'GET',
  'POST',
  'DELETE',
  'PUT',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
] satisfies HealthMonitor['http_method'][]
const actions = ['REDIRECT_TO_URL', 'REDIRECT_TO_POOL', 'REDIRECT_PREFIX', 'REJECT'] satisfies L7Policy['action'][]
const ruleTypes = [
  'FILE_TYPE',
  'PATH',
  'COOKIE',
  'HOST_NAME',
  'HEADER',
  'SSL_CONN_HAS_CERT',
  'SSL_VERIFY_RESULT',
  'SSL_DN_FIELD',
] satisfies L7Rule['type'][]
const comparisons = ['REGEX', 'EQUAL_TO', 'CONTAINS', 'ENDS_WITH', 'STARTS_WITH'] satisfies L7Rule['compare_type'][]

const tlsOptions = [
  o('--tls-ciphers <ciphers>', 'tls_ciphers', 'text', "ciphers, in OpenSSL's words"),
  o('--tls-version <version>', 'tls_versions', 'list', 'a TLS version; may be repeated'),
  o('--alpn-protocol <protocol>', 'alpn_protocols', 'list', 'a protocol offered by ALPN; may be repeated'),
]

const qosPolicy = (help: string) => o('--vip-qos-policy-id <policy>', 'vip_qos_policy_id', { lookUp: 'qos policy', orNone: true }, help)
const securityGroup = o('--vip-sg-id <group>', 'vip_sg_ids', 'list', "a security group of the VIP's port; may be repeated")

const loadBalancer: Noun = {
  name: 'load balancer',
  words: [],
  isProvisioned: true,
  create: [
    name,
    description,
    o('--vip-address <address>', 'vip_address', 'text', 'the address of the VIP'),
    o('--vip-port-id <port>', 'vip_port_id', { lookUp: 'port' }, 'the port that becomes the VIP (name or id)'),
    o('--vip-subnet-id <subnet>', 'vip_subnet_id', { lookUp: 'subnet' }, 'the subnet of the VIP (name or id)'),
    o('--vip-network-id <network>', 'vip_network_id', { lookUp: 'network' }, 'the network of the VIP (name or id)'),
    qosPolicy('the QoS policy of the VIP (name or id)'),
    securityGroup,
    o('--additional-vip <subnet-id=subnet[,ip-address=address]>', 'additional_vips', 'additional vip', 'one more VIP; may be repeated'),
    project,
    o('--provider <provider>', 'provider', 'text', 'who provides it'),
    o('--availability-zone <zone>', 'availability_zone', 'text', 'where it is'),
    o('--flavor <flavor>', 'flavor_id', { lookUp: 'flavor' }, 'its flavor (name or id)'),
    ...upOrDown,
  ],
  list: [
    name,
    ...upOrDown,
    project,
    o('--vip-network-id <network>', 'vip_network_id', { lookUp: 'network' }, 'whose VIP is in this network'),
    o('--vip-subnet-id <subnet>', 'vip_subnet_id', { lookUp: 'subnet' }, 'whose VIP is in this subnet'),
    qosPolicy('whose VIP has this QoS policy'),
    o('--vip-port-id <port>', 'vip_port_id', { lookUp: 'port' }, 'whose VIP is this port'),
    choice('--provisioning-status <status>', 'provisioning_status', provisioningStatuses, 'in this provisioning status'),
    choice('--operating-status <status>', 'operating_status', operatingStatuses, 'in this operating status'),
    o('--provider <provider>', 'provider', 'text', 'of this provider'),
    o('--flavor <flavor>', 'flavor_id', { lookUp: 'flavor' }, 'of this flavor'),
    o('--availability-zone <zone>', 'availability_zone', 'text', 'in this availability zone'),
  ],
  set: [name, description, qosPolicy('the QoS policy of the VIP, or none'), securityGroup, ...upOrDown],
  unset: [
    nothing('--name', 'name'),
    nothing('--description', 'description'),
    nothing('--vip-qos-policy-id', 'vip_qos_policy_id'),
    nothing('--vip-sg-id', 'vip_sg_ids'),
  ],
  delete: [o('--cascade', 'cascade', 'true', 'with all that belongs to it')],
  rows: [
    ...[
      'admin_state_up',
      'availability_zone',
      'created_at',
      'description',
      'flavor_id',
      'id',
      'listeners',
      'name',
      'operating_status',
      'pools',
    ],
    ...['project_id', 'provider', 'provisioning_status', 'updated_at', 'vip_address', 'vip_network_id', 'vip_port_id', 'vip_qos_policy_id'],
    ...['vip_subnet_id', 'vip_vnic_type', 'tags', 'additional_vips', 'vip_sg_ids'],
  ],
  columns: ['id', 'name', 'project_id', 'vip_address', 'provisioning_status', 'operating_status', 'provider'],
}

const milliseconds = (flag: string, field: string, help: string) => o(`--${flag} <milliseconds>`, field, 'integer', help)

const listenerOptions = [
  name,
  description,
  o('--connection-limit <number>', 'connection_limit', 'integer', 'connections at once; -1 for as many as may be'),
  o('--default-pool <pool>', 'default_pool_id', { lookUp: 'pool' }, 'where requests go that no l7policy takes (name or id)'),
  o('--default-tls-container-ref <ref>', 'default_tls_container_ref', 'text', 'its certificate and key'),
  o('--sni-container-refs <refs...>', 'sni_container_refs', 'words', 'certificates and keys by server name'),
  o('--insert-headers <header=value,...>', 'insert_headers', 'pairs', 'headers that requests get on the way'),
  milliseconds('timeout-client-data', 'timeout_client_data', 'how long a client may be silent'),
  milliseconds('timeout-member-connect', 'timeout_member_connect', 'how long a member may take to accept'),
  milliseconds('timeout-member-data', 'timeout_member_data', 'how long a member may be silent'),
  milliseconds('timeout-tcp-inspect', 'timeout_tcp_inspect', 'how long to wait for what is inspected'),
  ...upOrDown,
  o('--client-ca-tls-container-ref <ref>', 'client_ca_tls_container_ref', 'text or none', "the CA of clients' certificates"),
  choice(
    '--client-authentication <mode>',
    'client_authentication',
    ['NONE', 'OPTIONAL', 'MANDATORY'],
    'whether clients need a certificate',
  ),
  o('--client-crl-container-ref <ref>', 'client_crl_container_ref', 'text or none', 'client certificates that are revoked'),
  o('--allowed-cidr <cidr>', 'allowed_cidrs', 'list', 'who may connect; may be repeated'),
  ...tlsOptions,
  o('--hsts-max-age <seconds>', 'hsts_max_age', 'integer', 'how long browsers insist on TLS'),
  o('--hsts-include-subdomains', 'hsts_include_subdomains', 'true', 'HSTS for subdomains too', { conflicts: 'noHstsIncludeSubdomains' }),
  o('--no-hsts-include-subdomains', 'hsts_include_subdomains', 'false', 'HSTS for this domain alone'),
  o('--hsts-preload', 'hsts_preload', 'true', "HSTS for browsers' own lists", { conflicts: 'noHstsPreload' }),
  o('--no-hsts-preload', 'hsts_preload', 'false', "no HSTS for browsers' own lists"),
]

const listener: Noun = {
  name: 'listener',
  words: ['listener'],
  createdIn: { noun: 'load balancer', field: 'loadbalancer_id' },
  isProvisioned: true,
  create: [
    choice('--protocol <protocol>', 'protocol', listenerProtocols, 'what it speaks', mandatory),
    o('--protocol-port <port>', 'protocol_port', 'integer', 'where it listens', mandatory),
    ...listenerOptions,
  ],
  list: [
    name,
    o('--loadbalancer <load balancer>', 'loadbalancer_id', { lookUp: 'load balancer' }, 'of this load balancer'),
    ...upOrDown,
    project,
  ],
  set: listenerOptions,
  unset: [
    nothing('--name', 'name'),
    nothing('--description', 'description'),
    nothing('--connection-limit', 'connection_limit'),
    nothing('--default-pool', 'default_pool_id'),
    nothing('--default-tls-container-ref', 'default_tls_container_ref'),
    nothing('--sni-container-refs', 'sni_container_refs'),
    nothing('--insert-headers', 'insert_headers'),
    nothing('--timeout-client-data', 'timeout_client_data'),
    nothing('--timeout-member-connect', 'timeout_member_connect'),
    nothing('--timeout-member-data', 'timeout_member_data'),
    nothing('--timeout-tcp-inspect', 'timeout_tcp_inspect'),
    nothing('--client-ca-tls-container-ref', 'client_ca_tls_container_ref'),
    nothing('--client-authentication', 'client_authentication'),
    nothing('--client-crl-container-ref', 'client_crl_container_ref'),
    nothing('--allowed-cidrs', 'allowed_cidrs'),
    nothing('--tls-versions', 'tls_versions'),
    nothing('--tls-ciphers', 'tls_ciphers'),
    nothing('--alpn-protocols', 'alpn_protocols'),
    nothing('--hsts-max-age', 'hsts_max_age'),
    nothing('--hsts-include-subdomains', 'hsts_include_subdomains'),
    nothing('--hsts-preload', 'hsts_preload'),
  ],
  delete: [],
  rows: [
    ...['admin_state_up', 'connection_limit', 'created_at', 'default_pool_id', 'default_tls_container_ref', 'description', 'id'],
    ...['insert_headers', 'l7policies', 'loadbalancers', 'name', 'operating_status', 'project_id', 'protocol', 'protocol_port'],
    ...['provisioning_status', 'sni_container_refs', 'timeout_client_data', 'timeout_member_connect', 'timeout_member_data'],
    ...['timeout_tcp_inspect', 'updated_at', 'client_ca_tls_container_ref', 'client_authentication', 'client_crl_container_ref'],
    ...[
      'allowed_cidrs',
      'tls_ciphers',
      'tls_versions',
      'alpn_protocols',
      'tags',
      'hsts_max_age',
      'hsts_include_subdomains',
      'hsts_preload',
    ],
  ],
  columns: ['id', 'default_pool_id', 'name', 'project_id', 'protocol', 'protocol_port', 'admin_state_up'],
}

const algorithm = choice('--lb-algorithm <algorithm>', 'lb_algorithm', algorithms, 'how members take turns')
const poolOptions = [
  name,
  description,
  o('--session-persistence <key=value,...>', 'session_persistence', 'pairs', 'how clients stay with a member: type=SOURCE_IP'),
  ...upOrDown,
  o('--tls-container-ref <ref>', 'tls_container_ref', 'text or none', 'certificate and key shown to members'),
  o('--ca-tls-container-ref <ref>', 'ca_tls_container_ref', 'text or none', "the CA of members' certificates"),
  o('--crl-container-ref <ref>', 'crl_container_ref', 'text or none', "members' certificates that are revoked"),
  o('--enable-tls', 'tls_enabled', 'true', 'speak TLS with members', { conflicts: 'disableTls' }),
  o('--disable-tls', 'tls_enabled', 'false', 'speak with members in the clear'),
  ...tlsOptions,
]

const pool: Noun = {
  name: 'pool',
  words: ['pool'],
  isProvisioned: true,
  create: [
    choice('--protocol <protocol>', 'protocol', poolProtocols, 'what it speaks with members', mandatory),
    o('--listener <listener>', 'listener_id', { lookUp: 'listener' }, 'whose default pool it becomes (name or id)'),
    o('--loadbalancer <load balancer>', 'loadbalancer_id', { lookUp: 'load balancer' }, 'where it stands without a listener (name or id)'),
    { ...algorithm, ...mandatory },
    ...poolOptions,
  ],
  list: [o('--loadbalancer <load balancer>', 'loadbalancer_id', { lookUp: 'load balancer' }, 'of this load balancer')],
  set: [algorithm, ...poolOptions],
  unset: [
    nothing('--name', 'name'),
    nothing('--description', 'description'),
    nothing('--ca-tls-container-ref', 'ca_tls_container_ref'),
    nothing('--crl-container-ref', 'crl_container_ref'),
    nothing('--session-persistence', 'session_persistence'),
    nothing('--tls-container-ref', 'tls_container_ref'),
    nothing('--tls-versions', 'tls_versions'),
    nothing('--tls-ciphers', 'tls_ciphers'),
    nothing('--alpn-protocols', 'alpn_protocols'),
  ],
  delete: [],
  rows: [
    ...[
      'admin_state_up',
      'created_at',
      'description',
      'healthmonitor_id',
      'id',
      'lb_algorithm',
      'listeners',
      'loadbalancers',
      'members',
      'name',
    ],
    ...['operating_status', 'project_id', 'protocol', 'provisioning_status', 'session_persistence', 'updated_at', 'tls_container_ref'],
    ...['ca_tls_container_ref', 'crl_container_ref', 'tls_enabled', 'tls_ciphers', 'tls_versions', 'tags', 'alpn_protocols'],
  ],
  columns: ['id', 'name', 'project_id', 'provisioning_status', 'protocol', 'lb_algorithm', 'admin_state_up'],
}

const memberOptions = [
  name,
  o('--disable-backup', 'backup', 'false', 'takes part always', { conflicts: 'enableBackup' }),
  o('--enable-backup', 'backup', 'true', 'takes part where all others are gone'),
  o('--weight <number>', 'weight', 'integer', 'its share, 0 to 256'),
  o('--monitor-port <port>', 'monitor_port', 'integer', 'where it is checked'),
  o('--monitor-address <address>', 'monitor_address', 'text', 'where it is checked'),
  ...upOrDown,
]

const member: Noun = {
  name: 'member',
  words: ['member'],
  parent: 'pool',
  isProvisioned: true,
  create: [
    o('--address <address>', 'address', 'text', 'its address', mandatory),
    o('--protocol-port <port>', 'protocol_port', 'integer', 'where it listens', mandatory),
    o('--subnet-id <subnet>', 'subnet_id', { lookUp: 'subnet' }, 'from where it is reached (name or id)'),
    ...memberOptions,
    o('--request-sriov', 'request_sriov', 'true', 'reach it by an SR-IOV port'),
  ],
  list: [],
  set: memberOptions,
  unset: [
    nothing('--backup', 'backup'),
    nothing('--monitor-address', 'monitor_address'),
    nothing('--monitor-port', 'monitor_port'),
    nothing('--name', 'name'),
    nothing('--weight', 'weight'),
  ],
  delete: [],
  rows: [
    ...['address', 'admin_state_up', 'created_at', 'id', 'name', 'operating_status', 'project_id', 'protocol_port', 'provisioning_status'],
    ...['subnet_id', 'updated_at', 'weight', 'monitor_port', 'monitor_address', 'backup', 'tags', 'vnic_type'],
  ],
  columns: ['id', 'name', 'project_id', 'provisioning_status', 'address', 'protocol_port', 'operating_status', 'weight'],
}

const delay = o('--delay <seconds>', 'delay', 'integer', 'between two checks')
const timeout = o('--timeout <seconds>', 'timeout', 'integer', 'how long a check may take')
const retries = o('--max-retries <number>', 'max_retries', 'integer', 'checks that succeed until it is ONLINE')
const monitorOptions = [
  name,
  o('--domain-name <name>', 'domain_name', 'text', 'the Host that checks name'),
  o('--expected-codes <codes>', 'expected_codes', 'text', 'what a healthy member answers: 200, 200,202 or 200-204'),
  choice('--http-method <method>', 'http_method', httpMethods, 'of checks'),
  choice('--http-version <version>', 'http_version', [1.0, 1.1], 'of checks'),
  o('--max-retries-down <number>', 'max_retries_down', 'integer', 'checks that fail until it is in ERROR'),
  o('--url-path <path>', 'url_path', 'text', 'what checks ask for'),
  ...upOrDown,
]

const healthMonitor: Noun = {
  name: 'health monitor',
  words: ['healthmonitor'],
  createdIn: { noun: 'pool', field: 'pool_id' },
  isProvisioned: true,
  create: [
    choice('--type <type>', 'type', checkTypes, 'how members are checked', mandatory),
    { ...delay, ...mandatory },
    { ...timeout, ...mandatory },
    { ...retries, ...mandatory },
    ...monitorOptions,
  ],
  list: [],
  set: [delay, timeout, retries, ...monitorOptions],
  unset: [
    nothing('--domain-name', 'domain_name'),
    nothing('--expected-codes', 'expected_codes'),
    nothing('--http-method', 'http_method'),
    nothing('--http-version', 'http_version'),
    nothing('--max-retries-down', 'max_retries_down'),
    nothing('--name', 'name'),
    nothing('--url-path', 'url_path'),
  ],
  delete: [],
  rows: [
    ...['project_id', 'name', 'admin_state_up', 'pools', 'created_at', 'provisioning_status', 'updated_at', 'delay', 'expected_codes'],
    ...['max_retries', 'http_method', 'timeout', 'max_retries_down', 'url_path', 'type', 'id', 'operating_status', 'http_version'],
    ...['domain_name', 'tags'],
  ],
  columns: ['id', 'name', 'project_id', 'type', 'admin_state_up'],
}

const action = choice('--action <action>', 'action', actions, 'what happens to a request')
const policyOptions = [
  name,
  description,
  o('--redirect-pool <pool>', 'redirect_pool_id', { lookUp: 'pool' }, 'where it goes (name or id)', { conflicts: 'redirectUrl' }),
  o('--redirect-url <url>', 'redirect_url', 'text', 'where the client is sent', { conflicts: 'redirectPrefix' }),
  o('--redirect-prefix <url>', 'redirect_prefix', 'text', 'where the client is sent, before the path', { conflicts: 'redirectPool' }),
  choice('--redirect-http-code <code>', 'redirect_http_code', [301, 302, 303, 307, 308], 'with which status it is sent'),
  o('--position <number>', 'position', 'integer', 'its place among the policies of the listener, from 1'),
  ...upOrDown,
]

const l7policy: Noun = {
  name: 'l7policy',
  words: ['l7policy'],
  createdIn: { noun: 'listener', field: 'listener_id' },
  isProvisioned: true,
  create: [{ ...action, ...mandatory }, ...policyOptions],
  list: [o('--listener <listener>', 'listener_id', { lookUp: 'listener' }, 'of this listener (name or id)')],
  set: [action, ...policyOptions],
  unset: [nothing('--description', 'description'), nothing('--name', 'name'), nothing('--redirect-http-code', 'redirect_http_code')],
  delete: [],
  rows: [
    ...['listener_id', 'description', 'admin_state_up', 'rules', 'project_id', 'created_at', 'provisioning_status', 'updated_at'],
    ...[
      'redirect_pool_id',
      'redirect_url',
      'redirect_prefix',
      'action',
      'position',
      'id',
      'operating_status',
      'name',
      'redirect_http_code',
    ],
    ...['tags'],
  ],
  columns: ['id', 'name', 'project_id', 'provisioning_status', 'action', 'position', 'admin_state_up'],
}

const ruleType = choice('--type <type>', 'type', ruleTypes, 'what of a request is compared')
const comparison = choice('--compare-type <comparison>', 'compare_type', comparisons, 'how it is compared')
const value = o('--value <text>', 'value', 'text', 'with what it is compared')
const ruleOptions = [
  o('--invert', 'invert', 'true', 'holds where the comparison does not'),
  o('--key <name>', 'key', 'text', 'the name of the header, cookie or field'),
  ...upOrDown,
]

const l7rule: Noun = {
  name: 'l7rule',
  words: ['l7rule'],
  parent: 'l7policy',
  isProvisioned: true,
  create: [{ ...ruleType, ...mandatory }, { ...comparison, ...mandatory }, { ...value, ...mandatory }, ...ruleOptions],
  list: [],
  set: [ruleType, comparison, value, ...ruleOptions],
  unset: [nothing('--invert', 'invert'), nothing('--key', 'key')],
  delete: [],
  rows: [
    ...['created_at', 'compare_type', 'provisioning_status', 'invert', 'admin_state_up', 'updated_at', 'value', 'key', 'project_id'],
    ...['type', 'id', 'operating_status', 'tags'],
  ],
  columns: ['id', 'project_id', 'provisioning_status', 'compare_type', 'type', 'key', 'value', 'invert', 'admin_state_up'],
}

const provider = o('--provider <provider>', 'provider_name', 'text', 'of which provider')

const flavorProfile: Noun = {
  name: 'flavor profile',
  words: ['flavorprofile'],
  create: [
    { ...name, ...mandatory },
    { ...provider, ...mandatory },
    o('--flavor-data <json>', 'flavor_data', 'text', 'what the provider makes of it', mandatory),
  ],
  list: [name, provider],
  set: [name, provider, o('--flavor-data <json>', 'flavor_data', 'text', 'what the provider makes of it')],
  delete: [],
  rows: ['id', 'name', 'provider_name', 'flavor_data'],
  columns: ['id', 'name', 'provider_name'],
}

const flavorProfileOption = o('--flavorprofile <profile>', 'flavor_profile_id', { lookUp: 'flavor profile' }, 'its profile (name or id)')

const flavor: Noun = {
  name: 'flavor',
  words: ['flavor'],
  create: [{ ...name, ...mandatory }, { ...flavorProfileOption, ...mandatory }, description, ...onOrOff],
  list: [name, flavorProfileOption, ...onOrOff],
  set: [name, description, ...onOrOff],
  unset: [nothing('--description', 'description')],
  delete: [],
  rows: ['id', 'name', 'flavor_profile_id', 'enabled', 'description'],
  columns: ['id', 'name', 'flavor_profile_id', 'enabled'],
}

const zoneData = o('--availability-zone-data <json>', 'availability_zone_data', 'text', 'what the provider makes of it')

const availabilityZoneProfile: Noun = {
  name: 'availability zone profile',
  words: ['availabilityzoneprofile'],
  create: [
    { ...name, ...mandatory },
    { ...provider, ...mandatory },
    { ...zoneData, ...mandatory },
  ],
  list: [name, provider],
  // The openstack command spells it otherwise here than at the creation, and drops it.
  set: [name, provider, zoneData, o('--availabilityzone-data <json>', 'availability_zone_data', 'text', 'another spelling of it')],
  delete: [],
  rows: ['id', 'name', 'provider_name', 'availability_zone_data'],
  columns: ['id', 'name', 'provider_name'],
}

const zoneProfileOption = o(
  '--availabilityzoneprofile <profile>',
  'availability_zone_profile_id',
  { lookUp: 'availability zone profile' },
  'its profile (name or id)',
)

const availabilityZone: Noun = {
  name: 'availability zone',
  words: ['availabilityzone'],
  create: [{ ...name, ...mandatory }, { ...zoneProfileOption, ...mandatory }, description, ...onOrOff],
  list: [name, zoneProfileOption, ...onOrOff],
  set: [description, ...onOrOff],
  unset: [nothing('--description', 'description')],
  delete: [],
  rows: ['name', 'availability_zone_profile_id', 'enabled', 'description'],
  columns: ['name', 'availability_zone_profile_id', 'enabled'],
}

const amphoraStatuses = ['ALLOCATED', 'BOOTING', 'DELETED', 'ERROR', 'PENDING_CREATE', 'PENDING_DELETE', 'READY', 'FAILOVER_STOPPED']
const amphoraColumns = ['id', 'loadbalancer_id', 'status', 'role', 'lb_network_ip', 'ha_ip']

const amphora: Noun = {
  name: 'amphora',
  words: ['amphora'],
  list: [
    o('--loadbalancer <load balancer>', 'loadbalancer_id', { lookUp: 'load balancer' }, 'that serve this load balancer (name or id)'),
    o('--compute-id <id>', 'compute_id', 'text', 'of this machine'),
    choice('--role <role>', 'role', ['MASTER', 'BACKUP', 'STANDALONE'], 'in this role'),
    choice('--status <status>', 'status', amphoraStatuses, 'in this status'),
    choice('--provisioning-status <status>', 'status', amphoraStatuses, 'the same'),
  ],
  delete: [],
  isGoneLater: true,
  rows: [
    ...['id', 'loadbalancer_id', 'compute_id', 'lb_network_ip', 'vrrp_ip', 'ha_ip', 'vrrp_port_id', 'ha_port_id', 'cert_expiration'],
    ...['cert_busy', 'role', 'status', 'vrrp_interface', 'vrrp_id', 'vrrp_priority', 'cached_zone', 'created_at', 'updated_at'],
    ...['image_id', 'compute_flavor'],
  ],
  columns: amphoraColumns,
  longColumns: [...amphoraColumns, 'compute_id', 'cached_zone', 'image_id'],
}

export const nouns: readonly Noun[] = [
  loadBalancer,
  listener,
  pool,
  member,
  healthMonitor,
  l7policy,
  l7rule,
  flavor,
  flavorProfile,
  availabilityZone,
  availabilityZoneProfile,
  amphora,
]

const quotas = [
  ['healthmonitor', 'health_monitor'],
  ['listener', 'listener'],
  ['loadbalancer', 'load_balancer'],
  ['member', 'member'],
  ['pool', 'pool'],
  ['l7policy', 'l7policy'],
  ['l7rule', 'l7rule'],
] as const

const statisticsRows = ['active_connections', 'bytes_in', 'bytes_out', 'request_errors', 'total_connections']
const quotaRows = ['load_balancer', 'listener', 'pool', 'health_monitor', 'member', 'l7policy', 'l7rule']

/** What is no creating, listing, showing, changing or deleting of a noun. */
export interface Special {
  readonly words: readonly string[]
  readonly help: string
  /** The name of its argument, where it has one, and of that before it. */
  readonly argument?: string
  readonly parent?: string
  readonly options: readonly Option[]
  readonly shows: 'one' | 'many' | 'nothing'
  readonly columns: readonly string[]
}

const wait = o('--wait', 'wait', 'true', 'until it is done')

export const specials = {
  loadBalancerStats: {
    words: ['stats', 'show'],
    help: 'what passed through a load balancer',
    argument: 'load balancer',
    options: [],
    shows: 'one',
    columns: statisticsRows,
  },
  loadBalancerStatus: {
    words: ['status', 'show'],
    help: 'the statuses of a load balancer and of all that serves it, as JSON',
    argument: 'load balancer',
    options: [],
    shows: 'nothing',
    columns: [],
  },
  loadBalancerFailover: {
    words: ['failover'],
    help: 'replace the amphorae of a load balancer',
    argument: 'load balancer',
    options: [wait],
    shows: 'nothing',
    columns: [],
  },
  /** Ours: Octavia keeps no events. */
  eventList: {
    words: ['event', 'list'],
    help: 'what happened to a load balancer, when, and how it ended',
    argument: 'load balancer',
    options: [o('--limit <number>', 'limit', 'integer', 'at most so many, the latest first')],
    shows: 'many',
    columns: ['started_at', 'event', 'object_type', 'object_name', 'outcome', 'duration_ms', 'message'],
  },
  /** Ours. */
  loadBalancerLogs: {
    words: ['logs'],
    help: 'the last lines of the access log of a load balancer',
    argument: 'load balancer',
    options: [o('--follow', 'follow', 'true', 'instead those that come, until it is interrupted')],
    shows: 'nothing',
    columns: [],
  },
  listenerStats: {
    words: ['listener', 'stats', 'show'],
    help: 'what passed through a listener',
    argument: 'listener',
    options: [],
    shows: 'one',
    columns: statisticsRows,
  },
  /** Ours. */
  memberStats: {
    words: ['member', 'stats', 'show'],
    help: 'what passed through a member',
    parent: 'pool',
    argument: 'member',
    options: [],
    shows: 'one',
    columns: statisticsRows,
  },
  amphoraStats: {
    words: ['amphora', 'stats', 'show'],
    help: 'what passed through an amphora',
    argument: 'amphora',
    options: [o('--listener <listener>', 'listener_id', { lookUp: 'listener' }, 'of this listener alone (name or id)')],
    shows: 'one',
    columns: statisticsRows,
  },
  amphoraConfigure: {
    words: ['amphora', 'configure'],
    help: "give an amphora's agent its configuration anew",
    argument: 'amphora',
    options: [wait],
    shows: 'nothing',
    columns: [],
  },
  amphoraFailover: {
    words: ['amphora', 'failover'],
    help: 'replace an amphora',
    argument: 'amphora',
    options: [wait],
    shows: 'nothing',
    columns: [],
  },
  providerList: { words: ['provider', 'list'], help: 'list providers', options: [], shows: 'many', columns: ['name', 'description'] },
  providerCapabilityList: {
    words: ['provider', 'capability', 'list'],
    help: 'what flavors and availability zones of a provider may say',
    argument: 'provider',
    options: [
      o('--flavor', 'flavor', 'true', 'of flavors alone', { conflicts: 'availabilityZone' }),
      o('--availability-zone', 'availability_zone', 'true', 'of availability zones alone'),
    ],
    shows: 'many',
    columns: ['type', 'name', 'description'],
  },
  quotaList: {
    words: ['quota', 'list'],
    help: 'list quotas that were set',
    options: [project],
    shows: 'many',
    columns: ['project_id', ...quotaRows],
  },
  quotaShow: {
    words: ['quota', 'show'],
    help: 'show the quota of a project',
    argument: 'project',
    options: [],
    shows: 'one',
    columns: quotaRows,
  },
  quotaDefaultsShow: {
    words: ['quota', 'defaults', 'show'],
    help: 'show the default quota',
    options: [],
    shows: 'one',
    columns: quotaRows,
  },
  quotaSet: {
    words: ['quota', 'set'],
    help: 'set the quota of a project',
    argument: 'project',
    options: quotas.map(([flag, field]) =>
      o(`--${flag} <number>`, field, 'integer', `how many a project may have; -1 for as many as may be`),
    ),
    shows: 'one',
    columns: quotaRows,
  },
  quotaReset: {
    words: ['quota', 'reset'],
    help: 'reset the quota of a project',
    argument: 'project',
    options: [],
    shows: 'nothing',
    columns: [],
  },
  quotaUnset: {
    words: ['quota', 'unset'],
    help: 'reset parts of the quota of a project',
    argument: 'project',
    options: quotas.map(([flag, field]) => nothing(`--${flag}`, field)),
    shows: 'nothing',
    columns: [],
  },
} as const satisfies Record<string, Special>

export type SpecialName = keyof typeof specials
