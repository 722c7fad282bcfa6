/**
 * Random sequences of requests: most of them make sense, so that there is something to change and to ask for; some are broken in one place,
 * a few in many.
 */
import { Dice, type Make } from './dice.ts'
import { type Kind, NO_ID, type Step } from './requests.ts'

const BROKEN_FIELD = 0.015
const STRANGE_BODY = 0.02
const STRANGE_REQUEST = 0.03
const UNSETTLED = 0.06
const MAX_REQUESTS = 34

export function sequence(seed: number): Step[] {
  const dice = new Dice(seed)
  // Something to work with: the whole, or its beginning.
  const steps = beginning.slice(0, 1 + dice.below(beginning.length))
  const length = 10 + dice.below(MAX_REQUESTS - 10)
  while (steps.length < length) {
    const step = dice.chance(STRANGE_REQUEST) ? strangeRequest(dice) : dice.weighted(requests)(dice)
    if (dice.chance(UNSETTLED)) step.isSettled = false
    steps.push(step)
  }
  return steps
}

// Values

const subnets = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']
const vip = { vip_subnet_id: subnets[0] }
const post = (path: string, body: object): Step => ({ method: 'POST', path: `/v2/lbaas/${path}`, body })
const beginning = [
  post('loadbalancers', { loadbalancer: { ...vip, project_id: 'p1' } }),
  post('listeners', { listener: { loadbalancer_id: '<loadbalancer 0>', protocol: 'HTTP', protocol_port: 80 } }),
  post('pools', { pool: { listener_id: '<listener 0>', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' } }),
  post('pools/<pool 0>/members', { member: { address: '10.0.0.4', protocol_port: 80 } }),
  post('l7policies', { l7policy: { listener_id: '<listener 0>', action: 'REJECT' } }),
  post('healthmonitors', { healthmonitor: { pool_id: '<pool 0>', type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 } }),
  post('l7policies/<l7policy 0>/rules', { rule: { type: 'PATH', compare_type: 'EQUAL_TO', value: '/x' } }),
  post('pools', { pool: { loadbalancer_id: '<loadbalancer 0>', protocol: 'TCP', lb_algorithm: 'SOURCE_IP' } }),
]
const junk = [null, '', 'x', 0, 1, -1, 5, 1.5, true, false, [], {}, ['x'], { x: 1 }, 'x'.repeat(256), NO_ID, 'ä€', 99999999999]

const always =
  <T>(value: T): Make<T> =>
  () =>
    value
const oneOf =
  (...values: unknown[]): Make =>
  (dice) =>
    dice.pick(values)
const text = oneOf('', 'a', 'b', 'web', 'ä', "it's", 'a "b"', 'x'.repeat(255))
const flag = oneOf(true, true, true, false, 'true', 'False', 0, 1, 'yes', null)
const number =
  (min: number, max: number, ...usual: number[]): Make =>
  (dice) =>
    dice.weighted([
      [12, dice.pick(usual.length > 0 ? usual : [min, max])],
      [2, min + dice.below(Math.min(max - min + 1, 1_000))],
      [1, dice.pick([min, max])],
      [1, dice.pick([min - 1, max + 1, String(min), ` ${max} `, `${min}x`, min + 0.5, null])],
    ])
const tags: Make = (dice) => dice.several(2, oneOf('t1', 't2', 't3', 't,4', ''))
const reference =
  (kind: Kind): Make<string> =>
  (dice) =>
    dice.chance(0.06) ? dice.pick([NO_ID, 'nope']) : `<${kind} ${dice.below(6)}>`
const address = oneOf('10.0.0.4', '10.0.0.5', '10.0.0.6', '2001:db8::5', '2001:DB8:0::5', '169.254.169.254', '300.1.1.1', '10.0.0.4/32')
const port = number(1, 65_535, 80, 81, 443, 8080)
const cidrs: Make = (dice) => dice.several(2, oneOf('10.0.0.0/24', '10.0.0.7/8', '192.0.2.1', '2001:db8::/32', '10.0.0.0/33'))
const httpUrl = oneOf('http://a.example/', 'https://b.example/x?y#z', 'http://a', 'ftp://a', 'a.example', '/x', 'http://', 'http://a b')
const secret = oneOf('server1', 'server2', 'ca1', 'nothing', null)

type Fields = Record<string, { make: Make; chance: number }>

const given = (chance: number, fields: Record<string, Make>): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, make]) => [name, { make, chance }]))

