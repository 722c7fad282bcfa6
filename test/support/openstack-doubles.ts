/**
 * A controller in this process whose OpenStack services are doubles, each behind a proxy that lets single requests fail. Nobody waits: pauses are over at
 * once. For what a real OpenStack is too slow for: every failure of every request.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { createApi } from '../../src/api/server.ts'
import type { Context } from '../../src/context.ts'
import type { Db } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { BarbicanCertificates } from '../../src/drivers/certificates/barbican.ts'
import { NovaCompute } from '../../src/drivers/compute/nova.ts'
import { GlanceImages } from '../../src/drivers/image/glance.ts'
import { NeutronNetwork } from '../../src/drivers/network/neutron.ts'
import { type OpenStackSession, openStackSession } from '../../src/drivers/openstack/session.ts'
import { execute } from '../../src/flow/execute.ts'
import { Journal } from '../../src/flow/journal.ts'
import { revertFailedFlows } from '../../src/housekeeping/revert-failed-flows.ts'
import { settleUnfinishedAmphorae } from '../../src/housekeeping/settle-unfinished-amphorae.ts'
import { tellSecretUses } from '../../src/housekeeping/tell-secret-uses.ts'
import { undoVipReservations } from '../../src/housekeeping/undo-vip-reservations.ts'
import { during } from '../../src/lib/activity.ts'
import { allFlows } from '../../src/resources/all-flows.ts'
import { ApiClient } from './api-client.ts'
import { aConfig } from './builders.ts'
import { aCertificate } from './certificates.ts'
import { aCloud, type Cloud } from './cloud.ts'
import { FakeBarbican } from './fake-barbican.ts'
import { FakeGlance } from './fake-glance.ts'
import { FakeKeystone } from './fake-keystone.ts'
import { FakeNeutron } from './fake-neutron.ts'
import { FakeNova } from './fake-nova.ts'
import type { Stage } from './openstack-operations.ts'
import { type LoadBalancer, type Proxied, proxied, type Told } from './openstack-stage.ts'
import { ServiceProxy } from './service-proxy.ts'

const LEASE_MS = 60_000
/** Beyond all pauses of housekeeping's. */
const LATER_SECONDS = 7_200
const MOST_LOOKS = 10

const certificate = aCertificate()

/** Its servers run at once. */
class HurriedNova extends NovaCompute {
  override readonly firstLookMs = 0
}

export class OpenStackDoubles implements Stage {
  readonly proxies: Record<Proxied, ServiceProxy>
  readonly subnets: { front: string; back: string; other: string }
  readonly qos_policy_id = randomUUID() as string
  readonly secret_ref: string
  readonly db: Db
  readonly #cloud: Cloud
  readonly #neutron: FakeNeutron
  readonly #nova: FakeNova
  readonly #barbican: FakeBarbican
  readonly #close: () => Promise<void>
  readonly #journal: Journal
  readonly #tenant: Record<string, string>
  readonly #administrator: Record<string, string>
  #session!: OpenStackSession
  #context!: Context
  #api!: ApiClient
  #closeApi = async () => {}

  static async open(topology: 'SINGLE' | 'ACTIVE_STANDBY'): Promise<OpenStackDoubles> {
    const keystone = new FakeKeystone(Date.now)
    keystone.ownProject = 'service-project'
    const neutron = new FakeNeutron()
    const nova = new FakeNova()
    // As Nova does: a port says whose it is, and is nobody's when its server is gone.
    nova.ports = {
      bind: (port_id, server_id) => change(neutron, port_id, { device_id: server_id, device_owner: 'compute:nova', status: 'ACTIVE' }),
      release: (port_id) => change(neutron, port_id, { device_id: '', device_owner: '', status: 'DOWN' }),
    }
    const glance = new FakeGlance()
    const barbican = new FakeBarbican(await certificate)
    const services: Record<Proxied, { start(): Promise<string>; stop(): Promise<void> }> = {
      ...{ identity: keystone, compute: nova, network: neutron },
      ...{ image: glance, 'key-manager': barbican },
    }
    const proxies = {} as Record<Proxied, ServiceProxy>
    for (const name of proxied) proxies[name] = await ServiceProxy.start(await services[name].start())
    const { cloud, stop } = await aCloud({ worker: false, config: { controller_worker: { loadbalancer_topology: topology } } }).empty()
    const close = async () => {
      await stop()
      for (const each of [...Object.values(proxies), ...Object.values(services)]) await each.stop()
    }
    const world = new OpenStackDoubles({ cloud, neutron, nova, barbican, proxies, close })
    await world.restart()
    return world
  }

  private constructor(
    parts: Pick<OpenStackDoubles, 'proxies' | 'close'> & { cloud: Cloud; neutron: FakeNeutron; nova: FakeNova; barbican: FakeBarbican },
  ) {
    this.#cloud = parts.cloud
    this.db = parts.cloud.db
    this.#neutron = parts.neutron
    this.#nova = parts.nova
    this.#barbican = parts.barbican
    this.secret_ref = parts.barbican.reference
    this.#close = parts.close
    this.proxies = parts.proxies
    this.#tenant = parts.cloud.identity.issue('project-1', ['member'])
    this.#administrator = parts.cloud.identity.issue('project-1', ['admin'])
    this.#journal = new Journal({ db: parts.cloud.db, clock: parts.cloud.clock, leaseMs: LEASE_MS })
    const subnet = (number: number) => {
      const { id: network_id } = parts.neutron.add('networks', { name: 'private', subnets: [], mtu: 1450, project_id: 'project-1' })
      const cidr = `10.0.${number}.0/24`
      return parts.neutron.add('subnets', { network_id, ip_version: 4, cidr, gateway_ip: `10.0.${number}.1`, host_routes: [] }).id
    }
    this.subnets = { front: subnet(0), back: subnet(1), other: subnet(2) }
  }

