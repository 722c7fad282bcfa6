/**
 * What callers of other projects, and callers with too small a role, ask for and are told. The same requests go to our API and, beside a
 * real Keystone, to the real octavia-api; what that one answered is written down here (`test/openstack/roles.test.ts` compares).
 */
import assert from 'node:assert/strict'

/** Sends a request as somebody. */
export type Send = (method: string, path: string, body?: object) => Promise<{ status: number; body: unknown }>

export interface Someone {
  /** His project: `own` has the objects, `other` is the stranger's. */
  project: 'own' | 'other'
  role: string
}

export const callers = {
  owner: { project: 'own', role: 'member' },
  'own reader': { project: 'own', role: 'reader' },
  'own guest': { project: 'own', role: 'guest' },
  stranger: { project: 'other', role: 'member' },
  'strange reader': { project: 'other', role: 'reader' },
  'strange guest': { project: 'other', role: 'guest' },
  service: { project: 'other', role: 'service' },
  admin: { project: 'other', role: 'admin' },
} as const satisfies Record<string, Someone>

export type CallerName = keyof typeof callers

export interface RoleCase {
  /** `METHOD path`, below /v2/lbaas unless it begins with a slash; `{lb}` and the like stand for ids. */
  request: string
  body?: object
  /** Who asks, and what he is told: a status and a text, or of a list the names of what it shows. */
  told: Partial<Record<CallerName, string>>
  /** What Octavia tells him instead, where we mean to differ (docs/differences.md). */
  upstream?: Partial<Record<CallerName, string>>
  /** By which name that page explains it. */
  difference?: string
}

export const missingId = '11111111-1111-4111-8111-111111111111'

export interface Fixture {
  /** Ids by the names that stand for them. */
  ids: Record<string, string>
  send: Record<CallerName, Send>
  /** To be called after each change: brings everything to ACTIVE. */
  settle(): void | Promise<void>
  projects: Record<'own' | 'other', string>
  subnet_id: string
}

/** The owner's load balancer with everything, and a stranger's with a listener and a pool. */
export async function fillFixture({ ids, send, settle, projects, subnet_id }: Fixture): Promise<void> {
  Object.assign(ids, { own: projects.own, other: projects.other, missing: missingId, subnet: subnet_id })
  const make = async (as: CallerName, name: string, path: string, key: string, body: object) => {
    const answer = await send[as]('POST', `/v2/lbaas/${path}`, { [key]: { ...body } })
    assert.equal(answer.status, 201, `${name}: ${JSON.stringify(answer.body)}`)
    ids[name] = (answer.body as Record<string, { id: string }>)[key]!.id
    await settle()
  }
  const pool = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
  await make('owner', 'lb', 'loadbalancers', 'loadbalancer', { name: 'secret', tags: ['secret'], vip_subnet_id: subnet_id })
  await make('owner', 'listener', 'listeners', 'listener', { loadbalancer_id: ids.lb, protocol: 'HTTP', protocol_port: 80, name: 'secret' })
  await make('owner', 'pool', 'pools', 'pool', { ...pool, loadbalancer_id: ids.lb, name: 'secret' })
  await make('owner', 'member', `pools/${ids.pool}/members`, 'member', { address: '10.9.9.9', protocol_port: 80, name: 'secret' })
  await make('owner', 'monitor', 'healthmonitors', 'healthmonitor', {
    pool_id: ids.pool,
    type: 'HTTP',
    delay: 5,
    timeout: 4,
    max_retries: 3,
  })
  await make('owner', 'policy', 'l7policies', 'l7policy', { listener_id: ids.listener, action: 'REJECT', name: 'secret' })
  await make('owner', 'rule', `l7policies/${ids.policy}/rules`, 'rule', { type: 'PATH', compare_type: 'STARTS_WITH', value: '/secret' })
  await make('stranger', 'lb2', 'loadbalancers', 'loadbalancer', { name: 'mine', vip_subnet_id: subnet_id })
  await make('stranger', 'listener2', 'listeners', 'listener', {
    loadbalancer_id: ids.lb2,
    protocol: 'HTTP',
    protocol_port: 80,
    name: 'mine',
  })
  await make('stranger', 'pool2', 'pools', 'pool', { ...pool, loadbalancer_id: ids.lb2, name: 'mine' })
  await make('stranger', 'policy2', 'l7policies', 'l7policy', { listener_id: ids.listener2, action: 'REJECT', name: 'mine' })
}

