import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ProvisioningStatus } from '../../db/tables.ts'
import { createListener } from './create-flow.ts'
import { deleteListener } from './delete-flow.ts'
import { updateListener } from './update-flow.ts'

/** A pair that serves port 80, and the listener of port 81 that the flow is about. */
const given = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing('ACTIVE_STANDBY')
  const pool = await stage.insertPool({ provisioning_status: 'PENDING_UPDATE' })
  await stage.insertMember({ pool_id: pool.id })
  await stage.insertListener()
  const listener = await stage.insertListener({ protocol_port: 81, default_pool_id: pool.id, provisioning_status })
  const policy = await stage.insertL7Policy({ listener_id: listener.id })
  await stage.insertL7Rule({ l7policy_id: policy.id })
  return { context: stage.context, params: { listener_id: listener.id, load_balancer_id: stage.load_balancer_id }, stage }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE', l7policy: 'ACTIVE', l7rule: 'ACTIVE' }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, listener: 'ACTIVE ERROR' })
  assert.match((await stage.faultOf('listener')) ?? '', /failed/)
}

for (const [flow, status] of [
  [createListener, 'PENDING_CREATE'],
  [updateListener, 'PENDING_UPDATE'],
] as const) {
  flowSurvives(flow, {
    given: given(status),
    async whenItSucceeds({ stage }) {
      assert.deepEqual(await stage.statuses(), active)
      assert.equal(stage.haproxyCfgs().length, 2)
      for (const configuration of stage.haproxyCfgs()) assert.match(configuration, /bind 10\.0\.0\.10:81\n/)
      assert.deepEqual(stage.openPorts(), [80, 81])
    },
    whenItReverts: ({ stage }) => failed(stage),
  })
}

/** A single amphora, whose only listener is the UDP listener that the flow is about. */
const givenUdp = (provisioning_status: ProvisioningStatus) => async (db: Db) => {
  const stage = new Stage(db)
  await stage.insertServing()
  const pool = await stage.insertPool({ protocol: 'UDP' })
  await stage.insertMember({ pool_id: pool.id, address: '10.0.0.21' })
  const listener = await stage.insertListener({ protocol: 'UDP', protocol_port: 53, default_pool_id: pool.id, provisioning_status })
  const lvs = () => [...stage.amphora.agents.values()].flatMap(({ udp, haproxy }) => [...udp.values(), ...haproxy.values()])
  return { context: stage.context, params: { listener_id: listener.id, load_balancer_id: stage.load_balancer_id }, stage, lvs }
}

flowSurvives(createListener, {
  given: givenUdp('PENDING_CREATE'),
  async whenItSucceeds({ stage, lvs }) {
    assert.equal((await stage.statuses()).listener, 'ACTIVE')
    assert.match(lvs().join(), /10\.0\.0\.10 53\n.* real_server 10\.0\.0\.21 /s)
    assert.equal(lvs().length, 1, 'no HAProxy beside it')
  },
  async whenItReverts({ stage }) {
    assert.equal((await stage.statuses()).listener, 'ERROR')
  },
})

flowSurvives(deleteListener, {
  given: given('PENDING_DELETE'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE' })
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, /:81\n/)
    assert.deepEqual(stage.openPorts(), [80])
    assert.deepEqual(await stage.inUse(), { load_balancer: 1, listener: 1, pool: 1, member: 1 })
  },
  async whenItReverts({ stage }) {
    // The last step may have deleted the row before it failed.
    if ((await stage.inUse()).listener === 2) await failed(stage)
    else assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
  },
})
