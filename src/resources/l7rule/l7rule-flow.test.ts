import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { createL7Rule } from './create-flow.ts'
import { deleteL7Rule } from './delete-flow.ts'
import { updateL7Rule } from './update-flow.ts'

/** One of two rules of a policy. */
const given = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing()
  const { id: listener_id } = await stage.insertListener({ provisioning_status: 'PENDING_UPDATE' })
  const { id: l7policy_id } = await stage.insertL7Policy({ listener_id, provisioning_status: 'PENDING_UPDATE' })
  await stage.insertL7Rule({ l7policy_id, value: '/other' })
  const { id } = await stage.insertL7Rule({ l7policy_id, value: '/secret', provisioning_status })
  const params = { l7rule_id: id, l7policy_id, listener_id, load_balancer_id: stage.load_balancer_id }
  return { context: stage.context, params, stage }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', l7policy: 'ACTIVE', l7rule: 'ACTIVE' }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, l7rule: 'ACTIVE ERROR' })
  assert.match((await stage.faultOf('l7rule')) ?? '', /failed/)
}

for (const [flow, status] of [
  [createL7Rule, 'PENDING_CREATE'],
  [updateL7Rule, 'PENDING_UPDATE'],
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

flowSurvives(deleteL7Rule, {
  given: given('PENDING_DELETE'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.equal((await stage.inUse()).l7rule, 1)
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, /\/secret/)
  },
  async whenItReverts({ stage }) {
    if ((await stage.inUse()).l7rule === 2) await failed(stage)
    else assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
  },
})
