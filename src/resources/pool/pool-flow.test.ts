import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { createPool } from './create-flow.ts'
import { deletePool } from './delete-flow.ts'
import { updatePool } from './update-flow.ts'

/** The listener's default pool, with a member on a subnet of its own and a monitor. */
const given = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing()
  await stage.insertLegs()
  const pool = await stage.insertPool({ lb_algorithm: 'LEAST_CONNECTIONS', provisioning_status })
  await stage.insertListener({ default_pool_id: pool.id, provisioning_status: 'PENDING_UPDATE' })
  await stage.insertMember({ pool_id: pool.id, subnet_id: stage.memberSubnet.id })
  await stage.insertHealthMonitor({ pool_id: pool.id })
  return { context: stage.context, params: { pool_id: pool.id, load_balancer_id: stage.load_balancer_id }, stage }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE', health_monitor: 'ACTIVE' }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, pool: 'ERROR' })
  assert.match((await stage.faultOf('pool')) ?? '', /failed/)
}

for (const [flow, status] of [
  [createPool, 'PENDING_CREATE'],
  [updatePool, 'PENDING_UPDATE'],
] as const) {
  flowSurvives(flow, {
    given: given(status),
    async whenItSucceeds({ stage }) {
      assert.deepEqual(await stage.statuses(), active)
      for (const configuration of stage.haproxyCfgs()) assert.match(configuration, /balance leastconn\n/)
      assert.equal(stage.made()['octavia-lb-member'], 1)
    },
    whenItReverts: ({ stage }) => failed(stage),
  })
}

flowSurvives(deletePool, {
  given: given('PENDING_DELETE'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE' })
    assert.deepEqual(await stage.inUse(), { load_balancer: 1, listener: 1 })
    assert.equal((await stage.db.selectFrom('listener').selectAll().executeTakeFirstOrThrow()).default_pool_id, null)
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, /backend/)
    assert.equal(stage.made()['octavia-lb-member'], undefined)
  },
  async whenItReverts({ stage }) {
    if ((await stage.inUse()).pool === 1) await failed(stage)
    else assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
  },
})
