/** Counters against what is there, after whatever users, failures and crashes do. */
import assert from 'node:assert/strict'
import { ApiClient, ApiError, type Shown } from '../../../test/support/api-client.ts'
import { aCloud, type Cloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'
import { quotaDrift } from '../../../test/support/quota-drift.ts'
import { seededRandom } from '../../../test/support/random.ts'
import { createApi } from '../../api/server.ts'
import type { Flow } from '../../flow/define.ts'
import { execute, type Probe } from '../../flow/execute.ts'
import { Interrupted, Journal } from '../../flow/journal.ts'
import { systemClock } from '../../lib/clock.ts'
import { startWorker } from '../../worker/worker.ts'
import { allFlows } from '../all-flows.ts'

const OPERATIONS = 70
const lists = ['loadbalancers', 'listeners', 'pools', 'healthmonitors', 'l7policies'] as const
const roundRobin = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }

for (const seed of [1, 2]) {
  forEachDatabase(`whatever is created and deleted, fails and crashes, what is counted is what is there (seed ${seed})`, async (open) => {
    const config = { api_settings: { auth_strategy: 'keystone' as const } }
    const { cloud, stop } = await aCloud({ db: await open(), worker: false, config }).empty()
    const random = seededRandom(seed)
    const admin = cloud.apiAs('admins', 'admin')
    const limits = { load_balancer: 3, listener: 5, pool: 6, member: 8, health_monitor: 2, l7policy: 3, l7rule: 2 }
    await admin.expect(202, 'PUT', '/v2/lbaas/quotas/project-1', { quota: limits })
    const refused = new Map<number, number>()
    for (let operation = 0; operation < OPERATIONS; operation++) {
      try {
        await anything(cloud, random)
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500) throw error
        refused.set(error.status, (refused.get(error.status) ?? 0) + 1)
      }
      await runFlows(cloud, random)
      assert.deepEqual(await quotaDrift(cloud.db), [], `after operation ${operation}`)
    }
    assert.ok(refused.has(403), 'no limit was ever met')
    // Nothing that was left behind in whatever state keeps its place for ever.
    for (const { id } of await admin.list('/v2/lbaas/loadbalancers')) await admin.delete(`/v2/lbaas/loadbalancers/${id}?cascade=true`)
    await runFlows(cloud, () => 1)
    assert.deepEqual(await admin.list('/v2/lbaas/loadbalancers'), [])
    const { in_use_member, in_use_load_balancer } = await cloud.db.selectFrom('quota').selectAll().executeTakeFirstOrThrow()
    assert.deepEqual([in_use_member, in_use_load_balancer], [0, 0])
    await stop()
  })
}

async function anything(cloud: Cloud, random: () => number): Promise<unknown> {
  const api = cloud.apiAs('project-1', 'member', 'reader')
  const number = (below: number) => Math.floor(random() * below)
  const oneOf = <T>(items: readonly T[]): T => {
    const item = items[number(items.length)]
    if (item === undefined) throw new ApiError(404, { faultstring: 'there is none' })
    return item
  }
  const some = async (path: string): Promise<Shown> => oneOf(await api.list(`/v2/lbaas/${path}`))
  const member = () => ({ address: `10.0.0.${1 + number(12)}`, protocol_port: 80 })
  const monitor = { type: 'TCP', delay: 5, timeout: 3, max_retries: 3 }
  const rule = { type: 'PATH', compare_type: 'EQUAL_TO', value: '/' }
  switch (number(14)) {
    case 0:
      return api.createLoadBalancer(cloud.aBody())
    case 1:
    case 2:
      return api.createLoadBalancer(
        cloud.aBody({
          listeners: Array.from({ length: number(3) }, (_, i) => ({
            protocol: 'HTTP',
            protocol_port: 80 + i,
            l7policies: Array.from({ length: number(3) }, () => ({ action: 'REJECT', rules: number(2) === 0 ? [] : [rule] })),
          })),
          pools: Array.from({ length: number(3) }, (_, i) => ({
            ...roundRobin,
            name: `p${i}`,
            members: Array.from({ length: number(4) }, member),
            ...(number(2) === 0 ? {} : { healthmonitor: monitor }),
          })),
        }),
      )
    case 3:
      return api.createListener(await some('loadbalancers'), { protocol: 'HTTP', protocol_port: 80 + number(6) })
    case 4:
      return api.createPool(await some('loadbalancers'), roundRobin)
    case 5:
      return api.createMember(await some('pools'), member())
    case 6:
    case 7:
      return api.updateMembers(
        await some('pools'),
        Array.from({ length: number(5) }, (_, i) => ({ address: `10.0.1.${i + number(3)}`, protocol_port: 80 + i })),
        number(2) === 0 ? '' : '?additive_only=true',
      )
    case 8:
      return api.createHealthMonitor(await some('pools'), monitor)
    case 9:
      return api.createL7Policy(await some('listeners'), { action: 'REJECT' })
    case 10:
      return api.createL7Rule(await some('l7policies'), rule)
    case 11: {
      const pool = await some('pools')
      return api.delete(`/v2/lbaas/pools/${pool.id}/members/${(await some(`pools/${pool.id}/members`)).id}`)
    }
    case 12: {
      const list = oneOf(lists)
      const { id } = await some(list)
      return api.delete(`/v2/lbaas/${list}/${id}${list === 'loadbalancers' ? '?cascade=true' : ''}`)
    }
    default: {
      const policy = await some('l7policies')
      return api.delete(`/v2/lbaas/l7policies/${policy.id}/rules/${(await some(`l7policies/${policy.id}/rules`)).id}`)
    }
  }
}