/** What that caller is told. */
export async function ask({ ids, send }: Fixture, { request, body }: RoleCase, as: CallerName): Promise<string> {
  const [method = '', path = ''] = withIds(request, ids).split(' ')
  const answer = await send[as](
    method,
    path.startsWith('/') ? path : `/v2/lbaas/${path}`,
    body && JSON.parse(withIds(JSON.stringify(body), ids)),
  )
  // The order of lists is another test's business.
  return withNames(told(answer), ids).replace(/\[(.*)\]/, (_, shown: string) => `[${shown.split(' ').sort().join(' ')}]`)
}

function told({ status, body }: { status: number; body: unknown }): string {
  if (typeof body !== 'object' || body === null) return `${status}`
  const { faultstring, description, error } = body as { faultstring?: string; description?: string; error?: { message: string } }
  const text = faultstring ?? description ?? error?.message
  if (text !== undefined) return `${status} ${text}`
  const list = Object.entries(body).find(([key]) => !key.endsWith('_links'))![1] as unknown
  if (!Array.isArray(list)) return `${status}`
  const links = Object.entries(body).find(([key]) => key.endsWith('_links'))?.[1] as unknown[] | undefined
  // Quotas have no id but their project's, and providers have none at all.
  const shown = list.flatMap((item: Record<string, string>) => item.id ?? item.project_id ?? [])
  return `${status} [${shown.join(' ')}]${links?.length ? ' with links' : ''}`
}

function withIds(text: string, ids: Record<string, string>): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => ids[name] ?? whole)
}

function withNames(text: string, ids: Record<string, string>): string {
  let named = text
  for (const [name, id] of Object.entries(ids)) named = named.replaceAll(id, `{${name}}`)
  return named
}

const everyone = Object.keys(callers) as CallerName[]
const forbidden = '403 Policy does not allow this request to be performed.'
const ofOwner: CallerName[] = ['owner', 'own reader', 'admin']
const readers: CallerName[] = [...ofOwner, 'stranger', 'strange reader']

const tell = (who: readonly CallerName[], text: string) => Object.fromEntries(who.map((name) => [name, text])) as RoleCase['told']
const without = (who: readonly CallerName[]) => everyone.filter((name) => !who.includes(name))

/** These are told that, and all others that the policy forbids it. */
const only = (who: readonly CallerName[], request: string, text: string): RoleCase => ({
  request,
  told: { ...tell(everyone, forbidden), ...tell(who, text) },
})
/** A change that is refused to all but these, who are not asked to make it. */
const refusedBut = (who: readonly CallerName[], request: string, body?: object): RoleCase => ({
  request,
  body,
  told: tell(without(who), forbidden),
})
const same = (who: readonly CallerName[], request: string, text: string, body?: object): RoleCase => ({
  request,
  body,
  told: tell(who, text),
})

const writers: CallerName[] = ['owner', 'admin']
const asStranger: CallerName[] = ['stranger']

const collections = [
  { path: 'loadbalancers', key: 'loadbalancer', name: 'Load Balancer', own: 'lb', others: '{lb2}' },
  { path: 'listeners', key: 'listener', name: 'Listener', own: 'listener', others: '{listener2}' },
  { path: 'pools', key: 'pool', name: 'Pool', own: 'pool', others: '{pool2}' },
  { path: 'healthmonitors', key: 'healthmonitor', name: 'Health Monitor', own: 'monitor', others: '' },
  { path: 'l7policies', key: 'l7policy', name: 'L7 Policy', own: 'policy', others: '{policy2}' },
]

const ofCollections = collections.flatMap(({ path, key, name, own, others }): RoleCase[] => {
  const both = [`{${own}}`, others].filter((shown) => shown !== '').sort()
  const renamed = { [key]: { name: 'taken' } }
  const isMissing = `404 ${name} {missing} not found.`
  return [
    {
      request: `GET ${path}`,
      told: {
        ...tell(everyone, forbidden),
        ...tell(['owner', 'own reader'], `200 [{${own}}]`),
        ...tell(['stranger', 'strange reader'], `200 [${others}]`),
        admin: `200 [${both.join(' ')}]`,
      },
    },
    only(ofOwner, `GET ${path}?project_id={own}`, `200 [{${own}}]`),
    {
      request: `GET ${path}?tenant_id={own}`,
      told: { ...tell(ofOwner, `200 [{${own}}]`), ...tell(asStranger, forbidden) },
      difference: 'tenant-id-filters',
      upstream: tell([...ofOwner, ...asStranger], '400 One or more arguments are either duplicate or invalid'),
    },
    { request: `GET ${path}?project_id={missing}`, told: { stranger: forbidden, admin: '200 []' } },
    { request: `GET ${path}?id={${own}}`, told: { ...tell(writers, `200 [{${own}}]`), stranger: '200 []' } },
    // Whose id comes after which, hence no more than that it is no list of the owner's.
    same(asStranger, `GET ${path}?marker={${own}}&name=secret`, '200 []'),
    only(ofOwner, `GET ${path}/{${own}}`, '200'),
    refusedBut(writers, `PUT ${path}/{${own}}`, renamed),
    refusedBut(writers, `DELETE ${path}/{${own}}`),
    // What is not there is not there for anybody, whatever his role.
    same(everyone, `GET ${path}/{missing}`, isMissing),
    same(everyone, `PUT ${path}/{missing}`, isMissing, renamed),
    same(everyone, `DELETE ${path}/{missing}`, isMissing),
  ]
})

