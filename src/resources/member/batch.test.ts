import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'

const nobody = '11111111-1111-4111-8111-111111111111'
const a = { address: '10.0.0.1', protocol_port: 80 }
const b = { address: '10.0.0.2', protocol_port: 80 }
const c = { address: '10.0.0.3', protocol_port: 80 }

/** A pool with members a and b; `batch` sends one and resolves, when its flow has ended, with the addresses that are left. */
async function aPoolWithTwo() {
  const made = await aCloud().withPool()
  const { api, loadBalancer, pool } = made
  const members = () => api.list(`/v2/lbaas/pools/${pool.id}/members?sort=address`)
  async function batch(wanted: Record<string, unknown>[], query = '') {
    await api.updateMembers(pool, wanted, query)
    await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
    return (await members()).map(({ address }) => address)
  }
  assert.deepEqual(await batch([a, b]), [a.address, b.address])
  return { ...made, members, batch }
}

test('what a batch lists is what the pool has afterwards; members that stay keep their ids', async () => {
  const { members, batch } = await aPoolWithTwo()
  const [, before] = await members()
  assert.deepEqual(await batch([b, c]), [b.address, c.address])
  const [after] = await members()
  assert.equal(after!.id, before!.id)
  assert.deepEqual(await batch([]), [])
  assert.deepEqual(await batch([]), [])
})

test('with additive_only nothing is deleted', async () => {
  const { batch } = await aPoolWithTwo()
  assert.deepEqual(await batch([c], '?additive_only=true'), [a.address, b.address, c.address])
  assert.deepEqual(await batch([], '?additive_only=True'), [a.address, b.address, c.address])
  assert.deepEqual(await batch([c], '?additive_only=false'), [c.address])
})

test('fields that a batch leaves out go back to their defaults, but for name and tags', async () => {
  const { members, batch } = await aPoolWithTwo()
  await batch([{ ...a, name: 'one', tags: ['t'], weight: 9, backup: true, monitor_port: 81, admin_state_up: false }])
  await batch([a])
  const [member] = await members()
  assert.deepEqual(
    [member!.name, member!.tags, member!.weight, member!.backup, member!.monitor_port, member!.admin_state_up],
    ['one', ['t'], 1, false, null, true],
  )
})

test('a batch that is wrong in one member changes nothing', async () => {
  const { api, pool, members } = await aPoolWithTwo()
  const cases: [Record<string, unknown>[], string | RegExp][] = [
    [[a, a], 'Validation failure: Member must be updated only once in the same request.'],
    [[c, c], 'Validation failure: Member must be updated only once in the same request.'],
    [[c, { ...c, address: '169.254.169.254' }], '169.254.169.254 is not a valid option for member address'],
    [[a, { ...c, subnet_id: nobody }], `Subnet ${nobody} not found.`],
    [[{ address: '10.0.0.1' }], "Invalid input for field/attribute protocol_port. Value: 'None'. Mandatory field missing."],
    [[{ ...a, colour: 'blue' }], 'Unknown attribute for argument members_.members: colour'],
  ]
  for (const [wanted, text] of cases) await assert.rejects(api.updateMembers(pool, wanted), fault(400, text))
  assert.deepEqual(
    (await members()).map(({ address, provisioning_status }) => [address, provisioning_status]),
    [
      [a.address, 'ACTIVE'],
      [b.address, 'ACTIVE'],
    ],
  )
})

test('an existing member’s subnet is not looked up again', async () => {
  const { cloud, batch } = await aPoolWithTwo()
  const subnet = cloud.network.addSubnet({ network_id: cloud.vipNetwork.id, cidr: '10.9.0.0/24' })
  const member = { address: '10.9.0.7', protocol_port: 80, subnet_id: subnet.id }
  await batch([member])
  assert.deepEqual(await batch([{ ...member, weight: 2, subnet_id: nobody }]), ['10.9.0.7'])
})

test('quota counts what a batch adds net', async () => {
  const config = { api_settings: { auth_strategy: 'keystone' as const }, quotas: { default_member_quota: 2 } }
  const { cloud } = await aCloud({ config }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody({ pools: [{ name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }] }))
  const path = `/v2/lbaas/loadbalancers/${id}`
  await owner.waitFor(path)
  const [pool] = await owner.list('/v2/lbaas/pools')
  const met = fault(403, 'Quota has been met for resources: Member')
  await assert.rejects(owner.updateMembers(pool!, [a, b, c]), met)
  await owner.updateMembers(pool!, [a, b])
  await owner.waitFor(path)
  await owner.updateMembers(pool!, [b, c])
  await owner.waitFor(path)
  await assert.rejects(owner.updateMembers(pool!, [a], '?additive_only=true'), met)
  const quota = await cloud.db.selectFrom('quota').select('in_use_member').where('project_id', '=', 'project-1').executeTakeFirstOrThrow()
  assert.equal(quota.in_use_member, 2)
})
