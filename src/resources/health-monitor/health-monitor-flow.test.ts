import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { createHealthMonitor } from './create-flow.ts'
import { deleteHealthMonitor } from './delete-flow.ts'
import { updateHealthMonitor } from './update-flow.ts'

const given = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing()
  const pool = await stage.insertPool({ provisioning_status: 'PENDING_UPDATE' })
  await stage.insertListener({ default_pool_id: pool.id, provisioning_status: 'PENDING_UPDATE' })
  await stage.insertMember({ pool_id: pool.id, operating_status: 'ONLINE' })
  const { id } = await stage.insertHealthMonitor({ pool_id: pool.id, delay: 17, provisioning_status })
  const params = { health_monitor_id: id, pool_id: pool.id, load_balancer_id: stage.load_balancer_id }
  return { context: stage.context, params, stage }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE', health_monitor: 'ACTIVE' }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, health_monitor: 'ERROR' })
  assert.match((await stage.faultOf('health_monitor')) ?? '', /failed/)
}

for (const [flow, status] of [
  [createHealthMonitor, 'PENDING_CREATE'],
  [updateHealthMonitor, 'PENDING_UPDATE'],
] as const) {
  flowSurvives(flow, {
    given: given(status),
    async whenItSucceeds({ stage }) {
      assert.deepEqual(await stage.statuses(), active)
      for (const configuration of stage.haproxyCfgs()) assert.match(configuration, / check inter 17s /)
    },
    whenItReverts: ({ stage }) => failed(stage),
  })
}

flowSurvives(deleteHealthMonitor, {
  given: given('PENDING_DELETE'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE' })
    assert.equal((await stage.inUse()).health_monitor, undefined)
    assert.equal((await stage.db.selectFrom('member').selectAll().executeTakeFirstOrThrow()).operating_status, 'NO_MONITOR')
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, / check /)
  },
  async whenItReverts({ stage }) {
    if ((await stage.inUse()).health_monitor === 1) await failed(stage)
    else assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
  },
})
