import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aConfig } from '../../../test/support/builders.ts'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { SECRET, Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { Topology } from '../../db/tables.ts'
import { NoopAmphora } from '../../drivers/amphora/noop.ts'
import { NoopCompute } from '../../drivers/compute/noop.ts'
import { AgentUnreachable } from '../../drivers/errors.ts'
import { NoopImages } from '../../drivers/image/noop.ts'
import { NoopNetwork } from '../../drivers/network/noop.ts'
import { SecretBox } from '../../lib/secret-box.ts'
import { createLoadBalancer } from './create-flow.ts'
import { deleteLoadBalancer } from './delete-flow.ts'
import { failoverLoadBalancer } from './failover-flow.ts'

const PENDING_CREATE = { provisioning_status: 'PENDING_CREATE' } as const

/** A fully populated create: a listener, its pool with a member on a subnet of its own, a monitor. */
async function populated(db: Db, topology: Topology): Promise<Stage> {
  const stage = new Stage(db, { nova: { enable_anti_affinity: true }, keepalived_vrrp: { vrrp_advert_int: 0.1 } })
  stage.amphora.agentCapabilities = ['fractional-advert']
  await stage.insertLoadBalancer({ topology, ...PENDING_CREATE })
  const pool = await stage.insertPool(PENDING_CREATE)
  await stage.insertListener({ default_pool_id: pool.id, ...PENDING_CREATE })
  await stage.insertMember({ pool_id: pool.id, subnet_id: stage.memberSubnet.id, ...PENDING_CREATE })
  await stage.insertMember({ pool_id: pool.id, address: '10.0.0.30', subnet_id: stage.vipSubnet.id, ...PENDING_CREATE })
  await stage.insertHealthMonitor({ pool_id: pool.id, ...PENDING_CREATE })
  return stage
}

const given = (topology: Topology) => async (db: Db) => {
  const stage = await populated(db, topology)
  return { context: stage.context, params: { load_balancer_id: stage.load_balancer_id }, stage }
}

const allActive = { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE', health_monitor: 'ACTIVE' }
const allInError = { load_balancer: 'ERROR', listener: 'ERROR', pool: 'ERROR', member: 'ERROR', health_monitor: 'ERROR' }

/** The VIP's port is the API's; it stays until the load balancer is deleted. */
async function nothingLeft(stage: Stage): Promise<void> {
  assert.deepEqual(stage.made(), { 'octavia-lb': 1 })
  assert.deepEqual(stage.network.ports[0]?.security_group_ids, [])
  assert.deepEqual(await stage.statuses(), allInError)
  assert.match((await stage.faultOf('load_balancer')) ?? '', /failed/)
  assert.deepEqual(await stage.amphorae(), [])
  const remembered = await stage.db.selectFrom('amphora').select('server_certificate').execute()
  assert.deepEqual(
    remembered.filter(({ server_certificate }) => server_certificate !== null),
    [],
  )
  assert.deepEqual(await stage.db.selectFrom('amphora_member_port').selectAll().execute(), [])
}

flowSurvives(createLoadBalancer, {
  given: given('SINGLE'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(stage.made(), { 'octavia-lb': 1, 'octavia-lb-vrrp': 1, 'octavia-lb-member': 1, groups: 1, machines: 1 })
    assert.deepEqual(await stage.statuses(), allActive)
    const [amphora, ...others] = await stage.amphorae()
    assert.deepEqual(others, [])
    assert.equal(amphora?.status, 'ALLOCATED')
    assert.equal(amphora.role, 'STANDALONE')
    assert.equal(amphora.vrrp_interface, 'eth1')
    assert.equal(amphora.ha_ip, '10.0.0.10')
    const pem = new SecretBox('option', ['passphrase']).open(amphora.server_certificate!)
    assert.equal(stage.compute.servers[0]?.wanted.files['/etc/octavia/certs/server.pem'], pem)
    const agent = stage.amphora.agents.get(amphora.id)
    assert.equal(agent?.vip?.vip_address, '10.0.0.10')
    assert.equal(agent.networks.length, 1)
    assert.equal(agent.keepalived, null)
    assert.match(stage.amphora.haproxyCfg(amphora.id), /bind 10\.0\.0\.10:80/)
    assert.deepEqual(stage.openPorts(), [80])
    const journal = await stage.journal()
    assert.ok(!journal.includes(SECRET) && !journal.includes('heartbeat key'))
  },
  whenItReverts: ({ stage }) => nothingLeft(stage),
})

flowSurvives(createLoadBalancer, {
  given: given('ACTIVE_STANDBY'),
  async whenItSucceeds({ stage }) {
    const made = { 'octavia-lb': 1, 'octavia-lb-vrrp': 2, 'octavia-lb-member': 2, groups: 1, machines: 2, server_groups: 1 }
    assert.deepEqual(stage.made(), made)
    assert.deepEqual(await stage.statuses(), allActive)
    const amphorae = await stage.amphorae()
    assert.deepEqual(
      amphorae.map(({ role, vrrp_priority, vrrp_id }) => ({ role, vrrp_priority, vrrp_id })),
      [
        { role: 'BACKUP', vrrp_priority: 253, vrrp_id: 1 },
        { role: 'MASTER', vrrp_priority: 254, vrrp_id: 1 },
      ],
    )
    for (const { id, vrrp_ip } of amphorae) {
      const keepalived = stage.amphora.agents.get(id)?.keepalived ?? ''
      assert.match(keepalived, new RegExp(`unicast_src_ip ${vrrp_ip}\n`))
      assert.match(keepalived, /version 3\n/)
      for (const other of amphorae) assert.match(stage.amphora.haproxyCfg(id), new RegExp(` ${other.vrrp_ip}:1025\n`))
    }
    const ofPeers = stage.network.securityGroups.flatMap((group) => group.rules).filter((rule) => rule.remote_ip_prefix !== null)
    assert.deepEqual(
      ofPeers.map(({ protocol, port, remote_ip_prefix }) => `${protocol} ${port} ${remote_ip_prefix}`).sort(),
      amphorae.flatMap(({ vrrp_ip }) => [`112 null ${vrrp_ip}/32`, `tcp 1025 ${vrrp_ip}/32`]).sort(),
    )
    assert.deepEqual(
      stage.compute.servers.map((server) => server.wanted.server_group_id),
      Array(2).fill(stage.compute.serverGroups[0]?.id),
    )
  },
  whenItReverts: ({ stage }) => nothingLeft(stage),
})

test("with the no-op drivers a load balancer becomes ACTIVE, fails over and is deleted again, with upstream's addresses", async () => {
  const db = await aDatabase()
  const stage = await populated(db, 'ACTIVE_STANDBY')
  const drivers = { network: new NoopNetwork(), compute: new NoopCompute(), image: new NoopImages(), amphora: new NoopAmphora() }
  const config = aConfig({ controller_worker: { compute_driver: 'compute_noop_driver' } })
  const context = { ...stage.context, ...drivers, config }
  const { load_balancer_id } = stage
  assert.equal(await runFlow(db, createLoadBalancer, { load_balancer_id }, context), 'DONE')
  assert.deepEqual(await stage.statuses(), allActive)
  const amphorae = await stage.amphorae()
  assert.deepEqual(
    amphorae.map((amphora) => [amphora.role, amphora.lb_network_ip, amphora.vrrp_ip, amphora.server_certificate]),
    [
      ['BACKUP', '192.0.2.1', '198.51.100.1', null],
      ['MASTER', '192.0.2.1', '198.51.100.1', null],
    ],
  )
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  assert.equal(await runFlow(db, failoverLoadBalancer, { load_balancer_id }, context), 'DONE')
  const replaced = await stage.amphorae()
  assert.deepEqual(
    replaced.map(({ role, vrrp_port_id }) => [role, vrrp_port_id]),
    amphorae.map(({ role, vrrp_port_id }) => [role, vrrp_port_id]),
  )
  assert.ok(replaced.every(({ id }) => amphorae.every((amphora) => amphora.id !== id)))
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_DELETE' }).execute()
  assert.equal(await runFlow(db, deleteLoadBalancer, { load_balancer_id, cascade: true }, context), 'DONE')
  assert.deepEqual(await stage.statuses(), { load_balancer: 'DELETED' })
  await db.destroy()
})

test('a machine that ends while it boots ends the flow at once, with a reason', async () => {
  const db = await aDatabase()
  const stage = await populated(db, 'SINGLE')
  stage.amphora.failNext('waitForAgent', new AgentUnreachable('an amphora', 'its machine is gone'))
  const { load_balancer_id } = stage
  assert.equal(await runFlow(db, createLoadBalancer, { load_balancer_id }, stage.context), 'REVERTED')
  assert.deepEqual(await stage.statuses(), allInError)
  assert.equal(await stage.faultOf('load_balancer'), 'An amphora did not answer after its start.')
  assert.deepEqual(stage.made(), { 'octavia-lb': 1 })
  await db.destroy()
})
