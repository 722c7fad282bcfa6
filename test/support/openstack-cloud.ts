/** The real OpenStack of `openstack.ts` as tests use it: its administrator, users with the `openstack` command, and a look at all that is there. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { ClientSession } from './client-session.ts'
import { type Answer, call } from './embedded-services.ts'
import { KeystoneAdmin } from './keystone-admin.ts'

/** Where `openstack/up` has them. */
export const services = {
  identity: 'http://127.0.0.1:5000/v3',
  compute: 'http://127.0.0.1:8774/v2.1',
  network: 'http://127.0.0.1:9696/v2.0',
  image: 'http://127.0.0.1:9292/v2',
  'key-manager': 'http://127.0.0.1:9311/v1',
} as const
export type ServiceType = keyof typeof services

const PASSWORD = 'secret'
/** Until servers and load balancers are ACTIVE (`--wait`), on a busy machine. */
const COMMAND_TIMEOUT_MS = 240_000
const IN_DEFAULT_DOMAIN = { domain: { id: 'default' } }
/** Server groups say who owns them, interfaces have tags. */
const NOVA = { 'OpenStack-API-Version': 'compute 2.79' }

/** Someone with a password, a project and a token for it. */
export interface CloudUser {
  name: string
  id: string
  password: string
  project: { id: string; name: string }
  token: string
  /** Debian's client, kept running, as this user. */
  openstack: ClientSession
}

/** What a service has, by kind and id. */
export type Snapshot = Record<string, Record<string, unknown>>

export class RealCloud {
  readonly keystone = new KeystoneAdmin(services.identity, PASSWORD)
  /** Of the project `admin`. */
  readonly admin: CloudUser
  /** As whom a controller asks the services. */
  readonly octavia: CloudUser
  readonly #users: CloudUser[] = []

  private constructor(admin: CloudUser, octavia: CloudUser) {
    this.admin = admin
    this.octavia = octavia
    this.#users.push(admin, octavia)
  }

  /** `isAlone`: the controller asks as a user of a project of its own instead of as `octavia` in `service`, where others may make things at the same time. */
  static async open({ isAlone = false } = {}): Promise<RealCloud> {
    const keystone = new KeystoneAdmin(services.identity, PASSWORD)
    const octavia = isAlone ? await someone(keystone, ['admin']) : await known(keystone, 'octavia', 'service')
    return new RealCloud(await known(keystone, 'admin', 'admin'), octavia)
  }

  /** A new user with these roles in a new project. */
  async aUser(roles: string[]): Promise<CloudUser> {
    const made = await someone(this.keystone, roles)
    this.#users.push(made)
    return made
  }

