/**
 * Terraform's OpenStack provider (`openstack_lb_*_v2`): its requests in their order, with its waiting, its retries and its reading of the
 * answers, as `terraform apply`, `plan`, `import` and `destroy` send them (terraform-provider-openstack, `openstack/*lb_*_v2.go`).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aCloud } from '../support/cloud.ts'
import { type GoListener, type GoLoadBalancer, type GoPool, Gophercloud, UnexpectedResponseCode } from '../support/gophercloud.ts'

const base = '/v2.0/lbaas'
const PENDING = ['PENDING_CREATE', 'PENDING_UPDATE']
const PENDING_DELETE = ['ERROR', 'PENDING_UPDATE', 'PENDING_DELETE', 'ACTIVE']
/** The provider's own pauses are a second. */
const PAUSE_MS = 2
const WAIT_TIMEOUT_MS = 10_000

type Child = 'listener' | 'pool' | 'member' | 'healthmonitor' | 'l7policy' | 'rule'

class Provider {
  readonly lb: Gophercloud
  constructor(lb: Gophercloud) {
    this.lb = lb
  }

  async createLoadBalancer(body: object): Promise<GoLoadBalancer> {
    const { id } = await this.lb.create('loadbalancer', `${base}/loadbalancers`, body)
    await this.waitForLoadBalancer(id)
    return this.lb.get('loadbalancer', `${base}/loadbalancers/${id}`)
  }

  async createListener(loadbalancer_id: string, body: object): Promise<GoListener> {
    await this.waitForLoadBalancer(loadbalancer_id)
    const made = await this.retrying(() => this.lb.create('listener', `${base}/listeners`, { loadbalancer_id, ...body }))
    await this.waitFor(made.loadbalancers[0]!.id, 'listener', `${base}/listeners/${made.id}`)
    return this.lb.get('listener', `${base}/listeners/${made.id}`)
  }

  /** Below a listener, or a load balancer. */
  async createPool(parent: { listener_id: string } | { loadbalancer_id: string }, body: object): Promise<GoPool> {
    if ('listener_id' in parent) await this.waitForListener(parent.listener_id)
    else await this.waitForLoadBalancer(parent.loadbalancer_id)
    const made = await this.retrying(() => this.lb.create('pool', `${base}/pools`, { ...parent, ...body }))
    await this.waitFor(this.loadBalancerOf(made), 'pool', `${base}/pools/${made.id}`)
    return this.lb.get('pool', `${base}/pools/${made.id}`)
  }

  async createInPool<K extends 'member' | 'healthmonitor'>(key: K, pool_id: string, body: object) {
    const pool = await this.lb.get('pool', `${base}/pools/${pool_id}`)
    await this.waitForPool(pool)
    const collection = key === 'member' ? `${base}/pools/${pool_id}/members` : `${base}/healthmonitors`
    const made = await this.retrying(() => this.lb.create(key, collection, key === 'member' ? body : { pool_id, ...body }))
    await this.waitFor(this.loadBalancerOf(pool), key, `${collection}/${made.id}`)
    return this.lb.get(key, `${collection}/${made.id}`)
  }

  async createPolicy(listener_id: string, body: { redirect_pool_id?: string }) {
    if (body.redirect_pool_id !== undefined) await this.waitForPool(await this.lb.get('pool', `${base}/pools/${body.redirect_pool_id}`))
    const loadBalancerId = await this.waitForListener(listener_id)
    const made = await this.retrying(() => this.lb.create('l7policy', `${base}/l7policies`, { listener_id, ...body }))
    await this.waitFor(loadBalancerId, 'l7policy', `${base}/l7policies/${made.id}`)
    return this.lb.get('l7policy', `${base}/l7policies/${made.id}`)
  }

  async createRule(policy_id: string, body: object) {
    const policy = await this.lb.get('l7policy', `${base}/l7policies/${policy_id}`)
    const listener = await this.lb.get('listener', `${base}/listeners/${policy.listener_id}`)
    const loadBalancerId = listener.loadbalancers[0]!.id
    await this.waitFor(loadBalancerId, 'l7policy', `${base}/l7policies/${policy_id}`)
    const rules = `${base}/l7policies/${policy_id}/rules`
    const made = await this.retrying(() => this.lb.create('rule', rules, body))
    await this.waitFor(loadBalancerId, 'rule', `${rules}/${made.id}`)
    return this.lb.get('rule', `${rules}/${made.id}`)
  }

