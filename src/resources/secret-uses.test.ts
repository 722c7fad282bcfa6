/** Load balancers in the secret store's lists of who uses a secret: through the flows that change what they name. */
import assert from 'node:assert/strict'
import { aCertificate } from '../../test/support/certificates.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { runFlow } from '../../test/support/run-flow.ts'
import { Stage } from '../../test/support/stage.ts'
import type { Db } from '../db/connection.ts'
import { migrate } from '../db/migrate.ts'
import type { ListenerRow } from '../db/tables.ts'
import { tellSecretUses } from '../housekeeping/tell-secret-uses.ts'
import { createListener } from './listener/create-flow.ts'
import { deleteListener } from './listener/delete-flow.ts'
import { updateListener } from './listener/update-flow.ts'
import { deleteLoadBalancer } from './load-balancer/delete-flow.ts'

const MINUTE_MS = 60_000

async function aStage(db: Db) {
  const stage = new Stage(db)
  await stage.insertServing('SINGLE')
  const bundle = await aCertificate()
  const { certificates, load_balancer_id, context } = stage
  const [one, two] = [certificates.addCertificate({ bundle }), certificates.addCertificate({ bundle })]
  const change = async (
    provisioning_status: 'PENDING_UPDATE' | 'PENDING_DELETE',
    listener?: ListenerRow,
    changes: Partial<ListenerRow> = {},
  ) => {
    await db
      .updateTable('load_balancer')
      .set({ provisioning_status: listener ? 'PENDING_UPDATE' : 'PENDING_DELETE' })
      .execute()
    if (listener)
      await db
        .updateTable('listener')
        .set({ provisioning_status, ...changes })
        .where('id', '=', listener.id)
        .execute()
  }
  let ports = 442
  return {
    stage,
    one,
    two,
    users: (reference: string) => [...(certificates.consumers.get(reference) ?? [])],
    rows: () => db.selectFrom('secret_use').select(['reference', 'state']).orderBy('reference').execute(),
    async create(reference: string) {
      ports += 1
      const protocol = 'TERMINATED_HTTPS' as const
      const given = { protocol, protocol_port: ports, provisioning_status: 'PENDING_CREATE' as const, default_tls_container_ref: reference }
      const listener = await stage.insertListener(given)
      await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
      assert.equal(await runFlow(db, createListener, { listener_id: listener.id, load_balancer_id }, context), 'DONE')
      return listener
    },
    async update(listener: ListenerRow, reference: string) {
      await change('PENDING_UPDATE', listener, { default_tls_container_ref: reference })
      assert.equal(await runFlow(db, updateListener, { listener_id: listener.id, load_balancer_id }, context), 'DONE')
    },
    async delete(listener: ListenerRow) {
      await change('PENDING_DELETE', listener)
      assert.equal(await runFlow(db, deleteListener, { listener_id: listener.id, load_balancer_id }, context), 'DONE')
    },
    async deleteAll() {
      await change('PENDING_DELETE')
      assert.equal(await runFlow(db, deleteLoadBalancer, { load_balancer_id, cascade: true }, context), 'DONE')
    },
  }
}

forEachDatabase('a load balancer stands in the lists of the secrets that it names, as long as one of its listeners does', async (open) => {
  const db = await open()
  await migrate(db)
  const it = await aStage(db)
  const { load_balancer_id } = it.stage
  const first = await it.create(it.one)
  assert.deepEqual(it.users(it.one), [load_balancer_id])
  const second = await it.create(it.one.toUpperCase().replace('HTTP://SECRETS.EXAMPLE/V1/CONTAINERS', 'http://other/v1/containers'))
  await it.update(first, it.two)
  assert.deepEqual([it.users(it.one), it.users(it.two)], [[load_balancer_id], [load_balancer_id]])
  await it.delete(second)
  assert.deepEqual([it.users(it.one), it.users(it.two)], [[], [load_balancer_id]])
  await it.deleteAll()
  assert.deepEqual([it.users(it.one), it.users(it.two), await it.rows()], [[], [], []])
})

forEachDatabase('a store that is silent holds no change up; it is told later', async (open) => {
  const db = await open()
  await migrate(db)
  const it = await aStage(db)
  const { certificates, context, load_balancer_id } = it.stage
  let ahead = 0
  const later = { ...context, clock: { ...context.clock, now: () => context.clock.now() + ahead } }
  certificates.failNext('addConsumer')
  await it.create(it.one)
  assert.deepEqual([it.users(it.one), await it.rows()], [[], [{ reference: it.one, state: 'to_note' }]])
  assert.deepEqual(await tellSecretUses.run(later), { told: 0 })
  ahead = 2 * MINUTE_MS
  assert.deepEqual(await tellSecretUses.run(later), { told: 1 })
  assert.deepEqual([it.users(it.one), await it.rows()], [[load_balancer_id], [{ reference: it.one, state: 'noted' }]])

  certificates.failNext('removeConsumer')
  await it.deleteAll()
  assert.deepEqual(it.users(it.one), [load_balancer_id])
  ahead = 4 * MINUTE_MS
  certificates.failNext('removeConsumer')
  assert.deepEqual(await tellSecretUses.run(later), { told: 0 })
  ahead = 6 * MINUTE_MS
  assert.deepEqual(await tellSecretUses.run(later), { told: 1 })
  assert.deepEqual([it.users(it.one), await it.rows()], [[], []])
})
