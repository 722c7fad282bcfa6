import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdersOfPorts } from '../../../test/support/amphora-places.ts'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import { configureAmphora } from './configure-flow.ts'
import { deleteAmphora } from './delete-flow.ts'
import { failoverAmphora } from './failover-flow.ts'

/** A pair with a member on a network of its own, of which the BACKUP is to be replaced. */
async function aPair(db: Db) {
  const stage = new Stage(db)
  await stage.insertServing('ACTIVE_STANDBY')
  const pool = await stage.insertPool()
  await stage.insertListener({ default_pool_id: pool.id })
  await stage.insertMember({ pool_id: pool.id, subnet_id: stage.memberSubnet.id })
  await stage.insertLegs()
  const [backup, master] = await stage.amphorae()
  const { load_balancer_id } = stage
  return {
    context: stage.context,
    params: { amphora_id: backup!.id, load_balancer_id, cause: 'requested' as const },
    stage,
    backup: backup!,
    master: master!,
  }
}

flowSurvives(failoverAmphora, {
  given: aPair,
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
  },
  async whenItReverts({ stage, backup, master }) {
    assert.equal((await stage.statuses()).load_balancer, 'ERROR')
    const holders = await holdersOfPorts(stage)
    assert.equal(holders.MASTER?.id, master.id)
    // Either the old one has its ports again, or the new one serves and the old one waits to be deleted.
    const { id, status, vrrp_ip } = holders.BACKUP!
    assert.equal(vrrp_ip, backup.vrrp_ip)
    if (id !== backup.id) assert.equal(status, 'ALLOCATED')
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

test('a peer that does not answer is left for its own failover', async () => {
  const { stage, params, master, context } = await aPair(await aDatabase())
  stage.amphora.disconnect(master.id)
  assert.equal(await runFlow(stage.db, failoverAmphora, params, context), 'DONE')
  const holders = await holdersOfPorts(stage)
  assert.deepEqual([holders.BACKUP?.status, holders.MASTER?.status], ['ALLOCATED', 'ERROR'])
})

flowSurvives(deleteAmphora, {
  async given(db) {
    const { stage, context, backup } = await aPair(db)
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
  given: aPair,
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
