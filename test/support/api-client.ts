/** The load balancing API as tests call it: without a network, every body read, faults thrown. */
import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import { eventually } from './eventually.ts'

export type Shown = Record<string, unknown> & { id: string; provisioning_status: string; operating_status: string }
type Body = Record<string, unknown>

/** What the API answered when it was not what the test wanted. */
export class ApiError extends Error {
  readonly status: number
  readonly faultstring: string
  constructor(status: number, body: unknown) {
    const { faultstring, description } = (body ?? {}) as { faultstring?: string; description?: string }
    const text = faultstring ?? description ?? JSON.stringify(body)
    super(`${status}: ${text}`)
    this.status = status
    this.faultstring = text
  }
}

/** For `assert.rejects`: this status, and the text word for word. */
export function fault(status: number, text: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ApiError, String(error))
    const isText = typeof text === 'string' ? error.faultstring === text : text.test(error.faultstring)
    assert.ok(isText, `${error.faultstring}\nis not\n${text}`)
    assert.equal(error.status, status)
    return true
  }
}

/** Where each kind of object is, and under which key its bodies stand. */
const kinds = {
  loadbalancers: 'loadbalancer',
  listeners: 'listener',
  pools: 'pool',
  members: 'member',
  healthmonitors: 'healthmonitor',
  l7policies: 'l7policy',
  rules: 'rule',
  flavorprofiles: 'flavorprofile',
  flavors: 'flavor',
  availabilityzoneprofiles: 'availability_zone_profile',
  availabilityzones: 'availability_zone',
} as const

export class ApiClient {
  readonly #api: FastifyInstance
  readonly #headers: Record<string, string>

  constructor(api: FastifyInstance, headers: Record<string, string> = {}) {
    this.#api = api
    this.#headers = headers
  }

  /** The same API as someone else. */
  as(headers: Record<string, string>): ApiClient {
    return new ApiClient(this.#api, { ...this.#headers, ...headers })
  }

  /** Any request; the body is parsed where it is JSON. Paths are whole, as `/v2/lbaas/pools`. */
  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await this.#api.inject({
      method: method as 'GET',
      url: path,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...this.#headers,
        ...headers,
      },
      payload: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    })
    const isJson = String(response.headers['content-type'] ?? '').startsWith('application/json')
    const answer: unknown = isJson && response.payload !== '' ? JSON.parse(response.payload) : response.payload
    return { status: response.statusCode, headers: response.headers, body: answer }
  }

  /** Throws ApiError for any other status. */
  async expect<T = Record<string, unknown>>(status: number, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.request(method, path, body)
    if (answer.status !== status) throw new ApiError(answer.status, answer.body)
    return answer.body as T
  }

  createLoadBalancer = (body: Body) => this.#create('/v2/lbaas/loadbalancers', body)
  createListener = (loadBalancer: Shown, body: Body) => this.#create('/v2/lbaas/listeners', { loadbalancer_id: loadBalancer.id, ...body })
  createPool = (loadBalancer: Shown | null, body: Body) =>
    this.#create('/v2/lbaas/pools', { ...(loadBalancer === null ? {} : { loadbalancer_id: loadBalancer.id }), ...body })
  createMember = (pool: Shown, body: Body) => this.#create(`/v2/lbaas/pools/${pool.id}/members`, body)
  createHealthMonitor = (pool: Shown, body: Body) => this.#create('/v2/lbaas/healthmonitors', { pool_id: pool.id, ...body })
  createL7Policy = (listener: Shown, body: Body) => this.#create('/v2/lbaas/l7policies', { listener_id: listener.id, ...body })
  createL7Rule = (l7policy: Shown, body: Body) => this.#create(`/v2/lbaas/l7policies/${l7policy.id}/rules`, body)
  createFlavorProfile = (body: Body) => this.#create('/v2/lbaas/flavorprofiles', { name: 'profile', provider_name: 'amphora', ...body })
  createFlavor = (profile: Shown, body: Body) => this.#create('/v2/lbaas/flavors', { flavor_profile_id: profile.id, ...body })
  createAvailabilityZoneProfile = (body: Body) =>
    this.#create('/v2/lbaas/availabilityzoneprofiles', { name: 'profile', provider_name: 'amphora', ...body })
  createAvailabilityZone = (profile: Shown, body: Body) =>
    this.#create('/v2/lbaas/availabilityzones', { availability_zone_profile_id: profile.id, ...body })
  updateMembers = (pool: Shown, members: Body[], query = '') =>
    this.expect(202, 'PUT', `/v2/lbaas/pools/${pool.id}/members${query}`, { members })

  /** `path` of one object, as `/v2/lbaas/pools/<id>`. */
  async show(path: string): Promise<Shown> {
    return (await this.expect<Record<string, Shown>>(200, 'GET', path))[keyOf(path, 2)]!
  }

  async list(path: string): Promise<Shown[]> {
    const [plural] = path.split('?')
    return (await this.expect<Record<string, Shown[]>>(200, 'GET', path))[plural!.split('/').at(-1)!]!
  }

  async update(path: string, body: Body): Promise<Shown> {
    const key = keyOf(path, 2)
    return (await this.expect<Record<string, Shown>>(200, 'PUT', path, { [key]: body }))[key]!
  }

  async delete(path: string): Promise<void> {
    await this.expect(204, 'DELETE', path)
  }

  /** Resolves with the object once the flow on it has ended in that status. */
  async waitFor(path: string, provisioning_status = 'ACTIVE'): Promise<Shown> {
    return eventually(async () => {
      const shown = await this.show(path)
      assert.equal(shown.provisioning_status, provisioning_status, JSON.stringify(shown.fault))
      return shown
    })
  }

  async waitUntilGone(path: string): Promise<void> {
    await eventually(async () => (await this.request('GET', path)).status === 404)
  }

  async #create(path: string, body: Body): Promise<Shown> {
    const key = keyOf(path, 1)
    return (await this.expect<Record<string, Shown>>(201, 'POST', path, { [key]: body }))[key]!
  }
}

/** The key of bodies; `fromEnd` counts from the path's last segment to the collection's name. */
function keyOf(path: string, fromEnd: number): string {
  const collection = path.split('?', 1)[0]!.split('/').at(-fromEnd)!
  return kinds[collection as keyof typeof kinds] ?? collection
}
