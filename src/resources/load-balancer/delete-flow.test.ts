import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { LoadBalancerRow } from '../../db/tables.ts'
import { deleteLoadBalancer } from './delete-flow.ts'

async function populated(db: Db, loadBalancer: Partial<LoadBalancerRow> = {}) {
  const stage = new Stage(db)
  await stage.insertServing('ACTIVE_STANDBY', { provisioning_status: 'PENDING_DELETE', ...loadBalancer })
  await stage.insertLegs()
  const pool = await stage.insertPool()
  const listener = await stage.insertListener({ default_pool_id: pool.id })
  await stage.insertMember({ pool_id: pool.id, subnet_id: stage.memberSubnet.id })
  await stage.insertHealthMonitor({ pool_id: pool.id })
  const policy = await stage.insertL7Policy({ listener_id: listener.id })
  await stage.insertL7Rule({ l7policy_id: policy.id })
  return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id, cascade: true }, stage }
}

async function gone(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { load_balancer: 'DELETED' })
  assert.deepEqual(await stage.inUse(), {})
  assert.deepEqual(await stage.amphorae(), [])
}

flowSurvives(deleteLoadBalancer, {
  given: populated,
  async whenItSucceeds({ stage }) {
    assert.deepEqual(stage.made(), {})
    await gone(stage)
  },
  // What is gone is gone; the load balancer says so and can be deleted again.
  async whenItReverts({ stage }) {
    const { load_balancer } = await stage.statuses()
    assert.ok(load_balancer === 'ERROR' || load_balancer === 'DELETED', load_balancer)
  },
})

test("a user's own VIP port stays, without our group", async () => {
  const db = await aDatabase()
  const { context, params, stage } = await populated(db, { vip_port_owned: false })
  const [port] = stage.network.ports
  const [group] = stage.network.securityGroups
  await stage.network.updatePort(port!.id, { security_group_ids: ['his-own', group!.id] })
  assert.equal(await runFlow(db, deleteLoadBalancer, params, context), 'DONE')
  assert.deepEqual(stage.made(), { 'octavia-lb': 1 })
  assert.deepEqual((await stage.network.getPort(port!.id)).security_group_ids, ['his-own'])
  await gone(stage)
  await db.destroy()
})

test("an amphora's port that was made when its flow had been undone already goes, too", async () => {
  const db = await aDatabase()
  const { context, params, stage } = await populated(db)
  const [amphora] = await stage.amphorae()
  const port = stage.network.ports.find(({ name }) => name === `octavia-lb-vrrp-${amphora!.id}`)!
  const late = { ...port, id: '44444444-4444-4444-8444-444444444444', name: 'octavia-lb-vrrp-late', device_id: '' }
  stage.network.ports.push(late)
  await db
    .insertInto('amphora')
    .values({ ...amphora!, id: 'late', status: 'DELETED', compute_id: null })
    .execute()
  assert.equal(await runFlow(db, deleteLoadBalancer, params, context), 'DONE')
  assert.deepEqual(stage.made(), {})
  await gone(stage)
  await db.destroy()
})

test('dead amphorae are deleted without asking their agents', async () => {
  const db = await aDatabase()
  const { context, params, stage } = await populated(db)
  for (const { id, compute_id } of await stage.amphorae()) {
    stage.compute.kill(compute_id!)
    stage.amphora.disconnect(id)
  }
  assert.equal(await runFlow(db, deleteLoadBalancer, params, context), 'DONE')
  assert.deepEqual(stage.made(), {})
  await gone(stage)
  await db.destroy()
})
