/**
 * Kubernetes' OpenStack cloud provider: what its controller of Services of type LoadBalancer asks of the API, in its order, comparing what
 * it reads as it does (cloud-provider-openstack, `pkg/openstack/loadbalancer.go`, `pkg/util/openstack/loadbalancer.go`), and its ingress
 * controller (`pkg/ingress/controller/openstack/octavia.go`).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aCloud } from '../support/cloud.ts'
import { type GoListener, type GoLoadBalancer, type GoPool, Gophercloud, UnexpectedResponseCode } from '../support/gophercloud.ts'

const base = '/v2.0/lbaas'
const CLUSTER = 'kubernetes'
/** The controller's own first pause is a second, and it looks 23 times. */
const PAUSE_MS = 2
const ACTIVE_TIMEOUT_MS = 10_000
const DEFAULTS = { connection_limit: -1, timeout_client_data: 50_000, timeout_member_connect: 5_000, timeout_member_data: 50_000 }

interface ServicePort {
  protocol: 'TCP' | 'UDP' | 'SCTP'
  port: number
  nodePort: number
}

interface Service {
  name: string
  ports: ServicePort[]
  sessionAffinity?: 'ClientIP'
  /** Annotations. */
  allowedCidrs?: string[]
  keepClientIp?: boolean
  proxyProtocol?: 'PROXY' | 'PROXYV2'
  connectionLimit?: number
  timeoutClientData?: number
  algorithm?: string
  monitor?: { delay: number; timeout: number; max_retries: number; max_retries_down: number }
  /** externalTrafficPolicy: Local. */
  healthCheckNodePort?: number
}

type Node = { name: string; address: string }

class ServiceController {
  readonly lb: Gophercloud
  readonly subnetId: string
  #features = { tags: false, timeouts: false, allowedCidrs: false, httpMonitorsOnUdp: false }

  constructor(lb: Gophercloud, subnetId: string) {
    this.lb = lb
    this.subnetId = subnetId
  }

  /** The last version is the current one; what it has is known by its number. */
  async discover(): Promise<string> {
    const current = (await this.lb.list('versions', '/')).at(-1)!.id
    const atLeast = (minor: number) => current.startsWith('v2.') && Number(current.slice('v2.'.length)) >= minor
    this.#features = { tags: atLeast(5), timeouts: atLeast(1), allowedCidrs: atLeast(12), httpMonitorsOnUdp: atLeast(16) }
    return current
  }

  nameOf(service: Service): string {
    return `kube_service_${CLUSTER}_default_${service.name}`
  }

  async ensure(service: Service, nodes: Node[]): Promise<GoLoadBalancer> {
    await this.discover()
    const name = this.nameOf(service)
    const found = await this.lb.list('loadbalancers', `${base}/loadbalancers?name=${name}`)
    assert.ok(found.length <= 1, 'more would be an error of the controller')
    if (found.length === 0) return this.#create(service, name, nodes)

    const loadBalancer = found[0]!
    assert.equal(loadBalancer.provisioning_status, 'ACTIVE')
    let left = await this.#listeners(loadBalancer.id)
    const present = new Map(left.map((listener) => [`${listener.protocol} ${listener.protocol_port}`, listener]))
    for (const [index, port] of service.ports.entries()) {
      const listener = await this.#ensureListener(service, port, `listener_${index}_${name}`, loadBalancer.id, present)
      const pool = await this.#ensurePool(service, port, `pool_${index}_${name}`, loadBalancer.id, listener, nodes)
      await this.#ensureMonitor(service, port, `monitor_${index}_${name}`, loadBalancer.id, pool)
      left = left.filter(({ id }) => id !== listener.id)
    }
    for (const obsolete of left) await this.#deleteListener(loadBalancer.id, obsolete)
    if (!loadBalancer.tags.includes(name)) {
      await this.lb.update('loadbalancer', `${base}/loadbalancers/${loadBalancer.id}`, { tags: [...loadBalancer.tags, name] })
    }
    return this.#active(loadBalancer.id)
  }

