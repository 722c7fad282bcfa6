/**
 * How gophercloud v2 speaks to the API: the Go library below Terraform's provider, Kubernetes' cloud provider and Cluster API. It takes
 * certain codes and no others, and reads answers into structs: a field that is missing or null is empty, an unknown one is ignored, one of
 * another type is an error.
 */
import assert from 'node:assert/strict'
import type { ApiClient } from './api-client.ts'

type Kind =
  | 'string'
  | 'int'
  | 'float'
  | 'bool'
  | 'time'
  | readonly [Kind]
  | { map: Kind }
  | { struct: Struct }
  | { anyOf: readonly string[]; kind: Kind }
type Struct = { readonly [field: string]: Kind }

type Read<K> = K extends 'string' | 'time'
  ? string
  : K extends 'int' | 'float'
    ? number
    : K extends 'bool'
      ? boolean
      : K extends readonly [infer Element]
        ? Read<Element>[]
        : K extends { map: infer Value }
          ? Record<string, Read<Value>>
          : K extends { struct: infer S }
            ? ReadStruct<S>
            : K extends { kind: infer Aliased }
              ? Read<Aliased>
              : never
type ReadStruct<S> = { -readonly [F in keyof S]: Read<S[F]> }

// openstack/loadbalancer/v2/*/results.go

const status = { provisioning_status: 'string', operating_status: 'string' } as const
const owned = {
  id: 'string',
  project_id: 'string',
  name: 'string',
  description: 'string',
  admin_state_up: 'bool',
  tags: ['string'],
  ...status,
} as const
const ids = [{ struct: { id: 'string' } }] as const
const times = { created_at: 'time', updated_at: 'time' } as const

const monitor = {
  ...{ id: 'string', project_id: 'string', name: 'string', admin_state_up: 'bool', tags: ['string'], ...status },
  ...{ type: 'string', delay: 'int', timeout: 'int', max_retries: 'int', max_retries_down: 'int', http_method: 'string' },
  ...{ http_version: 'float', url_path: 'string', expected_codes: 'string', domain_name: 'string', pools: ids },
} as const satisfies Struct

const member = {
  ...{ id: 'string', project_id: 'string', name: 'string', admin_state_up: 'bool', tags: ['string'], ...status, ...times },
  ...{ weight: 'int', subnet_id: 'string', address: 'string', protocol_port: 'int', backup: 'bool' },
  ...{ monitor_address: 'string', monitor_port: 'int' },
} as const satisfies Struct

const pool = {
  ...{ ...owned, lb_algorithm: 'string', protocol: 'string', listeners: ids, loadbalancers: ids, members: [{ struct: member }] },
  ...{
    healthmonitor_id: 'string',
    healthmonitor: { struct: monitor },
    session_persistence: { struct: { type: 'string', cookie_name: 'string' } },
  },
  ...{ alpn_protocols: ['string'], ca_tls_container_ref: 'string', crl_container_ref: 'string', tls_enabled: 'bool' },
  ...{ tls_ciphers: 'string', tls_container_ref: 'string', tls_versions: ['string'], provider: 'string' },
} as const satisfies Struct

const rule = {
  ...{ id: 'string', type: 'string', compare_type: 'string', value: 'string', project_id: 'string', key: 'string', invert: 'bool' },
  ...{ admin_state_up: 'bool', tags: ['string'], ...status },
} as const satisfies Struct

const l7policy = {
  ...{ ...owned, listener_id: 'string', action: 'string', position: 'int', redirect_pool_id: 'string', redirect_prefix: 'string' },
  ...{ redirect_url: 'string', redirect_http_code: 'int', rules: [{ struct: rule }] },
} as const satisfies Struct

