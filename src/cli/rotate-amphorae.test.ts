import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { aCloud, type CloudOptions } from '../../test/support/cloud.ts'
import { eventually } from '../../test/support/eventually.ts'
import { LoadBalancing } from '../client/index.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { refillSpareAmphorae } from '../housekeeping/refill-spare-amphorae.ts'
import { VERSION } from '../lib/version.ts'
import { type Rotation, rotateAmphorae, versionOf } from './rotate-amphorae.ts'

async function aCloudOf(names: string[], options: CloudOptions = {}) {
  const made = await aCloud({
    ...options,
    config: { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' }, ...options.config },
  }).empty()
  const { cloud, api } = made
  for (const name of names) await cloud.aLoadBalancer({ name })
  await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = cloud.server.server.address() as AddressInfo
  const client = new LoadBalancing({ endpoint: `http://127.0.0.1:${port}` })
  const lines: string[] = []
  return {
    ...made,
    lines,
    amphorae: async () => (await api.list('/v2/octavia/amphorae?sort=loadbalancer_id:asc,role:asc')) as unknown as AmphoraRow[],
    rotate: (rotation: Partial<Rotation> = {}) =>
      rotateAmphorae(client, { keepsGoing: false, timeoutMs: 10_000, ...rotation }, (line) => lines.push(line)),
    replacedInOrder: async () => {
      const flows = await cloud.db
        .selectFrom('flow')
        .select('params')
        .where('name', '=', 'failover-amphora')
        .orderBy('created_at_ms')
        .execute()
      return flows.map(({ params }) => (JSON.parse(params) as { amphora_id: string }).amphora_id)
    },
  }
}

test('all amphorae are replaced, one at a time, of each pair the BACKUP first', async () => {
  const { rotate, amphorae, replacedInOrder, lines } = await aCloudOf(['one', 'two'])
  const before = await amphorae()
  assert.deepEqual(
    before.map(({ role }) => role),
    ['BACKUP', 'MASTER', 'BACKUP', 'MASTER'],
  )
  const { replaced, failed, left } = await rotate()
  assert.deepEqual([replaced, failed, left], [4, 0, 0])
  assert.deepEqual(
    await replacedInOrder(),
    before.map(({ id }) => id),
  )
  const after = await amphorae()
  assert.ok(after.every(({ status, id }) => status === 'ALLOCATED' && !before.some((former) => former.id === id)))
  assert.deepEqual(
    after.map(({ vrrp_ip }) => vrrp_ip),
    before.map(({ vrrp_ip }) => vrrp_ip),
  )
  assert.equal(lines[0], '4 of 4 amphorae are to be replaced')
  assert.match(lines[4]!, /^4\/4 load balancer .* amphora .* \(MASTER\) is replaced after \d+\.\d s$/)
})

test('after a failure it stops, and goes on later with those that are left', async () => {
  const { cloud, rotate, amphorae, api, lines } = await aCloudOf(['one', 'two'])
  const before = await amphorae()
  cloud.clock.passSeconds(60)
  const [first] = before
  cloud.compute.failNext('ensureServer', new Error('no host is free'))
  const stopped = await rotate()
  assert.deepEqual([stopped.replaced, stopped.failed, stopped.left], [0, 1, 3])
  assert.match(lines.at(-1)!, /could not be replaced: It ended in ERROR/)
  // The operator has it repaired, and three are left, of which one more is done before he presses Ctrl-C.
  await api.expect(202, 'PUT', `/v2/lbaas/loadbalancers/${first!.loadbalancer_id}/failover`)
  await api.waitFor(`/v2/lbaas/loadbalancers/${first!.loadbalancer_id}`)
  const rest = await rotate({ createdBefore: stopped.goesOnBefore })
  assert.deepEqual([rest.replaced, rest.failed, rest.left], [2, 0, 0])
  assert.equal((await rotate({ createdBefore: stopped.goesOnBefore })).replaced, 0)
  assert.ok((await amphorae()).every(({ id }) => !before.some((former) => former.id === id)))
})

test('told to, it goes on with other load balancers after a failure, but not with the partner of what failed', async () => {
  const { cloud, rotate } = await aCloudOf(['one', 'two'])
  cloud.compute.failNext('ensureServer')
  const { replaced, failed, left } = await rotate({ keepsGoing: true })
  assert.deepEqual([replaced, failed, left], [2, 1, 1])
})

test('one load balancer alone, and what has the new image, is told from the rest', async () => {
  const { cloud, rotate, amphorae, api } = await aCloudOf(['one', 'two'])
  const [one] = await api.list('/v2/lbaas/loadbalancers?name=one')
  const all = await amphorae()
  const ofOne = all.filter(({ loadbalancer_id }) => loadbalancer_id === one!.id)
  await cloud.db.updateTable('amphora').set({ image_id: 'new' }).where('id', '=', ofOne[0]!.id).execute()
  assert.equal((await rotate({ loadBalancerId: one!.id, imageId: 'new' })).replaced, 1)
  const left = (await amphorae()).map(({ id }) => id)
  assert.deepEqual(
    all.map(({ id }) => id).filter((id) => !left.includes(id)),
    [ofOne[1]!.id],
  )
})

test('spare amphorae go first, so that none of them is the replacement', async () => {
  const { cloud, rotate, amphorae } = await aCloudOf(['one'], { config: { house_keeping: { spare_amphora_pool_size: 1 } } })
  await refillSpareAmphorae.run(cloud.context)
  const before = await eventually(async () => {
    const found = await amphorae()
    return found.some(({ status }) => status === 'READY') && found
  })
  assert.equal((await rotate()).replaced, 2)
  await eventually(async () => assert.ok((await amphorae()).every(({ id }) => !before.some((former) => former.id === id))))
})

test('a change of a user that is under way is waited for', async () => {
  const { rotate, cloud } = await aCloudOf(['one'])
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  const rotating = rotate()
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'ACTIVE' }).execute()
  assert.equal((await rotating).replaced, 2)
})

test('only amphorae whose agent is older are replaced, those that tell no version among them', async () => {
  const { cloud, rotate, amphorae } = await aCloudOf(['one', 'two'])
  const told = (await amphorae()).map(({ agent_version }) => agent_version)
  assert.deepEqual(told, Array(4).fill(VERSION), 'new ones are asked when they start')
  const versions = ['0.9.12-1+deb12', '0.10', '0.10.1', null]
  const before = await amphorae()
  for (const [at, agent_version] of versions.entries())
    await cloud.db.updateTable('amphora').set({ agent_version }).where('id', '=', before[at]!.id).execute()
  assert.equal((await rotate({ olderThanAgent: versionOf('0.10.0') })).replaced, 2)
  const after = (await amphorae()).map(({ agent_version }) => agent_version)
  assert.deepEqual(after.sort(), [VERSION, VERSION, '0.10', '0.10.1'])
})