  async delete(service: Service, { cascade }: { cascade: boolean }): Promise<void> {
    const [loadBalancer] = await this.lb.list('loadbalancers', `${base}/loadbalancers?name=${this.nameOf(service)}`)
    if (loadBalancer === undefined) return
    if (!cascade) {
      const listeners = await this.#listeners(loadBalancer.id)
      for (const listener of listeners) {
        const pool = await this.#poolOf(loadBalancer.id, listener.id)
        if (pool !== undefined && pool.healthmonitor_id !== '')
          await this.#delete(loadBalancer.id, `${base}/healthmonitors/${pool.healthmonitor_id}`)
      }
      for (const listener of listeners) await this.#deleteListener(loadBalancer.id, listener)
    }
    await this.lb.delete(`${base}/loadbalancers/${loadBalancer.id}${cascade ? '?cascade=true' : ''}`)
    await this.#gone(loadBalancer.id)
  }

  /** One request with all there is; one that ends in ERROR is deleted, and made again at the next round. */
  async #create(service: Service, name: string, nodes: Node[]): Promise<GoLoadBalancer> {
    const listeners = service.ports.map((port, index) => {
      const listener = this.#listenerBody(service, port, `listener_${index}_${name}`)
      const healthmonitor =
        service.monitor === undefined ? {} : { healthmonitor: this.#monitorBody(service, port, `monitor_${index}_${name}`) }
      const pool = this.#poolBody(service, listener.protocol, `pool_${index}_${name}`)
      return { ...listener, default_pool: { ...pool, members: this.#members(service, port, nodes), ...healthmonitor } }
    })
    const made = await this.lb.create('loadbalancer', `${base}/loadbalancers`, {
      name,
      description: `Kubernetes external service default/${service.name} from cluster ${CLUSTER}`,
      provider: 'octavia',
      tags: [name],
      vip_subnet_id: this.subnetId,
      listeners,
    })
    assert.equal(made.vip_subnet_id, this.subnetId, 'the members are put on it when none is configured')
    try {
      return await this.#active(made.id)
    } catch (error) {
      await this.lb.delete(`${base}/loadbalancers/${made.id}?cascade=true`)
      await this.#gone(made.id)
      throw error
    }
  }

  async #ensureListener(service: Service, port: ServicePort, name: string, loadBalancerId: string, present: Map<string, GoListener>) {
    const wanted = this.#listenerBody(service, port, name)
    const listener = present.get(`${wanted.protocol} ${port.port}`)
    if (listener === undefined) {
      const made = await this.lb.create('listener', `${base}/listeners`, { loadbalancer_id: loadBalancerId, ...wanted })
      await this.#active(loadBalancerId)
      return made
    }
    const changes: Record<string, unknown> = {}
    if (!listener.tags.includes(this.nameOf(service))) changes.tags = [...listener.tags, this.nameOf(service)]
    for (const name of [
      'connection_limit',
      'timeout_client_data',
      'timeout_member_connect',
      'timeout_member_data',
      'timeout_tcp_inspect',
    ] as const) {
      if (wanted[name] !== listener[name]) changes[name] = wanted[name]
    }
    const keeps = listener.insert_headers['X-Forwarded-For'] === 'true'
    if (keeps !== (service.keepClientIp === true)) {
      const { 'X-Forwarded-For': _, ...others } = listener.insert_headers
      changes.insert_headers = service.keepClientIp === true ? { ...others, 'X-Forwarded-For': 'true' } : others
    }
    if (listener.default_tls_container_ref !== '') changes.default_tls_container_ref = ''
    const cidrs = service.allowedCidrs ?? []
    if (JSON.stringify(cidrs.toSorted()) !== JSON.stringify(listener.allowed_cidrs.toSorted())) changes.allowed_cidrs = cidrs
    if (Object.keys(changes).length > 0) {
      await this.lb.update('listener', `${base}/listeners/${listener.id}`, changes)
      await this.#active(loadBalancerId)
    }
    return listener
  }

  async #ensurePool(service: Service, port: ServicePort, name: string, loadBalancerId: string, listener: GoListener, nodes: Node[]) {
    const wanted = this.#poolBody(service, listener.protocol, name)
    let pool = await this.#poolOf(loadBalancerId, listener.id)
    if (pool !== undefined && pool.protocol !== wanted.protocol) {
      await this.#delete(loadBalancerId, `${base}/pools/${pool.id}`)
      pool = undefined
    }
    if (pool !== undefined && pool.lb_algorithm !== wanted.lb_algorithm) {
      await this.lb.update('pool', `${base}/pools/${pool.id}`, { lb_algorithm: wanted.lb_algorithm })
      await this.#active(loadBalancerId)
    }
    if (pool === undefined) {
      pool = await this.lb.create('pool', `${base}/pools`, { listener_id: listener.id, ...wanted })
      await this.#active(loadBalancerId)
    }
    const keyOf = (member: { name: string; address: string; protocol_port: number; monitor_port?: number }) =>
      `${member.name}-${member.address}-${member.protocol_port}-${member.monitor_port ?? 0}`
    const members = this.#members(service, port, nodes)
    const current = (await this.lb.list('members', `${base}/pools/${pool.id}/members`)).map(keyOf).sort()
    if (JSON.stringify(current) !== JSON.stringify(members.map(keyOf).sort())) {
      await this.lb.updateMembers(pool.id, members)
      await this.#active(loadBalancerId)
    }
    return pool
  }

