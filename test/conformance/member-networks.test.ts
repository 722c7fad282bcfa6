import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'
import { type CollectedSpan, collectTraces, type TraceCollector } from '../support/trace-collector.ts'

const webServer = `require('node:http').createServer((q, r) => r.end('far')).listen(80, '0.0.0.0')`

interface Statuses {
  provisioning_status: string
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

test("a member on an isolated network is balanced to, also where that network has lb-mgmt-net's own range; its leg goes with it, and it all can be followed", async () => {
  const collector = await collectTraces()
  const controller = await new Controller({
    portBase: 22_700,
    config: `[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n[tracing]\notlp_endpoint = ${collector.endpoint}\n`,
  }).start()
  try {
    const token = await controller.token()
    const neutron = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const response = await fetch(`http://127.0.0.1:${controller.portBase + 2}/v2.0/${path}`, {
        method,
        headers: { 'x-auth-token': token, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      assert.ok(response.ok, `${method} ${path}: ${response.status}`)
      return (await response.json()) as T
    }
    const { subnets } = await neutron<{ subnets: { cidr: string }[] }>('GET', 'subnets?name=lb-mgmt-subnet')
    const { network } = await neutron<{ network: { id: string } }>('POST', 'networks', { network: { name: 'far' } })
    const wanted = { network_id: network.id, name: 'far-subnet', ip_version: 4, cidr: subnets[0]!.cidr }
    const { subnet } = await neutron<{ subnet: { id: string } }>('POST', 'subnets', { subnet: wanted })
    const address = (
      await controller.ottavia('lab', 'host', 'create', 'far', '--subnet', subnet.id, '--', process.execPath, '-e', webServer)
    ).trim()

    const pool = { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
    const { body } = await controller.request<{ loadbalancer: { id: string; vip_address: string; pools: { id: string }[] } }>(
      'POST',
      '/v2/lbaas/loadbalancers',
      token,
      {
        loadbalancer: {
          vip_subnet_id: await privateSubnetId(controller),
          listeners: [{ protocol: 'HTTP', protocol_port: 80, default_pool: pool }],
        },
      },
    )
    const { id, vip_address, pools } = body.loadbalancer
    const settled = () =>
      eventually(async () => {
        const shown = await controller.request<{ loadbalancer: Statuses }>('GET', `/v2/lbaas/loadbalancers/${id}`, token)
        assert.equal(shown.body.loadbalancer.provisioning_status, 'ACTIVE')
      }, 15_000)
    const legs = async () =>
      (await neutron<{ ports: unknown[] }>('GET', `ports?network_id=${network.id}&device_owner=compute:nova`)).ports.length
    await settled()
    assert.equal(await legs(), 0)

    const path = `/v2/lbaas/pools/${pools[0]!.id}/members`
    const added = await fetch(`${controller.api}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-auth-token': token, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      body: JSON.stringify({ member: { address, protocol_port: 80, subnet_id: subnet.id } }),
    })
    assert.equal(added.status, 201)
    const { member } = (await added.json()) as { member: { id: string } }
    await settled()
    await eventually(async () => {
      const response = await fetch(`http://${vip_address}/`, { signal: AbortSignal.timeout(1_000), headers: { connection: 'close' } })
      assert.equal(await response.text(), 'far')
    })
    assert.equal(await legs(), 2, 'one on each amphora')
    await canBeFollowed(controller, collector, { request_id: added.headers.get('x-openstack-request-id')!, token })

    assert.equal((await controller.request('DELETE', `${path}/${member.id}`, token)).status, 204)
    await settled()
    assert.equal(await legs(), 0)
  } finally {
    await controller.down()
    await collector.stop()
  }
})

/** The creation of the member, of which only the answer's request id is known: in the controller's log, its flow, both agents' logs and the trace. */
async function canBeFollowed(
  controller: Controller,
  { spans }: TraceCollector,
  given: { request_id: string; token: string },
): Promise<void> {
  const { request_id, token } = given
  const listed = await controller.ottavia('flow', 'list', '--request', request_id)
  const flow_id = /^\| (\S+) +\| create-member /m.exec(listed)?.[1]
  assert.ok(flow_id !== undefined, listed)

  const ofRequest = readFileSync(join(controller.stateDirectory, 'log', 'controller.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(request_id))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.ok(ofRequest.every((line) => line.request_id === request_id && line.trace_id === TRACE))
  assert.ok(ofRequest.some(({ msg, status }) => msg === 'request' && status === 201))
  assert.ok(ofRequest.some((line) => line.msg === 'flow done' && line.flow_id === flow_id))

  const { body } = await controller.request<{ amphorae: { compute_id: string }[] }>('GET', '/v2/octavia/amphorae', token)
  assert.equal(body.amphorae.length, 2)
  for (const { compute_id } of body.amphorae) {
    const log = readFileSync(join(controller.stateDirectory, 'amphorae', compute_id, 'log', 'amphora-agent.log'), 'utf8')
    for (const change of ['POST /1.0/plug/network', 'PUT /1.0/loadbalancer/[^/]+/[^/]+/haproxy', 'PUT /1.0/loadbalancer/[^/]+/reload'])
      assert.match(log, new RegExp(`${change}: 20\\d ${request_id} flow ${flow_id}\\n`))
  }

  const api = 'POST /v2/lbaas/pools/:pool_id/members'
  const ofTrace = await eventually(async () => {
    const found = spans.filter(({ traceId }) => traceId === TRACE)
    assert.ok(found.some(({ name }) => name === 'create-member') && found.some(({ name }) => name === api))
    return found
  })
  const byId = new Map(ofTrace.map((span) => [span.spanId, span]))
  const upwards = (span: CollectedSpan | undefined): string[] =>
    span === undefined ? [] : [span.name, ...upwards(byId.get(span.parentSpanId ?? ''))]
  // Each request to an agent hangs below a call to the driver, that below a step, all of them below what the client asked for.
  const asked = ofTrace.filter(({ name }) => name === 'agent POST /1.0/plug/network')
  assert.equal(asked.length, 2)
  for (const span of asked) {
    const path = upwards(span)
    assert.equal(span.attributes['http.response.status_code'], '202')
    assert.match(path[1]!, /^amphora\.plugNetwork$/)
    assert.deepEqual([path.length, path.slice(-2)], [5, ['create-member', api]])
  }
}