/** An object of these fields, one of them perhaps broken. */
function objectOf(fields: Fields): Make<Record<string, unknown>> {
  return (dice) => {
    const object: Record<string, unknown> = {}
    for (const [name, { make, chance }] of Object.entries(fields)) {
      // What is mandatory is missing now and then.
      if (!dice.chance(chance === 1 ? 0.985 : chance)) continue
      object[name] = dice.chance(BROKEN_FIELD) ? dice.pick(junk) : make(dice)
    }
    if (dice.chance(0.012)) object[dice.pick(['foo', 'id', 'created_at', 'provisioning_status', 'operating_status'])] = dice.pick(junk)
    return object
  }
}

// Objects

const common = given(0.15, { name: text, admin_state_up: flag, tags })
const described = { ...common, ...given(0.1, { description: text }) }

const ciphers = oneOf('ECDHE-RSA-AES128-GCM-SHA256', 'AES128-SHA:AES256-SHA', 'a b', null)
const tlsVersions: Make = (dice) =>
  dice.weighted([
    [8, ['TLSv1.2', 'TLSv1.3']],
    [2, ['TLSv1.1']],
    [1, []],
    [1, ['TLSv9']],
    [1, null],
  ] as const)
const alpn: Make = (dice) =>
  dice.weighted([
    [8, ['h2', 'http/1.1']],
    [2, ['http/1.0']],
    [1, []],
    [1, ['h3']],
    [1, null],
  ] as const)

const persistence = objectOf({
  ...given(0.9, { type: oneOf('SOURCE_IP', 'HTTP_COOKIE', 'APP_COOKIE') }),
  ...given(0.35, { cookie_name: oneOf('c', 'JSESSIONID', 'a b', 'a;b', '', null) }),
  ...given(0.06, { persistence_timeout: number(0, 1_000, 60), persistence_granularity: oneOf('255.255.0.0', '255.255.255.255', 'x') }),
})

const poolChanges: Fields = {
  ...described,
  ...given(0.25, { session_persistence: (dice) => (dice.chance(0.2) ? null : persistence(dice)) }),
  ...given(0.03, { tls_ciphers: ciphers, tls_versions: tlsVersions, alpn_protocols: alpn }),
  ...given(0.04, { tls_enabled: flag, tls_container_ref: secret, ca_tls_container_ref: secret }),
}
const algorithm = oneOf('ROUND_ROBIN', 'ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP', 'SOURCE_IP_PORT', 'FOO')
const poolProtocol: Make = (dice) =>
  dice.weighted([
    [9, 'HTTP'],
    [4, 'TCP'],
    [1, 'HTTPS'],
    [1, 'PROXY'],
    [1, 'PROXYV2'],
    [2, 'UDP'],
    [1, 'SCTP'],
    [1, 'FOO'],
  ])
const poolFields: Fields = { protocol: { make: poolProtocol, chance: 1 }, lb_algorithm: { make: algorithm, chance: 1 }, ...poolChanges }

const memberChanges: Fields = {
  ...common,
  ...given(0.2, { weight: number(0, 256, 1, 10), backup: flag }),
  ...given(0.12, { monitor_address: address, monitor_port: port }),
}
const memberFields: Fields = {
  address: { make: address, chance: 1 },
  protocol_port: { make: port, chance: 1 },
  ...given(0.1, { subnet_id: oneOf(...subnets, null) }),
  ...memberChanges,
}

const monitorChanges: Fields = {
  ...common,
  ...given(0.2, { max_retries_down: number(1, 10, 3), http_method: oneOf('GET', 'HEAD', 'FOO', null) }),
  ...given(0.2, {
    url_path: oneOf('/', '/x', '/x?y=1', 'x', '', null),
    expected_codes: oneOf('200', '200,202', '200-204', '20', 'x', null),
  }),
  ...given(0.08, { http_version: oneOf(1.0, 1.1, 2, '1.1', null), domain_name: oneOf('a.example', 'a_b', '', 'x y', null) }),
}
const timing = given(1, { delay: number(0, 86_400, 5, 10), timeout: number(0, 86_400, 3, 5), max_retries: number(1, 10, 3) })
const monitorType: Make = (dice) =>
  dice.weighted([
    [6, 'HTTP'],
    [3, 'TCP'],
    [2, 'PING'],
    [1, 'HTTPS'],
    [1, 'TLS-HELLO'],
    [2, 'UDP-CONNECT'],
    [1, 'SCTP'],
    [1, 'FOO'],
  ])
