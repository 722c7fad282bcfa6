import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakable } from '../../../test/support/breakable.ts'
import { aDatabase, forEachDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { MemberRow, Topology } from '../../db/tables.ts'
import { AgentError } from '../../drivers/errors.ts'
import { failoverLoadBalancer } from '../load-balancer/failover-flow.ts'
import { batchUpdateMembers } from './batch-update-flow.ts'
import { createMember } from './create-flow.ts'
import { deleteMember } from './delete-flow.ts'
import { updateMember } from './update-flow.ts'

/** A serving load balancer with one member on the VIP's subnet. */
async function aPool(db: Db, topology: Topology = 'ACTIVE_STANDBY') {
  const stage = new Stage(db)
  await stage.insertServing(topology)
  const pool = await stage.insertPool({ provisioning_status: 'PENDING_UPDATE' })
  await stage.insertListener({ default_pool_id: pool.id, provisioning_status: 'PENDING_UPDATE' })
  await stage.insertMember({ pool_id: pool.id, address: '10.0.0.20', subnet_id: stage.vipSubnet.id })
  return { stage, pool }
}

/** Besides, the member that the flow is about, alone on a subnet of its own. */
const given = (member: Partial<MemberRow>, legs: 'no legs' | 'legs') => async (db: Db) => {
  const { stage, pool } = await aPool(db)
  if (legs === 'legs') await stage.insertLegs()
  const { id } = await stage.insertMember({ pool_id: pool.id, address: '10.1.0.30', subnet_id: stage.memberSubnet.id, ...member })
  return {
    context: stage.context,
    params: { member_id: id, pool_id: pool.id, load_balancer_id: stage.load_balancer_id },
    stage,
  }
}

const active = { load_balancer: 'ACTIVE', listener: 'ACTIVE', pool: 'ACTIVE', member: 'ACTIVE' }
const withoutLegs = { 'octavia-lb': 1, 'octavia-lb-vrrp': 2, groups: 1, machines: 2 }
const withLegs = { ...withoutLegs, 'octavia-lb-member': 2 }

async function failed(stage: Stage): Promise<void> {
  assert.deepEqual(await stage.statuses(), { ...active, member: 'ACTIVE ERROR' })
  assert.match((await stage.faultOf('member')) ?? '', /failed/)
}

flowSurvives(createMember, {
  given: given({ provisioning_status: 'PENDING_CREATE' }, 'no legs'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.deepEqual(stage.made(), withLegs)
    assert.equal(stage.haproxyCfgs().length, 2)
    for (const configuration of stage.haproxyCfgs()) assert.match(configuration, / 10\.1\.0\.30:80 /)
    for (const agent of stage.amphora.agents.values()) assert.equal(agent.networks.length, 1)
  },
  async whenItReverts({ stage }) {
    await failed(stage)
    assert.deepEqual(stage.made(), withoutLegs)
    assert.deepEqual(await stage.db.selectFrom('amphora_member_port').selectAll().execute(), [])
  },
})

flowSurvives(updateMember, {
  given: given({ provisioning_status: 'PENDING_UPDATE', weight: 77 }, 'legs'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.deepEqual(stage.made(), withLegs)
    for (const configuration of stage.haproxyCfgs()) assert.match(configuration, / 10\.1\.0\.30:80 weight 77\n/)
  },
  async whenItReverts({ stage }) {
    await failed(stage)
    assert.deepEqual(stage.made(), withLegs)
  },
})

flowSurvives(deleteMember, {
  given: given({ provisioning_status: 'PENDING_DELETE' }, 'legs'),
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.deepEqual(stage.made(), withoutLegs)
    assert.deepEqual(await stage.inUse(), { load_balancer: 1, listener: 1, pool: 1, member: 1 })
    for (const configuration of stage.haproxyCfgs()) assert.doesNotMatch(configuration, /10\.1\.0\.30/)
  },
  async whenItReverts({ stage }) {
    if ((await stage.inUse()).member === 2) await failed(stage)
    else assert.deepEqual(await stage.statuses(), active)
  },
})

