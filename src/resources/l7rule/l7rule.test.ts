import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'

const nobody = '11111111-1111-4111-8111-111111111111'
const aPathRule = { type: 'PATH', compare_type: 'STARTS_WITH', value: '/a' }

async function aPolicy(body: Record<string, unknown> = {}) {
  const made = await aCloud().withListener()
  const { api, loadBalancer, listener } = made
  const settled = () => api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const policy = await api.createL7Policy(listener, { action: 'REJECT', ...body })
  await settled()
  return { ...made, settled, policy, rules: `/v2/lbaas/l7policies/${policy.id}/rules` }
}

test('a new rule shows the defaults of Octavia, key by key', async () => {
  const { api, policy } = await aPolicy()
  const { id: _, created_at: __, ...rule } = await api.createL7Rule(policy, aPathRule)
  assert.deepEqual(rule, {
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    updated_at: null,
    type: 'PATH',
    compare_type: 'STARTS_WITH',
    key: null,
    value: '/a',
    invert: false,
  })
})

test('what is wrong with a rule is told as upstream tells it', async () => {
  const { api, policy, rules } = await aPolicy()
  const cases: [Record<string, unknown>, string | RegExp][] = [
    [{ value: null }, "Invalid input for field/attribute value. Value: 'None'. Mandatory field missing."],
    [{ value: 'a\nb' }, /^Invalid input for field\/attribute value\. .* Value should match the pattern \^\[\^\\r\\n\]\*\$$/s],
    [{ value: 'x'.repeat(256) }, /Value should have a maximum character requirement of 255$/],
    [{ type: 'HEADER' }, 'Error parsing L7Rule: Invalid L7 Rule: L7 rule type requires a key'],
    [{ value: '/a b' }, 'Error parsing L7Rule: Invalid characters in comparison value'],
    [{ colour: 'blue' }, 'Unknown attribute for argument rule_.rule: colour'],
  ]
  for (const [body, text] of cases) await assert.rejects(api.createL7Rule(policy, { ...aPathRule, ...body }), fault(400, text))
  assert.deepEqual(await api.list(rules), [])
})

test('an update is checked together with what it leaves', async () => {
  const { api, settled, policy, rules } = await aPolicy()
  const { id } = await api.createL7Rule(policy, { type: 'HEADER', compare_type: 'EQUAL_TO', key: 'X-A', value: 'b', invert: true })
  await settled()
  const path = `${rules}/${id}`
  const wrong = (text: string) => fault(400, `Error parsing L7Rule: Invalid L7 Rule: ${text}`)
  await assert.rejects(api.update(path, { key: null }), wrong('L7 rule type requires a key'))
  await assert.rejects(api.update(path, { value: null }), wrong('L7 rule type requires a value'))
  await assert.rejects(api.update(path, { type: null }), wrong('invalid rule type'))
  await assert.rejects(api.update(path, { compare_type: null }), wrong('invalid comparison type for rule type'))
  const inverted = await api.update(path, { invert: null, value: 'c' })
  assert.deepEqual([inverted.invert, inverted.value, inverted.key], [false, 'c', 'X-A'])
  await settled()
  const renamed = await api.update(path, { type: 'HOST_NAME' })
  assert.deepEqual([renamed.type, renamed.key], ['HOST_NAME', null])
})

test('a rule makes its policy count: the pool it redirects to is used by the listener', async () => {
  const made = await aCloud().withListener()
  const { api, loadBalancer, listener } = made
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const pool = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await api.waitFor(path)
  const policy = await api.createL7Policy(listener, { action: 'REDIRECT_TO_POOL', redirect_pool_id: pool.id })
  await api.waitFor(path)
  const listenersOfPool = async () => (await api.show(`/v2/lbaas/pools/${pool.id}`)).listeners
  assert.deepEqual(await listenersOfPool(), [])
  const rule = await api.createL7Rule(policy, aPathRule)
  await api.waitFor(path)
  assert.deepEqual(await listenersOfPool(), [{ id: listener.id }])
  assert.deepEqual((await api.show(`/v2/lbaas/l7policies/${policy.id}`)).rules, [{ id: rule.id }])
  await api.delete(`/v2/lbaas/l7policies/${policy.id}/rules/${rule.id}`)
  await api.waitUntilGone(`/v2/lbaas/l7policies/${policy.id}/rules/${rule.id}`)
  assert.deepEqual(await listenersOfPool(), [])
})

test('a policy has at most fifty rules', async () => {
  const { api, cloud, policy, settled } = await aPolicy()
  const { id } = await api.createL7Rule(policy, aPathRule)
  await settled()
  const row = await cloud.db.selectFrom('l7rule').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  for (let n = 2; n <= 50; n++)
    await cloud.db
      .insertInto('l7rule')
      .values({ ...row, id: `${n}` })
      .execute()
  await assert.rejects(api.createL7Rule(policy, aPathRule), fault(409, `Too many rules on L7 policy ${policy.id}`))
})

test('a policy in ERROR takes no rules, and one that does not exist is told in the shape of routing', async () => {
  const { api, cloud, policy } = await aPolicy()
  await cloud.db.updateTable('l7policy').set({ provisioning_status: 'ERROR' }).execute()
  await assert.rejects(api.createL7Rule(policy, aPathRule), fault(409, `L7Policy ${policy.id} is immutable and cannot be updated.`))
  const answer = await api.request('GET', `/v2/lbaas/l7policies/${nobody}/rules`)
  assert.deepEqual(answer.body, { code: 404, title: 'Bad Request', description: `L7Policy ${nobody} not found.` })
})

test('a rule is found below its own policy only', async () => {
  const { api, listener, settled, policy } = await aPolicy()
  const rule = await api.createL7Rule(policy, aPathRule)
  await settled()
  const other = await api.createL7Policy(listener, { action: 'REJECT' })
  await assert.rejects(api.show(`/v2/lbaas/l7policies/${other.id}/rules/${rule.id}`), fault(404, `L7 Rule ${rule.id} not found.`))
})