const listener = {
  ...{ ...owned, protocol: 'string', protocol_port: 'int', default_pool_id: 'string', default_pool: { struct: pool }, loadbalancers: ids },
  ...{ connection_limit: 'int', sni_container_refs: ['string'], default_tls_container_ref: 'string', pools: [{ struct: pool }] },
  ...{ l7policies: [{ struct: l7policy }], timeout_client_data: 'int', timeout_member_data: 'int', timeout_member_connect: 'int' },
  ...{ timeout_tcp_inspect: 'int', insert_headers: { map: 'string' }, allowed_cidrs: ['string'], tls_ciphers: 'string' },
  ...{ tls_versions: ['string'], alpn_protocols: ['string'], client_authentication: 'string', client_ca_tls_container_ref: 'string' },
  ...{ client_crl_container_ref: 'string', hsts_include_subdomains: 'bool', hsts_max_age: 'int', hsts_preload: 'bool' },
} as const satisfies Struct

const loadbalancer = {
  ...{ ...owned, ...times, vip_address: 'string', vip_port_id: 'string', vip_subnet_id: 'string', vip_network_id: 'string' },
  ...{ vip_qos_policy_id: 'string', flavor_id: 'string', availability_zone: 'string', provider: 'string' },
  ...{ listeners: [{ struct: listener }], pools: [{ struct: pool }] },
  additional_vips: [{ struct: { subnet_id: 'string', ip_address: 'string' } }],
} as const satisfies Struct

/** The service writes either spelling of two of them; where both are there the later one counts. */
const quota = {
  ...{ listener: 'int', member: 'int', pool: 'int', l7policy: 'int', l7rule: 'int' },
  loadbalancer: { anyOf: ['load_balancer', 'loadbalancer'], kind: 'int' },
  healthmonitor: { anyOf: ['health_monitor', 'healthmonitor'], kind: 'int' },
} as const satisfies Struct

const amphora = {
  ...{ id: 'string', loadbalancer_id: 'string', lb_network_ip: 'string', compute_id: 'string', ha_ip: 'string', ha_port_id: 'string' },
  ...{ cert_expiration: 'time', cert_busy: 'bool', role: 'string', status: 'string', vrrp_port_id: 'string', vrrp_ip: 'string' },
  ...{ vrrp_interface: 'string', vrrp_id: 'int', vrrp_priority: 'int', cached_zone: 'string', image_id: 'string', ...times },
} as const satisfies Struct

const flavor = { id: 'string', name: 'string', description: 'string', enabled: 'bool', flavor_profile_id: 'string' } as const
const flavorprofile = { id: 'string', name: 'string', provider_name: 'string', flavor_data: 'string' } as const
const stats = { active_connections: 'int', bytes_in: 'int', bytes_out: 'int', request_errors: 'int', total_connections: 'int' } as const
const version = { id: 'string', status: 'string' } as const
const provider = { name: 'string', description: 'string' } as const

const structs = {
  loadbalancer,
  listener,
  pool,
  member,
  healthmonitor: monitor,
  l7policy,
  rule,
  quota,
  amphora,
  flavor,
  flavorprofile,
  stats,
} as const
const lists = {
  ...{ loadbalancers: loadbalancer, listeners: listener, pools: pool, members: member, healthmonitors: monitor, l7policies: l7policy },
  ...{ rules: rule, amphorae: amphora, flavors: flavor, flavorprofiles: flavorprofile, versions: version, providers: provider },
} as const

type Structs = { [K in keyof typeof structs]: ReadStruct<(typeof structs)[K]> }
type Lists = { [K in keyof typeof lists]: ReadStruct<(typeof lists)[K]> }
export type GoLoadBalancer = Structs['loadbalancer']
export type GoListener = Structs['listener']
export type GoPool = Structs['pool']

/** An answer whose code is none of those the library takes. */
export class UnexpectedResponseCode extends Error {
  readonly status: number
  readonly body: unknown
  constructor(method: string, path: string, status: number, body: unknown) {
    super(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
    this.status = status
    this.body = body
  }
}

export class Gophercloud {
  readonly #api: ApiClient
  /** Every request: `PUT /v2.0/lbaas/pools/<id>`. */
  readonly sent: { method: string; path: string; body: unknown }[] = []

  constructor(api: ApiClient) {
    this.#api = api
  }

  get<K extends keyof Structs>(key: K, path: string): Promise<Structs[K]> {
    return this.#object(key, 'GET', path, undefined, [200])
  }

