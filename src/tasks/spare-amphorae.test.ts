import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdersOfPorts } from '../../test/support/amphora-places.ts'
import { aCloud, type CloudOptions } from '../../test/support/cloud.ts'
import { aDatabase, forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { flowSurvives } from '../../test/support/flow-survives.ts'
import { runFlow } from '../../test/support/run-flow.ts'
import { Stage } from '../../test/support/stage.ts'
import type { AmphoraRow, Topology } from '../db/tables.ts'
import { refillSpareAmphorae } from '../housekeeping/refill-spare-amphorae.ts'
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'
import { createSpareAmphora } from '../resources/amphora/create-spare-flow.ts'
import { failoverAmphora } from '../resources/amphora/failover-flow.ts'
import { newAmphora } from '../resources/amphora/row.ts'
import { createLoadBalancer } from '../resources/load-balancer/create-flow.ts'

flowSurvives(createSpareAmphora, {
  async given(db) {
    const stage = new Stage(db)
    const id = '00000000-0000-4000-8000-0000000000aa'
    const nobodys = { loadbalancer_id: null, role: null, vrrp_id: null, vrrp_priority: null, created_at: '2026-01-01T00:00:00' }
    await db
      .insertInto('amphora')
      .values(newAmphora({ id, ...nobodys }))
      .execute()
    await db.insertInto('spare_amphora').values({ amphora_id: id, kind: 'default', taken_by: null }).execute()
    return { context: stage.context, params: { amphora_id: id }, stage }
  },
  async whenItSucceeds({ stage }) {
    assert.deepEqual(stage.made(), { machines: 1 })
    const [spare] = await stage.amphorae()
    assert.deepEqual([spare?.status, spare?.loadbalancer_id, spare?.role], ['READY', null, null])
    assert.equal(spare?.compute_id, stage.compute.servers[0]?.state.compute_id)
    assert.notEqual(spare?.server_certificate, null)
  },
  async whenItReverts({ stage }) {
    assert.deepEqual(stage.made(), {})
    assert.deepEqual(await stage.amphorae(), [])
  },
})

flowSurvives(createLoadBalancer, {
  async given(db) {
    const stage = new Stage(db)
    const spare_id = await stage.insertSpare()
    await stage.insertLoadBalancer({ provisioning_status: 'PENDING_CREATE' })
    return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id }, stage, spare_id }
  },
  async whenItSucceeds({ stage, spare_id }) {
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 1, groups: 1, machines: 1 })
    const [amphora, ...others] = await stage.amphorae()
    assert.deepEqual(others, [])
    assert.deepEqual([amphora?.id, amphora?.role, amphora?.status], [spare_id, 'STANDALONE', 'ALLOCATED'])
    assert.match(stage.amphora.agents.get(spare_id)?.agentConfiguration ?? '', /loadbalancer_topology = SINGLE/)
  },
  async whenItReverts({ stage }) {
    // What a flow has taken does not become spare again.
    const left = await stage.amphorae()
    assert.ok(left.every(({ status, loadbalancer_id }) => status === 'READY' && loadbalancer_id === null))
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, ...(left.length === 0 ? {} : { machines: 1 }) })
    const { taken_by } = await stage.db.selectFrom('spare_amphora').select('taken_by').executeTakeFirstOrThrow()
    assert.equal(left.length, taken_by === null ? 1 : 0)
  },
})

const made = async (topology: Topology, spares: number) => {
  const stage = new Stage(await aDatabase())
  const ids: string[] = []
  for (let i = 0; i < spares; i++) ids.push(await stage.insertSpare())
  await stage.insertLoadBalancer({ topology, provisioning_status: 'PENDING_CREATE' })
  const create = () => runFlow(stage.db, createLoadBalancer, { load_balancer_id: stage.load_balancer_id }, stage.context)
  const serving = async () => (await stage.amphorae()).filter(({ status }) => status === 'ALLOCATED').map(({ id }) => id)
  return { stage, ids, create, serving }
}

test('of a pair one may have been spare; its agent learns that it is of a pair', async () => {
  const { stage, ids, create } = await made('ACTIVE_STANDBY', 1)
  assert.equal(await create(), 'DONE')
  assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 2, groups: 1, machines: 2 })
  const [backup, master] = await stage.amphorae()
  assert.deepEqual([master?.id, master?.vrrp_priority, backup?.vrrp_priority], [ids[0], 100, 90])
  assert.match(stage.amphora.agents.get(ids[0]!)?.agentConfiguration ?? '', /loadbalancer_topology = ACTIVE_STANDBY/)
  assert.equal(stage.amphora.agents.get(backup!.id)?.agentConfiguration, null)
})