const monitorFields: Fields = { type: { make: monitorType, chance: 1 }, ...timing, ...monitorChanges }

const ruleValues: Fields = {
  type: {
    make: oneOf(
      'PATH',
      'PATH',
      'HOST_NAME',
      'HEADER',
      'COOKIE',
      'FILE_TYPE',
      'SSL_CONN_HAS_CERT',
      'SSL_VERIFY_RESULT',
      'SSL_DN_FIELD',
      'FOO',
    ),
    chance: 1,
  },
  compare_type: { make: oneOf('EQUAL_TO', 'EQUAL_TO', 'STARTS_WITH', 'ENDS_WITH', 'CONTAINS', 'REGEX', 'FOO'), chance: 1 },
  value: { make: oneOf('/x', 'a.example', 'jpg', 'True', '1', '.*', '(', 'a b', '"q"', ''), chance: 1 },
}
const ruleRest = {
  ...given(0.3, { key: oneOf('X-A', 'c', 'a b', '', null) }),
  ...given(0.15, { invert: flag, admin_state_up: flag, tags }),
}
const ruleFields: Fields = { ...ruleValues, ...ruleRest }
const ruleChanges: Fields = {
  ...given(0.3, Object.fromEntries(Object.entries(ruleValues).map(([name, { make }]) => [name, make]))),
  ...ruleRest,
}

const target = given(0.25, {
  redirect_url: httpUrl,
  redirect_prefix: httpUrl,
  redirect_http_code: oneOf(301, 302, 303, 307, 308, 300, '302', null),
})
const action = oneOf('REJECT', 'REDIRECT_TO_URL', 'REDIRECT_TO_POOL', 'REDIRECT_PREFIX', 'FOO')
const position = given(0.3, { position: number(1, 2_147_483_647, 1, 2, 3) })
const policyFields: Fields = { action: { make: action, chance: 1 }, ...described, ...target, ...position }
const policyRedirect = given(0.3, { redirect_pool_id: reference('pool') })

/** Where all fields fit together, since what is drawn field by field seldom does. */
const fittingPolicy: Make<Record<string, unknown>> = (dice) =>
  dice.pick([
    { action: 'REJECT' },
    { action: 'REDIRECT_TO_URL', redirect_url: 'http://a.example/' },
    { action: 'REDIRECT_PREFIX', redirect_prefix: 'https://b.example', redirect_http_code: 301 },
    { action: 'REDIRECT_TO_POOL', redirect_pool_id: reference('pool')(dice) },
    { action: 'REDIRECT_TO_URL', redirect_url: 'http://a.example/', position: 1 },
    { action: 'REJECT', position: 2 },
  ])

const headers: Make = (dice) =>
  dice.pick([
    { 'X-Forwarded-For': 'true' },
    { 'X-Forwarded-Port': 'true', 'X-Forwarded-Proto': 'false' },
    { 'X-SSL-Client-DN': 'true' },
    { 'X-Foo': '1' },
    {},
    null,
  ])
