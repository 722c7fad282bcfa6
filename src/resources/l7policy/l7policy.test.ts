import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, type Shown } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything } from '../../drivers/amphora/capabilities.ts'

const nobody = '11111111-1111-4111-8111-111111111111'

test('a new l7policy shows the defaults of Octavia, key by key', async () => {
  const { api, listener } = await aCloud().withListener()
  const asked = { action: 'REDIRECT_TO_URL', redirect_url: 'http://example.org/' }
  const { id: _, created_at: __, ...policy } = await api.createL7Policy(listener, asked)
  assert.deepEqual(policy, {
    name: '',
    description: '',
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    updated_at: null,
    listener_id: listener.id,
    rules: [],
    action: 'REDIRECT_TO_URL',
    redirect_url: 'http://example.org/',
    redirect_pool_id: null,
    redirect_prefix: null,
    redirect_http_code: 302,
    position: 1,
  })
})

/** `create` and `update` resolve when their flow has ended; `order` is the names by position, which must be 1..n. */
async function policiesOf() {
  const made = await aCloud().withListener()
  const { api, loadBalancer, listener } = made
  const settled = () => api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  async function create(body: Record<string, unknown>): Promise<Shown> {
    const policy = await api.createL7Policy(listener, { action: 'REJECT', ...body })
    await settled()
    return policy
  }
  async function update(policy: Shown, body: Record<string, unknown>): Promise<Shown> {
    const changed = await api.update(`/v2/lbaas/l7policies/${policy.id}`, body)
    await settled()
    return changed
  }
  async function order(): Promise<string> {
    const policies = await api.list(`/v2/lbaas/l7policies?listener_id=${listener.id}&sort=position`)
    assert.deepEqual(
      policies.map(({ position }) => position),
      policies.map((_, index) => index + 1),
    )
    return policies.map(({ name }) => name).join('')
  }
  return { ...made, settled, create, update, order }
}

test('positions stay 1..n, whatever is inserted, moved or deleted', async () => {
  const { api, listener, settled, create, update, order } = await policiesOf()
  const a = await create({ name: 'a' })
  await create({ name: 'b', position: 1 })
  await create({ name: 'c', position: 2 })
  const d = await create({ name: 'd', position: 100 })
  assert.equal(d.position, 4)
  assert.equal(await order(), 'bcad')
  assert.equal((await update(a, { position: 1 })).position, 1)
  assert.equal(await order(), 'abcd')
  assert.equal((await update(a, { position: 100 })).position, 4)
  assert.equal(await order(), 'bcda')
  await update(a, { position: 2 })
  assert.equal(await order(), 'bacd')
  await update(a, { position: null })
  assert.equal(await order(), 'bacd')
  await api.delete(`/v2/lbaas/l7policies/${a.id}`)
  await settled()
  assert.equal(await order(), 'bcd')
  const shown = await api.show(`/v2/lbaas/listeners/${listener.id}`)
  const ids = (await api.list('/v2/lbaas/l7policies?sort=position')).map(({ id }) => ({ id }))
  assert.deepEqual(shown.l7policies, ids)
})

test('a target given to an update decides the action and clears the other targets', async () => {
  const { api, loadBalancer, settled, create, update } = await policiesOf()
  const pool = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await settled()
  const policy = await create({})
  const targets = ({ action, redirect_pool_id, redirect_url, redirect_prefix, redirect_http_code }: Shown) => [
    action,
    redirect_pool_id ?? redirect_url ?? redirect_prefix,
    redirect_http_code,
  ]
  assert.deepEqual(targets(await update(policy, { redirect_url: 'http://a/' })), ['REDIRECT_TO_URL', 'http://a/', 302])
  assert.deepEqual(targets(await update(policy, { redirect_http_code: 307 })), ['REDIRECT_TO_URL', 'http://a/', 307])
  assert.deepEqual(targets(await update(policy, { redirect_prefix: 'https://a' })), ['REDIRECT_PREFIX', 'https://a', 302])
  assert.deepEqual(targets(await update(policy, { redirect_pool_id: pool.id })), ['REDIRECT_TO_POOL', pool.id, null])
  assert.deepEqual(targets(await update(policy, { action: 'REJECT' })), ['REJECT', null, null])
})