  create<K extends keyof Structs>(key: K, path: string, body: object): Promise<Structs[K]> {
    return this.#object(key, 'POST', path, { [key]: body }, [201, 202])
  }

  update<K extends keyof Structs>(key: K, path: string, body: object): Promise<Structs[K]> {
    // l7policies and pools take nothing but 200; members and rules 201 too.
    const taken = key === 'pool' || key === 'l7policy' ? [200] : [200, 202]
    return this.#object(key, 'PUT', path, { [key]: body }, taken)
  }

  /** PUT /members takes nothing but 202. */
  async updateMembers(pool_id: string, members: object[]): Promise<void> {
    await this.request('PUT', `/v2.0/lbaas/pools/${pool_id}/members`, { members }, [202])
  }

  async delete(path: string): Promise<void> {
    await this.request('DELETE', path, undefined, [202, 204])
  }

  /** Every page: the next one is where the last one's link leads. */
  async list<K extends keyof Lists>(key: K, path: string): Promise<Lists[K][]> {
    const all: Lists[K][] = []
    for (let next = path; next !== ''; ) {
      const answer = (await this.request('GET', next, undefined, [200])) as Record<string, unknown>
      const page = read([{ struct: lists[key] }], answer[key], key) as Lists[K][]
      if (page.length === 0) break
      all.push(...page)
      const links = (answer[`${key}_links`] ?? []) as { rel: string; href: string }[]
      const href = links.find(({ rel }) => rel === 'next')?.href
      next = href === undefined ? '' : href.replace(/^https?:\/\/[^/]+/, '')
    }
    return all
  }

  async request(method: string, path: string, body: unknown, taken: number[]): Promise<unknown> {
    this.sent.push({ method, path, body })
    const answer = await this.#api.request(method, path, body)
    if (!taken.includes(answer.status)) throw new UnexpectedResponseCode(method, path, answer.status, answer.body)
    return answer.body
  }

  async #object<K extends keyof Structs>(key: K, method: string, path: string, body: unknown, taken: number[]): Promise<Structs[K]> {
    const answer = (await this.request(method, path, body, taken)) as Record<string, unknown>
    assert.ok(answer[key] !== undefined && answer[key] !== null, `${method} ${path} answers no ${key}`)
    return read({ struct: structs[key] }, answer[key], key) as Structs[K]
  }
}

const isList = (kind: Kind): kind is readonly [Kind] => Array.isArray(kind)

/** json.Unmarshal. */
function read(kind: Kind, value: unknown, path: string): unknown {
  const wrong = (): never => assert.fail(`${path}: ${JSON.stringify(value)} cannot be read as ${JSON.stringify(kind)}`)
  const isNone = value === null || value === undefined
  if (kind === 'string') return isNone ? '' : typeof value === 'string' ? value : wrong()
  if (kind === 'bool') return isNone ? false : typeof value === 'boolean' ? value : wrong()
  if (kind === 'float') return isNone ? 0 : typeof value === 'number' ? value : wrong()
  if (kind === 'int') return isNone ? 0 : Number.isSafeInteger(value) ? value : wrong()
  // Without a zone: with one, the library would have to try again.
  if (kind === 'time') return isNone ? '' : /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/.test(String(value)) ? value : wrong()
  if (isList(kind)) {
    if (isNone) return []
    return Array.isArray(value) ? value.map((element, at) => read(kind[0], element, `${path}[${at}]`)) : wrong()
  }
  if ('anyOf' in kind) return wrong()
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isNone && !isObject) return wrong()
  const object = (value ?? {}) as Record<string, unknown>
  if ('map' in kind)
    return Object.fromEntries(Object.entries(object).map(([name, each]) => [name, read(kind.map, each, `${path}.${name}`)]))
  return Object.fromEntries(
    Object.entries(kind.struct).map(([name, field]) => {
      if (typeof field === 'object' && 'anyOf' in field) {
        const found = field.anyOf.findLast((spelling) => object[spelling] !== undefined && object[spelling] !== null)
        return [name, read(field.kind, object[found ?? name], `${path}.${name}`)]
      }
      return [name, read(field, object[name], `${path}.${name}`)]
    }),
  )
}
