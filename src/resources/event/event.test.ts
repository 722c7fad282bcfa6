import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ApiClient, fault } from '../../../test/support/api-client.ts'
import { aLoadBalancerRow, aMemberRow, aPoolRow } from '../../../test/support/builders.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase, type Open } from '../../../test/support/databases.ts'
import { eventually } from '../../../test/support/eventually.ts'
import type { Tx } from '../../db/connection.ts'
import type { EventRow } from '../../db/tables.ts'
import { changeStatuses } from '../../health-manager/store.ts'
import { pruneEvents } from '../../housekeeping/prune-events.ts'
import { recordStatusChanges } from './record.ts'

type Shown = Omit<EventRow, 'started_at_ms' | 'load_balancer_id'> & { started_at: string }

const pathOf = (id: string) => `/v2/lbaas/loadbalancers/${id}/events`

async function events(api: ApiClient, load_balancer_id: string, query = ''): Promise<Shown[]> {
  return (await api.expect<{ events: Shown[] }>(200, 'GET', pathOf(load_balancer_id) + query)).events
}

/** Once none goes on any more. */
const ended = (api: ApiClient, id: string) =>
  eventually(async () => {
    const all = await events(api, id)
    assert.ok(all.every(({ outcome }) => outcome !== 'in_progress'))
    return all
  })

const words = ({ event, object_type, object_name, outcome }: Shown) => `${event} ${object_type} ${object_name}: ${outcome}`

forEachDatabase('what was done to a load balancer is told, the latest first', async (open) => {
  const { cloud, api, stop } = await aCloud({ db: await open() }).empty()
  const { id } = await cloud.aLoadBalancer({ name: 'lb' })
  const active = () => api.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const loadBalancer = await active()
  const listener = await api.createListener(loadBalancer, { name: 'web', protocol: 'HTTP', protocol_port: 80 })
  await active()
  const pool = await api.createPool(loadBalancer, { name: 'p', listener_id: listener.id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await active()
  await api.updateMembers(
    pool,
    [1, 2, 3].map((last) => ({ address: `10.0.0.${last}`, protocol_port: 80 })),
  )
  await active()
  const monitor = await api.createHealthMonitor(pool, { name: 'm', type: 'TCP', delay: 5, timeout: 3, max_retries: 3 })
  await active()
  await api.delete(`/v2/lbaas/healthmonitors/${monitor.id}`)
  await active()
  const policy = await api.createL7Policy(listener, { name: 'no', action: 'REJECT' })
  await active()
  await api.createL7Rule(policy, { type: 'PATH', compare_type: 'STARTS_WITH', value: '/' })
  await active()
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { name: 'new name' })
  await active()
  const all = await ended(api, id)
  assert.deepEqual(all.map(words), [
    'update listener new name: success',
    'create l7rule : success',
    'create l7policy no: success',
    'delete healthmonitor m: success',
    'create healthmonitor m: success',
    'update_members pool p: success',
    'create pool p: success',
    'create listener web: success',
    'create loadbalancer lb: success',
  ])
  assert.equal(all[5]!.count, 3)
  assert.equal(all[5]!.object_id, pool.id)
  assert.ok(all.every(({ duration_ms, message, operating_status }) => duration_ms! >= 0 && message === null && operating_status === null))
  assert.match(all[0]!.started_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
  await stop()
})

test('what goes on is told too', async () => {
  const { cloud, api } = await aCloud({ worker: false }).empty()
  const { id } = await api.createLoadBalancer(cloud.aBody({ name: 'lb' }))
  const [event] = await events(api, id)
  assert.deepEqual([words(event!), event!.duration_ms], ['create loadbalancer lb: in_progress', null])
})

test('of a failure the owner is told a text of the list, an admin what drivers said', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody())
  const loadBalancer = await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  cloud.amphora.failNext('applyHaproxy', new Error('host-7 at 192.0.2.7 is on fire'))
  const listener = await owner.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
  await owner.waitFor(`/v2/lbaas/listeners/${listener.id}`, 'ERROR')
  const [event] = await ended(owner, id)
  assert.equal(words(event!), 'create listener : failure')
  assert.equal(event!.message, 'The operation failed; what it had done was undone. An administrator can see the details.')
  assert.equal(event!.details, undefined)
  assert.doesNotMatch(JSON.stringify(event), /192\.0\.2\.7|host-7/)
  const [toAdmin] = await events(cloud.apiAs('admins', 'admin'), id)
  assert.match(toAdmin!.details!, /host-7 at 192\.0\.2\.7 is on fire/)
})

