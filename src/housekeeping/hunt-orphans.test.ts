import assert from 'node:assert/strict'
import { aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { flow } from '../context.ts'
import type { Db } from '../db/connection.ts'
import { startFlow } from '../flow/start.ts'
import { huntOrphans } from './hunt-orphans.ts'

const uuid = (last: number) => `00000000-0000-4000-8000-${String(last).padStart(12, '0')}`
const [LIVING, FORGOTTEN, FOREIGN, STARTING] = [1, 2, 3, 4].map(uuid) as [string, string, string, string]
const GRACE_SECONDS = 600

/** Things of an amphora and a load balancer of the same id: that live, that are deleted, of another Octavia, and of a flow that is under way. */
async function aCloudWithOrphans(db: Db, grace = GRACE_SECONDS) {
  const { cloud } = await aCloud({ db, worker: false, config: { house_keeping: { orphan_grace_seconds: grace } } }).empty()
  const { network, compute, vipNetwork } = cloud
  const flow_id = await db.transaction().execute((tx) => startFlow(tx, flow<null>('create-something', { async steps() {} }), null))
  await db
    .insertInto('load_balancer')
    .values([aLoadBalancerRow({ id: LIVING }), aLoadBalancerRow({ id: FORGOTTEN, provisioning_status: 'DELETED' })])
    .execute()
  await db
    .insertInto('amphora')
    .values([anAmphoraRow({ id: LIVING }), anAmphoraRow({ id: FORGOTTEN, status: 'DELETED' })])
    .execute()
  for (const id of [LIVING, FORGOTTEN, FOREIGN, STARTING]) {
    const made_by = id === STARTING ? flow_id : `flow of ${id}`
    await compute.ensureServer(
      {
        amphora_id: id,
        name: `amphora-${id}`,
        network_ids: [],
        security_group_ids: [],
        compute_flavor: null,
        image_id: null,
        server_group_id: null,
        availability_zone: null,
        files: {},
        made_by,
      },
      { flow_id: made_by, generation: 1 },
    )
    const group = await network.ensureSecurityGroup({ name: `lb-${id}`, made_by })
    const policy = 'anti-affinity'
    await compute.ensureServerGroup({ name: `octavia-lb-${id}`, policy, made_by }, { flow_id: made_by, generation: 1 })
    for (const name of [`octavia-lb-${id}`, `octavia-lb-vrrp-${id}`, `octavia-lb-member-${id}-${uuid(9)}`]) {
      await network.ensurePort({
        name,
        network_id: vipNetwork.id,
        fixed_ips: [],
        project_id: null,
        device_owner: 'Octavia',
        device_id: '',
        admin_state_up: true,
        security_group_ids: [group],
        allowed_address_pairs: [],
        made_by,
      })
    }
  }
  const isThere = (id: string) => [
    compute.serverGroups.filter(({ name }) => name.includes(id)).length,
    compute.servers.filter(({ wanted }) => wanted.name.includes(id)).length,
    network.ports.filter(({ name }) => name.includes(id)).length,
    network.securityGroups.filter(({ name }) => name.includes(id)).length,
  ]
  return { cloud, isThere }
}

forEachDatabase('what no row knows is told of, and deleted after a grace time if it was made here', async (open) => {
  const { cloud, isThere } = await aCloudWithOrphans(await open())
  const { db, clock, context } = cloud
  assert.deepEqual(await huntOrphans.run(context), { found: 12, deleted: 0, failed: 0 })
  const listed = await db.selectFrom('orphan').select(['name', 'is_ours']).execute()
  assert.ok(listed.every(({ name, is_ours }) => name.includes(is_ours ? FORGOTTEN : FOREIGN)))

  // The rows that tell that they were ours may go before the grace time ends.
  await db.deleteFrom('amphora').where('id', '=', FORGOTTEN).execute()
  await db.deleteFrom('load_balancer').where('id', '=', FORGOTTEN).execute()
  clock.passSeconds(GRACE_SECONDS - 1)
  assert.deepEqual(await huntOrphans.run(context), { found: 0, deleted: 0, failed: 0 })
  clock.passSeconds(1)
  cloud.network.failNext('deletePort')
  // A group stays as long as a port has it.
  assert.deepEqual(await huntOrphans.run(context), { found: 0, deleted: 4, failed: 2 })
  assert.deepEqual(await huntOrphans.run(context), { found: 0, deleted: 2, failed: 0 })
  assert.deepEqual(isThere(FORGOTTEN), [0, 0, 0, 0])
  for (const id of [LIVING, FOREIGN, STARTING]) assert.deepEqual(isThere(id), [1, 1, 3, 1], id)
})

forEachDatabase('an orphan whose owner comes back is none, and without a grace time nothing is deleted', async (open) => {
  const { cloud, isThere } = await aCloudWithOrphans(await open(), -1)
  const { db, clock, context } = cloud
  await huntOrphans.run(context)
  clock.passSeconds(10 * GRACE_SECONDS)
  assert.deepEqual(await huntOrphans.run(context), { found: 0, deleted: 0, failed: 0 })
  assert.deepEqual(isThere(FORGOTTEN), [1, 1, 3, 1])
  await db.updateTable('amphora').set({ status: 'ALLOCATED' }).execute()
  await db.updateTable('load_balancer').set({ provisioning_status: 'ACTIVE' }).execute()
  await huntOrphans.run(context)
  assert.ok((await db.selectFrom('orphan').select('name').execute()).every(({ name }) => name.includes(FOREIGN)))
})
