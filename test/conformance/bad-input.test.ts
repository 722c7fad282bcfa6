import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

const TOKEN_LIFETIME_SECONDS = 15

let controller: Controller
let token: string
let subnet_id: string
let pool_id: string

before(async () => {
  controller = await new Controller({ portBase: 22_400, config: `[identity]\ntoken_lifetime = ${TOKEN_LIFETIME_SECONDS}\n` }).start()
  token = await controller.token()
  subnet_id = await privateSubnetId(controller)
  const { body } = await controller.request<{ loadbalancer: { pools: { id: string }[] } }>('POST', '/v2/lbaas/loadbalancers', token, {
    loadbalancer: { vip_subnet_id: subnet_id, pools: [{ name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }] },
  })
  pool_id = body.loadbalancer.pools[0]!.id
  await eventually(async () => (await everything()).includes('"provisioning_status":"ACTIVE"'), 10_000)
})
after(() => controller.down())

/** All objects as the lists show them, to see that nothing changed; times of heartbeats are not in it. */
async function everything(): Promise<string> {
  const fresh = await controller.token()
  const lists = ['loadbalancers', 'listeners', 'pools', `pools/${pool_id}/members`, 'healthmonitors']
  const answers = await Promise.all(lists.map((list) => controller.request('GET', `/v2/lbaas/${list}`, fresh)))
  return JSON.stringify(answers.map(({ body }) => body)).replaceAll(/"operating_status":"\w+"/g, '')
}

/** Sends the text as it is; the answer's status and `faultstring`. */
async function send(path: string, text: string, sentToken = token): Promise<{ status: number; fault: string }> {
  const response = await fetch(`${controller.api}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', 'x-auth-token': sentToken },
    body: text,
  })
  const body = (await response.json().catch(() => ({}))) as { faultstring?: string }
  return { status: response.status, fault: body.faultstring ?? '' }
}

const cases: { name: string; path: () => string; body: () => string; status: number; fault: RegExp }[] = [
  { name: 'malformed JSON', path: () => '/v2/lbaas/loadbalancers', body: () => '{"loadbalancer":', status: 400, fault: /valid JSON/ },
  {
    name: 'an unknown field',
    path: () => '/v2/lbaas/loadbalancers',
    body: () => JSON.stringify({ loadbalancer: { vip_subnet_id: subnet_id, foo: 1 } }),
    status: 400,
    fault: /Unknown attribute for argument load_balancer\.loadbalancer: foo/,
  },
  {
    name: 'a wrong type',
    path: () => '/v2/lbaas/loadbalancers',
    body: () => JSON.stringify({ loadbalancer: { vip_subnet_id: subnet_id, admin_state_up: 'perhaps' } }),
    status: 400,
    fault: /Value not an unambiguous boolean: perhaps/,
  },
  {
    name: 'a VIP outside its subnet',
    path: () => '/v2/lbaas/loadbalancers',
    body: () => JSON.stringify({ loadbalancer: { vip_subnet_id: subnet_id, vip_address: '203.0.113.7' } }),
    status: 400,
    fault: /203\.0\.113\.7|subnet/i,
  },
  {
    name: 'a member address that is no IP',
    path: () => `/v2/lbaas/pools/${pool_id}/members`,
    body: () => JSON.stringify({ member: { address: 'ten dot one', protocol_port: 80 } }),
    status: 400,
    fault: /Value should be IPv4 or IPv6 format/,
  },
  {
    name: 'a reserved member address',
    path: () => `/v2/lbaas/pools/${pool_id}/members`,
    body: () => JSON.stringify({ member: { address: '169.254.169.254', protocol_port: 80 } }),
    status: 400,
    fault: /169\.254\.169\.254/,
  },
]

for (const { name, path, body, status, fault } of cases) {
  test(`${name} gets ${status} and changes nothing`, async () => {
    const before = await everything()
    const answer = await send(path(), body(), await controller.token())
    assert.equal(answer.status, status)
    assert.match(answer.fault, fault)
    assert.equal(await everything(), before)
  })
}

test('a body of 10 MB gets 413 and changes nothing', async () => {
  const before = await everything()
  const { status } = await send(
    '/v2/lbaas/loadbalancers',
    JSON.stringify({ loadbalancer: { name: 'x'.repeat(10_000_000) } }),
    await controller.token(),
  )
  assert.equal(status, 413)
  assert.equal(await everything(), before)
})

test('an expired token gets 401 and changes nothing', async () => {
  const before = await everything()
  const { status: whileValid } = await controller.request('GET', '/v2/lbaas/loadbalancers', await controller.token())
  assert.equal(whileValid, 200)
  await sleep(TOKEN_LIFETIME_SECONDS * 1_000 + 1_000) // the token of the beginning ends by the clock alone
  const { status } = await send('/v2/lbaas/loadbalancers', JSON.stringify({ loadbalancer: { vip_subnet_id: subnet_id } }), token)
  assert.equal(status, 401)
  assert.equal(await everything(), before)
})
