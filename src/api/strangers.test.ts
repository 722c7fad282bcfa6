import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { Cloud } from '../../test/support/cloud.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { eventually } from '../../test/support/eventually.ts'
import { ask, type CallerName, callers, type Fixture, fillFixture, roleCases, type Send } from '../../test/support/role-cases.ts'

/** What Keystone says of each role: those it implies are in the token too. */
const implied: Record<string, string[]> = { admin: ['admin', 'member', 'reader'], member: ['member', 'reader'] }

const projects = { own: 'a0000000-0000-4000-8000-000000000001', other: 'b0000000-0000-4000-8000-000000000002' }

async function aFixture(): Promise<{ cloud: Cloud; fixture: Fixture }> {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const send = Object.fromEntries(
    Object.entries(callers).map(([name, { project, role }]): [string, Send] => {
      const api = cloud.apiAs(projects[project], ...(implied[role] ?? [role]))
      return [name, (method, path, body) => api.request(method, path, body)]
    }),
  ) as Record<CallerName, Send>
  const admin = cloud.apiAs(projects.other, 'admin')
  const settle = async () => {
    cloud.clock.passSeconds(1)
    await eventually(async () =>
      (await admin.list('/v2/lbaas/loadbalancers')).every(({ provisioning_status }) => provisioning_status === 'ACTIVE'),
    )
  }
  const fixture = { ids: {}, send, settle, projects, subnet_id: cloud.vipSubnet.id }
  await fillFixture(fixture)
  return { cloud, fixture }
}

describe('callers of other projects and of small roles are told what Octavia tells them', () => {
  let cloud: Cloud
  let fixture: Fixture
  before(async () => {
    const made = await aFixture()
    cloud = made.cloud
    fixture = made.fixture
  })

  test('each of them, for each route', async () => {
    const wrong: string[] = []
    for (const roleCase of roleCases) {
      for (const [as, expected] of Object.entries(roleCase.told)) {
        const told = await ask(fixture, roleCase, as as CallerName)
        if (told !== expected) wrong.push(`${as}: ${roleCase.request} ${JSON.stringify(roleCase.body)}\n  ${told}\n  ${expected}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  test('after all of that nothing has changed', async () => {
    const owner = fixture.send.owner
    const { ids } = fixture
    const shown = async (path: string) => JSON.stringify((await owner('GET', `/v2/lbaas/${path}`)).body)
    for (const path of [`loadbalancers/${ids.lb}`, `listeners/${ids.listener}`, `pools/${ids.pool}`, `l7policies/${ids.policy}`]) {
      const text = await shown(path)
      assert.match(text, /"name":"secret"/)
      assert.match(text, /"provisioning_status":"ACTIVE"/)
    }
    assert.match(await shown(`l7policies/${ids.policy}/rules/${ids.rule}`), /"value":"\/secret"/)
    assert.match(await shown(`pools/${ids.pool}/members/${ids.member}`), /"name":"secret"/)
  })

  test('no route was forgotten', () => {
    const names: Record<string, string> = { statuses: 'status' }
    const asked = new Set(
      roleCases.map(({ request }) => {
        const [method, path = ''] = request.split('?')[0]!.split(' ')
        const whole = path.startsWith('/') ? path : `/v2/lbaas/${path}`
        return `${method} ${whole.replaceAll(/\{\w+\}|(?<=\/(quotas|providers)\/)\w+/g, '*')}`
      }),
    )
    const announced = cloud.server.announced.map(
      ({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, '*').replace(/\w+$/, (word) => names[word] ?? word)}`,
    )
    assert.deepEqual(
      announced.filter((route) => !asked.has(route)),
      [],
    )
  })
})
