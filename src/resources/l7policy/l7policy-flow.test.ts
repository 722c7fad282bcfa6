import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { createL7Policy } from './create-flow.ts'
import { deleteL7Policy } from './delete-flow.ts'
import { updateL7Policy } from './update-flow.ts'

/** The first of two policies of a listener. */
const given = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing()
  const { id: listener_id } = await stage.insertListener({ provisioning_status: 'PENDING_UPDATE' })
  const { id } = await stage.insertL7Policy({ listener_id, position: 1, provisioning_status })
  await stage.insertL7Rule({ l7policy_id: id, value: '/secret' })
  const other = await stage.insertL7Policy({ listener_id, position: 2 })
  await stage.insertL7Rule({ l7policy_id: other.id, value: '/other' })
  const params = { l7policy_id: id, listener_id, load_balancer_id: stage.load_balancer_id }
  return { context: stage.context, params, stage, other }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', l7policy: 'ACTIVE', l7rule: 'ACTIVE' }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, l7policy: 'ACTIVE ERROR' })
  assert.match((await stage.faultOf('l7policy')) ?? '', /failed/)
}

for (const [flow, status] of [
  [createL7Policy, 'PENDING_CREATE'],
  [updateL7Policy, 'PENDING_UPDATE'],
] as const) {
  flowSurvives(flow, {
    given: given(status),
    async whenItSucceeds({ stage }) {
      assert.deepEqual(await stage.statuses(), active)
      for (const configuration of stage.haproxyCfgs()) assert.match(configuration, /-- \/secret\n/)
    },
    whenItReverts: ({ stage }) => failed(stage),
  })
}

flowSurvives(deleteL7Policy, {
  given: given('PENDING_DELETE'),
  async whenItSucceeds({ stage, other }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.deepEqual(await stage.inUse(), { load_balancer: 1, listener: 1, l7policy: 1, l7rule: 1 })
    const left = await stage.db.selectFrom('l7policy').select(['id', 'position']).execute()
    assert.deepEqual(left, [{ id: other.id, position: 1 }])
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, /\/secret/)
  },
  async whenItReverts({ stage }) {
    if ((await stage.inUse()).l7policy === 2) await failed(stage)
    else assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
  },
})
