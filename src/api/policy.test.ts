import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scopeOfList } from './authentication.ts'
import { Fault } from './faults.ts'
import { type Caller, isAllowed, type PolicyName } from './policy.ts'

const caller = (roles: string[], project_id: string | null = 'mine'): Caller => ({ user_id: 'u', project_id, roles, is_admin: false })
const reader = caller(['reader'])
const member = caller(['member', 'reader'])
const admin = caller(['admin', 'member', 'reader'])
const service = caller(['service'])
const everyone: Caller = { user_id: null, project_id: null, roles: [], is_admin: true }

function allowed(policy: PolicyName, project_id: string | null): string {
  const callers = { reader, member, admin, service, everyone }
  return Object.entries(callers)
    .filter(([, who]) => isAllowed(policy, who, project_id))
    .map(([name]) => name)
    .join(' ')
}

test("Keystone's default roles decide, as upstream's policies say", () => {
  assert.equal(allowed('os_load-balancer_api:loadbalancer:get_one', 'mine'), 'reader member admin everyone')
  assert.equal(allowed('os_load-balancer_api:loadbalancer:get_one', 'other'), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:loadbalancer:post', 'mine'), 'member admin everyone')
  assert.equal(allowed('os_load-balancer_api:loadbalancer:post', 'other'), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:loadbalancer:put_failover', 'mine'), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:loadbalancer:get_all-global', null), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:member:get_all', 'other'), 'admin service everyone')
  assert.equal(allowed('os_load-balancer_api:quota:put', 'mine'), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:quota:get_defaults', 'defaults'), 'admin everyone')
  assert.equal(allowed('os_load-balancer_api:amphora:get_all', 'mine'), 'admin everyone')
})

test('a token without a project owns nothing', () => {
  assert.equal(isAllowed('os_load-balancer_api:loadbalancer:get_one', caller(['member', 'reader'], null), null), false)
})

test('a list shows the own project, to admins all, and never another one', () => {
  assert.equal(scopeOfList(reader, 'loadbalancer', null), 'mine')
  assert.equal(scopeOfList(reader, 'loadbalancer', 'mine'), 'mine')
  assert.equal(scopeOfList(admin, 'loadbalancer', null), null)
  assert.equal(scopeOfList(admin, 'loadbalancer', 'other'), 'other')
  for (const who of [caller(['reader'], null), caller([])]) assert.throws(() => scopeOfList(who, 'loadbalancer', null), Fault)
  assert.throws(() => scopeOfList(reader, 'loadbalancer', 'other'), Fault)
})