test('what is wrong with an l7policy is told as upstream tells it', async () => {
  const { api, cloud, loadBalancer, listener, settled, create } = await policiesOf()
  const tcp = await api.createPool(loadBalancer, { protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' })
  await settled()
  const other = await cloud.aLoadBalancer()
  const elsewhere = await api.createPool(other, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  const policy = await create({})
  const wrong = 'Invalid L7 Policy arguments:'
  const cases: [Record<string, unknown>, number, string | RegExp][] = [
    [{ action: 'REDIRECT_TO_URL' }, 400, `${wrong} redirect_url must not be None`],
    [{ action: 'REDIRECT_TO_POOL' }, 400, `${wrong} redirect_pool_id or redirect_pool must not be None`],
    [{ action: 'REDIRECT_PREFIX' }, 400, `${wrong} redirect_prefix must not be None`],
    [{ redirect_url: 'x' }, 400, "Invalid input for field/attribute redirect_url. Value: 'x'. Value must be a valid URL string"],
    [{ redirect_url: 'http://a/\nb' }, 400, /Value must be a valid URL string$/],
    [{ redirect_http_code: 300 }, 400, /Value should be one of: 301, 302, 303, 307, 308$/],
    [{ position: 0 }, 400, "Invalid input for field/attribute position. Value: '0'. Value should be greater or equal to 1"],
    [{ action: 'REDIRECT_TO_POOL', redirect_pool_id: nobody }, 404, `Pool ${nobody} not found.`],
    [{ action: 'REDIRECT_TO_POOL', redirect_pool_id: elsewhere.id }, 404, `Pool ${elsewhere.id} not found.`],
    [
      { action: 'REDIRECT_TO_POOL', redirect_pool_id: tcp.id },
      400,
      "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'.",
    ],
  ]
  for (const [body, status, text] of cases) {
    await assert.rejects(api.createL7Policy(listener, { action: 'REJECT', ...body }), fault(status, text))
    await assert.rejects(api.update(`/v2/lbaas/l7policies/${policy.id}`, body), fault(status, text))
  }
  await assert.rejects(api.createL7Policy(listener, { action: 'X' }), fault(400, /Value should be one of: /))
  await assert.rejects(api.createL7Policy(listener, { listener_id: nobody, action: 'REJECT' }), fault(404, `Listener ${nobody} not found.`))
  await assert.rejects(api.update(`/v2/lbaas/l7policies/${policy.id}`, {}), fault(400, `${wrong} Invalid update options`))
  await assert.rejects(api.show(`/v2/lbaas/l7policies/${nobody}`), fault(404, `L7 Policy ${nobody} not found.`))
})

test('an update cannot take away the target that the action needs', async () => {
  const { api, create } = await policiesOf()
  const policy = await create({ action: 'REDIRECT_TO_URL', redirect_url: 'http://a/' })
  await assert.rejects(
    api.update(`/v2/lbaas/l7policies/${policy.id}`, { redirect_url: null }),
    fault(400, 'Invalid L7 Policy arguments: redirect_url must not be None'),
  )
})

test('listeners that do not read HTTP have no l7policies', async () => {
  const { api, cloud, listener } = await aCloud().withListener({ protocol: 'TCP' })
  cloud.amphora.capabilities = { ...everything, l7policy_protocols: ['HTTP'] }
  await assert.rejects(
    api.createL7Policy(listener, { action: 'REJECT' }),
    fault(501, "Provider 'amphora' does not support a requested option: TCP protocol listeners do not support L7 policies"),
  )
})