  /** Another controller on the same database: it has no token and knows nothing of the services. */
  async restart(): Promise<void> {
    await this.#stopController()
    const { identity, compute, network, image, 'key-manager': secrets } = this.proxies
    const service_auth = { auth_url: identity.url, username: 'octavia', password: 'secret', project_name: 'service' }
    const { loadbalancer_topology } = this.#cloud.config.controller_worker
    const config = aConfig({
      api_settings: { auth_strategy: 'keystone' },
      service_auth,
      nova: { endpoint_override: `${compute.url}/v2.1`, enable_anti_affinity: true },
      neutron: { endpoint_override: network.url },
      glance: { endpoint_override: image.url },
      certificates: { endpoint_override: secrets.url },
      controller_worker: { loadbalancer_topology, amp_flavor_id: 'flavor' },
      compute: { max_retries: 4 },
      networking: { max_retries: 4 },
    })
    let sleptMs = 0
    const clock = { now: () => this.#cloud.clock.now(), monotonic: () => performance.now() + sleptMs }
    const sleep = async (ms: number) => {
      sleptMs += ms
      await turn()
    }
    this.#session = openStackSession({ config, clock, log: this.#cloud.context.log, sleep })
    const drivers = {
      compute: new HurriedNova({ config, session: this.#session, clock, sleep }),
      network: new NeutronNetwork(this.#session, config),
      image: new GlanceImages({ config, session: this.#session, log: this.#cloud.context.log }),
      certificates: new BarbicanCertificates(this.#session, config),
      amphora: new NoopAmphora(),
    }
    this.#context = { ...this.#cloud.context, config, ...drivers }
    const server = createApi({ ...this.#cloud.context, ...this.#context })
    this.#api = new ApiClient(server)
    this.#closeApi = () => server.close()
  }

  async close(): Promise<void> {
    await this.#stopController()
    this.#journal.close()
    await this.#close()
  }

  /** One request to the API, and all that comes of it. */
  readonly ask = (method: string, path: string, body?: unknown): Promise<Told> => this.#ask(this.#tenant, method, path, body)
  readonly askAsAdministrator = (method: string, path: string, body?: unknown): Promise<Told> =>
    this.#ask(this.#administrator, method, path, body)

  readonly settled = async (id: string): Promise<LoadBalancer | null> => {
    const { status, body } = await this.ask('GET', `/lbaas/loadbalancers/${id}`)
    return status === 404 ? null : (body.loadbalancer as LoadBalancer)
  }

  /** What is tried again, or undone, after a while: until there is nothing more of that. */
  async housekeeping(): Promise<void> {
    for (let looks = 0, done = 1; done > 0 && looks < MOST_LOOKS; looks++) {
      this.#cloud.clock.passSeconds(LATER_SECONDS)
      done = 0
      for (const job of [revertFailedFlows, undoVipReservations, settleUnfinishedAmphorae, tellSecretUses]) {
        for (const count of Object.values(await job.run(this.#context))) done += count
        await this.#runAll()
      }
    }
  }

  /** All that the services have beside the tenant's networks and secrets. */
  left(): Record<string, string[]> {
    const { ports, 'security-groups': groups, 'security-group-rules': rules } = this.#neutron.rows
    return {
      ports: ports.map(({ name }) => String(name)).sort(),
      'security groups': groups.map(({ name }) => String(name)),
      'security group rules': rules.map(({ security_group_id }) => String(security_group_id)),
      servers: this.#nova.servers.map(({ name }) => name).sort(),
      'server groups': this.#nova.groups.map(({ name }) => name),
      consumers: [...this.#barbican.consumers],
    }
  }

  /** Two machines with the address of one. */
  doubledAddresses(): string[] {
    const plugged = [...this.#nova.interfaces].flatMap(([, interfaces]) => interfaces.map(({ port_id }) => port_id))
    return plugged.filter((port_id, n) => plugged.indexOf(port_id) !== n)
  }

  async #ask(whose: Record<string, string>, method: string, path: string, body: unknown): Promise<Told> {
    const { status, body: told } = await this.#api.as(whose).request(method, `/v2${path}`, body)
    await this.#runAll()
    return { status, body: told as Record<string, unknown> }
  }

  async #stopController(): Promise<void> {
    await this.#closeApi()
    this.#session?.close()
  }

  async #runAll(): Promise<void> {
    const flows = new Map(allFlows.map((flow) => [flow.name, flow]))
    for (;;) {
      const claims = await this.#journal.claim([{ names: [...flows.keys()], room: 1 }])
      if (claims.length === 0) return
      for (const claim of claims) {
        const context = { ...this.#context, db: this.#journal.guardedDb(this.#cloud.db, claim) }
        const options = { context, journal: this.#journal, signal: new AbortController().signal, sleep: () => turn() }
        await during({ flow_id: claim.flow_id }, () => execute(flows.get(claim.name)!, claim, options))
      }
    }
  }
}

function change({ rows }: FakeNeutron, port_id: string, changes: Record<string, unknown>): boolean {
  const port = rows.ports.find(({ id }) => id === port_id)
  if (port !== undefined) Object.assign(port, changes)
  return port !== undefined
}
