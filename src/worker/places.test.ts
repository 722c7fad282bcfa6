import assert from 'node:assert/strict'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { allFlows } from '../resources/all-flows.ts'
import { beginFailover } from '../resources/amphora/begin-failover.ts'
import { placesFor } from './places.ts'
import { startWorker } from './worker.ts'

forEachDatabase("failovers that hang take no place from users' changes, and users' changes none from failovers", async (open) => {
  const config = { task_flow: { max_workers: 1 }, health_manager: { failover_threads: 2 } }
  const { cloud, api, stop } = await aCloud({ db: await open(), config, worker: false }).empty()
  const worker = startWorker({ context: cloud.context, flows: allFlows, places: placesFor(cloud.config) })
  const made = []
  for (let i = 0; i < 4; i++) made.push(await cloud.aLoadBalancer())

  const machines = Promise.withResolvers<never>()
  machines.promise.catch(() => {})
  const ensureServer = cloud.compute.ensureServer
  cloud.compute.ensureServer = () => machines.promise
  const running = () => cloud.db.selectFrom('flow').select('name').where('ended_at_ms', 'is', null).where('state', '=', 'RUNNING').execute()
  for (const { id } of made.slice(0, 3)) {
    const [amphora] = await api.list(`/v2/octavia/amphorae?loadbalancer_id=${id}`)
    const { refusal } = await cloud.db
      .transaction()
      .execute((tx) => beginFailover(tx, cloud.context, amphora!.id as string, 'no_heartbeat'))
    assert.equal(refusal, null)
  }
  await eventually(async () => assert.equal((await running()).length, 2))
  const listener = { protocol: 'HTTP', protocol_port: 80 }
  await api.createListener(made[3]!, listener)
  await api.waitFor(`/v2/lbaas/loadbalancers/${made[3]!.id}`)

  // It hangs as they do, in the only place for what users ask for.
  await api.createLoadBalancer(cloud.aBody())
  await eventually(async () => assert.deepEqual((await running()).map(({ name }) => name).sort(), hanging))
  await api.createListener(made[3]!, { ...listener, protocol_port: 81 })

  cloud.compute.ensureServer = ensureServer
  machines.reject(new Error('no machine came'))
  await api.waitFor(`/v2/lbaas/loadbalancers/${made[3]!.id}`)
  await eventually(async () => assert.deepEqual(await running(), []))
  await worker.stop()
  await stop()
})

const hanging = ['create-load-balancer', 'failover-amphora', 'failover-amphora']