  async #ensureMonitor(service: Service, port: ServicePort, name: string, loadBalancerId: string, pool: GoPool): Promise<void> {
    const wanted = this.#monitorBody(service, port, name)
    const make = async () => {
      await this.lb.create('healthmonitor', `${base}/healthmonitors`, { pool_id: pool.id, ...wanted })
      await this.#active(loadBalancerId)
    }
    const path = `${base}/healthmonitors/${pool.healthmonitor_id}`
    if (pool.healthmonitor_id === '') {
      if (service.monitor !== undefined) await make()
      return
    }
    if (service.monitor === undefined) return this.#delete(loadBalancerId, path)
    const monitor = await this.lb.get('healthmonitor', path)
    if (monitor.type !== wanted.type) {
      await this.#delete(loadBalancerId, path)
      return make()
    }
    const { name: _, ...times } = { name, ...service.monitor }
    if (monitor.name !== name || Object.entries(times).some(([field, value]) => monitor[field as keyof typeof times] !== value)) {
      await this.lb.update('healthmonitor', path, { name, ...service.monitor })
      await this.#active(loadBalancerId)
    }
  }

  #listenerBody(service: Service, { protocol, port }: ServicePort, name: string) {
    const { tags, timeouts, allowedCidrs } = this.#features
    assert.ok(tags && timeouts && allowedCidrs)
    return {
      name,
      protocol: service.keepClientIp === true ? 'HTTP' : protocol,
      protocol_port: port,
      tags: [this.nameOf(service)],
      ...DEFAULTS,
      timeout_tcp_inspect: 0,
      ...(service.connectionLimit === undefined ? {} : { connection_limit: service.connectionLimit }),
      ...(service.timeoutClientData === undefined ? {} : { timeout_client_data: service.timeoutClientData }),
      ...(service.keepClientIp === true ? { insert_headers: { 'X-Forwarded-For': 'true' } } : {}),
      ...(service.allowedCidrs === undefined ? {} : { allowed_cidrs: service.allowedCidrs }),
    }
  }

  #poolBody(service: Service, listenerProtocol: string, name: string) {
    return {
      name,
      protocol: service.proxyProtocol ?? (service.keepClientIp === true ? 'HTTP' : listenerProtocol),
      lb_algorithm: service.algorithm ?? 'ROUND_ROBIN',
      ...(service.sessionAffinity === 'ClientIP' ? { session_persistence: { type: 'SOURCE_IP' } } : {}),
    }
  }

  #monitorBody(service: Service, { protocol }: ServicePort, name: string) {
    assert.ok(this.#features.httpMonitorsOnUdp)
    const http = { type: 'HTTP', url_path: '/healthz', http_method: 'GET', expected_codes: '200' }
    return {
      name,
      ...service.monitor,
      ...(service.healthCheckNodePort !== undefined ? http : { type: protocol === 'UDP' ? 'UDP-CONNECT' : protocol }),
    }
  }

  #members(service: Service, { nodePort }: ServicePort, nodes: Node[]) {
    return nodes.map(({ name, address }) => ({
      ...{ name, address, protocol_port: nodePort, subnet_id: this.subnetId },
      ...(service.healthCheckNodePort === undefined ? {} : { monitor_port: service.healthCheckNodePort }),
    }))
  }

  async #listeners(loadBalancerId: string): Promise<GoListener[]> {
    return this.lb.list('listeners', `${base}/listeners?loadbalancer_id=${loadBalancerId}`)
  }

  /** A listener has one pool; it is found in all of the load balancer's. */
  async #poolOf(loadBalancerId: string, listenerId: string): Promise<GoPool | undefined> {
    const pools = await this.lb.list('pools', `${base}/pools?loadbalancer_id=${loadBalancerId}`)
    return pools.find(({ listeners }) => listeners.some(({ id }) => id === listenerId))
  }

  async #deleteListener(loadBalancerId: string, listener: GoListener): Promise<void> {
    const pool = await this.#poolOf(loadBalancerId, listener.id)
    if (pool !== undefined) await this.#delete(loadBalancerId, `${base}/pools/${pool.id}`)
    await this.#delete(loadBalancerId, `${base}/listeners/${listener.id}`)
  }

  async #delete(loadBalancerId: string, path: string): Promise<void> {
    await this.lb.delete(path)
    await this.#active(loadBalancerId)
  }

  #active(id: string): Promise<GoLoadBalancer> {
    return waitForActive(this.lb, id)
  }

  async #gone(id: string): Promise<void> {
    for (const deadline = performance.now() + ACTIVE_TIMEOUT_MS; performance.now() < deadline; await sleep(PAUSE_MS)) {
      try {
        await this.lb.get('loadbalancer', `${base}/loadbalancers/${id}`)
      } catch (error) {
        if (error instanceof UnexpectedResponseCode && error.status === 404) return
        throw error
      }
    }
    assert.fail('loadbalancer failed to delete within the allotted time')
  }
}

