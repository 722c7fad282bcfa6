/**
 * Cluster API's OpenStack provider: the load balancer before a cluster's API servers, reconciled object by object, each found by its name
 * (cluster-api-provider-openstack, `pkg/cloud/services/loadbalancer/loadbalancer.go`).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aCloud } from '../support/cloud.ts'
import { type GoLoadBalancer, Gophercloud } from '../support/gophercloud.ts'

const base = '/v2.0/lbaas'
const NAME = 'k8s-clusterapi-cluster-default-one-kubeapi'
const PAUSE_MS = 2
const ACTIVE_TIMEOUT_MS = 10_000
const TAGS = ['cluster-one']

interface Cluster {
  ports: number[]
  allowedCidrs: string[]
}

class Reconciler {
  readonly lb: Gophercloud
  readonly subnetId: string
  constructor(lb: Gophercloud, subnetId: string) {
    this.lb = lb
    this.subnetId = subnetId
  }

  async reconcile({ ports, allowedCidrs }: Cluster): Promise<GoLoadBalancer> {
    const loadBalancer = await this.#loadBalancer()
    if (loadBalancer.provisioning_status !== 'ACTIVE') await this.#active(loadBalancer.id)
    const current = (await this.lb.list('versions', '/')).at(-1)!.id
    assert.ok(Number(current.replace('v2.', '')) >= 12, 'allowed_cidrs are there since v2.12')
    const wanted = [...new Set(allowedCidrs)].toSorted()
    for (const port of ports) {
      const name = `${NAME}-${port}`
      const listener =
        (await this.#found('listeners', `${base}/listeners?name=${name}`)) ??
        (await this.#made(loadBalancer.id, 'listener', `${base}/listeners`, {
          ...{ name, protocol: 'TCP', protocol_port: port, loadbalancer_id: loadBalancer.id, tags: TAGS },
          ...(wanted.length > 0 ? { allowed_cidrs: wanted } : {}),
        }))
      const pool =
        (await this.#found('pools', `${base}/pools?name=${name}`)) ??
        (await this.#made(loadBalancer.id, 'pool', `${base}/pools`, {
          ...{ name, protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN', listener_id: listener.id, tags: TAGS },
        }))
      const monitor = { name, pool_id: pool.id, type: 'TCP', delay: 10, max_retries: 5, max_retries_down: 3, timeout: 5 }
      if ((await this.#found('healthmonitors', `${base}/healthmonitors?name=${name}`)) === undefined) {
        await this.#made(loadBalancer.id, 'healthmonitor', `${base}/healthmonitors`, monitor)
      }
      if (JSON.stringify(listener.allowed_cidrs.toSorted()) !== JSON.stringify(wanted)) {
        await this.lb.update('listener', `${base}/listeners/${listener.id}`, { allowed_cidrs: wanted })
        await this.#active(loadBalancer.id)
      }
    }
    return this.#active(loadBalancer.id)
  }

  /** A control plane machine that has an address now, or has another one. */
  async reconcileMember(ports: number[], machine: string, address: string): Promise<void> {
    const loadBalancer = await this.#loadBalancer()
    for (const port of ports) {
      const pool = await this.#found('pools', `${base}/pools?name=${NAME}-${port}`)
      const name = `${NAME}-${port}-${machine}`
      const member = await this.#found('members', `${base}/pools/${pool!.id}/members?name=${name}`)
      if (member?.address === address) continue
      if (member !== undefined) {
        await this.#active(loadBalancer.id)
        await this.lb.delete(`${base}/pools/${pool!.id}/members/${member.id}`)
        await this.#active(loadBalancer.id)
      }
      await this.#made(loadBalancer.id, 'member', `${base}/pools/${pool!.id}/members`, { name, address, protocol_port: port, tags: TAGS })
    }
  }

  /** Asked for again and again until there is none. */
  async delete(): Promise<'gone' | 'going'> {
    const loadBalancer = await this.#found('loadbalancers', `${base}/loadbalancers?name=${NAME}`)
    if (loadBalancer === undefined) return 'gone'
    if (loadBalancer.provisioning_status !== 'PENDING_DELETE') await this.lb.delete(`${base}/loadbalancers/${loadBalancer.id}?cascade=true`)
    return 'going'
  }

  async #loadBalancer(): Promise<GoLoadBalancer> {
    const found = await this.#found('loadbalancers', `${base}/loadbalancers?name=${NAME}`)
    if (found !== undefined) return found
    const providers = await this.lb.list('providers', `${base}/providers`)
    const provider = providers.find(({ name }) => name === 'amphora')!.name
    const body = {
      name: NAME,
      description: 'Created by cluster-api-provider-openstack cluster one',
      vip_subnet_id: this.subnetId,
      provider,
    }
    return this.lb.create('loadbalancer', `${base}/loadbalancers`, { ...body, tags: TAGS })
  }

  async #found<K extends 'loadbalancers' | 'listeners' | 'pools' | 'members' | 'healthmonitors'>(key: K, path: string) {
    const found = await this.lb.list(key, path)
    assert.ok(found.length <= 1, `${path} is ambiguous`)
    return found[0]
  }

  async #made<K extends 'listener' | 'pool' | 'healthmonitor' | 'member'>(loadBalancerId: string, key: K, path: string, body: object) {
    await this.#active(loadBalancerId)
    const made = await this.lb.create(key, path, body)
    await this.#active(loadBalancerId)
    return made
  }

  async #active(id: string): Promise<GoLoadBalancer> {
    for (const deadline = performance.now() + ACTIVE_TIMEOUT_MS; performance.now() < deadline; await sleep(PAUSE_MS)) {
      const loadBalancer = await this.lb.get('loadbalancer', `${base}/loadbalancers/${id}`)
      if (loadBalancer.provisioning_status === 'ACTIVE') return loadBalancer
    }
    return assert.fail(`load balancer ${id} is not active after timeout`)
  }
}