const ofFilters = [
  'loadbalancers?name=secret',
  'loadbalancers?tags=secret',
  'loadbalancers?vip_subnet_id={subnet}&name=secret',
  'listeners?loadbalancer_id={lb}',
  'listeners?name=secret',
  'pools?loadbalancer_id={lb}',
  'pools?name=secret',
  'healthmonitors?pool_id={pool}',
  'l7policies?listener_id={listener}',
].map((path): RoleCase => {
  const { own } = collections.find((collection) => path.startsWith(collection.path))!
  return { request: `GET ${path}`, told: { owner: `200 [{${own}}]`, ...tell(['stranger', 'strange reader'], '200 []') } }
})

const ofOneLoadBalancer = [
  only(ofOwner, 'GET loadbalancers/{lb}/status', '200'),
  only(ofOwner, 'GET loadbalancers/{lb}/stats', '200'),
  only(ofOwner, 'GET listeners/{listener}/stats', '200'),
  same(everyone, 'GET loadbalancers/{missing}/status', '404 Load Balancer {missing} not found.'),
  same(everyone, 'GET loadbalancers/{missing}/stats', '404 Load Balancer {missing} not found.'),
  same(everyone, 'GET listeners/{missing}/stats', '404 Listener {missing} not found.'),
  refusedBut(['admin'], 'PUT loadbalancers/{lb}/failover'),
  same(everyone, 'PUT loadbalancers/{missing}/failover', '404 Load Balancer {missing} not found.'),
  refusedBut(writers, 'DELETE loadbalancers/{lb}?cascade=true'),
]

const nested = [
  {
    parents: 'pools',
    parent: 'pool',
    parentName: 'Pool',
    children: 'members',
    child: 'member',
    childName: 'Member',
    change: { member: { name: 'taken' } },
    create: { member: { address: '10.9.9.8', protocol_port: 81 } },
    // The alarm service reads members' statuses.
    listers: [...ofOwner, 'service'] as CallerName[],
  },
  {
    parents: 'l7policies',
    parent: 'policy',
    parentName: 'L7Policy',
    children: 'rules',
    child: 'rule',
    childName: 'L7 Rule',
    change: { rule: { value: '/taken' } },
    create: { rule: { type: 'PATH', compare_type: 'STARTS_WITH', value: '/x' } },
    listers: ofOwner,
  },
]

const ofNested = nested.flatMap(({ parents, parent, parentName, children, child, childName, change, create, listers }): RoleCase[] => {
  const collection = `${parents}/{${parent}}/${children}`
  const noParent = `404 ${parentName} {missing} not found.`
  const noChild = `404 ${childName} {missing} not found.`
  return [
    only(listers, `GET ${collection}`, `200 [{${child}}]`),
    only(ofOwner, `GET ${collection}/{${child}}`, '200'),
    refusedBut(writers, `POST ${collection}`, create),
    refusedBut(writers, `PUT ${collection}/{${child}}`, change),
    refusedBut(writers, `DELETE ${collection}/{${child}}`),
    same(everyone, `GET ${parents}/{missing}/${children}`, noParent),
    same(everyone, `GET ${parents}/{missing}/${children}/{${child}}`, noParent),
    same(asStranger, `POST ${parents}/{missing}/${children}`, noParent, create),
    same(everyone, `GET ${collection}/{missing}`, noChild),
    same(asStranger, `PUT ${collection}/{missing}`, noChild, change),
    same(asStranger, `DELETE ${collection}/{missing}`, noChild),
  ]
})

