/**
 * OpenStack's own services as clients: Heat's stacks, Magnum's clusters, Horizon's dashboard and Aodh's alarms, each by the requests that it
 * sends and what it looks at in the answers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient, Shown } from '../support/api-client.ts'
import { aCloud } from '../support/cloud.ts'
import { eventually } from '../support/eventually.ts'

/** python-octaviaclient's base, which Heat, Magnum and Aodh use. */
const base = '/v2.0/lbaas'
const PAUSE_MS = 2
const COMPLETE_TIMEOUT_MS = 10_000

/** One OS::Octavia::* resource of a stack, as the engine drives it (heat, `octavia_base.py`): what meets 409 is sent again at the next look. */
class HeatResource {
  readonly #api: ApiClient
  readonly #key: string
  readonly #collection: string
  #id: string | undefined
  #called = false

  constructor(api: ApiClient, key: string, collection: string) {
    this.#api = api
    this.#key = key
    this.#collection = collection
  }

  get id(): string {
    return this.#id!
  }

  async create(properties: object): Promise<void> {
    await untilComplete(async () => {
      if (this.#id === undefined) {
        const { status, body } = await this.#api.request('POST', `${base}/${this.#collection}`, { [this.#key]: properties })
        if (status === 409) return false
        assert.equal(status, 201, JSON.stringify(body))
        this.#id = (body as Record<string, { id: string }>)[this.#key]!.id
      }
      return (await this.#status()) === 'ACTIVE'
    })
  }

  async update(changes: object): Promise<void> {
    this.#called = false
    await untilComplete(async () => {
      if (!this.#called) {
        const { status, body } = await this.#api.request('PUT', this.#path, { [this.#key]: changes })
        if (status === 409) return false
        assert.equal(status, 200, JSON.stringify(body))
        this.#called = true
      }
      return (await this.#status()) === 'ACTIVE'
    })
  }

  async delete(): Promise<void> {
    this.#called = false
    await untilComplete(async () => {
      if (!this.#called) {
        const { status } = await this.#api.request('DELETE', this.#path)
        if (status === 404) return true
        if (status === 409) return (await this.#status()) === 'DELETED'
        assert.equal(status, 204)
        this.#called = true
      }
      return (await this.#status()) === undefined
    })
  }

  async attributes(): Promise<Record<string, unknown>> {
    const { body } = await this.#api.request('GET', this.#path)
    return (body as Record<string, Record<string, unknown>>)[this.#key]!
  }

  get #path(): string {
    return `${base}/${this.#collection}/${this.#id}`
  }

  /** Undefined: it is not there. ERROR fails the stack. */
  async #status(): Promise<string | undefined> {
    const { status, body } = await this.#api.request('GET', this.#path)
    if (status === 404) return undefined
    const { provisioning_status } = (body as Record<string, Shown>)[this.#key]!
    assert.notEqual(provisioning_status, 'ERROR')
    return provisioning_status
  }
}

async function untilComplete(check: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + COMPLETE_TIMEOUT_MS; performance.now() < deadline; await sleep(PAUSE_MS))
    if (await check()) return
  assert.fail('the stack timed out')
}

test('Heat: a stack with all kinds of resources is created, updated and deleted, its resources side by side', async () => {
  const { cloud, api } = await aCloud().empty()
  const make = async (key: string, collection: string, properties: object) => {
    const resource = new HeatResource(api, key, collection)
    await resource.create({ admin_state_up: true, ...properties })
    return resource
  }
  const loadBalancer = await make('loadbalancer', 'loadbalancers', { name: 'stack-lb', description: '', vip_subnet_id: cloud.vipSubnet.id })
  const listener = (port: number) =>
    make('listener', 'listeners', {
      ...{ name: `stack-${port}`, protocol: 'HTTP', protocol_port: port, loadbalancer_id: loadBalancer.id, sni_container_refs: [] },
      ...{ connection_limit: -1, description: '', allowed_cidrs: ['10.0.0.0/24'] },
    })
  const [web, other] = await Promise.all([listener(80), listener(81)])
  const pool = async (parent: HeatResource, name: string) =>
    make('pool', 'pools', {
      name,
      listener_id: parent.id,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      description: '',
      session_persistence: { type: 'HTTP_COOKIE' },
    })
  const [first, second] = await Promise.all([pool(web, 'first'), pool(other, 'second')])
  const members = [1, 2, 3].map((at) =>
    make('member', `pools/${first.id}/members`, { address: `10.0.0.2${at}`, protocol_port: 80, weight: 1, tags: [], monitor_port: 8080 }),
  )
  const monitor = make('healthmonitor', 'healthmonitors', {
    ...{
      pool_id: first.id,
      type: 'HTTP',
      delay: 5,
      timeout: 3,
      max_retries: 2,
      http_method: 'GET',
      url_path: '/',
      expected_codes: '200',
      tags: [],
    },
  })
  const policy = make('l7policy', 'l7policies', {
    listener_id: web.id,
    action: 'REDIRECT_TO_POOL',
    redirect_pool_id: second.id,
    name: 'p',
    description: '',
  })
  const made = await Promise.all([...members, monitor, policy])
  const rule = await make('rule', `l7policies/${made[4]!.id}/rules`, {
    type: 'PATH',
    compare_type: 'STARTS_WITH',
    value: '/a',
    invert: false,
  })

  const { vip_address, vip_port_id, pools } = await loadBalancer.attributes()
  assert.ok(vip_address !== null && vip_port_id !== null)
  assert.equal((pools as unknown[]).length, 2)
  assert.deepEqual(
    [(await first.attributes()).healthmonitor_id, ((await first.attributes()).members as unknown[]).length],
    [made[3]!.id, 3],
  )

  await Promise.all([
    made[0]!.update({ weight: 5 }),
    made[3]!.update({ delay: 10 }),
    web.update({ connection_limit: 7 }),
    loadBalancer.update({ name: 'renamed' }),
  ])
  assert.deepEqual([(await made[0]!.attributes()).weight, (await made[3]!.attributes()).delay], [5, 10])

  await rule.delete()
  await Promise.all(made.map((resource) => resource.delete()))
  await Promise.all([first.delete(), second.delete()])
  await Promise.all([web.delete(), other.delete()])
  await loadBalancer.delete()
  // What is gone already is no failure.
  await loadBalancer.delete()
  assert.deepEqual(await api.list(`${base}/loadbalancers`), [])
})

test("Magnum: a cluster's load balancers are found by their descriptions and deleted with all below them", async () => {
  const { cloud, api } = await aCloud().empty()
  const uuid = '0c5d8a3e-3a4a-4b9d-9a35-0c8a9a3b6f11'
  const tree = {
    listeners: [{ protocol: 'TCP', protocol_port: 80, default_pool: { name: 'p', protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' } }],
  }
  await cloud.aLoadBalancer({ description: `Kubernetes external service default/web from cluster ${uuid}`, ...tree })
  await cloud.aLoadBalancer({ description: `Kubernetes ingress site in namespace default from cluster ${uuid}` })
  const kept = await cloud.aLoadBalancer({ description: 'something else' })

  const deleted = new Set<string>()
  for (const { id, description, provisioning_status, vip_port_id } of await api.list(`${base}/loadbalancers`)) {
    if (!new RegExp(`^Kubernetes .+ from cluster ${uuid}`).test(String(description))) continue
    assert.equal(provisioning_status, 'ACTIVE')
    assert.ok(vip_port_id, 'its floating IP is looked for by it')
    await api.delete(`${base}/loadbalancers/${id}?cascade=True`)
    deleted.add(id)
  }
  assert.equal(deleted.size, 2)
  await eventually(
    async () =>
      !(await api.list(`${base}/loadbalancers`)).some(
        ({ id, provisioning_status }) => provisioning_status !== 'DELETED' && deleted.has(id),
      ),
  )
  assert.deepEqual(
    (await api.list(`${base}/loadbalancers`)).map(({ id }) => id),
    [kept.id],
  )
  assert.deepEqual([await api.list(`${base}/listeners`), await api.list(`${base}/pools`)], [[], []])
})

test('Horizon: its wizard makes a tree by one request after the other, with null for what was left empty', async () => {
  const { cloud, api } = await aCloud().empty()
  /** octavia-dashboard polls from one state to the next, and goes on only when that is ACTIVE. */
  const poll = async (id: string, from: string) => {
    await eventually(async () => (await api.show(`${base}/loadbalancers/${id}`)).provisioning_status !== from)
    assert.equal((await api.show(`${base}/loadbalancers/${id}`)).provisioning_status, 'ACTIVE')
  }
  const loadBalancer = await api.createLoadBalancer({
    ...{
      project_id: 'project-1',
      vip_subnet_id: cloud.vipSubnet.id,
      name: null,
      description: null,
      vip_address: null,
      admin_state_up: true,
    },
  })
  await poll(loadBalancer.id, 'PENDING_CREATE')
  const listener = await api.createListener(loadBalancer, {
    ...{
      protocol: 'HTTP',
      protocol_port: 80,
      name: 'Listener 1',
      description: null,
      connection_limit: -1,
      default_tls_container_ref: null,
    },
    ...{ sni_container_refs: null, admin_state_up: true, insert_headers: null, allowed_cidrs: null, timeout_client_data: null },
  })
  await poll(loadBalancer.id, 'PENDING_UPDATE')
  // Both parents at once.
  const pool = await api.createPool(loadBalancer, {
    ...{
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      session_persistence: null,
      listener_id: listener.id,
      name: 'Pool 1',
      description: null,
    },
    ...{ admin_state_up: true, tls_enabled: false, tls_ciphers: null },
  })
  for (const address of ['10.0.0.30', '10.0.0.31']) {
    await poll(loadBalancer.id, 'PENDING_UPDATE')
    await api.createMember(pool, {
      ...{
        address,
        protocol_port: 80,
        subnet_id: cloud.vipSubnet.id,
        weight: 1,
        monitor_address: null,
        monitor_port: null,
        admin_state_up: null,
      },
      ...{ backup: false, name: null },
    })
  }
  await poll(loadBalancer.id, 'PENDING_UPDATE')
  await api.createHealthMonitor(pool, {
    ...{ type: 'TCP', delay: 5, timeout: 5, max_retries: 3, max_retries_down: 3, http_method: null, url_path: null, expected_codes: null },
    ...{ admin_state_up: true, name: null },
  })
  await poll(loadBalancer.id, 'PENDING_UPDATE')
  assert.equal((await api.show(`${base}/listeners/${listener.id}`)).default_pool_id, pool.id)

  // The table of load balancers, and what an administrator's table says of each.
  const [row] = await api.list(`${base}/loadbalancers?project_id=project-1`)
  assert.deepEqual([row!.name, row!.description, row!.vip_address], ['', '', loadBalancer.vip_address])
  // A delete or update that meets 409 is sent again for two minutes.
  await api.update(`${base}/listeners/${listener.id}`, {
    name: 'Listener 2',
    description: '',
    connection_limit: 10,
    default_pool_id: null,
    insert_headers: {},
  })
  await eventually(async () => (await api.request('DELETE', `${base}/listeners/${listener.id}`)).status === 204)
  await eventually(async () => (await api.request('DELETE', `${base}/loadbalancers/${loadBalancer.id}?cascade=True`)).status === 204)
  await api.waitUntilGone(`${base}/loadbalancers/${loadBalancer.id}`)
})

test("Aodh: with the role service it reads the health of any project's members, and nothing else", async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const aodh = cloud.apiAs('project-of-services', 'service')
  const { id } = await owner.createLoadBalancer(cloud.aBody())
  const loadBalancer = await owner.waitFor(`${base}/loadbalancers/${id}`)
  const pool = await owner.createPool(loadBalancer, { protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' })
  await owner.waitFor(`${base}/loadbalancers/${id}`)
  await owner.createMember(pool, { address: '10.0.0.9', protocol_port: 80 })
  await owner.waitFor(`${base}/loadbalancers/${id}`)

  const [member] = await aodh.list(`${base}/pools/${pool.id}/members`)
  // It reads the time without its zone, as UTC.
  assert.match(String(member!.created_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
  assert.deepEqual([member!.admin_state_up, member!.operating_status], [true, 'NO_MONITOR'])
  for (const path of [`/loadbalancers/${id}`, `/pools/${pool.id}`, `/pools/${pool.id}/members/${member!.id}`]) {
    assert.equal((await aodh.request('GET', base + path)).status, 403, path)
  }
  assert.equal((await aodh.request('DELETE', `${base}/pools/${pool.id}/members/${member!.id}`)).status, 403)
})