  /** One request; the answer has to be a good one. Default: as the administrator. */
  async ask<T = Record<string, unknown>>(
    service: ServiceType,
    method: string,
    path: string,
    { body, as = this.admin }: { body?: unknown; as?: CloudUser } = {},
  ): Promise<T> {
    const answer = await this.try(service, method, path, { body, as })
    assert.ok(answer.status < 300, `${service}: ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as T
  }

  try(
    service: ServiceType,
    method: string,
    path: string,
    { body, as = this.admin }: { body?: unknown; as?: CloudUser } = {},
  ): Promise<Answer> {
    return call(method, services[service] + path, as.token, body, service === 'compute' ? NOVA : {})
  }

  async list<T extends { id: string }>(service: ServiceType, path: string, key: string, as?: CloudUser): Promise<T[]> {
    return (await this.ask<Record<string, T[]>>(service, 'GET', path, { as }))[key]!
  }

  /**
   * All that is in Nova, Neutron and Glance, and in Barbican what this user has, without what changes by being looked at. Two that are deeply equal
   * mean that nothing came, went or was changed between them. `isAlone`: only what is in his and the controller's project.
   */
  async snapshot(owner: CloudUser, { isAlone = false } = {}): Promise<Snapshot> {
    const [servers, groups, flavors, networks, subnets, ports, securityGroups, rules, policies, images, secrets, containers] =
      await Promise.all([
        this.list('compute', '/servers/detail?all_tenants=1', 'servers'),
        this.list('compute', '/os-server-groups?all_projects=1', 'server_groups'),
        this.list('compute', '/flavors?is_public=None', 'flavors'),
        this.list('network', '/networks', 'networks'),
        this.list('network', '/subnets', 'subnets'),
        this.list('network', '/ports', 'ports'),
        this.list('network', '/security-groups', 'security_groups'),
        this.list('network', '/security-group-rules', 'security_group_rules'),
        this.list('network', '/qos/policies', 'policies'),
        this.list('image', '/images?limit=1000', 'images'),
        this.#secretsOf(owner, 'secrets'),
        this.#secretsOf(owner, 'containers'),
      ])
    const kinds = { servers, 'server groups': groups, flavors, networks, subnets, ports, 'security groups': securityGroups }
    const more = { 'security group rules': rules, 'QoS policies': policies, images }
    const projects = [owner, this.octavia].map(({ project }) => project.id)
    const isMeant = (item: object) => !isAlone || projects.includes(projectOf(item) ?? '')
    const owned = Object.entries({ ...kinds, ...more }).map(([kind, found]) => [kind, byId(found.filter(isMeant))])
    return { ...Object.fromEntries(owned), secrets: byId(secrets), containers: byId(containers) }
  }

  /** With who may read them besides, and who has said that he uses them. */
  async #secretsOf(owner: CloudUser, kind: 'secrets' | 'containers'): Promise<{ id: string }[]> {
    const path = `/${kind}?limit=1000`
    const found = await this.ask<Record<string, { secret_ref?: string; container_ref?: string }[]>>('key-manager', 'GET', path, {
      as: owner,
    })
    return Promise.all(
      found[kind]!.map(async (item) => {
        const id = (item.secret_ref ?? item.container_ref)!.split('/').at(-1)!
        const { acl } = { acl: await this.ask('key-manager', 'GET', `/${kind}/${id}/acl`, { as: owner }) }
        const { consumers } = await this.ask<{ consumers: unknown[] }>('key-manager', 'GET', `/${kind}/${id}/consumers`, { as: owner })
        return { ...item, id, acl, consumers }
      }),
    )
  }

  close(): void {
    for (const { openstack } of this.#users) openstack.close()
  }
}

/** Times and revisions tell that a thing was touched, not what it is. */
const BESIDE_THE_POINT = ['updated', 'updated_at', 'revision_number', 'links']

function byId(found: readonly { id: string }[]): Record<string, unknown> {
  const kept = found.map(
    (item) => [item.id, Object.fromEntries(Object.entries(item).filter(([name]) => !BESIDE_THE_POINT.includes(name)))] as const,
  )
  return Object.fromEntries([...kept].sort(([a], [b]) => a.localeCompare(b)))
}

/** Null for what nobody owns. */
function projectOf(item: { project_id?: string; tenant_id?: string; owner?: string }): string | null {
  return item.project_id ?? item.tenant_id ?? item.owner ?? null
}

async function someone(keystone: KeystoneAdmin, roles: string[]): Promise<CloudUser> {
  const project = await keystone.createProject()
  const { user, token } = await keystone.person({ project }, roles)
  return { ...user, project, token, openstack: aClient(user, project.name) }
}

async function known(keystone: KeystoneAdmin, name: string, projectName: string): Promise<CloudUser> {
  const user = { name, password: PASSWORD }
  const scope = { project: { name: projectName, ...IN_DEFAULT_DOMAIN } }
  const { status, body, headers } = await call('POST', `${keystone.v3}/auth/tokens`, undefined, {
    auth: { identity: { methods: ['password'], password: { user: { ...user, ...IN_DEFAULT_DOMAIN } } }, scope },
  })
  assert.equal(status, 201, JSON.stringify(body))
  const { token } = body as { token: { user: { id: string }; project: { id: string; name: string } } }
  return {
    name,
    id: token.user.id,
    password: PASSWORD,
    project: token.project,
    token: headers.get('x-subject-token')!,
    openstack: aClient(user, projectName),
  }
}

function aClient(user: { name: string; password: string }, projectName: string): ClientSession {
  const credentials = {
    OS_AUTH_URL: services.identity,
    OS_USERNAME: user.name,
    OS_PASSWORD: user.password,
    OS_PROJECT_NAME: projectName,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default',
    OS_REGION_NAME: 'RegionOne',
    OS_IDENTITY_API_VERSION: '3',
  }
  return new ClientSession('openstack', credentials, COMMAND_TIMEOUT_MS)
}

/** Unlike any other of this cloud, which others may use at the same time. */
export const uniqueName = (what: string): string => `${what}-${randomUUID().slice(0, 8)}`
