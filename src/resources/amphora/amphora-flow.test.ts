import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdersOfPorts } from '../../../test/support/amphora-places.ts'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { LoadBalancerRow } from '../../db/tables.ts'
import { configureAmphora } from './configure-flow.ts'
import { deleteAmphora } from './delete-flow.ts'
import { failoverAmphora } from './failover-flow.ts'

/** A pair with a member on a network of its own, of which the BACKUP is to be replaced. */
async function aPair(db: Db, loadBalancer: Partial<LoadBalancerRow> = {}) {
  const stage = new Stage(db)
  await stage.insertServing('ACTIVE_STANDBY', loadBalancer)
  const pool = await stage.insertPool()
  await stage.insertListener({ default_pool_id: pool.id })
  await stage.insertMember({ pool_id: pool.id, subnet_id: stage.memberSubnet.id })
  await stage.insertLegs()
  const [backup, master] = await stage.amphorae()
  const { load_balancer_id } = stage
  // It is the one that serves, and lets its clients go before it is replaced.
  const { id, lb_network_ip, vrrp_ip, ha_ip } = backup!
  const vip = { vip_address: ha_ip!, vrrp_ip: vrrp_ip!, subnet_cidr: '10.0.0.0/24', gateway: null, mac_address: '', mtu: 1500 }
  const fence = { flow_id: 'an earlier flow', generation: 1 }
  await stage.amphora.plugVip({ id, lb_network_ip: lb_network_ip! }, { ...vip, host_routes: [], additional_vips: [] }, fence)
  await stage.amphora.applyKeepalived({ id, lb_network_ip: lb_network_ip! }, 'as it was', fence)
  return {
    context: stage.context,
    params: { amphora_id: backup!.id, load_balancer_id, cause: 'requested' as const },
    stage,
    backup: backup!,
    master: master!,
  }
}

/** Of a load balancer that no flow has. */
const free = { provisioning_status: 'ACTIVE' } as const

flowSurvives(failoverAmphora, {
  given: (db) => aPair(db),
  async whenItSucceeds({ stage, backup, master }) {
    assert.equal((await stage.statuses()).load_balancer, 'ACTIVE')
    const holders = await holdersOfPorts(stage)
    assert.notEqual(holders.BACKUP?.id, backup.id)
    assert.deepEqual([holders.BACKUP?.status, holders.BACKUP?.vrrp_ip], ['ALLOCATED', backup.vrrp_ip])
    assert.equal(holders.MASTER?.id, master.id)
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 2, 'octavia-lb-member': 2, groups: 1, machines: 2 })
    const agent = stage.amphora.agents.get(holders.BACKUP!.id)!
    assert.equal(agent.vip?.vrrp_ip, backup.vrrp_ip)
    assert.equal(agent.networks.length, 1)
    assert.match(agent.keepalived ?? '', /priority 90\n/)
    assert.match(agent.keepalived ?? '', new RegExp(`unicast_peer {\\s+${master.vrrp_ip}\\s+}`))
    assert.equal(stage.amphora.haproxyCfg(holders.BACKUP!.id), stage.amphora.haproxyCfg(master.id))
    assert.equal(stage.amphora.agents.get(backup.id)!.keepalived, null)
  },
  async whenItReverts({ stage, backup, master }) {
    assert.equal((await stage.statuses()).load_balancer, 'ERROR')
    const holders = await holdersOfPorts(stage)
    assert.equal(holders.MASTER?.id, master.id)
    // Either the old one has its ports again, or the new one serves and the old one waits to be deleted.
    const { id, status, vrrp_ip } = holders.BACKUP!
    assert.equal(vrrp_ip, backup.vrrp_ip)
    assert.equal(status, 'ALLOCATED')
    if (id === backup.id) assert.notEqual(stage.amphora.agents.get(id)!.keepalived, null, 'it serves on')
    const old = (await stage.amphorae()).find((amphora) => amphora.id === backup.id)
    assert.ok(old === undefined || old.status !== 'PENDING_DELETE')
  },
})

test('a dead amphora is replaced, and where its port has gone with it the new one has another', async () => {
  const { stage, params, backup, master, context } = await aPair(await aDatabase())
  stage.compute.kill(backup.compute_id!)
  const { id: _, ...port } = await stage.network.getPort(backup.vrrp_port_id!)
  await stage.network.deletePort(backup.vrrp_port_id!)
  await stage.network.ensurePort({ ...port, name: 'somebody else', project_id: null, made_by: 'somebody else' })
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'DONE')
  const { BACKUP } = await holdersOfPorts(stage)
  assert.notEqual(BACKUP!.vrrp_ip, backup.vrrp_ip)
  // Its peer is told to whom it speaks now.
  assert.match(stage.amphora.agents.get(master.id)?.keepalived ?? '', new RegExp(`unicast_peer {\\s+${BACKUP!.vrrp_ip}\\s+}`))
  const allowed = stage.network.securityGroups.flatMap(({ rules }) => rules.map((rule) => rule.remote_ip_prefix))
  assert.ok(allowed.includes(`${BACKUP!.vrrp_ip}/32`))
})

test('an amphora that is dead is not asked to let its clients go, nor is one that does not answer', async () => {
  const dead = await aPair(await aDatabase())
  assert.equal(await runFlow(dead.stage.db, failoverAmphora, { ...dead.params, cause: 'no_heartbeat' }, dead.context), 'DONE')
  assert.equal(dead.stage.amphora.agents.get(dead.backup.id)!.keepalived, 'as it was')
  const silent = await aPair(await aDatabase())
  silent.stage.amphora.disconnect(silent.backup.id)
  assert.equal(await runFlow(silent.stage.db, failoverAmphora, silent.params, silent.context), 'DONE')
  assert.notEqual((await holdersOfPorts(silent.stage)).BACKUP?.id, silent.backup.id)
})