async function waitForActive(lb: Gophercloud, id: string): Promise<GoLoadBalancer> {
  for (const deadline = performance.now() + ACTIVE_TIMEOUT_MS; performance.now() < deadline; await sleep(PAUSE_MS)) {
    const loadBalancer = await lb.get('loadbalancer', `${base}/loadbalancers/${id}`)
    if (loadBalancer.provisioning_status === 'ACTIVE') return loadBalancer
    if (loadBalancer.provisioning_status === 'ERROR') throw new Error(`loadbalancer ${id} has gone into ERROR state`)
  }
  return assert.fail(`timeout waiting for the loadbalancer ${id} ACTIVE`)
}

async function aCluster() {
  const { cloud } = await aCloud().empty()
  const lb = new Gophercloud(cloud.api)
  const controller = new ServiceController(lb, cloud.vipSubnet.id)
  /** What a round of the controller changed, as `PUT listeners` */
  const writesOf = async (round: () => Promise<unknown>): Promise<string[]> => {
    const before = lb.sent.length
    await round()
    return lb.sent
      .slice(before)
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => `${method} ${kindOf(path)}`)
  }
  return { cloud, lb, controller, writesOf }
}

/** `/v2.0/lbaas/pools/<id>/members` is `members`. */
function kindOf(path: string): string {
  return path
    .split('?')[0]!
    .split('/')
    .findLast((part) => !/\d/.test(part))!
}

const nodes = (count: number): Node[] => Array.from({ length: count }, (_, at) => ({ name: `node-${at}`, address: `10.0.0.${100 + at}` }))
const monitor = { delay: 5, timeout: 3, max_retries: 1, max_retries_down: 3 }
const web: Service = {
  name: 'web',
  ports: [
    { protocol: 'TCP', port: 80, nodePort: 30_080 },
    { protocol: 'TCP', port: 443, nodePort: 30_443 },
  ],
  allowedCidrs: ['10.0.0.0/8', '192.0.2.0/24'],
  monitor,
}

test('the current version is the last of the list, and says that everything may be used', async () => {
  const { controller } = await aCluster()
  assert.equal(await controller.discover(), 'v2.30')
})

test('a Service is one POST with listeners, pools, members and monitors, and when nothing changed nothing is written', async () => {
  const { controller, lb, writesOf } = await aCluster()
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(3))), ['POST loadbalancers'])
  const [loadBalancer] = await lb.list('loadbalancers', `${base}/loadbalancers?name=${controller.nameOf(web)}`)
  assert.deepEqual([loadBalancer!.tags, loadBalancer!.provider], [[controller.nameOf(web)], 'octavia'])
  assert.deepEqual([loadBalancer!.listeners.length, loadBalancer!.pools.length], [2, 2])
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(3))), [])
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(3))), [])
})

test('the cluster grows and shrinks: a batch of members for each port', async () => {
  const { controller, writesOf } = await aCluster()
  await controller.ensure(web, nodes(3))
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(20))), ['PUT members', 'PUT members'])
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(1))), ['PUT members', 'PUT members'])
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(0))), ['PUT members', 'PUT members'])
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(0))), [])
})