async function aManagementCluster() {
  const { cloud } = await aCloud().empty()
  const lb = new Gophercloud(cloud.api)
  const reconciler = new Reconciler(lb, cloud.vipSubnet.id)
  const writesOf = async (round: () => Promise<unknown>): Promise<string[]> => {
    const before = lb.sent.length
    await round()
    return lb.sent.slice(before).flatMap(({ method, path }) => (method === 'GET' ? [] : [`${method} ${path.split('?')[0]!.split('/')[3]}`]))
  }
  return { cloud, lb, reconciler, writesOf }
}

const one: Cluster = { ports: [6443, 9345], allowedCidrs: ['192.0.2.9/32', '10.0.0.0/24'] }

test("a cluster's load balancer is made piece by piece, and a second round changes nothing", async () => {
  const { reconciler, writesOf } = await aManagementCluster()
  const ofPort = ['POST listeners', 'POST pools', 'POST healthmonitors']
  assert.deepEqual(await writesOf(() => reconciler.reconcile(one)), ['POST loadbalancers', ...ofPort, ...ofPort])
  assert.deepEqual(await writesOf(() => reconciler.reconcile(one)), [])
})

test('allowed CIDRs are compared sorted, and changed on each listener', async () => {
  const { reconciler, writesOf } = await aManagementCluster()
  await reconciler.reconcile(one)
  assert.deepEqual(await writesOf(() => reconciler.reconcile({ ...one, allowedCidrs: one.allowedCidrs.toReversed() })), [])
  assert.deepEqual(await writesOf(() => reconciler.reconcile({ ...one, allowedCidrs: ['10.0.0.0/24'] })), [
    'PUT listeners',
    'PUT listeners',
  ])
  assert.deepEqual(await writesOf(() => reconciler.reconcile({ ...one, allowedCidrs: [] })), ['PUT listeners', 'PUT listeners'])
  assert.deepEqual(await writesOf(() => reconciler.reconcile({ ...one, allowedCidrs: [] })), [])
})

test('machines of the control plane are members by their names, made anew when their address changes', async () => {
  const { lb, reconciler, writesOf } = await aManagementCluster()
  await reconciler.reconcile(one)
  assert.deepEqual(await writesOf(() => reconciler.reconcileMember(one.ports, 'm0', '10.0.0.20')), ['POST pools', 'POST pools'])
  assert.deepEqual(await writesOf(() => reconciler.reconcileMember(one.ports, 'm0', '10.0.0.20')), [])
  assert.deepEqual(await writesOf(() => reconciler.reconcileMember([6443], 'm0', '10.0.0.21')), ['DELETE pools', 'POST pools'])
  const [pool] = await lb.list('pools', `${base}/pools?name=${NAME}-6443`)
  const members = await lb.list('members', `${base}/pools/${pool!.id}/members`)
  assert.deepEqual(
    members.map(({ name, address }) => [name, address]),
    [[`${NAME}-6443-m0`, '10.0.0.21']],
  )
})

test('the end is one cascading delete, and asking until nothing is found', async () => {
  const { reconciler, writesOf } = await aManagementCluster()
  await reconciler.reconcile(one)
  const deletes = await writesOf(async () => {
    const deadline = performance.now() + ACTIVE_TIMEOUT_MS
    while ((await reconciler.delete()) === 'going') {
      assert.ok(performance.now() < deadline)
      await sleep(PAUSE_MS)
    }
  })
  assert.deepEqual(deletes, ['DELETE loadbalancers'])
})
