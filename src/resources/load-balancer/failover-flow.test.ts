import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdersOfPorts } from '../../../test/support/amphora-places.ts'
import { anAmphoraRow } from '../../../test/support/builders.ts'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { Topology } from '../../db/tables.ts'
import { failoverLoadBalancer } from './failover-flow.ts'

async function aServing(db: Db, topology: Topology) {
  const stage = new Stage(db)
  await stage.insertServing(topology)
  await stage.insertListener()
  const former = await stage.amphorae()
  return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id }, stage, former }
}

async function isReplaced({ stage, former }: Awaited<ReturnType<typeof aServing>>): Promise<void> {
  assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE' })
  const holders = await holdersOfPorts(stage)
  for (const { id, role, vrrp_ip } of former) {
    const holder = holders[role!]!
    assert.notEqual(holder.id, id)
    assert.deepEqual([holder.status, holder.vrrp_ip], ['ALLOCATED', vrrp_ip])
  }
  const count = former.length
  assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': count, groups: 1, machines: count })
  const files = new Set((await stage.amphorae()).map(({ id }) => stage.amphora.haproxyCfg(id)))
  assert.equal(files.size, 1)
}

flowSurvives(failoverLoadBalancer, {
  given: (db) => aServing(db, 'ACTIVE_STANDBY'),
  whenItSucceeds: isReplaced,
  async whenItReverts({ stage, former }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ERROR', listener: 'ACTIVE' })
    const holders = await holdersOfPorts(stage)
    for (const { id, role, vrrp_ip } of former) {
      const holder = holders[role!]!
      assert.equal(holder.vrrp_ip, vrrp_ip)
      assert.ok(holder.id !== id || ['ALLOCATED', 'ERROR'].includes(holder.status))
    }
  },
})

test('an amphora that is alone is replaced too', async () => {
  const given = await aServing(await aDatabase(), 'SINGLE')
  assert.equal(await runFlow(given.stage.db, failoverLoadBalancer, given.params, given.context), 'DONE')
  await isReplaced(given)
})

test('what is missing is made, what is too much goes, and a create that had failed serves', async () => {
  const { stage, params, context, former } = await aServing(await aDatabase(), 'ACTIVE_STANDBY')
  const { load_balancer_id } = params
  const [backup, master] = former
  // Nothing is left of one, and there is another of the other's role.
  await stage.compute.deleteServer(backup!.compute_id!)
  await stage.network.deletePort(backup!.vrrp_port_id!)
  await stage.db.updateTable('amphora').set({ status: 'DELETED' }).where('id', '=', backup!.id).execute()
  const surplus = anAmphoraRow({ loadbalancer_id: load_balancer_id, role: 'MASTER', vrrp_port_id: null, created_at: '2026-01-02T00:00:00' })
  await stage.db.insertInto('amphora').values(surplus).execute()
  await stage.db.updateTable('listener').set({ provisioning_status: 'ERROR' }).execute()

  assert.equal(await runFlow(stage.db, failoverLoadBalancer, params, context), 'DONE')
  assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE' })
  const holders = await holdersOfPorts(stage)
  assert.deepEqual(Object.keys(holders).sort(), ['BACKUP', 'MASTER'])
  assert.equal((await stage.amphorae()).length, 2)
  assert.equal(holders.MASTER?.vrrp_ip, master!.vrrp_ip)
  // Whoever was made first knows the other's new address in the end.
  for (const [role, other] of [
    ['MASTER', 'BACKUP'],
    ['BACKUP', 'MASTER'],
  ] as const) {
    const { keepalived } = stage.amphora.agents.get(holders[role]!.id)!
    assert.match(keepalived ?? '', new RegExp(`unicast_peer {\\s+${holders[other]!.vrrp_ip}\\s+}`))
  }
})

test('a VIP port that somebody has deleted is made again with its addresses; a user’s own is not ours to make', async () => {
  const { stage, params, context } = await aServing(await aDatabase(), 'SINGLE')
  const vip = () => stage.db.selectFrom('load_balancer').select(['vip_port_id', 'vip_address']).executeTakeFirstOrThrow()
  const before = await vip()
  await stage.network.deletePort(before.vip_port_id)
  assert.equal(await runFlow(stage.db, failoverLoadBalancer, params, context), 'DONE')
  const after = await vip()
  assert.notEqual(after.vip_port_id, before.vip_port_id)
  const port = await stage.network.getPort(after.vip_port_id)
  assert.deepEqual(
    port.fixed_ips.map(({ ip_address }) => ip_address),
    [before.vip_address],
  )
  const [amphora] = await stage.amphorae()
  assert.equal(amphora?.ha_port_id, after.vip_port_id)

  await stage.network.deletePort(after.vip_port_id)
  await stage.db.updateTable('load_balancer').set({ vip_port_owned: false, provisioning_status: 'PENDING_UPDATE' }).execute()
  assert.equal(await runFlow(stage.db, failoverLoadBalancer, params, context), 'REVERTED')
  assert.equal(await stage.faultOf('load_balancer'), 'The VIP port of the load balancer no longer exists.')
})