/** To their ends. Now and then a worker dies in the middle, or a step fails. */
async function runFlows({ db, context }: Cloud, random: () => number): Promise<void> {
  const flows = new Map<string, Flow<typeof context, never>>(allFlows.map((flow) => [flow.name, flow as Flow<typeof context, never>]))
  for (;;) {
    const journal = new Journal({ db, clock: systemClock, leaseMs: 60_000 })
    try {
      await journal.expireDeadWorkers()
      const [claim] = await journal.claim([{ names: [...flows.keys()], room: 1 }])
      if (claim === undefined) return
      const probe: Probe = (moment, step) => {
        if (random() < 0.01) throw new Interrupted(`a crash at ${moment} ${step}`)
        if ((moment === 'started' || moment === 'executed') && random() < 0.02) throw new Error(`a failure at ${moment} ${step}`)
      }
      await execute(flows.get(claim.name)!, claim, { context, journal, signal: new AbortController().signal, probe })
    } finally {
      journal.close()
    }
  }
}

forEachDatabase('of requests that come at once, to several controllers, just as many win as there are places', async (open) => {
  const config = { api_settings: { auth_strategy: 'keystone' as const }, quotas: { default_member_quota: 7 } }
  const { cloud, stop } = await aCloud({ db: await open(), config }).empty()
  const context = { ...cloud.context, db: await open() }
  const server = createApi(context)
  const worker = startWorker({ context, flows: allFlows })
  const headers = cloud.identity.issue('project-1', ['member', 'reader'])
  const apis = [cloud.server, server].map((each) => new ApiClient(each, headers))
  const [api] = apis
  const pools: Shown[] = []
  for (let i = 0; i < 8; i++) {
    const { id } = await api!.createLoadBalancer(cloud.aBody({ pools: [{ ...roundRobin, name: `p${i}` }] }))
    await api!.waitFor(`/v2/lbaas/loadbalancers/${id}`)
    pools.push((await api!.list(`/v2/lbaas/pools?loadbalancer_id=${id}`))[0]!)
  }
  // One by one and as batches, which take their locks in the same order.
  const answers = await Promise.all(
    pools.flatMap((pool, i) => [
      apis[i % 2]!.request('POST', `/v2/lbaas/pools/${pool.id}/members`, { member: { address: '10.0.0.1', protocol_port: 80 } }),
      apis[(i + 1) % 2]!.request('PUT', `/v2/lbaas/pools/${pool.id}/members?additive_only=true`, {
        members: [{ address: '10.0.0.2', protocol_port: 80 }],
      }),
    ]),
  )
  const counts = (status: number) => answers.filter((answer) => answer.status === status).length
  assert.equal(counts(201) + counts(202) + counts(403) + counts(409), answers.length, JSON.stringify(answers.map(({ body }) => body)))
  assert.ok(counts(201) + counts(202) <= 7)
  for (const pool of pools) await api!.waitFor(`/v2/lbaas/pools/${pool.id}`)
  for (const { id } of await api!.list('/v2/lbaas/loadbalancers')) await api!.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  assert.deepEqual(await quotaDrift(cloud.db), [])
  // The last place.
  const left = 7 - (await cloud.db.selectFrom('member').selectAll().execute()).length
  const posts = await Promise.all(
    pools.map((pool, i) =>
      apis[i % 2]!.request('POST', `/v2/lbaas/pools/${pool.id}/members`, { member: { address: '10.0.0.3', protocol_port: 80 } }),
    ),
  )
  assert.equal(posts.filter(({ status }) => status === 201).length, left)
  assert.equal(posts.filter(({ status }) => status === 403).length, pools.length - left)
  await worker.stop()
  await server.close()
  await stop()
})