const timeout = number(0, 2_073_600_000, 1_000, 50_000)
const listenerChanges: Fields = {
  ...described,
  ...given(0.15, {
    connection_limit: number(-1, 100_000, -1, 100),
    default_pool_id: (dice) => (dice.chance(0.2) ? null : reference('pool')(dice)),
  }),
  ...given(0.08, { insert_headers: headers, allowed_cidrs: (dice) => (dice.chance(0.2) ? null : cidrs(dice)) }),
  ...given(0.08, {
    timeout_client_data: timeout,
    timeout_member_connect: timeout,
    timeout_member_data: timeout,
    timeout_tcp_inspect: timeout,
  }),
  ...given(0.05, {
    default_tls_container_ref: secret,
    sni_container_refs: (dice) => dice.several(2, oneOf('server1', 'server2', 'nothing')),
  }),
  ...given(0.03, {
    client_ca_tls_container_ref: secret,
    client_authentication: oneOf('NONE', 'OPTIONAL', 'MANDATORY', 'FOO'),
    client_crl_container_ref: oneOf('crl1', 'nothing', null),
  }),
  ...given(0.03, { tls_ciphers: ciphers, tls_versions: tlsVersions, alpn_protocols: alpn }),
}
const listenerProtocol: Make = (dice) =>
  dice.weighted([
    [9, 'HTTP'],
    [4, 'TCP'],
    [2, 'HTTPS'],
    [2, 'TERMINATED_HTTPS'],
    [2, 'UDP'],
    [1, 'SCTP'],
    [1, 'PROMETHEUS'],
    [1, 'FOO'],
  ])
const listenerFields: Fields = {
  protocol: { make: listenerProtocol, chance: 1 },
  protocol_port: { make: port, chance: 1 },
  ...listenerChanges,
}
const fittingTls = { protocol: 'TERMINATED_HTTPS', protocol_port: 443, default_tls_container_ref: 'server1' }

const loadBalancerChanges: Fields = { ...described, ...given(0.04, { vip_qos_policy_id: oneOf(subnets[1], 'x', null) }) }
const loadBalancerFields: Fields = {
  ...given(0.9, { vip_subnet_id: oneOf(...subnets) }),
  ...given(0.95, { project_id: oneOf('p1', 'p1', 'p2') }),
  ...given(0.08, {
    vip_network_id: oneOf(subnets[1]),
    vip_port_id: oneOf('33333333-3333-4333-8333-333333333333'),
    vip_address: oneOf('10.0.0.99', '2001:db8::9', 'x'),
  }),
  ...given(0.05, {
    provider: oneOf('noop_driver', 'amphora', 'octavia', 'nope', null),
    additional_vips: (dice) => dice.several(2, additionalVip),
  }),
  ...given(0.03, {
    flavor_id: (dice) => (dice.chance(0.5) ? reference('flavor')(dice) : dice.pick([NO_ID, 'x', null])),
    availability_zone: oneOf('az1', 'az2', 'nope', null),
    tenant_id: oneOf('p1', 'p3'),
  }),
  ...loadBalancerChanges,
}
const additionalVip = objectOf({
  ...given(0.95, { subnet_id: oneOf(subnets[1], '44444444-4444-4444-8444-444444444444') }),
  ...given(0.3, { ip_address: address }),
})

// Trees

const named = (dice: Dice) => dice.pick(['p1', 'p2', 'p3'])
const poolInTree: Make = (dice) => {
  const pool = objectOf(poolFields)(dice)
  if (!dice.chance(0.05)) pool.name = named(dice)
  if (dice.chance(0.5)) pool.members = dice.several(2, objectOf(memberFields))
  if (dice.chance(0.3)) pool.healthmonitor = objectOf(monitorFields)(dice)
  return pool
}
const poolOrName: Make = (dice) => (dice.chance(0.5) ? { name: named(dice) } : poolInTree(dice))
const policyInTree: Make = (dice) => {
  const policy = dice.chance(0.7) ? fittingPolicy(dice) : objectOf(policyFields)(dice)
  const { redirect_pool_id, ...rest } = policy
  if (redirect_pool_id !== undefined && dice.chance(0.9))
    return { ...rest, redirect_pool: poolOrName(dice), rules: dice.several(2, objectOf(ruleFields)) }
  return { ...policy, ...(dice.chance(0.5) ? { rules: dice.several(2, objectOf(ruleFields)) } : {}) }
}
const listenerInTree: Make = (dice) => {
  const listener = objectOf(listenerFields)(dice)
  delete listener.default_pool_id
  if (dice.chance(0.5)) listener.default_pool = poolOrName(dice)
  if (dice.chance(0.3)) listener.l7policies = dice.several(2, policyInTree)
  return listener
}
const tree: Make<Record<string, unknown>> = (dice) => ({
  ...objectOf(loadBalancerFields)(dice),
  ...(dice.chance(0.8) ? { listeners: dice.several(2, listenerInTree) } : {}),
  ...(dice.chance(0.7) ? { pools: dice.several(2, poolInTree) } : {}),
})

