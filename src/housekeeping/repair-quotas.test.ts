import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { aListenerRow, aLoadBalancerRow, aMemberRow, aPoolRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { quotaDrift } from '../../test/support/quota-drift.ts'
import { repairQuotas } from './repair-quotas.ts'

forEachDatabase('counters that differ from what is there are put right, and told', async (open) => {
  const { cloud, stop } = await aCloud({ db: await open(), worker: false }).empty()
  const { db } = cloud
  const warnings: unknown[] = []
  const context = { ...cloud.context, log: { ...cloud.context.log, warn: (fields: unknown) => void warnings.push(fields) } as never }
  const loadBalancer = aLoadBalancerRow({ project_id: 'p' })
  const pool = aPoolRow({ project_id: 'p', load_balancer_id: loadBalancer.id })
  await db
    .insertInto('load_balancer')
    .values([loadBalancer, aLoadBalancerRow({ project_id: 'p', provisioning_status: 'DELETED' })])
    .execute()
  await db.insertInto('pool').values(pool).execute()
  await db
    .insertInto('listener')
    .values(aListenerRow({ project_id: 'p', load_balancer_id: loadBalancer.id }))
    .execute()
  // Nobody ever counted for p; q is counted, but has nothing.
  await cloud.api.expect(202, 'PUT', '/v2/lbaas/quotas/q', { quota: { pool: 7 } })
  await db.updateTable('quota').set({ in_use_pool: 5 }).where('project_id', '=', 'q').execute()
  assert.deepEqual(await repairQuotas.run(context), { repaired: 4 })
  assert.deepEqual(await quotaDrift(db), [])
  assert.deepEqual(warnings, [
    { project_id: 'p', resource: 'load_balancer', counted: 0, real: 1 },
    { project_id: 'p', resource: 'listener', counted: 0, real: 1 },
    { project_id: 'p', resource: 'pool', counted: 0, real: 1 },
    { project_id: 'q', resource: 'pool', counted: 5, real: 0 },
  ])
  assert.deepEqual(await repairQuotas.run(context), { repaired: 0 })
  const { quota } = await cloud.api.expect<{ quota: { pool: number } }>(200, 'GET', '/v2/lbaas/quotas/q')
  assert.equal(quota.pool, 7)
  await stop()
})

forEachDatabase('each run looks at some projects, and the next one at the next', async (open) => {
  const { cloud, stop } = await aCloud({ db: await open(), worker: false }).empty()
  const { db, context } = cloud
  const projects = Array.from({ length: 45 }, (_, i) => `p${String(i).padStart(2, '0')}`)
  await db
    .insertInto('load_balancer')
    .values(projects.map((project_id) => aLoadBalancerRow({ project_id })))
    .execute()
  const repaired: number[] = []
  for (let run = 0; run < 5; run++) repaired.push((await repairQuotas.run(context)).repaired!)
  assert.deepEqual(repaired, [20, 20, 5, 0, 0])
  await stop()
})

forEachDatabase('it takes nothing for wrong that requests are just counting', async (open) => {
  const { cloud, api, stop } = await aCloud({ db: await open() }).empty()
  const other = { ...cloud.context, db: await open() }
  const pool = aPoolRow({ load_balancer_id: 'lb' })
  await cloud.db
    .insertInto('load_balancer')
    .values(aLoadBalancerRow({ id: 'lb' }))
    .execute()
  await cloud.db.insertInto('pool').values(pool).execute()
  await cloud.db
    .insertInto('member')
    .values(aMemberRow({ pool_id: pool.id, address: '10.0.0.1' }))
    .execute()
  await repairQuotas.run(other)
  let creating = true
  const creates = Promise.all(Array.from({ length: 12 }, () => api.createLoadBalancer(cloud.aBody()))).finally(() => {
    creating = false
  })
  let repaired = 0
  while (creating) {
    repaired += (await repairQuotas.run(other)).repaired!
    // SQLite answers at once: without this nobody else would have a turn.
    await setImmediate()
  }
  await creates
  assert.equal(repaired, 0)
  assert.deepEqual(await quotaDrift(cloud.db), [])
  await stop()
})
