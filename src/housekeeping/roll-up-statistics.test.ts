import assert from 'node:assert/strict'
import { aListenerRow, aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { sumListenerStatistics, sumStatistics } from '../resources/listener/repository.ts'
import { rollUpStatistics } from './roll-up-statistics.ts'

forEachDatabase('what replaced amphorae counted stays in the sums, in one row, and their connections do not', async (open) => {
  const { cloud } = await aCloud({ db: await open(), worker: false }).empty()
  const { db, context } = cloud
  const load_balancer_id = 'lb'
  await db
    .insertInto('load_balancer')
    .values(aLoadBalancerRow({ id: 'lb' }))
    .execute()
  await db
    .insertInto('listener')
    .values(aListenerRow({ id: 'l', load_balancer_id }))
    .execute()
  const amphorae = ['first', 'second', 'third', 'serves']
  for (const id of amphorae) {
    const status = id === 'serves' ? 'ALLOCATED' : 'DELETED'
    await db
      .insertInto('amphora')
      .values(anAmphoraRow({ id, loadbalancer_id: 'lb', status }))
      .execute()
    const counted = { bytes_in: 1, bytes_out: 10, active_connections: 2, total_connections: 100, request_errors: 1_000 }
    await db
      .insertInto('listener_statistics')
      .values({ listener_id: 'l', amphora_id: id, load_balancer_id, ...counted })
      .execute()
    await db
      .insertInto('member_statistics')
      .values({ member_id: 'm', amphora_id: id, load_balancer_id, ...counted })
      .execute()
  }
  // As two controllers do it at the same time.
  const rolledUp = (await Promise.all([rollUpStatistics.run(context), rollUpStatistics.run(context)])).map((result) => result.rolled_up)
  assert.equal(
    rolledUp.reduce((sum, count) => sum! + count!),
    6,
  )
  const wanted = { bytes_in: 4, bytes_out: 40, active_connections: 2, total_connections: 400, request_errors: 4_000 }
  assert.deepEqual(await sumListenerStatistics(db, 'l'), wanted)
  assert.deepEqual(await sumStatistics(db, 'member_statistics', 'member_id', 'm'), wanted)
  for (const table of ['listener_statistics', 'member_statistics'] as const)
    assert.equal((await db.selectFrom(table).select('amphora_id').execute()).length, 2)
  assert.deepEqual(await rollUpStatistics.run(context), { rolled_up: 0 })
})
