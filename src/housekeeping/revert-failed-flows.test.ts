import assert from 'node:assert/strict'
import { breakable } from '../../test/support/breakable.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { flow } from '../context.ts'
import type { Db } from '../db/connection.ts'
import { listDueReverts } from '../flow/history.ts'
import { startFlow } from '../flow/start.ts'
import { beginFailover } from '../resources/amphora/begin-failover.ts'
import { revertOrSettle } from '../resources/load-balancer/revert-again.ts'
import { lookForTroubles } from '../status/status.ts'
import { revertFailedFlows } from './revert-failed-flows.ts'
import { settleUnfinishedAmphorae } from './settle-unfinished-amphorae.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

forEachDatabase(
  'a failed revert is tried again after pauses that grow with its age, for a day, and not once something else was begun',
  async (open) => {
    const db = await open()
    const never = flow<null>('never', { async steps() {} })
    const endedAt = 1_000 * HOUR_MS
    const fails = async (age: number, subject: string) => {
      const id = await db.transaction().execute((tx) => startFlow(tx, never, null, { subject }))
      const change = { state: 'REVERT_FAILURE', created_at_ms: endedAt - age, ended_at_ms: endedAt } as const
      await db.updateTable('flow').set(change).where('id', '=', id).execute()
    }
    await fails(SECOND_MS, 'young')
    await fails(10 * MINUTE_MS, 'older')
    await fails(5 * HOUR_MS, 'old')
    await fails(25 * HOUR_MS, 'given up')
    await fails(2 * MINUTE_MS, 'superseded')
    await fails(26 * HOUR_MS, 'superseded')
    await db
      .updateTable('flow')
      .set({ state: 'DONE' })
      .where('created_at_ms', '=', endedAt - 2 * MINUTE_MS)
      .execute()
    const due = async (after: number) =>
      (await listDueReverts(db, { nowMs: endedAt + after, firstPauseMs: MINUTE_MS, limit: 10 })).map(({ subject }) => subject).sort()
    assert.deepEqual(await due(MINUTE_MS - 1), [])
    assert.deepEqual(await due(MINUTE_MS), ['young'])
    assert.deepEqual(await due(10 * MINUTE_MS), ['older', 'young'])
    assert.deepEqual(await due(HOUR_MS), ['old', 'older', 'young'])
    assert.deepEqual(await due(100 * HOUR_MS), ['old', 'older', 'young'])
  },
)

/** A load balancer whose amphora never answered, and whose machine could not be deleted then. */
async function aFailedCreate(db: Db) {
  const { cloud, api, stop } = await aCloud({ db }).empty()
  cloud.amphora.failNext('plugVip')
  const compute = breakable(cloud.compute, 'deleteServer')
  compute.break()
  const { id } = await api.createLoadBalancer(cloud.aBody())
  const path = `/v2/lbaas/loadbalancers/${id}`
  const state = async () => (await db.selectFrom('flow').select('state').orderBy('created_at_ms').executeTakeFirst())?.state
  await eventually(async () => assert.equal(await state(), 'REVERT_FAILURE'), 10_000)
  const amphora = () => db.selectFrom('amphora').selectAll().executeTakeFirstOrThrow()
  assert.equal((await amphora()).status, 'BOOTING')
  cloud.clock.nowMs = Date.now()
  return { cloud, api, path, compute, state, amphora, stop }
}

forEachDatabase('what a failed create could not take away is taken away as soon as that is possible', async (open) => {
  const db = await open()
  const { cloud, api, path, compute, state, stop } = await aFailedCreate(db)
  const run = () => revertFailedFlows.run(cloud.context)
  assert.deepEqual(await run(), { begun: 0 })
  cloud.clock.passSeconds(61)
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_DELETE' }).execute()
  assert.deepEqual(await run(), { begun: 0 }, 'somebody else works on it')
  await db.updateTable('load_balancer').set({ provisioning_status: 'ERROR' }).execute()
  assert.deepEqual(await run(), { begun: 1 })
  await eventually(async () => assert.equal(await state(), 'REVERT_FAILURE'), 10_000)
  assert.equal((await api.show(path)).provisioning_status, 'ERROR')
  compute.mend()
  cloud.clock.nowMs = Date.now() + 61 * SECOND_MS
  assert.deepEqual(await settleUnfinishedAmphorae.run(cloud.context), { deleted: 0, in_error: 0 })
  assert.deepEqual(await run(), { begun: 1 })
  await eventually(async () => assert.equal(await state(), 'REVERTED'))
  assert.deepEqual(cloud.compute.servers, [])
  assert.equal((await api.show(path)).provisioning_status, 'ERROR')
  await api.expect(204, 'DELETE', path)
  await api.waitUntilGone(path)
  await stop()
})