const underAnothersParent: RoleCase[] = [
  { request: 'GET pools/{pool2}/members/{member}', told: { owner: '404 Member {member} not found.', stranger: forbidden } },
  same(asStranger, 'PUT pools/{pool2}/members/{member}', forbidden, { member: { name: 'taken' } }),
  same(asStranger, 'DELETE pools/{pool2}/members/{member}', forbidden),
  {
    request: 'GET l7policies/{policy2}/rules/{rule}',
    told: tell(['owner', 'stranger'], '404 L7 Rule {rule} not found.'),
    difference: 'rules-below-their-policy',
    upstream: { owner: '200', stranger: forbidden },
  },
  {
    request: 'PUT l7policies/{policy2}/rules/{rule}',
    body: { rule: { value: '/taken' } },
    told: { stranger: '404 L7 Rule {rule} not found.' },
    difference: 'rules-below-their-policy',
    upstream: { stranger: '200' },
  },
  refusedBut(writers, 'PUT pools/{pool}/members', { members: [] }),
  same(asStranger, 'PUT pools/{pool}/members?additive_only=true', forbidden, { members: [] }),
  same(asStranger, 'PUT pools/{missing}/members', '404 Pool {missing} not found.', { members: [] }),
]

const aPool = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
const aMonitor = { type: 'HTTP', delay: 5, timeout: 4, max_retries: 3 }
const aListener = { protocol: 'HTTP', protocol_port: 81 }
const redirecting = { action: 'REDIRECT_TO_POOL' }

/** Objects that would lie in another's project, or lean on what lies there: the pool of another is a pool that is not there. */
const ofReferences: RoleCase[] = [
  refusedBut(['owner', 'stranger', 'admin'], 'POST loadbalancers', { loadbalancer: { vip_subnet_id: '{subnet}' } }),
  refusedBut(writers, 'POST loadbalancers', { loadbalancer: { vip_subnet_id: '{subnet}', project_id: '{own}' } }),
  refusedBut(writers, 'POST loadbalancers', { loadbalancer: { vip_subnet_id: '{subnet}', tenant_id: '{own}' } }),
  refusedBut(writers, 'POST listeners', { listener: { ...aListener, loadbalancer_id: '{lb}' } }),
  refusedBut(writers, 'POST listeners', { listener: { ...aListener, loadbalancer_id: '{lb}', project_id: '{other}' } }),
  refusedBut(writers, 'POST pools', { pool: { ...aPool, loadbalancer_id: '{lb}' } }),
  refusedBut(writers, 'POST pools', { pool: { ...aPool, listener_id: '{listener}' } }),
  refusedBut(writers, 'POST pools', { pool: { ...aPool, loadbalancer_id: '{lb}', listener_id: '{listener2}' } }),
  {
    request: 'POST pools',
    body: { pool: { ...aPool, loadbalancer_id: '{lb2}', listener_id: '{listener}' } },
    told: { stranger: '404 Listener {listener} not found.' },
    difference: 'no-pool-for-anothers-listener',
    upstream: { stranger: '201' },
  },
  refusedBut(writers, 'POST healthmonitors', { healthmonitor: { ...aMonitor, pool_id: '{pool}' } }),
  refusedBut(writers, 'POST l7policies', { l7policy: { listener_id: '{listener}', action: 'REJECT' } }),
  ...['{pool}', '{missing}'].flatMap((pool): RoleCase[] => {
    const text = `404 Pool ${pool} not found.`
    const elsewhere = { ...redirecting, redirect_pool_id: pool }
    return [
      same(asStranger, 'POST listeners', text, { listener: { ...aListener, loadbalancer_id: '{lb2}', default_pool_id: pool } }),
      same(asStranger, 'PUT listeners/{listener2}', text, { listener: { default_pool_id: pool } }),
      same(asStranger, 'POST l7policies', text, { l7policy: { ...elsewhere, listener_id: '{listener2}' } }),
      same(asStranger, 'PUT l7policies/{policy2}', text, { l7policy: elsewhere }),
    ]
  }),
  same(everyone, 'POST listeners', '404 Load Balancer {missing} not found.', { listener: { ...aListener, loadbalancer_id: '{missing}' } }),
  same(everyone, 'POST pools', '404 Load Balancer {missing} not found.', { pool: { ...aPool, loadbalancer_id: '{missing}' } }),
  {
    request: 'POST pools',
    body: { pool: { ...aPool, listener_id: '{missing}' } },
    told: { stranger: '404 Listener {missing} not found.' },
    difference: 'no-internal-errors',
    upstream: { stranger: "500 'NoneType' object has no attribute 'load_balancer_id'" },
  },
  same(everyone, 'POST healthmonitors', '404 Pool {missing} not found.', { healthmonitor: { ...aMonitor, pool_id: '{missing}' } }),
  same(everyone, 'POST l7policies', '404 Listener {missing} not found.', { l7policy: { listener_id: '{missing}', action: 'REJECT' } }),
]