test('a machine that cannot be cut off keeps its ports, and nobody else gets them', async () => {
  const { stage, params, backup, context } = await aPair(await aDatabase())
  stage.compute.failNext('detachPort', new Error('the host of the machine is silent'))
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'REVERTED')
  assert.equal((await holdersOfPorts(stage)).BACKUP?.id, backup.id)
  const { fault } = await stage.db.selectFrom('load_balancer').select('fault').executeTakeFirstOrThrow()
  assert.equal(fault?.message, 'An amphora that is to be replaced could not be cut off.')
  assert.match(fault!.details, /the host of the machine is silent/)
})

test('a machine that does not let go of its ports is ended, and the new one gets others, with the same address: the old host may come back', async () => {
  const { stage, params, backup, master, context } = await aPair(await aDatabase())
  const before = stage.made()
  stage.compute.hanging.add(backup.compute_id!)
  assert.equal(await runFlow(stage.db, failoverAmphora, { ...params, cause: 'no_heartbeat' }, context), 'DONE')
  const { BACKUP } = await holdersOfPorts(stage)
  const [replacement] = (await stage.amphorae()).filter(({ id }) => id === BACKUP!.id)
  assert.equal(replacement!.vrrp_ip, backup.vrrp_ip)
  assert.notEqual(replacement!.vrrp_port_id, backup.vrrp_port_id)
  assert.deepEqual(stage.made(), before)
  assert.equal((await stage.compute.getServer(backup.compute_id!)).status, 'GONE')
  assert.equal(stage.amphora.agents.get(BACKUP!.id)!.networks.length, 1)
  assert.match(stage.amphora.agents.get(master.id)?.keepalived ?? '', new RegExp(`unicast_peer {\\s+${BACKUP!.vrrp_ip}\\s+}`))
})

test('a machine that neither lets go of its ports nor ends keeps them', async () => {
  const { stage, params, backup, context } = await aPair(await aDatabase())
  stage.compute.hanging.add(backup.compute_id!)
  stage.compute.failNext('deleteServer', new Error('it is still ACTIVE with the task deleting'))
  assert.equal(await runFlow(stage.db, failoverAmphora, { ...params, cause: 'no_heartbeat' }, context), 'REVERTED')
  assert.equal((await holdersOfPorts(stage)).BACKUP?.id, backup.id)
  const { fault } = await stage.db.selectFrom('load_balancer').select('fault').executeTakeFirstOrThrow()
  assert.match(fault!.details, /could not be cut off|still ACTIVE with the task deleting/)
})

test('a machine that is gone is cut off, whoever else does not answer', async () => {
  const { stage, params, backup, context } = await aPair(await aDatabase())
  stage.compute.kill(backup.compute_id!)
  stage.compute.failNext('detachPort', new Error('the host of the machine is silent'))
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'DONE')
  assert.notEqual((await holdersOfPorts(stage)).BACKUP?.id, backup.id)
})

test('a machine that was left over by a replacement which serves is only taken away', async () => {
  const { stage, params, backup, context } = await aPair(await aDatabase())
  stage.compute.failNext('deleteServer', new Error('the host of the machine is silent'))
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'REVERTED')
  const { BACKUP } = await holdersOfPorts(stage)
  assert.notEqual(BACKUP!.id, backup.id)
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'DONE')
  assert.equal((await holdersOfPorts(stage)).BACKUP?.id, BACKUP!.id)
  assert.deepEqual((await stage.amphorae()).map(({ id }) => id).includes(backup.id), false)
  assert.equal(stage.made().machines, 2)
})

test('a peer that does not answer is left for its own failover', async () => {
  const { stage, params, master, context } = await aPair(await aDatabase())
  stage.amphora.disconnect(master.id)
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'DONE')
  const holders = await holdersOfPorts(stage)
  assert.deepEqual([holders.BACKUP?.status, holders.MASTER?.status], ['ALLOCATED', 'ERROR'])
})

flowSurvives(deleteAmphora, {
  async given(db) {
    const { stage, context, backup } = await aPair(db, free)
    await db.updateTable('amphora').set({ status: 'PENDING_DELETE' }).where('id', '=', backup.id).execute()
    return { context, params: { amphora_id: backup.id }, stage, backup }
  },
  async whenItSucceeds({ stage, backup }) {
    assert.deepEqual(Object.keys(await holdersOfPorts(stage)), ['MASTER'])
    assert.ok((await stage.amphorae()).every(({ id }) => id !== backup.id))
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 1, 'octavia-lb-member': 1, groups: 1, machines: 1 })
  },
  async whenItReverts({ stage, backup }) {
    const left = (await stage.amphorae()).find(({ id }) => id === backup.id)
    assert.ok(left === undefined || left.status === 'ERROR')
  },
})

flowSurvives(configureAmphora, {
  given: (db) => aPair(db, free),
  async whenItSucceeds({ stage, backup }) {
    assert.match(stage.amphora.agents.get(backup.id)?.agentConfiguration ?? '', new RegExp(`amphora_id = ${backup.id}`))
  },
  async whenItReverts({ stage }) {
    assert.deepEqual(
      (await stage.amphorae()).map(({ status }) => status),
      ['ALLOCATED', 'ALLOCATED'],
    )
  },
})
