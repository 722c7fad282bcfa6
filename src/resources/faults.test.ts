/** Ours: objects in ERROR say why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiClient, Shown } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { GENERAL_MESSAGE } from '../flow/define.ts'

const rule = { type: 'PATH', compare_type: 'STARTS_WITH', value: '/' }
const monitor = { type: 'TCP', delay: 5, timeout: 3, max_retries: 3 }
const driverText = 'the agent at 192.0.2.7 on host-7 said no'

/** Each kind of child: how one is made, where it then is, and a change of it. */
const children: Record<
  string,
  (api: ApiClient, parents: Record<'loadBalancer' | 'listener' | 'pool' | 'policy', Shown>) => Promise<string>
> = {
  listener: async (api, { loadBalancer }) =>
    `listeners/${(await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 81 })).id}`,
  pool: async (api, { loadBalancer }) =>
    `pools/${(await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })).id}`,
  member: async (api, { pool }) =>
    `pools/${pool.id}/members/${(await api.createMember(pool, { address: '10.0.0.9', protocol_port: 80 })).id}`,
  healthmonitor: async (api, { pool }) => `healthmonitors/${(await api.createHealthMonitor(pool, monitor)).id}`,
  l7policy: async (api, { listener }) => `l7policies/${(await api.createL7Policy(listener, { action: 'REJECT' })).id}`,
  l7rule: async (api, { policy }) => `l7policies/${policy.id}/rules/${(await api.createL7Rule(policy, rule)).id}`,
}

for (const [kind, make] of Object.entries(children)) {
  test(`a ${kind} in ERROR says why until it is ACTIVE again; what drivers said is for admins`, async () => {
    const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
    const owner = cloud.apiAs('project-1', 'member', 'reader')
    const admin = cloud.apiAs('admins', 'admin')
    const { id } = await owner.createLoadBalancer(
      cloud.aBody({
        listeners: [
          {
            protocol: 'HTTP',
            protocol_port: 80,
            default_pool: { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' },
            l7policies: [{ action: 'REJECT' }],
          },
        ],
      }),
    )
    const loadBalancerPath = `/v2/lbaas/loadbalancers/${id}`
    const loadBalancer = await owner.waitFor(loadBalancerPath)
    const only = async (list: string) => (await owner.list(`/v2/lbaas/${list}`))[0]!
    const parents = { loadBalancer, listener: await only('listeners'), pool: await only('pools'), policy: await only('l7policies') }

    cloud.amphora.failNext('applyHaproxy', new Error(driverText))
    const path = `/v2/lbaas/${await make(owner, parents)}`
    const failed = await owner.waitFor(path, 'ERROR')
    assert.deepEqual(Object.keys(failed.fault as object), ['message', 'created_at'])
    assert.equal((failed.fault as { message: string }).message, GENERAL_MESSAGE)
    assert.match(((await admin.show(path)).fault as { details: string }).details, new RegExp(driverText))

    // Lists show the same of it, and of the others nothing; what a client did not ask for he does not get.
    const list = path.slice(0, path.lastIndexOf('/'))
    const withFault = (await owner.list(list)).filter((shown) => 'fault' in shown)
    assert.deepEqual(withFault, [failed])
    assert.ok((await owner.list(`${list}?fields=id`)).every((shown) => Object.keys(shown).join() === 'id'))
    assert.doesNotMatch(
      JSON.stringify([await owner.list(list), await owner.expect(200, 'GET', `${loadBalancerPath}/status`)]),
      /host-7|192\.0\.2\.7/,
    )
    for (const parent of [loadBalancerPath, `/v2/lbaas/listeners/${parents.listener.id}`, `/v2/lbaas/pools/${parents.pool.id}`]) {
      const shown = await owner.waitFor(parent)
      assert.equal(shown.fault, undefined)
    }

    assert.equal((await owner.update(path, { admin_state_up: true })).fault, undefined)
    assert.equal((await owner.waitFor(path)).fault, undefined)
    assert.ok((await owner.list(list)).every((shown) => !('fault' in shown)))
  })
}

test('a load balancer in ERROR says why, and so do the children that were made with it', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  cloud.compute.failNext('ensureServer', new Error(driverText))
  const { id } = await owner.createLoadBalancer(cloud.aBody({ listeners: [{ protocol: 'HTTP', protocol_port: 80 }] }))
  const loadBalancer = await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`, 'ERROR')
  const [listener] = await owner.list('/v2/lbaas/listeners')
  for (const shown of [loadBalancer, listener!]) {
    assert.deepEqual(Object.keys(shown.fault as object), ['message', 'created_at'])
    assert.doesNotMatch(JSON.stringify(shown), /host-7|192\.0\.2\.7/)
  }
  const admin = cloud.apiAs('admins', 'admin')
  assert.match(((await admin.show(`/v2/lbaas/loadbalancers/${id}`)).fault as { details: string }).details, new RegExp(driverText))
  // A failover makes it anew.
  await admin.expect(202, 'PUT', `/v2/lbaas/loadbalancers/${id}/failover`)
  assert.equal((await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`)).fault, undefined)
  assert.equal((await owner.list('/v2/lbaas/listeners'))[0]!.fault, undefined)
})

test('an amphora that missed a change says so to admins until it is reached again', async () => {
  const config = { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' as const } }
  const { cloud, api } = await aCloud({ config }).empty()
  const { id } = await cloud.aLoadBalancer()
  const [one] = await api.list('/v2/octavia/amphorae')
  const first = async () => (await api.list('/v2/octavia/amphorae')).find((amphora) => amphora.id === one!.id)!
  cloud.amphora.disconnect(one!.id)
  const loadBalancer = await api.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const listener = await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
  await api.waitFor(`/v2/lbaas/listeners/${listener.id}`)
  const missed = await first()
  assert.equal(missed.status, 'ERROR')
  assert.equal((missed.fault as { message: string }).message, 'The agent of the amphora could not be reached.')
  assert.deepEqual((await api.list('/v2/octavia/amphorae')).map((shown) => 'fault' in shown).sort(), [false, true])
  cloud.amphora.reconnect(one!.id)
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { name: 'x' })
  await api.waitFor(`/v2/lbaas/listeners/${listener.id}`)
  const reached = await first()
  assert.deepEqual([reached.status, reached.fault], ['ALLOCATED', undefined])
})