test('events are for those who may see the load balancer, and go with it', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody())
  await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  await owner.expect(200, 'GET', pathOf(id))
  await cloud.apiAs('project-1', 'reader').expect(200, 'GET', pathOf(id))
  const stranger = cloud.apiAs('project-2', 'member', 'reader')
  await assert.rejects(stranger.expect(200, 'GET', pathOf(id)), fault(403, 'Policy does not allow this request to be performed.'))
  await owner.delete(`/v2/lbaas/loadbalancers/${id}`)
  await owner.waitUntilGone(`/v2/lbaas/loadbalancers/${id}`)
  await assert.rejects(owner.expect(200, 'GET', pathOf(id)), fault(404, `Load Balancer ${id} not found.`))
})

/** A load balancer with a pool of so many members, without a worker. */
async function aPoolOf(members: number, open: Open) {
  const { cloud, api, stop } = await aCloud({ db: await open(), worker: false }).empty()
  const loadBalancer = aLoadBalancerRow({ name: 'lb' })
  const pool = aPoolRow({ name: 'p', load_balancer_id: loadBalancer.id })
  const rows = Array.from({ length: members }, (_, i) =>
    aMemberRow({ name: `m${i}`, pool_id: pool.id, protocol_port: 80 + i, operating_status: 'ONLINE' }),
  )
  await cloud.db.insertInto('load_balancer').values(loadBalancer).execute()
  await cloud.db.insertInto('pool').values(pool).execute()
  await cloud.db.insertInto('member').values(rows).execute()
  const transaction = <T>(work: (tx: Tx) => Promise<T>) => cloud.db.transaction().execute(work)
  return { cloud, api, stop, loadBalancer, pool, members: rows, transaction }
}

forEachDatabase('a change of an operating status is an event of the transaction that changes it', async (open) => {
  const { api, stop, loadBalancer, members, transaction } = await aPoolOf(1, open)
  const { id } = members[0]!
  const change = (from: 'ONLINE' | 'ERROR', to: 'ONLINE' | 'ERROR') => ({
    table: 'member' as const,
    id,
    load_balancer_id: loadBalancer.id,
    from,
    to,
  })
  const nowMs = Date.parse('2026-01-01T00:01:00Z')
  await transaction((tx) => changeStatuses(tx, [change('ONLINE', 'ERROR')], nowMs))
  // Another health manager was first.
  await transaction((tx) => changeStatuses(tx, [change('ONLINE', 'ERROR')], nowMs))
  const failed = transaction(async (tx) => {
    await changeStatuses(tx, [change('ERROR', 'ONLINE')], nowMs)
    throw new Error('after all')
  })
  await assert.rejects(failed, /after all/)
  const [event, ...more] = await events(api, loadBalancer.id)
  assert.deepEqual(more, [])
  assert.deepEqual(
    [event!.event, event!.object_type, event!.object_id, event!.object_name, event!.operating_status, event!.outcome, event!.count],
    ['operating_status', 'member', id, 'm0', 'ERROR', 'success', 1],
  )
  // To and fro within five minutes is counted, not listed.
  for (const seconds of [10, 20, 30]) {
    await transaction((tx) => changeStatuses(tx, [change('ERROR', 'ONLINE')], nowMs + seconds * 1000))
    await transaction((tx) => changeStatuses(tx, [change('ONLINE', 'ERROR')], nowMs + seconds * 1000))
  }
  await transaction((tx) => changeStatuses(tx, [change('ERROR', 'ONLINE')], nowMs + 600_000))
  assert.deepEqual(
    (await events(api, loadBalancer.id)).map(({ operating_status, count, duration_ms }) => [operating_status, count, duration_ms]),
    [
      ['ONLINE', 1, 0],
      ['ONLINE', 3, 20_000],
      ['ERROR', 4, 30_000],
    ],
  )
  await stop()
})

