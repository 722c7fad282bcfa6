import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { aHeartbeat } from '../../test/support/heartbeats.ts'
import { heardOnce } from './heard.ts'
import { storeHeartbeats } from './store.ts'

const CHANGES = 12

forEachDatabase('heartbeats that change statuses and flows that change the same objects do not stop each other', async (open) => {
  const { cloud, api, stop } = await aCloud({ db: await open() }).empty()
  const heard = await open()
  const path = (id: unknown) => `/v2/lbaas/loadbalancers/${id}`
  const made = []
  for (let i = 0; i < 3; i++) {
    const pool = { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address: '10.0.0.1', protocol_port: 80 }] }
    const { id } = await cloud.aLoadBalancer({ listeners: [{ protocol: 'HTTP', protocol_port: 80, default_pool: pool }] })
    const one = async (list: string) => (await api.list(`/v2/lbaas/${list}`))[0]!
    made.push({
      id,
      listener: await one(`listeners?loadbalancer_id=${id}`),
      pool: await one(`pools?loadbalancer_id=${id}`),
      amphora: (await api.list(`/v2/octavia/amphorae?loadbalancer_id=${id}`))[0]!,
    })
  }
  let changing = true
  let changes = 0
  const listening = (async () => {
    for (let beat = 0; changing; beat++) {
      const members = await heard.selectFrom('member').select(['id', 'pool_id']).execute()
      const batch = made.map(({ listener, pool, amphora }) => {
        const ofPool = members.filter(({ pool_id }) => pool_id === pool.id)
        const counted = { bytes_in: 1, bytes_out: 1, active_connections: 1, total_connections: 1, request_errors: 0 }
        const heartbeat = aHeartbeat({
          amphora_id: amphora.id,
          listeners: new Map([[listener.id, { status: beat % 2 === 0 ? 'OPEN' : 'FULL', ...counted }]]),
          pools: [{ pool_id: pool.id, status: 'UP', members: new Map(ofPool.map(({ id }) => [id, beat % 2 === 0 ? 'UP' : 'DOWN'])) }],
        })
        return heardOnce(heartbeat, { format: 'ottavia', controller: 'here', firstSeq: beat + 1, lastSeq: beat + 1 }, beat)
      })
      changes += (await storeHeartbeats(heard, batch, { nowMs: beat, heartbeatTimeoutMs: 60_000, checksSource: true })).changes.length
      // SQLite answers at once: without this nobody else would have a turn.
      await setImmediate()
    }
  })()
  const working = Promise.all(
    made.map(async ({ id, pool }) => {
      for (let change = 0; change < CHANGES; change++) {
        const wanted = [1, 2, 3].map((last) => ({ address: `10.0.${change % 3}.${last}`, protocol_port: 80 }))
        await api.updateMembers(pool, wanted)
        await api.waitFor(path(id))
      }
      await api.delete(`${path(id)}?cascade=true`)
      await api.waitUntilGone(path(id))
    }),
  ).finally(() => {
    changing = false
  })
  await Promise.all([listening, working])
  assert.ok(changes > CHANGES)
  // A load balancer is gone before its flow has noted its end.
  await eventually(async () => {
    const others = await cloud.db.selectFrom('flow').select(['name', 'state', 'reason_details']).where('state', '!=', 'DONE').execute()
    return others.length === 0 || Promise.reject(new Error(JSON.stringify(others)))
  })
  await stop()
})