  /** `openstack_lb_members_v2`: all of them, or with none the resource's end. */
  async setMembers(pool_id: string, members: object[]) {
    const pool = await this.lb.get('pool', `${base}/pools/${pool_id}`)
    await this.waitForPool(pool)
    await this.retrying(() => this.lb.updateMembers(pool_id, members))
    await this.waitForPool(pool)
    return this.lb.list('members', `${base}/pools/${pool_id}/members`)
  }

  async update<K extends Child>(loadBalancerId: string, key: K, path: string, changes: object) {
    await this.lb.get(key, path)
    await this.waitFor(loadBalancerId, key, path)
    await this.retrying(() => this.lb.update(key, path, changes))
    await this.waitFor(loadBalancerId, key, path)
    return this.lb.get(key, path)
  }

  async destroy(loadBalancerId: string, key: Child, path: string): Promise<void> {
    await this.lb.get(key, path)
    await this.retrying(() => this.lb.delete(path))
    await this.waitFor(loadBalancerId, key, path, 'DELETED', PENDING_DELETE)
  }

  async destroyLoadBalancer(id: string): Promise<void> {
    await this.retrying(() => this.lb.delete(`${base}/loadbalancers/${id}`))
    await this.waitForLoadBalancer(id, 'DELETED', PENDING_DELETE)
  }

  async waitForLoadBalancer(id: string, target = 'ACTIVE', pending = PENDING): Promise<void> {
    await this.#until(target, pending, async () => (await this.lb.get('loadbalancer', `${base}/loadbalancers/${id}`)).provisioning_status)
  }

  async waitForListener(id: string): Promise<string> {
    const { loadbalancers } = await this.lb.get('listener', `${base}/listeners/${id}`)
    await this.waitFor(loadbalancers[0]!.id, 'listener', `${base}/listeners/${id}`)
    return loadbalancers[0]!.id
  }

  async waitForPool(pool: GoPool): Promise<void> {
    await this.waitFor(this.loadBalancerOf(pool), 'pool', `${base}/pools/${pool.id}`)
  }

  /** The object's status counts once its load balancer rests. */
  async waitFor(loadBalancerId: string, key: Child, path: string, target = 'ACTIVE', pending = PENDING): Promise<void> {
    await this.#until(target, pending, async () => {
      const { provisioning_status } = await this.lb.get('loadbalancer', `${base}/loadbalancers/${loadBalancerId}`)
      if (!['ERROR', 'ACTIVE'].includes(provisioning_status)) return provisioning_status
      const object = await this.lb.get(key, path)
      assert.notEqual(object.provisioning_status, '', 'without it the provider would look for it in the tree of statuses')
      return object.provisioning_status
    })
  }

  async #until(target: string, pending: string[], status: () => Promise<string>): Promise<void> {
    for (const deadline = performance.now() + WAIT_TIMEOUT_MS; performance.now() < deadline; await sleep(PAUSE_MS)) {
      try {
        const current = await status()
        if (current === target) return
        assert.ok(pending.includes(current), `unexpected state ${current}, wanted target ${target}`)
      } catch (error) {
        if (error instanceof UnexpectedResponseCode && error.status === 404 && target === 'DELETED') return
        throw error
      }
    }
    assert.fail(`still not ${target}`)
  }

  async retrying<T>(send: () => Promise<T>): Promise<T> {
    for (const deadline = performance.now() + WAIT_TIMEOUT_MS; ; await sleep(PAUSE_MS)) {
      try {
        return await send()
      } catch (error) {
        const again = error instanceof UnexpectedResponseCode && [409, 500, 502, 503, 504].includes(error.status)
        if (!again || performance.now() > deadline) throw error
        assert.equal(error.status, 409, 'what will not get better by itself is no server error')
      }
    }
  }

  loadBalancerOf(pool: GoPool): string {
    assert.ok(pool.loadbalancers.length > 0)
    return pool.loadbalancers[0]!.id
  }
}

