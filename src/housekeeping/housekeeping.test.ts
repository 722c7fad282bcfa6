import assert from 'node:assert/strict'
import { aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { flow } from '../context.ts'
import { startFlow } from '../flow/start.ts'
import { timestamp } from '../lib/clock.ts'
import { deleteExpiredAmphorae } from './delete-expired-amphorae.ts'
import { deleteExpiredLoadBalancers } from './delete-expired-load-balancers.ts'
import { startHousekeeping } from './housekeeping.ts'
import { periodicJob } from './periodic-job.ts'
import { pruneFlowHistory } from './prune-flow-history.ts'
import { undoVipReservations } from './undo-vip-reservations.ts'

const WEEK_SECONDS = 604_800

forEachDatabase('rows of deleted load balancers and amphorae go after a week', async (open) => {
  const { cloud } = await aCloud({ db: await open(), worker: false }).empty()
  const { db, clock, context } = cloud
  const deletedAt = timestamp(clock.now())
  await db
    .insertInto('load_balancer')
    .values([
      aLoadBalancerRow({ id: 'deleted', provisioning_status: 'DELETED', updated_at: deletedAt }),
      aLoadBalancerRow({ id: 'active', updated_at: deletedAt }),
    ])
    .execute()
  await db
    .insertInto('amphora')
    .values([
      anAmphoraRow({ id: 'deleted', status: 'DELETED', updated_at: deletedAt }),
      anAmphoraRow({ id: 'allocated', updated_at: deletedAt }),
    ])
    .execute()
  await db.insertInto('amphora_health').values({ amphora_id: 'deleted', last_update_ms: 1, busy: false }).execute()
  clock.passSeconds(WEEK_SECONDS)
  assert.deepEqual(await deleteExpiredLoadBalancers.run(context), { deleted: 0 })
  assert.deepEqual(await deleteExpiredAmphorae.run(context), { deleted: 0 })
  clock.passSeconds(1)
  assert.deepEqual(await deleteExpiredLoadBalancers.run(context), { deleted: 1 })
  assert.deepEqual(await deleteExpiredAmphorae.run(context), { deleted: 1 })
  assert.deepEqual(await db.selectFrom('load_balancer').select('id').execute(), [{ id: 'active' }])
  assert.deepEqual(await db.selectFrom('amphora').select('id').execute(), [{ id: 'allocated' }])
  assert.deepEqual(await db.selectFrom('amphora_health').selectAll().execute(), [])
})

forEachDatabase('what a request that died had reserved is undone, another port stays', async (open) => {
  const { cloud } = await aCloud({ db: await open(), worker: false }).empty()
  const { db, clock, context, network, vipNetwork, vipSubnet } = cloud
  const port = (load_balancer_id: string) =>
    network.ensurePort({
      name: `octavia-lb-${load_balancer_id}`,
      network_id: vipNetwork.id,
      fixed_ips: [{ subnet_id: vipSubnet.id }],
      project_id: 'project-1',
      device_owner: 'Octavia',
      device_id: `lb-${load_balancer_id}`,
      admin_state_up: false,
      security_group_ids: [],
      allowed_address_pairs: [],
      made_by: load_balancer_id,
    })
  for (const id of ['old', 'without-port', 'new']) {
    if (id === 'new') clock.passSeconds(61)
    await db.insertInto('vip_reservation').values({ load_balancer_id: id, project_id: 'project-1', created_at_ms: clock.now() }).execute()
    if (id !== 'without-port') await port(id)
  }
  await port('stored')
  assert.deepEqual(await undoVipReservations.run(context), { undone: 2, failed: 0 })
  assert.equal(await network.findPort('octavia-lb-old', 'project-1'), null)
  assert.notEqual(await network.findPort('octavia-lb-new', 'project-1'), null)
  assert.notEqual(await network.findPort('octavia-lb-stored', 'project-1'), null)
  assert.deepEqual(await db.selectFrom('vip_reservation').select('load_balancer_id').execute(), [{ load_balancer_id: 'new' }])

  clock.passSeconds(61)
  network.failNext('deletePort')
  assert.deepEqual(await undoVipReservations.run(context), { undone: 0, failed: 1 })
  assert.deepEqual(await undoVipReservations.run(context), { undone: 1, failed: 0 })
  assert.equal(await network.findPort('octavia-lb-new', 'project-1'), null)
})

forEachDatabase('ended flows are forgotten after the days that the configuration says', async (open) => {
  const { cloud } = await aCloud({ db: await open(), worker: false }).empty()
  const { db, clock, context } = cloud
  const nothing = flow<null>('nothing', { async steps() {} })
  const [ended, waiting] = await db
    .transaction()
    .execute(async (tx) => [await startFlow(tx, nothing, null), await startFlow(tx, nothing, null)])
  await db.updateTable('flow').set({ state: 'DONE', ended_at_ms: clock.now() }).where('id', '=', ended!).execute()
  clock.passSeconds(7 * 86_400)
  assert.deepEqual(await pruneFlowHistory.run(context), { deleted: 0 })
  clock.passSeconds(1)
  assert.deepEqual(await pruneFlowHistory.run(context), { deleted: 1 })
  assert.deepEqual(await db.selectFrom('flow').select('id').execute(), [{ id: waiting }])
})

forEachDatabase('jobs run at the start, and one that fails does not keep the others', async (open) => {
  const { cloud } = await aCloud({ db: await open(), worker: false }).empty()
  const { context } = cloud
  const ran: string[] = []
  const fails = periodicJob('fails', async () => {
    ran.push('fails')
    throw new Error('not today')
  })
  const works = periodicJob('works', async () => {
    ran.push('works')
    return {}
  })
  const housekeeping = startHousekeeping(context, [fails, works])
  await eventually(() => ran.length === 2)
  await housekeeping.stop()
  assert.deepEqual(ran, ['fails', 'works'])
})