test('a replacement is a spare amphora, where there is one, and of it nothing is left when the failover fails', async () => {
  for (const fails of [false, true]) {
    const stage = new Stage(await aDatabase())
    const spare_id = await stage.insertSpare()
    await stage.insertServing('ACTIVE_STANDBY')
    const [backup] = (await stage.amphorae()).filter(({ role }) => role === 'BACKUP')
    if (fails) stage.amphora.failNext('plugVip')
    const params = { amphora_id: backup!.id, load_balancer_id: stage.load_balancer_id, cause: 'machine_gone' as const }
    assert.equal(await runFlow(stage.db, failoverAmphora, params, stage.context), fails ? 'REVERTED' : 'DONE')
    const holders = await holdersOfPorts(stage)
    assert.equal(holders.BACKUP?.id, fails ? backup!.id : spare_id)
    assert.equal(holders.BACKUP?.vrrp_ip, backup!.vrrp_ip)
    assert.equal(stage.compute.servers.length, 2)
    assert.equal((await stage.amphorae()).length, 2)
  }
})

test('a spare whose machine has died, or that has not been heard of for too long, is not taken', async () => {
  const { stage, ids, create, serving } = await made('SINGLE', 3)
  stage.compute.kill(stage.compute.servers[0]!.state.compute_id)
  await stage.db.insertInto('amphora_health').values({ amphora_id: ids[1]!, last_update_ms: 1, busy: false }).execute()
  assert.equal(await create(), 'DONE')
  assert.deepEqual(await serving(), [ids[2]])
})

/** Its agent has just died, and that of another machine in its place will live. */
function diesUnheard({ amphora, compute }: Stage, id: string): void {
  amphora.disconnect(id)
  const { ensureServer } = compute
  compute.ensureServer = (...wanted) => {
    amphora.reconnect(id)
    return ensureServer.apply(compute, wanted)
  }
}

flowSurvives(createLoadBalancer, {
  async given(db) {
    const stage = new Stage(db)
    const spare_id = await stage.insertSpare()
    diesUnheard(stage, spare_id)
    await stage.insertLoadBalancer({ provisioning_status: 'PENDING_CREATE' })
    return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id }, stage, spare_id }
  },
  async whenItSucceeds({ stage, spare_id }) {
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 1, groups: 1, machines: 1 })
    const [amphora, ...others] = await stage.amphorae()
    assert.deepEqual(others, [])
    const compute_id = stage.compute.servers[0]?.state.compute_id
    assert.deepEqual([amphora?.id, amphora?.compute_id, amphora?.status], [spare_id, compute_id, 'ALLOCATED'])
    assert.deepEqual(stage.compute.servers[0]?.attached_port_ids, [amphora?.vrrp_port_id])
  },
  async whenItReverts({ stage }) {
    const left = await stage.amphorae()
    assert.ok(left.every(({ status, loadbalancer_id }) => status === 'READY' && loadbalancer_id === null))
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, ...(left.length === 0 ? {} : { machines: 1 }) })
  },
})

test('another machine takes the place of a spare that has just died, also as a replacement', async () => {
  const stage = new Stage(await aDatabase())
  const spare_id = await stage.insertSpare()
  const dead = stage.compute.servers[0]!
  await stage.insertServing('ACTIVE_STANDBY')
  diesUnheard(stage, spare_id)
  const [backup] = (await stage.amphorae()).filter(({ role }) => role === 'BACKUP')
  const params = { amphora_id: backup!.id, load_balancer_id: stage.load_balancer_id, cause: 'machine_gone' as const }
  assert.equal(await runFlow(stage.db, failoverAmphora, params, stage.context), 'DONE')
  const { BACKUP } = await holdersOfPorts(stage)
  assert.deepEqual([BACKUP?.id, BACKUP?.vrrp_ip], [spare_id, backup!.vrrp_ip])
  assert.equal(stage.compute.servers.length, 2)
  assert.ok(!stage.compute.servers.includes(dead))
})

test('a spare that is taken gets the heartbeat key of today', async () => {
  const { stage, ids, create } = await made('SINGLE', 1)
  stage.trust.current = { ...stage.trust.current, heartbeatKeys: ['a newer key', ...stage.trust.current.heartbeatKeys] }
  assert.equal(await create(), 'DONE')
  const configuration = stage.amphora.agents.get(ids[0]!)?.agentConfiguration ?? ''
  assert.ok(configuration.includes(heartbeatKeyOf(ids[0]!, 'a newer key')))
})

