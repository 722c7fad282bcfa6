/** Neutron's REST API v2.0 as the driver asks it: paths, what this Neutron offers, and its faults as drivers' errors. */
import { NotFoundError, RefusedError, ServiceError } from '../errors.ts'
import type { Query, ServiceClient } from '../openstack/session.ts'

/** Identifiers in one question: a URL of more than 8 KiB is refused on the way to many a Neutron. */
const MAX_IDS_IN_QUERY = 100

/** Extensions of Neutron that change what may be asked, or how. */
export type Extension =
  | 'allowed-address-pairs'
  | 'dns-integration'
  | 'network-ip-availability'
  | 'port-security'
  | 'project-id'
  | 'qos'
  | 'security-group'

export type ProjectKey = 'project_id' | 'tenant_id'

/** Faults are ServiceErrors here; `translated` makes them the caller's. */
export class NeutronApi {
  readonly #client: ServiceClient
  readonly #whose: () => Promise<string>
  #extensions: Promise<ReadonlySet<string>> | undefined

  /** `serviceProject` answers the project that owns what amphorae need. */
  constructor(client: ServiceClient, serviceProject: () => Promise<string>) {
    this.#client = client
    this.#whose = serviceProject
  }

  serviceProject(): Promise<string> {
    return this.#whose()
  }

  /** `token`: as the user whose it is. Throws NotFoundError also where he may not see it: `what` in the words of upstream's faults. */
  async get<T>(path: string, key: string, { what, id, token }: { what: string; id: string; token?: string }): Promise<T> {
    try {
      const { body } = await this.#client.request<Record<string, T>>('GET', `/v2.0/${path}/${encodeURIComponent(id)}`, { token })
      const found = body?.[key]
      if (found === undefined) throw new ServiceError('Neutron', `GET ${path}`, { status: 200, words: `an answer without ${key}` })
      return found
    } catch (error) {
      const hidden = token === undefined ? [404] : [401, 403, 404]
      if (error instanceof ServiceError && hidden.includes(error.status)) throw new NotFoundError(what, id)
      throw error
    }
  }

  list<T>(path: string, query: Query): Promise<T[]> {
    return this.#client.list<T>(`/v2.0/${path}`, path.replaceAll('-', '_'), { query })
  }

  /** Those that have one of many values in a field, however many they are. */
  async listByMany<T>(path: string, field: string, values: readonly string[], query: Query = {}): Promise<T[]> {
    const found: T[] = []
    for (let i = 0; i < values.length; i += MAX_IDS_IN_QUERY) {
      found.push(...(await this.list<T>(path, { ...query, [field]: values.slice(i, i + MAX_IDS_IN_QUERY) })))
    }
    return found
  }

  /** May arrive twice: callers have a way to tell one thing of two. */
  async create<T>(path: string, body: Record<string, unknown>): Promise<T> {
    const answer = await this.#client.request<Record<string, T>>('POST', `/v2.0/${path}`, { body, repeatable: true })
    return answer.body[Object.keys(body)[0]!]!
  }

  async update(path: string, id: string, body: Record<string, unknown>): Promise<void> {
    await this.#client.request('PUT', `/v2.0/${path}/${encodeURIComponent(id)}`, { body })
  }

  /** Content when it is gone. */
  async delete(path: string, id: string): Promise<void> {
    await this.#client.request('DELETE', `/v2.0/${path}/${encodeURIComponent(id)}`, { accept: [404] })
  }

  /** Asked once; what a Neutron offers changes with its own restart, and ours follows. */
  async has(extension: Extension): Promise<boolean> {
    this.#extensions ??= this.list<{ alias: string }>('extensions', {})
      .then((found) => new Set(found.map(({ alias }) => alias)))
      .catch((error: unknown) => {
        this.#extensions = undefined
        throw error
      })
    return (await this.#extensions).has(extension)
  }

  /** What the owner of a thing is called: Neutrons of before 2016 know the older word alone. */
  async projectKey(): Promise<ProjectKey> {
    return (await this.has('project-id')) ? 'project_id' : 'tenant_id'
  }
}

/** Neutron's exceptions for what is not there, and OpenStack's words for it. */
const missing: Readonly<Record<string, string>> = {
  NetworkNotFound: 'Network',
  SubnetNotFound: 'Subnet',
  PortNotFound: 'Port',
  SecurityGroupNotFound: 'Security Group',
  QosPolicyNotFound: 'QoS Policy',
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/** What callers of drivers expect instead of Neutron's faults: 4xx are the user's to mend, in Neutron's words. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    const { status, type, words } = error
    const what = missing[type ?? '']
    const id = UUID.exec(words)?.[0]
    if (status === 404 && what !== undefined && id !== undefined) throw new NotFoundError(what, id)
    if (status === 400 || status === 404 || status === 409) throw new RefusedError(words, status)
    throw error
  }
}

export function isFault(error: unknown, ...types: string[]): error is ServiceError {
  return error instanceof ServiceError && types.includes(error.type ?? '')
}

const MADE_BY = 'ottavia:'

/** What a thing's description says of who made it. */
export function descriptionOf(made_by: string): string {
  return `${MADE_BY}${made_by}`
}

/** Null for what was not made through this driver. */
export function makerIn(description: string | null | undefined): string | null {
  return description?.startsWith(MADE_BY) ? description.slice(MADE_BY.length) : null
}

/** The first that was made comes first; of one second, by id. Names are not unique in Neutron, and all callers have to take the same. */
export function oldestFirst<T extends { id: string; created_at?: string }>(found: readonly T[]): T[] {
  return found.toSorted((a, b) => orderOf(a).localeCompare(orderOf(b)))
}

function orderOf({ created_at = '', id }: { id: string; created_at?: string }): string {
  return `${created_at} ${id}`
}
