/** What a Prometheus reads of a controller. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { aConfig } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { eventually } from '../../test/support/eventually.ts'
import { AgentUnreachable, NotFoundError } from '../drivers/errors.ts'
import { createLog } from '../lib/log.ts'
import { collectGauges } from './collect.ts'
import { watchDriver } from './drivers.ts'
import { createMetrics, exposeMetrics } from './metrics.ts'
import { startMonitoring } from './server.ts'

test('requests, flows and what is in the database are counted, without an id in any label', async () => {
  const { cloud, stop } = await aCloud().empty()
  const { metrics } = cloud.context
  const end = collectGauges(cloud.context)
  const loadBalancer = await cloud.aLoadBalancer()
  await cloud.api.expect(404, 'GET', '/v2/lbaas/loadbalancers/00000000-0000-4000-8000-000000000000')
  const expected = [
    'ottavia_api_requests_total{method="POST",route="/v2/lbaas/loadbalancers",status="201"} 1',
    'ottavia_api_requests_total{method="GET",route="/v2/lbaas/loadbalancers/:id",status="404"} 1',
    'ottavia_flows_total{flow="create-load-balancer",outcome="done"} 1',
    'ottavia_flow_wait_seconds_count{flow="create-load-balancer"} 1',
    'ottavia_flows_unfinished{state="READY"} 0',
    'ottavia_flows_revert_failure 0',
    'ottavia_database_up 1',
    'ottavia_load_balancers{provisioning_status="ACTIVE",operating_status="OFFLINE"} 1',
    'ottavia_amphorae{status="ALLOCATED"} 1',
    'ottavia_flows_running 0',
  ]
  // The load balancer is ACTIVE, and shown so, a moment before its flow has ended.
  const text = await eventually(async () => {
    const shown = await exposeMetrics(metrics)
    for (const line of expected) assert.ok(shown.split('\n').includes(line), `${line} is missing in\n${shown}`)
    return shown
  })
  assert.match(text, /^ottavia_certificate_expiry_timestamp_seconds\{kind="amphora"\} \d+$/m)
  assert.match(text, /^process_cpu_seconds_total [\d.]+$/m)
  assert.doesNotMatch(text, new RegExp(`${loadBalancer.id}|[0-9a-f]{8}-[0-9a-f]{4}-`))
  end()
  await stop()
})

test('while the database is away the metrics say so, and show none of its old values', async () => {
  const { cloud, stop } = await aCloud({ worker: false }).empty()
  const { metrics } = cloud.context
  collectGauges(cloud.context)
  assert.match(await exposeMetrics(metrics), /^ottavia_flows_revert_failure 0$/m)
  await stop()
  const text = await exposeMetrics(metrics)
  assert.match(text, /^ottavia_database_up 0$/m)
  assert.doesNotMatch(text, /ottavia_flows_revert_failure/)
})

test('calls to drivers are counted by what came of them', async () => {
  class Driver {
    readonly #answer = 'x'
    readonly hasHosts = false
    async get(id: string): Promise<string> {
      if (id === 'gone') throw new NotFoundError('Port', id)
      if (id === 'silent') throw new AgentUnreachable(id, 'no route')
      return this.#answer
    }
  }
  const metrics = createMetrics()
  const driver = watchDriver(new Driver(), 'network', metrics)
  assert.equal(driver.hasHosts, false)
  assert.equal(await driver.get('there'), 'x')
  await assert.rejects(driver.get('gone'), NotFoundError)
  await assert.rejects(driver.get('silent'), AgentUnreachable)
  const text = await exposeMetrics(metrics)
  for (const outcome of ['ok', 'not_found', 'unreachable'])
    assert.ok(text.includes(`ottavia_driver_calls_total{driver="network",operation="get",outcome="${outcome}"} 1\n`), text)
  assert.match(text, /^ottavia_driver_call_duration_seconds_count\{driver="network",operation="get"\} 3$/m)
})

test('metrics are served on an address of their own, to who calls it by its name', async () => {
  const metrics = createMetrics()
  metrics.flows_total.add({ flow: 'create-member', outcome: 'done' })
  const config = aConfig({ monitoring: { bind_port: 0 } })
  const { port, stop } = await startMonitoring({ config, log: createLog('silent'), metrics })
  const ask = (path: string, options: { method?: string; host?: string } = {}) =>
    new Promise<{ status?: number; type?: string; text: string }>((resolve, reject) => {
      const { method, host = '127.0.0.1' } = options
      request({ port, path, method, headers: { host } }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], text }))
      })
        .on('error', reject)
        .end()
    })
  const answer = await ask('/metrics')
  assert.equal(answer.type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(answer.text, /^ottavia_flows_total\{flow="create-member",outcome="done"\} 1$/m)
  assert.equal((await ask('/')).status, 404)
  assert.equal((await ask('/metrics', { method: 'POST' })).status, 405)
  assert.equal((await ask('/metrics', { host: 'rebound.example' })).status, 400)
  await stop()
  assert.equal((await startMonitoring({ config: aConfig(), log: createLog('silent'), metrics })).port, null)
})