test('each annotation that changes is one update of a listener, and then there is peace', async () => {
  const { controller, writesOf } = await aCluster()
  const service = { ...web, ports: [web.ports[0]!] }
  await controller.ensure(service, nodes(1))
  for (const change of [{ connectionLimit: 100 }, { timeoutClientData: 1_000 }, { allowedCidrs: ['10.0.0.0/16'] }, { allowedCidrs: [] }]) {
    const changed = { ...service, ...change }
    assert.deepEqual(await writesOf(() => controller.ensure(changed, nodes(1))), ['PUT listeners'], JSON.stringify(change))
    assert.deepEqual(await writesOf(() => controller.ensure(changed, nodes(1))), [])
    await controller.ensure(service, nodes(1))
  }
  assert.deepEqual(await writesOf(() => controller.ensure({ ...service, algorithm: 'LEAST_CONNECTIONS' }, nodes(1))), ['PUT pools'])
})

test('health monitors are changed, made anew for another type, taken away and put back', async () => {
  const { controller, writesOf } = await aCluster()
  const service: Service = { ...web, ports: [web.ports[0]!, { protocol: 'UDP', port: 53, nodePort: 30_053 }] }
  await controller.ensure(service, nodes(1))
  assert.deepEqual(await writesOf(() => controller.ensure(service, nodes(1))), [])
  const slower = { ...service, monitor: { ...monitor, delay: 60 } }
  assert.deepEqual(await writesOf(() => controller.ensure(slower, nodes(1))), ['PUT healthmonitors', 'PUT healthmonitors'])
  // externalTrafficPolicy: Local. Members are checked on another port, by HTTP, below UDP too.
  const local = { ...slower, healthCheckNodePort: 32_000 }
  const replaced = ['PUT members', 'DELETE healthmonitors', 'POST healthmonitors']
  assert.deepEqual(await writesOf(() => controller.ensure(local, nodes(1))), [...replaced, ...replaced])
  assert.deepEqual(await writesOf(() => controller.ensure(local, nodes(1))), [])
  const { monitor: _, ...unchecked } = local
  assert.deepEqual(await writesOf(() => controller.ensure(unchecked, nodes(1))), ['DELETE healthmonitors', 'DELETE healthmonitors'])
  assert.deepEqual(await writesOf(() => controller.ensure(local, nodes(1))), ['POST healthmonitors', 'POST healthmonitors'])
})

test('a port that comes gets a listener and a pool, one that goes loses them', async () => {
  const { controller, writesOf } = await aCluster()
  await controller.ensure(web, nodes(2))
  const moved: Service = { ...web, ports: [web.ports[0]!, { protocol: 'SCTP', port: 3868, nodePort: 30_868 }] }
  const added = ['POST listeners', 'POST pools', 'PUT members', 'POST healthmonitors']
  assert.deepEqual(await writesOf(() => controller.ensure(moved, nodes(2))), [...added, 'DELETE pools', 'DELETE listeners'])
  assert.deepEqual(await writesOf(() => controller.ensure(moved, nodes(2))), [])
})

for (const proxyProtocol of ['PROXY', 'PROXYV2'] as const) {
  test(`${proxyProtocol}: the pool is made anew with that protocol`, async () => {
    const { controller, writesOf } = await aCluster()
    const service: Service = { name: 'proxied', ports: [web.ports[0]!] }
    await controller.ensure(service, nodes(1))
    const proxied = { ...service, proxyProtocol }
    assert.deepEqual(await writesOf(() => controller.ensure(proxied, nodes(1))), ['DELETE pools', 'POST pools', 'PUT members'])
    assert.deepEqual(await writesOf(() => controller.ensure(proxied, nodes(1))), [])
  })
}

test("the client's address is kept by a header, and a client by its address", async () => {
  const { controller, lb, writesOf } = await aCluster()
  const service: Service = { name: 'kept', ports: [web.ports[0]!], keepClientIp: true, sessionAffinity: 'ClientIP' }
  const { id } = await controller.ensure(service, nodes(1))
  const [listener] = await lb.list('listeners', `${base}/listeners?loadbalancer_id=${id}`)
  assert.deepEqual([listener!.protocol, listener!.insert_headers], ['HTTP', { 'X-Forwarded-For': 'true' }])
  const [pool] = await lb.list('pools', `${base}/pools?loadbalancer_id=${id}`)
  assert.equal(pool!.session_persistence.type, 'SOURCE_IP')
  assert.deepEqual(await writesOf(() => controller.ensure(service, nodes(1))), [])
})