// What admins set up

const profileData = oneOf(
  '{"loadbalancer_topology": "SINGLE"}',
  '{"loadbalancer_topology": "FOO"}',
  '{}',
  '{',
  '{"nope": 1}',
  '[]',
  '5',
  '',
)
const flavorProfile: Fields = {
  ...given(0.97, { name: oneOf('f1', 'f2', ''), provider_name: oneOf('noop_driver', 'noop_driver', 'noop_driver', 'nope') }),
  ...given(0.97, { flavor_data: profileData }),
}
const flavor: Fields = {
  ...given(0.97, { name: oneOf('a', 'b', 'c'), flavor_profile_id: reference('flavorprofile') }),
  ...given(0.2, { description: text, enabled: oneOf(true, false, 'true', 0) }),
}
const zoneProfile: Fields = {
  ...given(0.97, { name: oneOf('z1', 'z2', ''), provider_name: oneOf('noop_driver', 'noop_driver', 'noop_driver', 'nope') }),
  ...given(0.97, { availability_zone_data: oneOf('{"compute_zone": "nova"}', '{}', '{', '{"nope": 1}', '[]') }),
}
const zone: Fields = {
  ...given(0.97, { name: oneOf('az1', 'az2', 'az3'), availability_zone_profile_id: reference('availabilityzoneprofile') }),
  ...given(0.2, { description: text, enabled: oneOf(true, false, 'true', 0) }),
}
const quota: Fields = given(0.3, {
  ...{
    load_balancer: number(-1, 2_000_000_000, 5, -1),
    listener: number(-1, 2_000_000_000, 5),
    pool: number(-1, 10),
    member: number(-1, 10),
  },
  ...{
    health_monitor: number(-1, 10),
    healthmonitor: number(-1, 10),
    loadbalancer: number(-1, 10),
    l7policy: number(-1, 10),
    l7rule: number(-1, 10),
  },
})
const quotaPath: Make<string> = (dice) => `/quotas/${dice.pick(['p1', 'p2', 'p3', 'defaults'])}`

// Requests

const roots = ['/v2/lbaas', '/v2/lbaas', '/v2/lbaas', '/v2.0/lbaas', '/v2', '/v2.0']
const root = (dice: Dice) => dice.pick(roots)

function send(method: string, path: (dice: Dice) => string, key: string, make: Make): Make<Step> {
  return (dice) => {
    const body = dice.chance(STRANGE_BODY) ? strangeBody(key)(dice) : { [key]: make(dice) }
    return { method, path: root(dice) + path(dice), body }
  }
}

const strangeBody =
  (key: string): Make =>
  (dice) =>
    dice.pick<unknown>([
      ...[{}, [], 'null', '"x"', '5', '', '{', `{"${key}": {}`, `{"${key}": {"name": }}`, undefined],
      ...[{ [key]: null }, { [key]: {} }, { [key]: [] }, { [key]: 'x' }, { [key]: 5 }, { [key]: { name: 'a' }, other: 1 }, { other: {} }],
    ])

interface Resource {
  kind: Kind
  key: string
  collection: (dice: Dice) => string
  one: (dice: Dice) => string
  create: Make
  changes: Fields
  filters: Record<string, Make>
}

const below = (parents: string, kind: 'pool' | 'l7policy') => (dice: Dice) => `/${parents}/${reference(kind)(dice)}`