flowSurvives(batchUpdateMembers, {
  async given(db) {
    const { stage, pool } = await aPool(db)
    const member = (address: string, row: Partial<MemberRow>) => stage.insertMember({ pool_id: pool.id, address, ...row })
    const created = await member('10.1.0.31', { provisioning_status: 'PENDING_CREATE', subnet_id: stage.memberSubnet.id })
    const updated = await member('10.0.0.32', { provisioning_status: 'PENDING_UPDATE', weight: 9 })
    const deleted = await member('10.0.0.33', { provisioning_status: 'PENDING_DELETE' })
    const ids = { created: [created.id], updated: [updated.id], deleted: [deleted.id] }
    return { context: stage.context, params: { pool_id: pool.id, load_balancer_id: stage.load_balancer_id, ...ids }, stage }
  },
  async whenItSucceeds({ stage }) {
    assert.deepEqual(await stage.statuses(), active)
    assert.deepEqual(stage.made(), withLegs)
    assert.equal((await stage.inUse()).member, 3)
    for (const configuration of stage.haproxyCfgs()) {
      assert.match(configuration, /10\.1\.0\.31:80 weight 1\n/)
      assert.match(configuration, /10\.0\.0\.32:80 weight 9\n/)
      assert.doesNotMatch(configuration, /10\.0\.0\.33/)
    }
  },
  async whenItReverts({ stage }) {
    assert.deepEqual(await stage.statuses(), { ...active, member: 'ACTIVE ERROR' })
    assert.deepEqual(stage.made(), withoutLegs)
  },
})

/** Its legs' ports have been made; the answers were lost, and the network was away until the flow had given up. The load balancer is another flow's then. */
async function anUnfinishedCreate(db: Db) {
  const { context, params, stage } = await given({ provisioning_status: 'PENDING_CREATE' }, 'no legs')(db)
  const finding = breakable(stage.network, 'findPort')
  finding.break()
  for (const _ of await stage.amphorae()) stage.network.failNext('ensurePort', undefined, { after: true })
  assert.equal(await runFlow(db, createMember, params, context), 'REVERT_FAILURE')
  assert.deepEqual(stage.made(), withLegs)
  finding.mend()
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  return { context, params, stage }
}

forEachDatabase('the legs of a member whose create could not be undone go with the member', async (open) => {
  const db = await open()
  const { context, params, stage } = await anUnfinishedCreate(db)
  await db.updateTable('member').set({ provisioning_status: 'PENDING_DELETE' }).where('id', '=', params.member_id).execute()
  assert.equal(await runFlow(db, deleteMember, params, context), 'DONE')
  assert.deepEqual(stage.made(), withoutLegs)
  assert.deepEqual(await db.selectFrom('unfinished_leg').selectAll().execute(), [])
})

forEachDatabase('the next change finishes the legs of a member whose create could not be undone', async (open) => {
  const db = await open()
  const { context, params, stage } = await anUnfinishedCreate(db)
  assert.equal(await runFlow(db, updateMember, params, context), 'DONE')
  await hasWorkingLegs(stage)
})

forEachDatabase('an amphora that is replaced leaves no unfinished leg', async (open) => {
  const db = await open()
  const { context, params, stage } = await anUnfinishedCreate(db)
  assert.equal(await runFlow(db, failoverLoadBalancer, params, context), 'DONE')
  await hasWorkingLegs(stage)
})

forEachDatabase('a leg that was taken away in part is plugged again where its member stays', async (open) => {
  const db = await open()
  const { context, params, stage } = await given({ provisioning_status: 'PENDING_DELETE' }, 'legs')(db)
  const deleting = breakable(stage.network, 'deletePort')
  deleting.break()
  assert.equal(await runFlow(db, deleteMember, params, context), 'REVERTED')
  await failed(stage)
  deleting.mend()
  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  assert.equal(await runFlow(db, updateMember, params, context), 'DONE')
  await hasWorkingLegs(stage)
})