test('a Service that goes is deleted in one request, or piece by piece where the provider cannot', async () => {
  const { cloud, controller, writesOf } = await aCluster()
  await controller.ensure(web, nodes(2))
  assert.deepEqual(await writesOf(() => controller.delete(web, { cascade: true })), ['DELETE loadbalancers'])
  await controller.ensure(web, nodes(2))
  assert.deepEqual(await writesOf(() => controller.delete(web, { cascade: false })), [
    ...['DELETE healthmonitors', 'DELETE healthmonitors', 'DELETE pools', 'DELETE listeners', 'DELETE pools', 'DELETE listeners'],
    'DELETE loadbalancers',
  ])
  assert.deepEqual(await cloud.api.list('/v2/lbaas/loadbalancers'), [])
  assert.deepEqual(await writesOf(() => controller.delete(web, { cascade: true })), [])
})

test('a load balancer that ends in ERROR is deleted and made again', async () => {
  const { cloud, controller, writesOf } = await aCluster()
  cloud.compute.failNext('ensureServer')
  await assert.rejects(controller.ensure(web, nodes(1)), /has gone into ERROR state/)
  assert.deepEqual(await writesOf(() => controller.ensure(web, nodes(1))), ['POST loadbalancers'])
})

test('the ingress controller: pools for services, policies and rules for hosts and paths, members in batches', async () => {
  const { cloud, lb } = await aCluster()
  const name = 'kube_ingress_kubernetes_default_site'
  assert.deepEqual(await lb.list('loadbalancers', `${base}/loadbalancers?name=${name}`), [])
  const { id } = await lb.create('loadbalancer', `${base}/loadbalancers`, { name, vip_subnet_id: cloud.vipSubnet.id, provider: 'octavia' })
  await waitForActive(lb, id)

  assert.deepEqual(await lb.list('listeners', `${base}/listeners?loadbalancer_id=${id}&name=${name}`), [])
  const listener = await lb.create('listener', `${base}/listeners`, { name, protocol: 'HTTP', protocol_port: 80, loadbalancer_id: id })
  await waitForActive(lb, id)

  const pools = new Map<string, string>()
  for (const service of ['default', 'api']) {
    assert.deepEqual(await lb.list('pools', `${base}/pools?loadbalancer_id=${id}&name=${service}`), [])
    const parent = service === 'default' ? { listener_id: listener.id } : { loadbalancer_id: id }
    const pool = await lb.create('pool', `${base}/pools`, { name: service, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', ...parent })
    await waitForActive(lb, id)
    await lb.updateMembers(
      pool.id,
      nodes(3).map(({ name, address }) => ({ name, address, protocol_port: 31_000 })),
    )
    await waitForActive(lb, id)
    pools.set(service, pool.id)
  }
  assert.equal((await lb.get('listener', `${base}/listeners/${listener.id}`)).default_pool_id, pools.get('default'))

  const policy = await lb.create('l7policy', `${base}/l7policies`, {
    ...{
      listener_id: listener.id,
      action: 'REDIRECT_TO_POOL',
      description: 'Created by kubernetes ingress',
      redirect_pool_id: pools.get('api'),
    },
  })
  await waitForActive(lb, id)
  for (const rule of [
    { type: 'HOST_NAME', compare_type: 'REGEX', value: '^example\\.org(:80)?$' },
    { type: 'PATH', compare_type: 'STARTS_WITH', value: '/api' },
  ]) {
    await lb.create('rule', `${base}/l7policies/${policy.id}/rules`, rule)
    await waitForActive(lb, id)
  }
  // The next round reads them back, and finds by the rules that the policy is there already.
  const [found] = await lb.list('l7policies', `${base}/l7policies?listener_id=${listener.id}`)
  assert.deepEqual([found!.id, found!.redirect_pool_id], [policy.id, pools.get('api')])
  const rules = await lb.list('rules', `${base}/l7policies/${policy.id}/rules`)
  assert.deepEqual(rules.map(({ type }) => type).sort(), ['HOST_NAME', 'PATH'])

  await lb.update('loadbalancer', `${base}/loadbalancers/${id}`, {
    description: 'Kubernetes Ingress site in namespace default from cluster kubernetes',
  })
  await waitForActive(lb, id)
  await lb.delete(`${base}/l7policies/${policy.id}`)
  await waitForActive(lb, id)
  await lb.delete(`${base}/pools/${pools.get('api')}`)
  await waitForActive(lb, id)
  await lb.delete(`${base}/loadbalancers/${id}?cascade=true`)
})
