/** A whole control plane in this process: the API, a worker and drivers in memory over an empty database. */
import { after } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../src/api/route.ts'
import { createApi } from '../../src/api/server.ts'
import type { Config, ConfigSource } from '../../src/config/config.ts'
import type { Db } from '../../src/db/connection.ts'
import { MemoryAmphora } from '../../src/drivers/amphora/memory.ts'
import { MemoryCertificates } from '../../src/drivers/certificates/memory.ts'
import { MemoryCompute } from '../../src/drivers/compute/memory.ts'
import { IdentityUnavailable } from '../../src/drivers/errors.ts'
import type { Identity, IdentityDriver } from '../../src/drivers/identity/driver.ts'
import { MemoryImages } from '../../src/drivers/image/memory.ts'
import type { Network, Subnet } from '../../src/drivers/network/driver.ts'
import { MemoryNetwork } from '../../src/drivers/network/memory.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { allFlows } from '../../src/resources/all-flows.ts'
import { startWorker, type Worker } from '../../src/worker/worker.ts'
import { type Answered, checkAnswers } from './answers.ts'
import { ApiClient, type Shown } from './api-client.ts'
import { aConfig } from './builders.ts'
import { aDatabase } from './databases.ts'
import { MemoryTrust } from './trust.ts'

export interface CloudOptions {
  config?: NonNullable<ConfigSource['overrides']>
  /** Default: an empty SQLite database in memory. */
  db?: Db
  /** False: flows are stored and wait. */
  worker?: boolean
  /** Default: `cloud.identity`, whose tokens the test hands out. */
  identity?: IdentityDriver
}

/** Time that moves when the test says so. */
export class TestClock implements Clock {
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  now(): number {
    return this.nowMs
  }
  monotonic(): number {
    return performance.now()
  }
  passSeconds(seconds: number): void {
    this.nowMs += seconds * 1000
  }
}

/** Tokens the test has handed out. */
export class MemoryIdentity implements IdentityDriver {
  readonly #identities = new Map<string, Identity>()

  /** Answers the headers of a user with these roles in that project. */
  issue(project_id: string | null, roles: string[]): Record<string, string> {
    const token = `token-${this.#identities.size + 1}`
    const user = { user_id: `user-of-${token}`, user_name: token }
    this.#identities.set(token, { ...user, project_id, project_name: project_id, roles, expires_at: '2100-01-01T00:00:00.000000Z' })
    return { 'x-auth-token': token }
  }

  /** From now on it cannot be asked. */
  isDown = false

  async validate(token: string): Promise<Identity | null> {
    if (this.isDown) throw new IdentityUnavailable('it is down')
    return this.#identities.get(token) ?? null
  }
}

export class Cloud {
  readonly context: ApiContext
  readonly db: Db
  readonly config: Config
  readonly clock = new TestClock()
  readonly network = new MemoryNetwork()
  readonly compute = new MemoryCompute(this.network)
  readonly image = new MemoryImages()
  readonly amphora = new MemoryAmphora()
  readonly certificates = new MemoryCertificates()
  readonly trust = new MemoryTrust({ endsAt: (validitySeconds) => this.clock.now() + validitySeconds * 1000 })
  readonly identity = new MemoryIdentity()
  readonly server: FastifyInstance
  readonly answered: Answered
  readonly api: ApiClient
  /** 10.0.0.0/24, shared by all projects. */
  readonly vipNetwork: Network
  readonly vipSubnet: Subnet

  constructor(db: Db, options: CloudOptions) {
    this.db = db
    this.config = aConfig(options.config)
    const { config, clock, network, compute, image, amphora, certificates, identity } = this
    this.context = {
      db,
      config,
      clock,
      network,
      compute,
      image,
      amphora,
      certificates,
      identity: options.identity ?? identity,
      trust: this.trust,
      log: createLog('silent'),
      metrics: createMetrics(),
    }
    this.vipNetwork = network.addNetwork({ name: 'private', shared: true })
    this.vipSubnet = network.addSubnet({ network_id: this.vipNetwork.id, cidr: '10.0.0.0/24' })
    this.server = createApi(this.context)
    this.answered = checkAnswers(this.server)
    this.api = new ApiClient(this.server, { 'x-project-id': 'project-1' })
  }

  /** The API as a user with these roles in that project; only where there is authentication. */
  apiAs(project_id: string | null, ...roles: string[]): ApiClient {
    return this.api.as(this.identity.issue(project_id, roles))
  }

  /** The smallest body of a load balancer. */
  aBody(body: Record<string, unknown> = {}): Record<string, unknown> {
    return { vip_subnet_id: this.vipSubnet.id, ...body }
  }

  /** Created and ACTIVE. */
  async aLoadBalancer(body: Record<string, unknown> = {}): Promise<Shown> {
    const { id } = await this.api.createLoadBalancer(this.aBody(body))
    return this.api.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  }
}

const open = new Set<{ stop(): Promise<void> }>()
after(async () => {
  for (const service of open) await service.stop()
})

/** `await aCloud().empty()`, `.withLoadBalancer()`, `.withListener()`, `.withPool()`: each stands on the one before. */
export function aCloud(options: CloudOptions = {}) {
  async function empty() {
    const db = options.db ?? (await aDatabase())
    const cloud = new Cloud(db, options)
    const worker: Worker | undefined = options.worker === false ? undefined : startWorker({ context: cloud.context, flows: allFlows })
    const running = {
      async stop() {
        if (!open.delete(running)) return
        await worker?.stop()
        await cloud.server.close()
        if (options.db === undefined) await db.destroy()
      },
    }
    open.add(running)
    // Stops at the end of the file by itself; a test that closes the database first stops it before.
    return { cloud, api: cloud.api, stop: running.stop }
  }
  async function withLoadBalancer(body: Record<string, unknown> = {}) {
    const made = await empty()
    return { ...made, loadBalancer: await made.cloud.aLoadBalancer(body) }
  }
  async function withListener(body: Record<string, unknown> = {}) {
    const made = await withLoadBalancer()
    const { id } = await made.api.createListener(made.loadBalancer, { protocol: 'HTTP', protocol_port: 80, ...body })
    await made.api.waitFor(`/v2/lbaas/loadbalancers/${made.loadBalancer.id}`)
    return { ...made, listener: await made.api.show(`/v2/lbaas/listeners/${id}`) }
  }
  async function withPool(body: Record<string, unknown> = {}) {
    const made = await withListener()
    const asked = { listener_id: made.listener.id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', ...body }
    const { id } = await made.api.createPool(null, asked)
    await made.api.waitFor(`/v2/lbaas/loadbalancers/${made.loadBalancer.id}`)
    return { ...made, pool: await made.api.show(`/v2/lbaas/pools/${id}`) }
  }
  return { empty, withLoadBalancer, withListener, withPool }
}