const resources: readonly (readonly [number, Resource])[] = [
  [
    3,
    {
      kind: 'loadbalancer',
      key: 'loadbalancer',
      collection: always('/loadbalancers'),
      one: (dice) => `/loadbalancers/${reference('loadbalancer')(dice)}`,
      create: (dice) => (dice.chance(0.45) ? tree(dice) : objectOf(loadBalancerFields)(dice)),
      changes: loadBalancerChanges,
      filters: {
        vip_address: oneOf('10.0.0.99', 'x'),
        vip_subnet_id: oneOf(...subnets),
        project_id: oneOf('p1', 'p2'),
        provider: oneOf('nope'),
      },
    },
  ],
  [
    8,
    {
      kind: 'listener',
      key: 'listener',
      collection: always('/listeners'),
      one: (dice) => `/listeners/${reference('listener')(dice)}`,
      create: (dice) => ({
        loadbalancer_id: reference('loadbalancer')(dice),
        ...objectOf(listenerFields)(dice),
        ...(dice.chance(0.08) ? fittingTls : {}),
      }),
      changes: listenerChanges,
      filters: {
        loadbalancer_id: reference('loadbalancer'),
        protocol: oneOf('HTTP', 'TCP'),
        protocol_port: oneOf('80', 'x'),
        connection_limit: oneOf('-1'),
      },
    },
  ],
  [
    8,
    {
      kind: 'pool',
      key: 'pool',
      collection: always('/pools'),
      one: (dice) => `/pools/${reference('pool')(dice)}`,
      create: (dice) => ({
        ...(dice.chance(0.5) ? { listener_id: reference('listener')(dice) } : {}),
        ...(dice.chance(0.6) ? { loadbalancer_id: reference('loadbalancer')(dice) } : {}),
        ...objectOf(poolFields)(dice),
        ...(dice.chance(0.03) ? { members: dice.several(1, objectOf(memberFields)) } : {}),
        ...(dice.chance(0.03) ? { healthmonitor: objectOf(monitorFields)(dice) } : {}),
      }),
      changes: { ...poolChanges, ...given(0.3, { lb_algorithm: algorithm }) },
      filters: {
        loadbalancer_id: reference('loadbalancer'),
        protocol: oneOf('HTTP'),
        lb_algorithm: oneOf('ROUND_ROBIN'),
        listener_id: reference('listener'),
      },
    },
  ],
  [
    8,
    {
      kind: 'member',
      key: 'member',
      collection: (dice) => `${below('pools', 'pool')(dice)}/members`,
      one: (dice) => {
        const number = dice.below(6)
        const pool = dice.chance(0.04) ? reference('pool')(dice) : `<member ${number} pool>`
        return `/pools/${pool}/members/<member ${number}>`
      },
      create: objectOf(memberFields),
      changes: memberChanges,
      filters: { address: oneOf('10.0.0.4'), protocol_port: oneOf('80'), weight: oneOf('1'), operating_status: oneOf('NO_MONITOR') },
    },
  ],
  [
    5,
    {
      kind: 'healthmonitor',
      key: 'healthmonitor',
      collection: always('/healthmonitors'),
      one: (dice) => `/healthmonitors/${reference('healthmonitor')(dice)}`,
      create: (dice) => ({ pool_id: reference('pool')(dice), ...objectOf(monitorFields)(dice) }),
      changes: { ...given(0.2, Object.fromEntries(Object.entries(timing).map(([name, { make }]) => [name, make]))), ...monitorChanges },
      filters: { pool_id: reference('pool'), type: oneOf('HTTP'), delay: oneOf('5'), max_retries: oneOf('3') },
    },
  ],
  [
    6,
    {
      kind: 'l7policy',
      key: 'l7policy',
      collection: always('/l7policies'),
      one: (dice) => `/l7policies/${reference('l7policy')(dice)}`,
      create: (dice) => ({
        listener_id: reference('listener')(dice),
        ...(dice.chance(0.7) ? fittingPolicy(dice) : objectOf({ ...policyFields, ...policyRedirect })(dice)),
        ...(dice.chance(0.03) ? { rules: dice.several(1, objectOf(ruleFields)) } : {}),
      }),
      changes: { ...described, ...target, ...position, ...given(0.1, { action }), ...policyRedirect },
      filters: { listener_id: reference('listener'), action: oneOf('REJECT'), position: oneOf('1'), redirect_http_code: oneOf('302') },
    },
  ],
  [
    5,
    {
      kind: 'rule',
      key: 'rule',
      collection: (dice) => `${below('l7policies', 'l7policy')(dice)}/rules`,
      one: (dice) => {
        const number = dice.below(6)
        return `/l7policies/<rule ${number} l7policy>/rules/<rule ${number}>`
      },
      create: objectOf(ruleFields),
      changes: ruleChanges,
      filters: { type: oneOf('PATH'), compare_type: oneOf('EQUAL_TO'), invert: oneOf('true', '0', 'x') },
    },
  ],
  [
    1,
    {
      kind: 'flavorprofile',
      key: 'flavorprofile',
      collection: always('/flavorprofiles'),
      one: (dice) => `/flavorprofiles/${reference('flavorprofile')(dice)}`,
      create: objectOf(flavorProfile),
      changes: flavorProfile,
      filters: { provider_name: oneOf('noop_driver', 'x') },
    },
  ],
  [
    1,
    {
      kind: 'flavor',
      key: 'flavor',
      collection: always('/flavors'),
      one: (dice) => `/flavors/${reference('flavor')(dice)}`,
      create: objectOf(flavor),
      changes: flavor,
      filters: { enabled: oneOf('true', 'False', 'x'), flavor_profile_id: reference('flavorprofile') },
    },
  ],
  [
    1,
    {
      kind: 'availabilityzoneprofile',
      key: 'availability_zone_profile',
      collection: always('/availabilityzoneprofiles'),
      one: (dice) => `/availabilityzoneprofiles/${reference('availabilityzoneprofile')(dice)}`,
      create: objectOf(zoneProfile),
      changes: zoneProfile,
      filters: { provider_name: oneOf('noop_driver', 'x') },
    },
  ],
]