async function anEmptyPlan() {
  const { cloud, api } = await aCloud().empty()
  const terraform = new Provider(new Gophercloud(api))
  const vip = { vip_subnet_id: cloud.vipSubnet.id, admin_state_up: true }
  return { cloud, api, terraform, vip }
}

test('apply makes every kind of resource, and the next plan finds nothing to change', async () => {
  const { cloud, terraform, vip } = await anEmptyPlan()
  const loadBalancer = await terraform.createLoadBalancer({ name: 'lb', description: 'first', tags: ['a', 'b'], ...vip })
  assert.deepEqual(
    [loadBalancer.name, loadBalancer.description, loadBalancer.vip_subnet_id, loadBalancer.admin_state_up, loadBalancer.tags],
    ['lb', 'first', cloud.vipSubnet.id, true, ['a', 'b']],
  )
  // What was not configured is read as empty, or as what the service chose.
  assert.deepEqual([loadBalancer.flavor_id, loadBalancer.availability_zone, loadBalancer.vip_qos_policy_id], ['', '', ''])
  assert.deepEqual([loadBalancer.provider, loadBalancer.vip_network_id], ['amphora', cloud.vipNetwork.id])
  assert.ok(loadBalancer.vip_port_id !== '', 'security groups are set on it')

  const listener = await terraform.createListener(loadBalancer.id, {
    ...{ protocol: 'HTTP', protocol_port: 80, name: 'listener', connection_limit: 1000, admin_state_up: true },
    ...{ insert_headers: { 'X-Forwarded-For': 'true' }, allowed_cidrs: ['10.0.0.0/24', '192.0.2.0/24'] },
  })
  assert.deepEqual(
    [listener.connection_limit, listener.insert_headers, listener.allowed_cidrs],
    [1000, { 'X-Forwarded-For': 'true' }, ['10.0.0.0/24', '192.0.2.0/24']],
  )
  assert.deepEqual(
    [listener.timeout_client_data, listener.timeout_member_connect, listener.timeout_member_data, listener.timeout_tcp_inspect],
    [50_000, 5_000, 50_000, 0],
  )
  assert.deepEqual(
    [listener.client_authentication, listener.sni_container_refs, listener.alpn_protocols, listener.hsts_max_age, listener.tls_ciphers],
    ['NONE', [], [], 0, ''],
  )

  const pool = await terraform.createPool(
    { listener_id: listener.id },
    {
      name: 'pool',
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      session_persistence: { type: 'APP_COOKIE', cookie_name: 'session' },
      admin_state_up: true,
    },
  )
  assert.deepEqual([pool.session_persistence, pool.listeners], [{ type: 'APP_COOKIE', cookie_name: 'session' }, [{ id: listener.id }]])
  const spare = await terraform.createPool(
    { loadbalancer_id: loadBalancer.id },
    { name: 'spare', protocol: 'HTTP', lb_algorithm: 'SOURCE_IP' },
  )

  const member = await terraform.createInPool('member', pool.id, { name: 'm1', address: '10.0.0.9', protocol_port: 8080, weight: 0 })
  assert.deepEqual([member.weight, member.subnet_id, member.monitor_port, member.monitor_address, member.backup], [0, '', 0, '', false])
  const monitor = await terraform.createInPool('healthmonitor', pool.id, {
    ...{ name: 'up', type: 'HTTP', delay: 20, timeout: 10, max_retries: 5, url_path: '/up', http_method: 'GET', expected_codes: '200-202' },
    ...{ http_version: 1.1, domain_name: 'example.org', admin_state_up: true },
  })
  assert.deepEqual(
    [monitor.max_retries_down, monitor.http_version, monitor.domain_name, monitor.pools],
    [3, 1.1, 'example.org', [{ id: pool.id }]],
  )

  const policy = await terraform.createPolicy(listener.id, {
    name: 'policy',
    action: 'REDIRECT_TO_POOL',
    redirect_pool_id: spare.id,
    position: 1,
  } as object)
  assert.deepEqual(
    [policy.action, policy.redirect_url, policy.redirect_prefix, policy.redirect_http_code, policy.position],
    ['REDIRECT_TO_POOL', '', '', 0, 1],
  )
  const rule = await terraform.createRule(policy.id, { type: 'PATH', compare_type: 'EQUAL_TO', value: '/api', admin_state_up: true })
  assert.deepEqual([rule.key, rule.invert, rule.value], ['', false, '/api'])

  // `plan` reads each one again: but for the times it is what `apply` ended with.
  const again = await terraform.lb.get('listener', `${base}/listeners/${listener.id}`)
  assert.deepEqual(again, { ...listener, default_pool_id: pool.id, l7policies: again.l7policies, operating_status: again.operating_status })
  assert.deepEqual(await terraform.lb.get('rule', `${base}/l7policies/${policy.id}/rules/${rule.id}`), rule)

  // `import` finds the parents by the child.
  assert.equal(again.loadbalancers[0]!.id, loadBalancer.id)
  assert.equal((await terraform.lb.get('pool', `${base}/pools/${pool.id}`)).listeners[0]!.id, listener.id)
  assert.equal((await terraform.lb.get('l7policy', `${base}/l7policies/${policy.id}`)).listener_id, listener.id)

  // `destroy`, in the order of what depends on what.
  const all = loadBalancer.id
  await terraform.destroy(all, 'rule', `${base}/l7policies/${policy.id}/rules/${rule.id}`)
  await terraform.destroy(all, 'l7policy', `${base}/l7policies/${policy.id}`)
  await terraform.destroy(all, 'healthmonitor', `${base}/healthmonitors/${monitor.id}`)
  await terraform.destroy(all, 'member', `${base}/pools/${pool.id}/members/${member.id}`)
  await terraform.destroy(all, 'pool', `${base}/pools/${pool.id}`)
  await terraform.destroy(all, 'pool', `${base}/pools/${spare.id}`)
  await terraform.destroy(all, 'listener', `${base}/listeners/${listener.id}`)
  await terraform.destroyLoadBalancer(loadBalancer.id)
  assert.deepEqual(await terraform.lb.list('loadbalancers', `${base}/loadbalancers`), [])
})

