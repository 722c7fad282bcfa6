/** One story through the whole API on each database: what SQL may do differently shows here. */
import assert from 'node:assert/strict'
import { fault } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'

forEachDatabase('a load balancer with everything is made, changed, listed and deleted', async (open) => {
  const { api, cloud, stop } = await aCloud({ db: await open() }).empty()
  const pool = { name: 'p1', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address: '10.0.0.4', protocol_port: 80 }] }
  const made = await api.createLoadBalancer(
    cloud.aBody({
      tags: ['a'],
      listeners: [
        {
          protocol: 'HTTP',
          protocol_port: 80,
          default_pool: { ...pool, healthmonitor: { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 } },
          l7policies: [{ action: 'REJECT', rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/x' }] }],
        },
      ],
    }),
  )
  const path = `/v2/lbaas/loadbalancers/${made.id}`
  const active = await api.waitFor(path)
  assert.equal((active.listeners as unknown[]).length, 1)
  assert.equal((active.pools as unknown[]).length, 1)
  for (const kind of ['listeners', 'pools', 'healthmonitors', 'l7policies']) {
    const [child] = await api.list(`/v2/lbaas/${kind}?admin_state_up=true&sort=created_at:desc`)
    const one = `/v2/lbaas/${kind}/${child!.id}`
    assert.equal((await api.update(one, { name: 'new', tags: ['x', 'y'] })).name, 'new')
    assert.deepEqual((await api.waitFor(one)).tags, ['x', 'y'])
    await api.waitFor(path)
  }
  assert.equal((await api.list('/v2/lbaas/loadbalancers?tags=a&name=')).length, 1)
  await api.expect(200, 'GET', `${path}/status`)
  await api.expect(200, 'GET', `${path}/stats`)
  assert.equal((await api.list('/v2/octavia/amphorae?project_id=project-1&sort=role')).length, 1)
  await api.delete(`${path}?cascade=true`)
  await api.waitUntilGone(path)
  assert.deepEqual(await cloud.db.selectFrom('member').select('id').execute(), [])
  const counters = await cloud.db.selectFrom('quota').selectAll().executeTakeFirstOrThrow()
  const inUse = Object.entries(counters).filter(([name]) => name.startsWith('in_use_'))
  assert.deepEqual(
    inUse.filter(([, value]) => value !== 0),
    [],
  )
  await stop()
})

forEachDatabase('of changes that come at once one wins, and the others are told', async (open) => {
  const { api, cloud, stop } = await aCloud({ db: await open(), worker: false }).empty()
  const made = await api.createLoadBalancer(cloud.aBody())
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'ACTIVE' }).execute()
  const ports = [81, 82, 83, 84, 85]
  const results = await Promise.allSettled(ports.map((protocol_port) => api.createListener(made, { protocol: 'HTTP', protocol_port })))
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  assert.equal(refused.length, ports.length - 1)
  for (const reason of refused) assert.ok(fault(409, `Load Balancer ${made.id} is immutable and cannot be updated.`)(reason))
  assert.equal((await cloud.db.selectFrom('flow').select('id').where('name', '=', 'create-listener').execute()).length, 1)
  await stop()
})
