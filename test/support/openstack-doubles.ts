/**
 * A controller in this process whose Keystone, Nova and Neutron are doubles, each behind a proxy that lets single requests fail. Nobody waits: pauses are over at
 * once. For what a real OpenStack is too slow for: every failure of every request.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { createApi } from '../../src/api/server.ts'
import type { Context } from '../../src/context.ts'
import type { Db } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { NovaCompute } from '../../src/drivers/compute/nova.ts'
import { NeutronNetwork } from '../../src/drivers/network/neutron.ts'
import { type OpenStackSession, openStackSession } from '../../src/drivers/openstack/session.ts'
import { execute } from '../../src/flow/execute.ts'
import { Journal } from '../../src/flow/journal.ts'
import { revertFailedFlows } from '../../src/housekeeping/revert-failed-flows.ts'
import { settleUnfinishedAmphorae } from '../../src/housekeeping/settle-unfinished-amphorae.ts'
import { undoVipReservations } from '../../src/housekeeping/undo-vip-reservations.ts'
import { during } from '../../src/lib/activity.ts'
import { allFlows } from '../../src/resources/all-flows.ts'
import { ApiClient } from './api-client.ts'
import { aConfig } from './builders.ts'
import { aCloud, type Cloud } from './cloud.ts'
import { FakeKeystone } from './fake-keystone.ts'
import { FakeNeutron } from './fake-neutron.ts'
import { FakeNova } from './fake-nova.ts'
import type { Stage } from './openstack-operations.ts'
import type { LoadBalancer, Told } from './openstack-stage.ts'
import { ServiceProxy } from './service-proxy.ts'

export const doubled = ['identity', 'compute', 'network'] as const
export type Doubled = (typeof doubled)[number]

const LEASE_MS = 60_000
/** Beyond all pauses of housekeeping's. */
const LATER_SECONDS = 7_200
const MOST_LOOKS = 10

/** Its servers run at once. */
class HurriedNova extends NovaCompute {
  override readonly firstLookMs = 0
}

export class OpenStackDoubles implements Stage {
  readonly proxies: Record<Doubled, ServiceProxy>
  readonly subnets: { front: string; back: string; other: string }
  readonly qos_policy_id = randomUUID() as string
  /** There is no Barbican. */
  readonly secret_ref = ''
  readonly db: Db
  readonly #cloud: Cloud
  readonly #neutron: FakeNeutron
  readonly #nova: FakeNova
  readonly #close: () => Promise<void>
  readonly #journal: Journal
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
    const urls = [await keystone.start(), await nova.start(), await neutron.start()]
    const proxies = await Promise.all(urls.map((url) => ServiceProxy.start(url)))
    const { cloud, stop } = await aCloud({ worker: false, config: { controller_worker: { loadbalancer_topology: topology } } }).empty()
    const close = async () => {
      await stop()
      for (const each of [...proxies, keystone, nova, neutron]) await each.stop()
    }
    const world = new OpenStackDoubles({ cloud, neutron, nova, proxies, close })
    await world.restart()
    return world
  }

  private constructor(parts: { cloud: Cloud; neutron: FakeNeutron; nova: FakeNova; proxies: ServiceProxy[]; close(): Promise<void> }) {
    this.#cloud = parts.cloud
    this.db = parts.cloud.db
    this.#neutron = parts.neutron
    this.#nova = parts.nova
    this.#close = parts.close
    this.proxies = Object.fromEntries(doubled.map((service, n) => [service, parts.proxies[n]!])) as Record<Doubled, ServiceProxy>
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
    const { identity, compute, network } = this.proxies
    const service_auth = { auth_url: identity.url, username: 'octavia', password: 'secret', project_name: 'service' }
    const { loadbalancer_topology } = this.#cloud.config.controller_worker
    const config = aConfig({
      service_auth,
      nova: { endpoint_override: `${compute.url}/v2.1`, enable_anti_affinity: true },
      neutron: { endpoint_override: network.url },
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
      amphora: new NoopAmphora(),
    }
    this.#context = { ...this.#cloud.context, config, ...drivers }
    const server = createApi({ ...this.#cloud.context, ...this.#context })
    this.#api = new ApiClient(server, { 'x-project-id': 'project-1' })
    this.#closeApi = () => server.close()
  }

  async close(): Promise<void> {
    await this.#stopController()
    this.#journal.close()
    await this.#close()
  }

  /** One request to the API, and all that comes of it. */
  readonly ask = async (method: string, path: string, body?: unknown): Promise<Told> => {
    const { status, body: told } = await this.#api.request(method, `/v2${path}`, body)
    await this.#runAll()
    return { status, body: told as Record<string, unknown> }
  }
  /** There is no authentication. */
  readonly askAsAdministrator = this.ask

  readonly settled = async (id: string): Promise<LoadBalancer | null> => {
    const { status, body } = await this.ask('GET', `/lbaas/loadbalancers/${id}`)
    return status === 404 ? null : (body.loadbalancer as LoadBalancer)
  }

  /** What is tried again, or undone, after a while: until there is nothing more of that. */
  async housekeeping(): Promise<void> {
    for (let looks = 0, done = 1; done > 0 && looks < MOST_LOOKS; looks++) {
      this.#cloud.clock.passSeconds(LATER_SECONDS)
      done = 0
      for (const job of [revertFailedFlows, undoVipReservations, settleUnfinishedAmphorae]) {
        for (const count of Object.values(await job.run(this.#context))) done += count
        await this.#runAll()
      }
    }
  }

  /** All that the services have beside the tenant's networks. */
  left(): Record<string, string[]> {
    const { ports, 'security-groups': groups, 'security-group-rules': rules } = this.#neutron.rows
    return {
      ports: ports.map(({ name }) => String(name)).sort(),
      'security groups': groups.map(({ name }) => String(name)),
      'security group rules': rules.map(({ security_group_id }) => String(security_group_id)),
      servers: this.#nova.servers.map(({ name }) => name).sort(),
      'server groups': this.#nova.groups.map(({ name }) => name),
    }
  }

  /** Two machines with the address of one. */
  doubledAddresses(): string[] {
    const plugged = [...this.#nova.interfaces].flatMap(([, interfaces]) => interfaces.map(({ port_id }) => port_id))
    return plugged.filter((port_id, n) => plugged.indexOf(port_id) !== n)
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