const quotas: Make<Step> = (dice) =>
  dice.weighted<Make<Step>>([
    [3, send('PUT', quotaPath, 'quota', objectOf(quota))],
    [2, () => ({ method: 'GET', path: root(dice) + quotaPath(dice) + dice.pick(['', '', '/default']) })],
    [1, () => ({ method: 'DELETE', path: root(dice) + quotaPath(dice) })],
    [1, () => ({ method: 'GET', path: `${root(dice)}/quotas${dice.pick(['', '?project_id=p1', '?fields=pool', '?limit=1', '?nope=1'])}` })],
  ])(dice)

const zonePath: Make<string> = (dice) => `/availabilityzones/${dice.pick(['az1', 'az2', 'az3', 'nope'])}`
const zones: Make<Step> = (dice) =>
  dice.weighted<Make<Step>>([
    [4, send('POST', always('/availabilityzones'), 'availability_zone', objectOf(zone))],
    [2, send('PUT', zonePath, 'availability_zone', objectOf(zone))],
    [1, () => ({ method: 'DELETE', path: root(dice) + zonePath(dice) })],
    [2, () => ({ method: 'GET', path: root(dice) + zonePath(dice) })],
    [1, () => ({ method: 'GET', path: `${root(dice)}/availabilityzones${dice.pick(['', '?enabled=true', '?name=az1', '?fields=name'])}` })],
  ])(dice)

const capabilities: Make<Step> = (dice) => {
  const which = dice.pick(['flavor_capabilities', 'availability_zone_capabilities'])
  return {
    method: 'GET',
    path: `${root(dice)}/providers/${dice.pick(['noop_driver', 'nope'])}/${which}${dice.pick(['', '?fields=name', '?name=x'])}`,
  }
}

const resource = (dice: Dice) => dice.weighted(resources)

const create: Make<Step> = (dice) => {
  const { key, collection, create } = resource(dice)
  return send('POST', collection, key, create)(dice)
}
const update: Make<Step> = (dice) => {
  const { key, one, changes } = resource(dice)
  return send('PUT', one, key, objectOf(changes))(dice)
}
const remove: Make<Step> = (dice) => {
  const { kind, one } = resource(dice)
  const cascade = kind === 'loadbalancer' ? dice.pick(['', '?cascade=true', '?cascade=1', '?cascade=False', '?cascade=x']) : ''
  return { method: 'DELETE', path: root(dice) + one(dice) + cascade }
}
const show: Make<Step> = (dice) => {
  const { kind, one } = resource(dice)
  const more = kind === 'loadbalancer' ? dice.pick(['', '/status', '/statuses', '/stats', '/nope']) : ''
  const fields = dice.chance(0.15) ? `?fields=${dice.pick(['id', 'name&fields=id', 'nope', 'tenant_id', 'listeners', ''])}` : ''
  return { method: 'GET', path: root(dice) + one(dice) + more + fields }
}
const batch: Make<Step> = (dice) => ({
  method: 'PUT',
  path: `${root(dice)}${below('pools', 'pool')(dice)}/members${dice.pick(['', '', '?additive_only=true', '?additive_only=x'])}`,
  body: dice.chance(STRANGE_BODY) ? strangeBody('members')(dice) : { members: dice.several(4, objectOf(memberFields)) },
})