forEachDatabase('a pool that falls over as a whole is one event', async (open) => {
  const { api, stop, loadBalancer, pool, members, transaction } = await aPoolOf(50, open)
  const changes = members.map(({ id }) => ({
    table: 'member' as const,
    id,
    load_balancer_id: loadBalancer.id,
    from: 'ONLINE' as const,
    to: 'ERROR' as const,
  }))
  await transaction((tx) => changeStatuses(tx, changes, Date.now()))
  const all = await events(api, loadBalancer.id)
  assert.deepEqual(
    all.map(({ event, object_type, object_id, object_name, operating_status, count }) => [
      event,
      object_type,
      object_id,
      object_name,
      operating_status,
      count,
    ]),
    [['members_operating_status', 'pool', pool.id, 'p', 'ERROR', 50]],
  )
  await stop()
})

forEachDatabase('events are filtered, sorted and paged', async (open) => {
  const { api, stop, loadBalancer, transaction } = await aPoolOf(1, open)
  const { id } = loadBalancer
  const statuses = ['ONLINE', 'DEGRADED', 'ERROR', 'OFFLINE'] as const
  for (const [index, operating_status] of statuses.entries()) {
    const changed = { table: 'load_balancer' as const, id, name: 'lb', load_balancer_id: id, operating_status }
    await transaction((tx) => recordStatusChanges(tx, [changed], index * 1000))
  }
  const list = async (query: string) => (await events(api, id, query)).map(({ operating_status }) => operating_status)
  assert.deepEqual(await list(''), statuses.toReversed())
  assert.deepEqual(await list('?sort=started_at:asc'), statuses)
  assert.deepEqual(await list('?sort_key=operating_status'), statuses.toSorted())
  assert.deepEqual(await list('?operating_status=ERROR&object_type=loadbalancer&outcome=success'), ['ERROR'])
  assert.deepEqual(await list('?outcome=failure'), [])
  const { events: first, events_links } = await api.expect<{ events: Shown[]; events_links: { rel: string; href: string }[] }>(
    200,
    'GET',
    `${pathOf(id)}?limit=3&fields=id&fields=operating_status`,
  )
  assert.deepEqual(Object.keys(first[0]!), ['id', 'operating_status'])
  assert.deepEqual(
    events_links.map(({ rel, href }) => [rel, href.slice(href.indexOf(pathOf(id)))]),
    [['next', `${pathOf(id)}?limit=3&marker=${first[2]!.id}`]],
  )
  assert.deepEqual(await list(`?limit=3&marker=${first[2]!.id}`), ['ONLINE'])
  assert.deepEqual(await list(`?limit=2&marker=${first[2]!.id}&page_reverse=True`), ['OFFLINE', 'ERROR'])
  await assert.rejects(events(api, id, '?colour=blue'), fault(400, 'One or more arguments are either duplicate or invalid'))
  await assert.rejects(events(api, id, '?details=x'), fault(400, 'One or more arguments are either duplicate or invalid'))
  await stop()
})

forEachDatabase('events are kept as long, and as many of a load balancer, as the configuration says', async (open) => {
  const { cloud, api, stop, loadBalancer, transaction } = await aPoolOf(1, open)
  const { clock, config } = cloud
  const { id } = loadBalancer
  const happens = async (times: number) => {
    for (let time = 0; time < times; time++) {
      clock.passSeconds(300)
      const changed = { table: 'load_balancer' as const, id, name: 'lb', load_balancer_id: id, operating_status: 'ERROR' as const }
      await transaction((tx) => recordStatusChanges(tx, [changed], clock.now()))
    }
  }
  const context = { ...cloud.context, config: { ...config, house_keeping: { ...config.house_keeping, max_events_per_load_balancer: 3 } } }
  await happens(3)
  assert.deepEqual(await pruneEvents.run(context), { deleted: 0 })
  await happens(2)
  const [newest] = await events(api, id)
  assert.deepEqual(await pruneEvents.run(context), { deleted: 2 })
  const left = await events(api, id)
  assert.deepEqual([left.length, left[0]!.id], [3, newest!.id])
  clock.passSeconds(config.house_keeping.event_expiry_age - 300)
  assert.deepEqual(await pruneEvents.run(context), { deleted: 1 })
  clock.passSeconds(301)
  assert.deepEqual(await pruneEvents.run(context), { deleted: 2 })
  await stop()
})