const ofQuotas: RoleCase[] = [
  {
    request: 'GET quotas',
    told: {
      ...tell(everyone, forbidden),
      ...tell(['owner', 'own reader'], '200 [{own}]'),
      ...tell(['stranger', 'strange reader'], '200 [{other}]'),
      admin: '200 [{other} {own}]',
    },
  },
  // Here the project is a filter like any other.
  { request: 'GET quotas?project_id={own}', told: { 'own reader': '200 [{own}]', stranger: '200 []', service: forbidden } },
  only(ofOwner, 'GET quotas/{own}', '200'),
  only(['admin'], 'GET quotas/{missing}', '200'),
  only(ofOwner, 'GET quotas/{own}/default', '200'),
  only(['admin'], 'GET quotas/defaults', '200'),
  refusedBut(['admin'], 'PUT quotas/{own}', { quota: { pool: 1 } }),
  refusedBut(['admin'], 'DELETE quotas/{own}'),
  refusedBut(['admin'], 'DELETE quotas/{missing}'),
]

/** Upstream looks some of them up first, some not. */
const ofOperators: RoleCase[] = [
  only(readers, 'GET providers', '200 []'),
  only(readers, 'GET flavors', '200 []'),
  only(readers, 'GET flavors/{missing}', '404 Flavor {missing} not found.'),
  only(readers, 'GET availabilityzones', '200 []'),
  only(readers, 'GET availabilityzones/{missing}', '404 Availability Zone {missing} not found.'),
  only(['admin'], 'GET flavorprofiles', '200 []'),
  only(['admin'], 'GET flavorprofiles/{missing}', '404 Flavor Profile {missing} not found.'),
  only(['admin'], 'GET availabilityzoneprofiles', '200 []'),
  only(['admin'], 'GET availabilityzoneprofiles/{missing}', '404 Availability Zone Profile {missing} not found.'),
  ...[
    { path: 'flavors', key: 'flavor', body: { name: 'f', flavor_profile_id: '{missing}' } },
    { path: 'flavorprofiles', key: 'flavorprofile', body: { name: 'f', provider_name: 'amphora', flavor_data: '{}' } },
    { path: 'availabilityzones', key: 'availability_zone', body: { name: 'f', availability_zone_profile_id: '{missing}' } },
    {
      path: 'availabilityzoneprofiles',
      key: 'availability_zone_profile',
      body: { name: 'f', provider_name: 'amphora', availability_zone_data: '{}' },
    },
  ].flatMap(({ path, key, body }): RoleCase[] => [
    refusedBut(['admin'], `POST ${path}`, { [key]: body }),
    refusedBut(['admin'], `PUT ${path}/{missing}`, { [key]: key === 'availability_zone' ? { description: 'f' } : { name: 'f' } }),
    refusedBut(['admin'], `DELETE ${path}/{missing}`),
  ]),
  refusedBut(['admin'], 'GET providers/amphora/flavor_capabilities'),
  refusedBut(['admin'], 'GET providers/amphora/availability_zone_capabilities'),
  refusedBut(['admin'], 'GET providers/nobodys/flavor_capabilities'),
  refusedBut(['admin'], 'GET /v2/octavia/amphorae'),
  same(everyone, 'GET /v2/octavia/amphorae/{missing}', '404 Amphora {missing} not found.'),
  only(['admin'], 'GET /v2/octavia/amphorae/{missing}/stats', '404 Amphora stats for {missing} not found.'),
  same(everyone, 'PUT /v2/octavia/amphorae/{missing}/failover', '404 Amphora {missing} not found.'),
  same(everyone, 'PUT /v2/octavia/amphorae/{missing}/config', '404 Amphora {missing} not found.'),
  refusedBut(['admin'], 'DELETE /v2/octavia/amphorae/{missing}'),
]

/** Of routes that are ours alone. */
export const ourCases: RoleCase[] = [
  only(ofOwner, 'GET loadbalancers/{lb}/events?outcome=failure', '200 []'),
  same(everyone, 'GET loadbalancers/{missing}/events', '404 Load Balancer {missing} not found.'),
  only(ofOwner, 'GET loadbalancers/{lb}/logs', '200'),
  same(everyone, 'GET loadbalancers/{missing}/logs', '404 Load Balancer {missing} not found.'),
  only(ofOwner, 'GET pools/{pool}/members/{member}/stats', '200'),
  same(everyone, 'GET pools/{pool}/members/{missing}/stats', '404 Member {missing} not found.'),
]

export const roleCases: RoleCase[] = [
  ...ofCollections,
  ...ofFilters,
  ...ofOneLoadBalancer,
  ...ofNested,
  ...underAnothersParent,
  ...ofReferences,
  ...ofQuotas,
  ...ofOperators,
]