const list: Make<Step> = (dice) => {
  const { kind, collection, filters } = resource(dice)
  const query: string[] = []
  const add = (chance: number, name: string, make: Make) => {
    if (dice.chance(chance))
      query.push(
        `${name}=${encodeURIComponent(String(make(dice)))
          .replaceAll('%3C', '<')
          .replaceAll('%3E', '>')
          .replaceAll('%20', ' ')}`,
      )
  }
  for (const [name, make] of Object.entries(filters)) add(0.1, name, make)
  add(0.12, 'name', oneOf('', 'a', 'web'))
  add(0.08, 'admin_state_up', oneOf('true', 'False', '1', 'x', ''))
  add(0.04, 'id', reference(kind))
  add(0.05, 'provisioning_status', oneOf('ACTIVE', 'active', 'FOO'))
  add(0.05, 'nope', oneOf('1'))
  for (const name of ['tags', 'tags-any', 'not-tags', 'not-tags-any']) add(0.05, name, oneOf('t1', 't1,t2', 't3', 't,4', ''))
  add(0.1, 'fields', oneOf('id', 'name', 'nope', 'tenant_id'))
  add(0.15, 'sort', oneOf('name', 'name:desc', 'id', 'created_at:desc', 'name:asc,id:desc', 'nope', 'name:up', 'a:b:c', ''))
  add(0.08, 'sort_key', oneOf('name', 'id', 'created_at', 'nope'))
  add(0.08, 'sort_dir', oneOf('asc', 'desc', 'up'))
  add(0.25, 'limit', oneOf('1', '2', '3', '100', 'x', '2000', '1.5', ''))
  add(0.15, 'marker', (some) => (some.chance(0.9) ? `<${kind} ${some.below(6)}>` : 'nope'))
  add(0.1, 'page_reverse', oneOf('True', 'true', 'False', 'x'))
  return {
    method: 'GET',
    path: `${root(dice)}${collection(dice)}${dice.pick(['', '', '', '.json'])}${query.length > 0 ? `?${query.join('&')}` : ''}`,
  }
}

const requests: readonly (readonly [number, Make<Step>])[] = [
  [42, create],
  [22, update],
  [8, remove],
  [7, show],
  [5, batch],
  [16, list],
  [2, quotas],
  [2, zones],
  [1, capabilities],
]

const strangeRequest: Make<Step> = (dice) => {
  const { collection, one } = resource(dice)
  const path = root(dice) + dice.pick([collection, one])(dice)
  return dice.pick<Make<Step>>([
    () => ({ method: 'PATCH', path, body: {} }),
    () => ({ method: 'OPTIONS', path }),
    () => ({ method: 'DELETE', path: root(dice) + collection(dice) }),
    () => ({ method: 'PUT', path: root(dice) + collection(dice), body: {} }),
    () => ({ method: 'POST', path: root(dice) + one(dice), body: {} }),
    () => ({ method: 'GET', path: `${path}/nope` }),
    () => ({ method: 'GET', path: `${path}/` }),
    () => ({ method: 'GET', path: dice.pick(['/', '/v2', '/v2.0', '/v2/lbaas', '/v1', '/v3', '/v2/nope', '/nope', '/v2/lbaas/nope']) }),
    () => ({
      method: 'GET',
      path,
      headers: { accept: dice.pick(['text/plain', 'text/html', 'application/xml', 'text/html, application/json;q=0.5']) },
    }),
    () => ({ method: 'GET', path: root(dice) + one(dice), headers: { accept: undefined } }),
    () => ({
      method: 'POST',
      path: root(dice) + collection(dice),
      body: 'a=b',
      headers: { 'content-type': dice.pick(['text/plain', 'application/x-www-form-urlencoded', 'text/xml']) },
    }),
    () => ({ method: 'GET', path: `${root(dice)}/providers` }),
    () => ({ method: 'POST', path: root(dice) + collection(dice), body: strangeBody('x')(dice) }),
  ])(dice)
}
