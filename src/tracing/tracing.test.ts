/** A request can be followed: by its trace, and by its id in the log. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ApiClient } from '../../test/support/api-client.ts'
import { aConfig } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { collectTraces } from '../../test/support/trace-collector.ts'
import { createApi } from '../api/server.ts'
import { listFlows } from '../flow/history.ts'
import { createLog } from '../lib/log.ts'
import { parseTraceparent } from '../lib/span.ts'
import { watchDriver } from '../monitoring/drivers.ts'
import { createMetrics, exposeMetrics } from '../monitoring/metrics.ts'
import { allFlows } from '../resources/all-flows.ts'
import { startWorker } from '../worker/worker.ts'
import { noTracer, openTracer } from './tracer.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'
const GLOBAL_ID = 'req-11111111-2222-4333-8444-555555555555'

test('the creation of a load balancer is one trace, from the request to the last driver call, and its id is in every line of the log', async () => {
  const collector = await collectTraces()
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-trace-'))
  const log = createLog('debug', join(directory, 'log'))
  const { cloud, stop } = await aCloud({ worker: false }).empty()
  const { metrics } = cloud.context
  const config = aConfig({ tracing: { otlp_endpoint: collector.endpoint, otlp_headers: { 'x-key': 'k' } } })
  const tracer = await openTracer({ config, log, metrics }, {})
  const context = {
    ...cloud.context,
    log,
    amphora: watchDriver(cloud.amphora, 'amphora', metrics),
    network: watchDriver(cloud.network, 'network', metrics),
  }
  const api = createApi(context, tracer)
  const worker = startWorker({ context, flows: allFlows, tracer })
  const answer = await new ApiClient(api, { 'x-project-id': 'project-1' }).request(
    'POST',
    '/v2/lbaas/loadbalancers',
    { loadbalancer: cloud.aBody() },
    { traceparent: `00-${TRACE}-${CALLER}-01`, 'x-openstack-request-id': GLOBAL_ID },
  )
  assert.equal(answer.status, 201)
  const { id } = (answer.body as { loadbalancer: { id: string } }).loadbalancer
  const request_id = String(answer.headers['x-openstack-request-id'])
  await worker.idle()
  await worker.stop()
  await tracer.stop()

  const { spans } = collector
  assert.ok(spans.length > 10)
  assert.equal(collector.headers['x-key'], 'k')
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  /** From a span to the root. */
  const path = (name: string) => {
    const names: string[] = []
    for (let span = spans.find((each) => each.name === name); span !== undefined; span = byId.get(span.parentSpanId ?? '')) {
      assert.equal(span.traceId, TRACE)
      names.push(span.name)
    }
    return names
  }
  assert.deepEqual(path('amphora.plugVip').slice(-2), ['create-load-balancer', 'POST /v2/lbaas/loadbalancers'])
  const request = spans.find(({ name }) => name === 'POST /v2/lbaas/loadbalancers')!
  assert.equal(request.parentSpanId, CALLER)
  assert.equal(request.attributes['http.response.status_code'], '201')
  const flow = spans.find(({ name }) => name === 'create-load-balancer')!
  assert.equal(flow.attributes['ottavia.load_balancer_id'], id)
  assert.equal(flow.attributes['ottavia.outcome'], 'DONE')
  assert.ok(BigInt(flow.endTimeUnixNano) > BigInt(flow.startTimeUnixNano))

  const [row] = await listFlows(cloud.db, { request_id })
  assert.equal(row?.name, 'create-load-balancer')
  assert.deepEqual((await listFlows(cloud.db, { request_id: GLOBAL_ID }))[0]?.id, row?.id)
  const lines = readFileSync(join(directory, 'log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  for (const line of lines) {
    assert.equal(line.request_id, request_id)
    assert.equal(line.global_request_id, GLOBAL_ID)
    assert.equal(line.trace_id, TRACE)
  }
  const done = lines.find(({ msg }) => msg === 'flow done')
  assert.equal(done?.flow_id, row?.id)
  assert.equal(done?.load_balancer_id, id)
  assert.ok(lines.some(({ msg, status }) => msg === 'request' && status === 201))

  rmSync(directory, { recursive: true })
  await api.close()
  await stop()
  await collector.stop()
})

test('a collector that is away costs spans, which are counted, and nothing else', async () => {
  const collector = await collectTraces()
  collector.status = 503
  const metrics = createMetrics()
  const log = createLog('silent')
  const tracer = await openTracer({ config: aConfig(), log, metrics }, { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.endpoint}/` })
  tracer.begin('one', {})?.end(new Error('it failed'))
  await tracer.stop()
  assert.match(await exposeMetrics(metrics), /^ottavia_trace_spans_dropped_total 1$/m)
  await collector.stop()
})

test('traces begin anew, go on, or are left alone as the caller says', async () => {
  const collector = await collectTraces()
  const tracer = await openTracer(
    { config: aConfig({ tracing: { sample_ratio: 0 } }), log: createLog('silent'), metrics: createMetrics() },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.endpoint}/v1/traces`, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20x' },
  )
  tracer.begin('not drawn', {})?.end()
  tracer.begin('not wanted', { traceparent: `00-${TRACE}-${CALLER}-00` })?.end()
  const wanted = tracer.begin('wanted', { traceparent: `00-${TRACE}-${CALLER}-01` })
  assert.match(wanted!.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`))
  wanted?.child('failed', {}).end(new Error('why'))
  wanted?.end()
  await tracer.stop()
  assert.deepEqual(
    collector.spans.map(({ name, status }) => [name, status.message]),
    [
      ['failed', 'why'],
      ['wanted', undefined],
    ],
  )
  assert.equal(collector.headers.authorization, 'Basic x')
  await collector.stop()
  assert.equal(await openTracer({ config: aConfig(), log: createLog('silent'), metrics: createMetrics() }, {}), noTracer)
  for (const header of [
    undefined,
    '',
    'x',
    `ff-${TRACE}-${CALLER}-01`,
    `00-${'0'.repeat(32)}-${CALLER}-01`,
    `00-${TRACE}-${CALLER}-01-more`,
  ])
    assert.equal(parseTraceparent(header), null)
  assert.deepEqual(parseTraceparent(`01-${TRACE}-${CALLER}-03-more`), { traceId: TRACE, spanId: CALLER, sampled: true })
})