test('resources that Terraform makes side by side meet 409, and get there by its retries', async () => {
  const { terraform, vip } = await anEmptyPlan()
  const loadBalancer = await terraform.createLoadBalancer({ name: 'lb', ...vip })
  const ports = [80, 81, 82, 83, 84, 85, 86, 87, 88, 89]
  const listeners = await Promise.all(
    ports.map((port) => terraform.createListener(loadBalancer.id, { protocol: 'TCP', protocol_port: port })),
  )
  await Promise.all(listeners.map(({ id }) => terraform.createPool({ listener_id: id }, { protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' })))
  const made = await terraform.lb.list('listeners', `${base}/listeners?loadbalancer_id=${loadBalancer.id}&limit=3`)
  assert.deepEqual(made.map(({ protocol_port }) => protocol_port).sort(), ports)
  assert.ok(made.every(({ default_pool_id }) => default_pool_id !== ''))
  await Promise.all(made.map(({ id }) => terraform.destroy(loadBalancer.id, 'listener', `${base}/listeners/${id}`)))
  assert.deepEqual(await terraform.lb.list('listeners', `${base}/listeners`), [])
})

test('a changed plan sends what changed, and null for what is no longer there', async () => {
  const { terraform, vip } = await anEmptyPlan()
  const { id } = await terraform.createLoadBalancer({ name: 'lb', ...vip })
  const listener = await terraform.createListener(id, { protocol: 'HTTP', protocol_port: 80, allowed_cidrs: ['10.0.0.0/24'], tags: ['a'] })
  const pool = await terraform.createPool(
    { listener_id: listener.id },
    {
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      session_persistence: { type: 'SOURCE_IP' },
      tls_enabled: true,
      tls_versions: ['TLSv1.3'],
    },
  )

  const loadBalancer = `${base}/loadbalancers/${id}`
  await terraform.retrying(() => terraform.lb.update('loadbalancer', loadBalancer, { description: '', admin_state_up: false, tags: [] }))
  await terraform.waitForLoadBalancer(id)
  assert.deepEqual((await terraform.lb.get('loadbalancer', loadBalancer)).admin_state_up, false)

  const changed = await terraform.update(id, 'listener', `${base}/listeners/${listener.id}`, {
    ...{
      default_pool_id: null,
      connection_limit: 5,
      allowed_cidrs: [],
      insert_headers: {},
      tags: [],
      alpn_protocols: null,
      tls_versions: null,
    },
  })
  assert.deepEqual([changed.default_pool_id, changed.connection_limit, changed.allowed_cidrs, changed.tags], ['', 5, [], []])
  const detached = await terraform.update(id, 'pool', `${base}/pools/${pool.id}`, {
    session_persistence: null,
    tls_versions: null,
    alpn_protocols: null,
  })
  assert.deepEqual([detached.session_persistence, detached.listeners], [{ type: '', cookie_name: '' }, []])

  const member = await terraform.createInPool('member', pool.id, { address: '10.0.0.9', protocol_port: 80, monitor_port: 81, backup: true })
  const path = `${base}/pools/${pool.id}/members/${member.id}`
  const moved = await terraform.update(id, 'member', path, { weight: 3, backup: false })
  assert.deepEqual([moved.weight, moved.backup, moved.monitor_port], [3, false, 81])

  const policy = await terraform.createPolicy(listener.id, { action: 'REDIRECT_TO_POOL', redirect_pool_id: pool.id } as object)
  const elsewhere = await terraform.update(id, 'l7policy', `${base}/l7policies/${policy.id}`, {
    ...{ action: 'REDIRECT_TO_URL', redirect_pool_id: null, redirect_url: 'http://example.org/', redirect_http_code: 301 },
  })
  assert.deepEqual([elsewhere.redirect_pool_id, elsewhere.redirect_url, elsewhere.redirect_http_code], ['', 'http://example.org/', 301])
  const rule = await terraform.createRule(policy.id, { type: 'HEADER', compare_type: 'EQUAL_TO', key: 'X-Team', value: 'a' })
  const inverted = await terraform.update(id, 'rule', `${base}/l7policies/${policy.id}/rules/${rule.id}`, { invert: true, value: 'b' })
  assert.deepEqual([inverted.invert, inverted.value, inverted.key], [true, 'b', 'X-Team'])

  const monitor = await terraform.createInPool('healthmonitor', pool.id, {
    type: 'TCP',
    delay: 5,
    timeout: 3,
    max_retries: 2,
    max_retries_down: 8,
  })
  const slower = await terraform.update(id, 'healthmonitor', `${base}/healthmonitors/${monitor.id}`, { delay: 30, max_retries_down: 3 })
  assert.deepEqual([slower.delay, slower.max_retries_down, slower.http_version, slower.http_method], [30, 3, 0, ''])
})

test('openstack_lb_members_v2 sets all members at once, changes some, and ends with none', async () => {
  const { cloud, terraform, vip } = await anEmptyPlan()
  const loadBalancer = await terraform.createLoadBalancer({ name: 'lb', ...vip })
  const pool = await terraform.createPool({ loadbalancer_id: loadBalancer.id }, { protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' })
  const member = (address: string, more: object = {}) => ({
    ...{ address, protocol_port: 80, name: '', subnet_id: null, weight: 1, admin_state_up: true, backup: false, ...more },
  })
  const first = await terraform.setMembers(pool.id, [member('10.0.0.10'), member('10.0.0.11', { subnet_id: cloud.vipSubnet.id })])
  assert.deepEqual(first.map(({ address, subnet_id }) => [address, subnet_id]).sort(), [
    ['10.0.0.10', ''],
    ['10.0.0.11', cloud.vipSubnet.id],
  ])
  const second = await terraform.setMembers(pool.id, [member('10.0.0.10', { weight: 7 }), member('10.0.0.12')])
  assert.deepEqual(second.map(({ address, weight }) => [address, weight]).sort(), [
    ['10.0.0.10', 7],
    ['10.0.0.12', 1],
  ])
  const kept = (list: typeof first) => list.find(({ address }) => address === '10.0.0.10')!.id
  assert.equal(kept(second), kept(first))
  assert.deepEqual(await terraform.setMembers(pool.id, []), [])
})

test('what was deleted by other hands is gone from the state, not an error', async () => {
  const { api, terraform, vip } = await anEmptyPlan()
  const { id } = await terraform.createLoadBalancer({ name: 'lb', ...vip })
  const listener = await terraform.createListener(id, { protocol: 'HTTP', protocol_port: 80 })
  await api.delete(`/v2/lbaas/loadbalancers/${id}?cascade=true`)
  await api.waitUntilGone(`/v2/lbaas/loadbalancers/${id}`)
  const isGone = (error: unknown) => error instanceof UnexpectedResponseCode && error.status === 404
  await assert.rejects(terraform.lb.get('loadbalancer', `${base}/loadbalancers/${id}`), isGone)
  await assert.rejects(terraform.lb.get('listener', `${base}/listeners/${listener.id}`), isGone)
  await assert.rejects(terraform.lb.delete(`${base}/loadbalancers/${id}`), isGone)
})

test('a load balancer that could not be made is in ERROR, which ends the wait, and can be destroyed', async () => {
  const { cloud, terraform, vip } = await anEmptyPlan()
  cloud.compute.failNext('ensureServer')
  await assert.rejects(terraform.createLoadBalancer({ name: 'lb', ...vip }), /unexpected state ERROR/)
  const [failed] = await terraform.lb.list('loadbalancers', `${base}/loadbalancers?name=lb`)
  await terraform.destroyLoadBalancer(failed!.id)
})

test('openstack_lb_quota_v2 sets quotas at the address without /lbaas, in the spelling without underscores', async () => {
  const { terraform } = await anEmptyPlan()
  const path = '/v2.0/quotas/project-1'
  const made = await terraform.lb.update('quota', path, {
    loadbalancer: 5,
    listener: 10,
    member: -1,
    pool: 8,
    healthmonitor: 2,
    l7policy: 3,
    l7rule: 4,
  })
  assert.deepEqual(made, { loadbalancer: 5, listener: 10, member: -1, pool: 8, healthmonitor: 2, l7policy: 3, l7rule: 4 })
  assert.deepEqual(await terraform.lb.get('quota', path), made)
  assert.equal((await terraform.lb.update('quota', path, { healthmonitor: 9 })).healthmonitor, 9)
  assert.equal((await terraform.lb.get('quota', path)).loadbalancer, 5)
  await terraform.lb.delete(path)
  assert.equal((await terraform.lb.get('quota', path)).loadbalancer, -1)
})

test('openstack_lb_flavorprofile_v2 and openstack_lb_flavor_v2, and a load balancer of that flavor', async () => {
  const { terraform, vip } = await anEmptyPlan()
  const profile = await terraform.lb.create('flavorprofile', `${base}/flavorprofiles`, {
    ...{ name: 'pair', provider_name: 'amphora', flavor_data: '{"loadbalancer_topology":"ACTIVE_STANDBY"}' },
  })
  const flavor = await terraform.lb.create('flavor', `${base}/flavors`, {
    name: 'pair',
    description: '',
    flavor_profile_id: profile.id,
    enabled: true,
  })
  // The data source finds it among all.
  const [found] = (await terraform.lb.list('flavors', `${base}/flavors`)).filter(({ name }) => name === 'pair')
  assert.deepEqual(found, flavor)
  const loadBalancer = await terraform.createLoadBalancer({ name: 'lb', flavor_id: flavor.id, ...vip })
  assert.equal(loadBalancer.flavor_id, flavor.id)
  assert.equal((await terraform.lb.list('amphorae', `/v2.0/octavia/amphorae?loadbalancer_id=${loadBalancer.id}`)).length, 2)

  assert.equal(
    (await terraform.lb.update('flavor', `${base}/flavors/${flavor.id}`, { description: 'two amphorae' })).description,
    'two amphorae',
  )
  const inUse = (error: unknown) => error instanceof UnexpectedResponseCode && error.status === 409
  await assert.rejects(terraform.lb.delete(`${base}/flavors/${flavor.id}`), inUse)
  await terraform.destroyLoadBalancer(loadBalancer.id)
  await terraform.lb.delete(`${base}/flavors/${flavor.id}`)
  await terraform.lb.delete(`${base}/flavorprofiles/${profile.id}`)
})