forEachDatabase("what a failed flow left is nobody's trouble once its load balancer is deleted", async (open) => {
  const db = await open()
  const { cloud, api, path, compute, state, stop } = await aFailedCreate(db)
  const told = async () => {
    const { troubles } = await lookForTroubles({ db, config: cloud.config, nowMs: cloud.clock.now() })
    return troubles.filter(({ kind }) => kind === 'flow_revert_failure').length
  }
  // Its own machine cannot be deleted, so neither can it.
  await api.expect(204, 'DELETE', path)
  await api.waitFor(path, 'ERROR')
  assert.deepEqual([await state(), await told()], ['REVERT_FAILURE', 1])
  compute.mend()
  await api.expect(204, 'DELETE', path)
  await api.waitUntilGone(path)
  assert.deepEqual([await state(), await told()], ['REVERTED', 0])
  const { reason_details } = await db.selectFrom('flow').select('reason_details').orderBy('created_at_ms').executeTakeFirstOrThrow()
  assert.match(reason_details!, /told to fail[\s\S]*\nThe load balancer was deleted since\.$/)
  assert.deepEqual(cloud.compute.servers, [])
  await stop()
})

forEachDatabase('what others have built upon is not undone any more, and an operator can let it rest', async (open) => {
  const db = await open()
  const { cloud, api, path, compute, state, stop } = await aFailedCreate(db)
  const ask = async () => {
    const failed = await db.selectFrom('flow').select(['id', 'name', 'subject']).orderBy('created_at_ms').executeTakeFirstOrThrow()
    return db.transaction().execute((tx) => revertOrSettle(tx, failed))
  }
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  assert.equal(await ask(), 'busy')
  await db.updateTable('load_balancer').set({ provisioning_status: 'ERROR' }).execute()
  assert.equal(await ask(), 'reverting')
  await eventually(async () => assert.equal(await state(), 'REVERT_FAILURE'), 10_000)
  await api.expect(204, 'DELETE', path)
  await api.waitFor(path, 'ERROR')
  assert.equal(await ask(), 'settled')
  assert.equal(await state(), 'REVERTED')
  assert.equal(cloud.compute.servers.length, 1)
  compute.mend()
  await api.expect(204, 'DELETE', path)
  await api.waitUntilGone(path)
  assert.deepEqual(cloud.compute.servers, [])
  await stop()
})

forEachDatabase('an amphora that no flow will finish is deleted, or in ERROR with a reason', async (open) => {
  const db = await open()
  const { cloud, compute, amphora, stop } = await aFailedCreate(db)
  await db.updateTable('flow').set({ created_at_ms: 0 }).execute()
  cloud.clock.passSeconds(2 * 86_400)
  assert.deepEqual(await revertFailedFlows.run(cloud.context), { begun: 0 })
  const run = () => settleUnfinishedAmphorae.run(cloud.context)
  assert.deepEqual(await run(), { deleted: 1, in_error: 0 })
  await eventually(async () => assert.equal((await amphora()).status, 'ERROR'))
  assert.match((await amphora()).fault!.details, /told to fail/)

  await db.updateTable('amphora').set({ status: 'PENDING_DELETE', fault: null }).execute()
  // The flow of its deletion ends a moment after that.
  await eventually(async () => assert.deepEqual(await run(), { deleted: 0, in_error: 1 }))
  assert.equal((await amphora()).status, 'ERROR')
  assert.match((await amphora()).fault!.details, /deletion ended/)

  compute.mend()
  await db.updateTable('amphora').set({ status: 'BOOTING' }).execute()
  assert.deepEqual(await run(), { deleted: 1, in_error: 0 })
  await eventually(async () => assert.equal((await amphora()).status, 'DELETED'))
  assert.deepEqual(cloud.compute.servers, [])
  await stop()
})

forEachDatabase('a replacement that could be neither finished nor undone has the VIP until it is replaced itself', async (open) => {
  const db = await open()
  const { cloud, api, loadBalancer, stop } = await aCloud({ db }).withListener()
  const { network, compute, amphora: agents } = cloud
  const vrrpPorts = () => network.ports.filter(({ name }) => name.startsWith('octavia-lb-vrrp-')).map(({ id }) => id)
  const before = vrrpPorts()
  const [former] = await api.list('/v2/octavia/amphorae')
  const detaching = breakable(compute, 'detachPort')
  const { plugVip } = agents
  agents.plugVip = async () => {
    agents.plugVip = plugVip
    detaching.break()
    throw new Error('the agent was told to fail')
  }
  await api.expect(202, 'PUT', `/v2/octavia/amphorae/${former!.id}/failover`)
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  await eventually(async () => assert.equal((await api.show(path)).provisioning_status, 'ERROR'), 10_000)
  const statuses = async () => {
    const rows = await db
      .selectFrom('amphora')
      .select(['status', 'vrrp_port_id'])
      .where('status', '!=', 'DELETED')
      .orderBy('status')
      .execute()
    return rows.map(({ status, vrrp_port_id }) => [status, vrrp_port_id])
  }
  assert.deepEqual(await statuses(), [
    ['BOOTING', before[0]],
    ['ERROR', null],
  ])

  detaching.mend()
  const begun = await db.transaction().execute((tx) => beginFailover(tx, cloud.context, former!.id as string, 'no_heartbeat'))
  assert.equal(begun.refusal, null)
  await api.waitFor(path)
  assert.deepEqual(await statuses(), [['ALLOCATED', before[0]]])
  assert.deepEqual(vrrpPorts(), before)
  assert.equal(compute.servers.length, 1)
  await stop()
})