test('a load balancer of another kind, or of a pair that is to be on two hosts, takes none', async () => {
  for (const config of [{ nova: { enable_anti_affinity: true } }, { controller_worker: { amp_image_tag: 'another' } }]) {
    const { stage, ids, serving } = await made('ACTIVE_STANDBY', 2)
    stage.image.images.push({ id: 'another image', tag: 'another' })
    const context = new Stage(stage.db, config).context
    Object.assign(context, { compute: stage.compute, network: stage.network, image: stage.image, amphora: stage.amphora })
    assert.equal(await runFlow(stage.db, createLoadBalancer, { load_balancer_id: stage.load_balancer_id }, context), 'DONE')
    assert.ok(!(await serving()).some((id) => ids.includes(id)))
  }
})

/** A cloud with a pool; `rounds` are those of housekeeping. */
async function pooled(size: number, options: CloudOptions = {}) {
  const { cloud, api, stop } = await aCloud({
    ...options,
    config: { ...options.config, house_keeping: { spare_amphora_pool_size: size } },
  }).empty()
  const amphorae = async () => (await api.list('/v2/octavia/amphorae')) as unknown as AmphoraRow[]
  const spares = async () => (await amphorae()).filter(({ loadbalancer_id }) => loadbalancer_id === null)
  const ready = (count: number) =>
    eventually(async () => {
      const found = await spares()
      assert.deepEqual(
        found.map(({ status }) => status),
        Array(count).fill('READY'),
      )
      return found
    })
  const refill = (context = cloud.context) => refillSpareAmphorae.run(context)
  return { cloud, api, stop, amphorae, spares, ready, refill }
}

forEachDatabase('the pool is filled, taken from, and filled again', async (open) => {
  const { cloud, ready, refill, amphorae, spares, stop } = await pooled(3, { db: await open() })
  // Few at a time, so that users' changes need not wait for them.
  assert.deepEqual(await refill(), { begun: 2, surplus: 0 })
  assert.equal((await refill()).begun, 0)
  await ready(2)
  assert.deepEqual(await refill(), { begun: 1, surplus: 0 })
  const pool = (await ready(3)).map(({ id }) => id)
  assert.deepEqual(await refill(), { begun: 0, surplus: 0 })

  const ids = await Promise.all(Array.from({ length: 4 }, () => cloud.aLoadBalancer().then(({ id }) => id)))
  const serving = (await amphorae()).filter(({ loadbalancer_id }) => ids.includes(loadbalancer_id!))
  assert.equal(serving.length, 4)
  assert.deepEqual(
    serving
      .map(({ id }) => id)
      .filter((id) => pool.includes(id))
      .sort(),
    pool.sort(),
    'each spare is taken by one',
  )
  assert.deepEqual(await spares(), [])
  assert.equal((await refill()).begun, 2)
  await ready(2)
  await stop()
})

test('a smaller pool, and a configuration by which machines are of another kind, remove what is too many', async () => {
  const { cloud, ready, refill } = await pooled(2)
  await refill()
  const before = await ready(2)
  const smaller = {
    ...cloud.context,
    config: { ...cloud.config, house_keeping: { ...cloud.config.house_keeping, spare_amphora_pool_size: 1 } },
  }
  assert.deepEqual(await refill(smaller), { begun: 0, surplus: 1 })
  const [left] = await ready(1)
  assert.ok(before.some(({ id }) => id === left!.id))
  assert.equal(cloud.compute.servers.length, 1)
  const changed = {
    ...cloud.context,
    config: { ...smaller.config, controller_worker: { ...cloud.config.controller_worker, amp_flavor_id: 'large' } },
  }
  assert.deepEqual(await refill(changed), { begun: 1, surplus: 1 })
  await eventually(async () => assert.equal(cloud.compute.servers.length, 1))
})

test('a spare amphora is shown, can be deleted, and has no load balancer to fail over', async () => {
  const { api, ready, refill, amphorae, cloud } = await pooled(1)
  await refill()
  const [spare] = await ready(1)
  assert.equal((await api.request('PUT', `/v2/octavia/amphorae/${spare!.id}/failover`)).status, 404)
  await api.expect(204, 'DELETE', `/v2/octavia/amphorae/${spare!.id}`)
  await eventually(async () => assert.deepEqual(await amphorae(), []))
  assert.deepEqual(cloud.compute.servers, [])
})

test('several that keep house do not make more than are wanted', async () => {
  const { refill, cloud } = await pooled(2, { worker: false })
  const begun = (await Promise.all([refill(), refill(), refill()])).map((done) => done.begun)
  assert.deepEqual(begun.sort(), [0, 0, 2])
  assert.equal((await cloud.db.selectFrom('spare_amphora').selectAll().execute()).length, 2)
})
