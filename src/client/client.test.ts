import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { aCloud, type CloudOptions } from '../../test/support/cloud.ts'
import { ConnectionError, each, Fault, LoadBalancing, WaitError, waitForActive, waitForDeleted } from './index.ts'

async function aClient(options: CloudOptions = {}) {
  const { cloud } = await aCloud(options).empty()
  const endpoint = await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  return { cloud, endpoint, client: new LoadBalancing({ endpoint, headers: { 'x-project-id': 'project-1' } }) }
}

test('a load balancer is made, waited for, changed and deleted', async () => {
  const { client, cloud } = await aClient()
  const made = await client.createLoadBalancer({ name: 'lb1', vip_subnet_id: cloud.vipSubnet.id })
  const active = await waitForActive(() => client.getLoadBalancer(made.id))
  assert.equal(active.provisioning_status, 'ACTIVE')
  const pool = await client.createPool({ loadbalancer_id: made.id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await waitForActive(() => client.getPool(pool.id))
  await client.updateMembers(pool.id, [{ address: '10.0.0.9', protocol_port: 80 }])
  await waitForActive(() => client.getLoadBalancer(made.id))
  const { items } = await client.listMembers(pool.id, { protocol_port: 80, fields: ['address'] })
  assert.deepEqual(items, [{ address: '10.0.0.9' }])
  assert.deepEqual(
    (await client.listProviders()).map(({ name }) => name),
    ['amphora', 'octavia'],
  )
  await client.deleteLoadBalancer(made.id, { cascade: true })
  await waitForDeleted(() => client.getLoadBalancer(made.id))
})

test('what the service refuses is a Fault with its status, its words and the request id', async () => {
  const { client, cloud } = await aClient()
  await assert.rejects(client.createLoadBalancer({ vip_subnet_id: cloud.vipSubnet.id, name: 'x'.repeat(256) }), (error) => {
    assert.ok(error instanceof Fault)
    assert.equal(error.status, 400)
    assert.match(error.faultstring, /^Invalid input for field\/attribute name\. .* requirement of 255$/)
    assert.match(error.request_id ?? '', /^req-/)
    assert.equal(error.message, `${error.faultstring} (HTTP 400) (Request-ID: ${error.request_id})`)
    return true
  })
  // While routing faults have another shape.
  await assert.rejects(client.listMembers('nowhere'), { status: 404, faultstring: 'Pool nowhere not found.' })
})

test('without a valid token it is a Fault too, and a token may be got when it is needed', async () => {
  const { cloud, endpoint } = await aClient({ config: { api_settings: { auth_strategy: 'keystone' } } })
  await assert.rejects(new LoadBalancing({ endpoint, token: 'wrong' }).listPools(), { status: 401 })
  const token = async () => cloud.identity.issue('project-1', ['member'])['x-auth-token']!
  assert.deepEqual((await new LoadBalancing({ endpoint, token }).listPools()).items, [])
})

test('a list is read to its end, page by page, its filters kept', async () => {
  const { client, cloud } = await aClient()
  for (const name of ['a', 'b', 'a', 'a', 'a']) await cloud.aLoadBalancer({ name })
  const asked: (string | undefined)[] = []
  const names: string[] = []
  for await (const { name } of each((page) => {
    asked.push(page.marker)
    return client.listLoadBalancers({ ...page, limit: 2, name: 'a' })
  })) {
    names.push(name)
  }
  assert.deepEqual(names, ['a', 'a', 'a', 'a'])
  // The second page is full, so it may not have been the last.
  assert.equal(asked.length, 3)
})

test('waiting ends with the reason when it ended in ERROR, and when the time is over', async () => {
  const object = { provisioning_status: 'ERROR', fault: { message: 'No machine could be built' } }
  await assert.rejects(
    waitForActive(async () => object),
    new WaitError('It ended in ERROR: No machine could be built.'),
  )
  await assert.rejects(
    waitForActive(async () => ({ provisioning_status: 'PENDING_CREATE' }), { timeoutMs: 10 }),
    new WaitError('It is not ACTIVE after 0.01 s.'),
  )
})

test('an endpoint may have a version or a path, and ids that are no ids go nowhere', async () => {
  const { client, endpoint } = await aClient()
  for (const path of ['/', '/v2.0', '/v2/', '/load-balancer', '/load-balancer/v2.0']) {
    assert.deepEqual((await new LoadBalancing({ endpoint: `${endpoint}${path}` }).listPools()).items, [])
  }
  for (const id of ['', '.', '..']) assert.throws(() => client.getPool(id), TypeError)
  await assert.rejects(client.getPool('a/../../loadbalancers'), { status: 404 })
})

test('a service that is not there, or is another one, is told from one that refuses', async () => {
  const other = createServer((request, response) => {
    if (request.url?.startsWith('/moved')) response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()
    else response.end('<html>')
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  await assert.rejects(new LoadBalancing({ endpoint }).listPools(), ConnectionError)
  await assert.rejects(new LoadBalancing({ endpoint: `${endpoint}/moved`, token: 'secret' }).listPools(), ConnectionError)
  await new Promise((resolve) => other.close(resolve))
  await assert.rejects(new LoadBalancing({ endpoint }).listPools(), /ECONNREFUSED/)
})

test('the client imports nothing but itself, so it can be taken elsewhere', () => {
  const directory = new URL('.', import.meta.url)
  const imports = readdirSync(directory)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .flatMap((name) => [...readFileSync(new URL(name, directory), 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from!))
  assert.deepEqual(
    imports.filter((from) => !from.startsWith('./')),
    [],
  )
})
