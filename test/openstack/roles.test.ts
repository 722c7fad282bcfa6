/** Whether what `role-cases.ts` says of Octavia is so: the same requests, by users of a real Keystone, to the real octavia-api. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { apiRules, roleRules } from '../../src/api/policy-defaults.ts'
import { KeystoneAdmin, type Scope } from '../support/keystone-admin.ts'
import { noKeystone, type RealKeystone, startKeystone } from '../support/real-keystone.ts'
import { noOctavia, type RealOctavia, startOctavia } from '../support/real-octavia.ts'
import { ask, type CallerName, callers, type Fixture, fillFixture, roleCases, type Send } from '../support/role-cases.ts'

const TOKEN_SECONDS = 3_600
/** Any: the no-op network has all subnets. */
const SUBNET_ID = 'c0000000-0000-4000-8000-000000000001'

/** Debian's Octavia has older rules; with these it has today's. */
const policy = { ...Object.fromEntries(Object.entries(roleRules).map(([name, { rule }]) => [name, rule])), ...apiRules }

describe('the real octavia-api', { skip: noKeystone ?? noOctavia ?? false }, () => {
  let keystone: RealKeystone
  let octavia: RealOctavia
  let fixture: Fixture

  before(async () => {
    keystone = await startKeystone({ tokenSeconds: TOKEN_SECONDS })
    const admin = new KeystoneAdmin(keystone.v3, keystone.adminPassword)
    const project = await admin.createProject()
    const service = await admin.createUser()
    await admin.assign(service, { project }, ['service'])
    octavia = await startOctavia({ v3: keystone.v3, service, project, policy })
    const projects = { own: (await admin.createProject()).id, other: (await admin.createProject()).id }
    const send: Partial<Record<CallerName, Send>> = {}
    for (const [name, { project, role }] of Object.entries(callers)) {
      const scope: Scope = { project: { id: projects[project] } }
      send[name as CallerName] = sender(octavia.url, (await admin.person(scope, [role])).token)
    }
    const settle = () => octavia.settle()
    fixture = { ids: {}, send: send as Record<CallerName, Send>, settle, projects, subnet_id: SUBNET_ID }
    await fillFixture(fixture)
  })
  after(async () => {
    await octavia?.stop()
    await keystone?.stop()
  })

  test('tells callers of other projects and of small roles what is written down of it', async () => {
    const wrong: string[] = []
    for (const roleCase of roleCases) {
      for (const as of Object.keys(roleCase.told) as CallerName[]) {
        octavia.settle()
        const expected = roleCase.upstream?.[as] ?? roleCase.told[as]
        const told = await ask(fixture, roleCase, as)
        if (told !== expected) wrong.push(`${as}: ${roleCase.request} ${JSON.stringify(roleCase.body)}\n  ${told}\n  ${expected}`)
      }
    }
    assert.deepEqual(wrong, [])
  })
})

function sender(url: string, token: string): Send {
  return async (method, path, body) => {
    const headers = { 'x-auth-token': token, accept: 'application/json', ...(body ? { 'content-type': 'application/json' } : {}) }
    const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') && text !== ''
    return { status: answer.status, body: isJson ? JSON.parse(text) : text }
  }
}
