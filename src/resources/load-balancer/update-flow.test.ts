import assert from 'node:assert/strict'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { Stage } from '../../../test/support/stage.ts'
import { updateLoadBalancer } from './update-flow.ts'

flowSurvives(updateLoadBalancer, {
  async given(db) {
    const stage = new Stage(db)
    const [former, own] = [stage.network.addSecurityGroup(), stage.network.addSecurityGroup()]
    stage.network.qosPolicies.push({ id: 'qos-1', project_id: 'project-1', shared: false })
    await stage.insertServing('ACTIVE_STANDBY', { vip_qos_policy_id: 'qos-1', admin_state_up: false, vip_sg_ids: [own.id] })
    await stage.insertListener()
    return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id, former_vip_sg_ids: [former.id] }, stage, own }
  },
  async whenItSucceeds({ stage, own }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE' })
    const vrrpPorts = stage.network.ports.filter(({ name }) => name.startsWith('octavia-lb-vrrp-'))
    assert.deepEqual(
      vrrpPorts.map((port) => port.qos_policy_id),
      ['qos-1', 'qos-1'],
    )
    for (const port of stage.network.ports) assert.equal(port.security_group_ids[1], own.id)
    assert.deepEqual(stage.openPorts(), [])
    assert.deepEqual(stage.haproxyCfgs(), [])
  },
  async whenItReverts({ stage }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ERROR', listener: 'ACTIVE' })
    assert.match((await stage.faultOf('load_balancer')) ?? '', /failed/)
  },
})