/** Each amphora has one, attached to its machine and known to its agent, and nothing else is there. */
async function hasWorkingLegs(stage: Stage): Promise<void> {
  assert.deepEqual(stage.made(), withLegs)
  assert.deepEqual(await stage.db.selectFrom('unfinished_leg').selectAll().execute(), [])
  const legs = await stage.db.selectFrom('amphora_member_port').selectAll().execute()
  assert.equal(legs.length, 2)
  for (const { id, compute_id } of await stage.amphorae()) {
    const { port_id } = legs.find(({ amphora_id }) => amphora_id === id)!
    const machine = stage.compute.servers.find(({ state }) => state.compute_id === compute_id)
    assert.ok(machine?.attached_port_ids.includes(port_id))
    const { mac_address } = await stage.network.getPort(port_id)
    assert.ok(stage.amphora.agents.get(id)?.networks.some((plug) => plug.mac_address === mac_address))
  }
}

test('one dead amphora of a pair does not make a change fail, and is shown in ERROR until it takes a configuration again', async () => {
  const db = await aDatabase()
  const { context, params, stage } = await given({ provisioning_status: 'PENDING_CREATE' }, 'no legs')(db)
  const [dead, living] = await stage.amphorae()
  stage.amphora.disconnect(dead!.id)
  assert.equal(await runFlow(db, createMember, params, context), 'DONE')
  assert.deepEqual(await stage.statuses(), active)
  assert.match(stage.amphora.haproxyCfg(living!.id), /10\.1\.0\.30/)
  assert.deepEqual(
    (await stage.amphorae()).map(({ id, status }) => [id, status]),
    [
      [dead!.id, 'ERROR'],
      [living!.id, 'ALLOCATED'],
    ],
  )

  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  stage.amphora.reconnect(dead!.id)
  assert.equal(await runFlow(db, updateMember, params, context), 'DONE')
  assert.match(stage.amphora.haproxyCfg(dead!.id), /10\.1\.0\.30/)
  assert.equal(stage.amphora.agents.get(dead!.id)?.networks.length, 1)
  assert.deepEqual(
    (await stage.amphorae()).map(({ status }) => status),
    ['ALLOCATED', 'ALLOCATED'],
  )
  await db.destroy()
})

test('when no amphora can be reached the member is in ERROR and says so, and the rest stays as it was', async () => {
  const db = await aDatabase()
  const { context, params, stage } = await given({ provisioning_status: 'PENDING_CREATE' }, 'no legs')(db)
  for (const { id } of await stage.amphorae()) stage.amphora.disconnect(id)
  assert.equal(await runFlow(db, createMember, params, context), 'REVERTED')
  assert.deepEqual(await stage.statuses(), { ...active, member: 'ACTIVE ERROR' })
  assert.equal(await stage.faultOf('member'), 'No amphora of the load balancer could be reached.')
  assert.deepEqual(stage.made(), withoutLegs)
  await db.destroy()
})

test('what an agent says when it refuses a configuration is for admins', async () => {
  const db = await aDatabase()
  const { context, params, stage } = await given({ provisioning_status: 'PENDING_UPDATE' }, 'legs')(db)
  stage.amphora.failNext('applyHaproxy', new AgentError('an amphora', 'PUT /1.0/...', 400, 'unknown keyword'))
  assert.equal(await runFlow(db, updateMember, params, context), 'REVERTED')
  const { fault } = await db.selectFrom('member').select('fault').where('id', '=', params.member_id).executeTakeFirstOrThrow()
  assert.equal(fault?.message, 'The amphora refused the new configuration.')
  assert.match(fault.details, /unknown keyword/)
  await db.destroy()
})
