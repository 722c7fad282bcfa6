import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { TestClock } from '../../test/support/cloud.ts'
import { loadConfig } from '../config/config.ts'
import { scopeOfList } from './authentication.ts'
import { Fault } from './faults.ts'
import { type Caller, openPolicy, type Policy, type PolicyName } from './policy.ts'
import { apiRules } from './policy-defaults.ts'

const shipped = fileURLToPath(new URL('../../etc/policy/', import.meta.url))
const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true })
})

/** A policy whose octavia.conf has these lines, and beside it a policy.yaml with that text. */
function aPolicy(policyYaml?: string, conf = '') {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-policy-'))
  directories.push(directory)
  const file = join(directory, 'policy.yaml')
  if (policyYaml !== undefined) writeFileSync(file, policyYaml)
  const logged: string[] = []
  const log = pino({ base: null }, { write: (line: string) => logged.push(JSON.parse(line).msg) })
  const clock = new TestClock()
  let monotonic = 0
  const config = loadConfig({
    stateDirectory: '/nonexistent',
    file: { name: join(directory, 'octavia.conf'), text: `[oslo_policy]\n${conf}` },
  })
  const policy = openPolicy({ config, log, clock: { now: () => clock.now(), monotonic: () => monotonic } })
  return { policy, file, directory, logged, later: () => (monotonic += 1_000) }
}

const shippedPolicy = (name: string) => {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-policy-'))
  directories.push(directory)
  cpSync(join(shipped, name), join(directory, name))
  return aPolicy(undefined, `policy_file = ${join(directory, name)}`)
}

type Person = Omit<Caller, 'is_admin'>
const caller = (roles: string[], project_id: string | null = 'mine'): Person => ({ user_id: 'u', project_id, roles })

/** What Keystone says of each: an admin is also member, and a member reader. */
const people = {
  nobody: caller([]),
  reader: caller(['reader']),
  member: caller(['member', 'reader']),
  admin: caller(['admin', 'manager', 'member', 'reader']),
  service: caller(['service']),
  lb_observer: caller(['load-balancer_observer']),
  lb_global_observer: caller(['load-balancer_global_observer']),
  lb_member: caller(['load-balancer_member']),
  lb_quota_admin: caller(['load-balancer_quota_admin']),
  lb_admin: caller(['load-balancer_admin']),
  system_admin: { ...caller(['admin', 'manager', 'member', 'reader'], null), system_scope: 'all' },
  system_reader: { ...caller(['reader'], null), system_scope: 'all' },
  domain_admin: { ...caller(['admin', 'manager', 'member', 'reader'], null), domain_id: 'd' },
  domain_reader: { ...caller(['reader'], null), domain_id: 'd' },
  unscoped: caller([], null),
}

const mayDo = (policy: Policy, name: PolicyName, person: Person, project_id: string | null) =>
  policy.isAllowed(name, { ...person, is_admin: policy.isAdmin(person) }, project_id)

/** Of one policy of each kind, who passes: on his own project's objects, and after the bar on anyone's. */
function table(policy: Policy): Record<string, string> {
  const kinds: Record<string, PolicyName> = {
    read: 'os_load-balancer_api:loadbalancer:get_one',
    'read-global': 'os_load-balancer_api:loadbalancer:get_all-global',
    write: 'os_load-balancer_api:loadbalancer:put',
    admin: 'os_load-balancer_api:loadbalancer:put_failover',
    'read-quota': 'os_load-balancer_api:quota:get_one',
    'read-quota-global': 'os_load-balancer_api:quota:get_all-global',
    'write-quota': 'os_load-balancer_api:quota:put',
    'member:get_all': 'os_load-balancer_api:member:get_all',
  }
  const passing = (name: PolicyName, project_id: (person: Person) => string | null) =>
    Object.entries(people)
      .filter(([, person]) => mayDo(policy, name, person, project_id(person)))
      .map(([who]) => who)
      .join(' ')
  return Object.fromEntries(
    Object.entries(kinds).map(([kind, name]) => [
      kind,
      `${passing(name, (person) => person.project_id ?? 'none')} | ${passing(name, () => 'other')}`,
    ]),
  )
}

const admins = 'admin system_admin domain_admin'

test("by default Keystone's default roles decide", () => {
  assert.deepEqual(table(aPolicy().policy), {
    read: `reader member ${admins} | ${admins}`,
    'read-global': `${admins} | ${admins}`,
    write: `member ${admins} | ${admins}`,
    admin: `${admins} | ${admins}`,
    'read-quota': `reader member ${admins} | ${admins}`,
    'read-quota-global': `${admins} | ${admins}`,
    'write-quota': `${admins} | ${admins}`,
    'member:get_all': `reader member admin service system_admin domain_admin | admin service system_admin domain_admin`,
  })
})

test('with enforce_new_defaults = false the roles of before count besides', () => {
  const lbAdmins = 'lb_admin system_admin domain_admin'
  assert.deepEqual(table(aPolicy(undefined, 'enforce_new_defaults = false').policy), {
    read: `reader member admin lb_observer lb_global_observer lb_member ${lbAdmins} | admin lb_global_observer ${lbAdmins}`,
    'read-global': `admin lb_global_observer ${lbAdmins} | admin lb_global_observer ${lbAdmins}`,
    write: `member admin lb_member ${lbAdmins} | admin ${lbAdmins}`,
    admin: `admin ${lbAdmins} | admin ${lbAdmins}`,
    'read-quota': `reader member admin lb_observer lb_global_observer lb_member lb_quota_admin ${lbAdmins} | admin lb_global_observer lb_quota_admin ${lbAdmins}`,
    'read-quota-global': `admin lb_global_observer lb_quota_admin ${lbAdmins} | admin lb_global_observer lb_quota_admin ${lbAdmins}`,
    'write-quota': `admin lb_quota_admin ${lbAdmins} | admin lb_quota_admin ${lbAdmins}`,
    'member:get_all': `reader member admin service lb_observer lb_global_observer lb_member ${lbAdmins} | admin service lb_global_observer ${lbAdmins}`,
  })
})

test('octavia-advanced-rbac-policy.yaml asks for the load-balancer_* roles', () => {
  const lbAdmins = 'lb_admin system_admin domain_admin'
  const { policy, logged } = shippedPolicy('octavia-advanced-rbac-policy.yaml')
  assert.deepEqual(table(policy), {
    read: `admin lb_observer lb_global_observer lb_member ${lbAdmins} | admin lb_global_observer ${lbAdmins}`,
    'read-global': `admin lb_global_observer ${lbAdmins} | admin lb_global_observer ${lbAdmins}`,
    write: `admin lb_member ${lbAdmins} | admin ${lbAdmins}`,
    admin: `admin ${lbAdmins} | admin ${lbAdmins}`,
    'read-quota': `admin lb_observer lb_global_observer lb_member lb_quota_admin ${lbAdmins} | admin lb_global_observer lb_quota_admin ${lbAdmins}`,
    'read-quota-global': `admin lb_global_observer lb_quota_admin ${lbAdmins} | admin lb_global_observer lb_quota_admin ${lbAdmins}`,
    'write-quota': `admin lb_quota_admin ${lbAdmins} | admin lb_quota_admin ${lbAdmins}`,
    'member:get_all': `admin service lb_observer lb_global_observer lb_member ${lbAdmins} | admin service lb_global_observer ${lbAdmins}`,
  })
  assert.deepEqual(logged, [])
})

test('admin_or_owner-policy.yaml lets whoever is in the project do everything there', () => {
  const everyoneThere = 'nobody reader member admin service lb_observer lb_global_observer lb_member lb_quota_admin lb_admin'
  const { policy, logged } = shippedPolicy('admin_or_owner-policy.yaml')
  // A token for the system is no admin here, as upstream: the rules ask for is_admin, which is for project scopes.
  const all = 'admin lb_admin domain_admin'
  assert.deepEqual(table(policy), {
    read: `${everyoneThere} domain_admin | ${all}`,
    'read-global': `${all} | ${all}`,
    write: `${everyoneThere} domain_admin | ${all}`,
    admin: `admin lb_admin system_admin domain_admin | admin lb_admin system_admin domain_admin`,
    'read-quota': `${everyoneThere} domain_admin | ${all}`,
    'read-quota-global': `${all} | ${all}`,
    'write-quota': `${all} | ${all}`,
    'member:get_all': `${everyoneThere} domain_admin | admin service lb_admin domain_admin`,
  })
  assert.deepEqual(logged, [])
})

test('without authentication everyone may do everything', () => {
  const { policy } = aPolicy()
  const everyone: Caller = { user_id: null, project_id: null, roles: [], is_admin: true }
  for (const name of Object.keys(apiRules) as PolicyName[]) assert.ok(policy.isAllowed(name, everyone, 'any'), name)
})

test('a token without a project owns no object, and has no list', () => {
  const { policy } = aPolicy('"load-balancer:read": "project_id:%(project_id)s"')
  assert.equal(mayDo(policy, 'os_load-balancer_api:loadbalancer:get_one', people.unscoped, 'mine'), false)
  assert.throws(() => scopeOfList(policy, { ...people.unscoped, is_admin: false }, 'loadbalancer', null), Fault)
})

test('what concerns no object is open to readers of a domain too, as upstream', () => {
  const { policy } = aPolicy()
  assert.equal(mayDo(policy, 'os_load-balancer_api:provider:get_all', people.domain_reader, null), true)
  assert.equal(mayDo(policy, 'os_load-balancer_api:provider:get_all', people.unscoped, null), false)
})

test('a list shows the own project, to admins all, and never another one', () => {
  const { policy } = aPolicy()
  const scope = (person: Person, asked: string | null) =>
    scopeOfList(policy, { ...person, is_admin: policy.isAdmin(person) }, 'loadbalancer', asked)
  assert.equal(scope(people.reader, null), 'mine')
  assert.equal(scope(people.reader, 'mine'), 'mine')
  assert.equal(scope(people.admin, null), null)
  assert.equal(scope(people.admin, 'other'), 'other')
  for (const who of [people.domain_reader, people.system_reader, people.nobody]) assert.throws(() => scope(who, null), Fault)
  assert.throws(() => scope(people.reader, 'other'), Fault)
})

/** Whether the rule lets this caller do something to an object of that project. */
function holds(rule: unknown, person: Person, project_id: string | null = 'mine'): boolean {
  const name = 'os_load-balancer_api:loadbalancer:put'
  return mayDo(aPolicy(JSON.stringify({ [name]: rule })).policy, name, person, project_id)
}

test("rules are read as oslo.policy reads them: 'and' before 'or', 'not' before both, parentheses, lists, literals", () => {
  const who: Person = { ...caller(['a', 'B']), service: { user_id: 's', project_id: 'service', roles: ['x'] } }
  const rules: [unknown, boolean][] = [
    ['', true],
    ['@', true],
    ['!', false],
    ['role:a', true],
    ['role:A and role:b', true],
    ['role:c or role:a and role:c', false],
    ['role:a or role:c and role:c', true],
    ['(role:a or role:c) and role:c', false],
    ['not role:c and role:a', true],
    ['not (role:c or role:a)', false],
    ['not not role:a', true],
    ['NOT role:c AND ((role:a))', true],
    ['user_id:u', true],
    ['user_id:v', false],
    ['project_id:%(project_id)s', true],
    ["'mine':%(project_id)s", true],
    ["'other':%(project_id)s", false],
    ['True:True', true],
    ['None:%(project_id)s', false],
    ['is_admin:False', true],
    ['is_admin:True', false],
    ['system_scope:all', false],
    ['system_scope:None', true],
    ['service_roles:x', true],
    ['is_admin_project:True', true],
    ['user_id:%(user_id)s', false],
    ['unheard:of', false],
    ['rule:load-balancer:owner', true],
    ['rule:nowhere', false],
    [[], true],
    [[[]], false],
    ['role:a or\n  role:c', true],
    [['role:c', 'role:a'], true],
    [[['role:c', 'role:a']], false],
    [[['role:a', 'role:b'], 'role:c'], true],
  ]
  for (const [rule, expected] of rules) assert.equal(holds(rule, who), expected, JSON.stringify(rule))
})

test('a wrong file is an error that names file, line, rule and position', () => {
  const wrong: [string, RegExp][] = [
    ['"load-balancer:read": "role:a and"', /policy\.yaml:1: rule 'load-balancer:read', position 11: the rule ends/],
    ['# first\n"x": "role:a role:b"', /policy\.yaml:2: rule 'x', position 8: 'role:b' was not expected/],
    ['"x": "(role:a or (role:b)"', /rule 'x', position 1: this '\(' is not closed/],
    ['"x": "role:a)"', /rule 'x', position 7: '\)' was not expected/],
    ['"x": "()"', /rule 'x', position 2: a check should stand/],
    ['"x": "admin"', /rule 'x', position 1: 'admin' is no check/],
    ['"x": "role:a or \'b\'"', /rule 'x', position 11/],
    [`"x": "a':b"`, /rule 'x', position 1: 'a':b': what stands before the colon is no name/],
    ['"x": "http://policy.example/"', /checks by http are not supported/],
    ['"x": "role:%s"', /only %\(name\)s may follow/],
    ['"x": 5', /policy\.yaml:1: rule 'x', position 1: a rule is a text or a list/],
    ['"x":', /rule 'x', position 1: a rule is a text or a list/],
    ['- "x"', /holds names and rules/],
    ['"x": "role:a"\n"x": "role:b"', /policy\.yaml:2: no YAML.*unique/],
    ['"x": "role:a', /policy\.yaml:1: no YAML/],
    ['"a": "rule:b"\n"b": "not rule:a"', /policy\.yaml:1: rule 'a', position 1: goes round in a circle: a → b → a/],
    ['"project-reader": "rule:load-balancer:read"', /goes round in a circle/],
    [`"x": "${'('.repeat(200)}role:a${')'.repeat(200)}"`, /nested deeper than 100/],
  ]
  for (const [text, message] of wrong) assert.throws(() => aPolicy(text), message, text)
})

test('what is surely not meant is a warning', () => {
  const warnings = (text: string, conf?: string) => aPolicy(text, conf).logged.map((line) => line.replace(/^.*policy\.yaml/, ''))
  assert.deepEqual(warnings('"load-balancer:raed": "role:a"'), [
    ":1: rule 'load-balancer:raed': there is no such rule, and no other one refers to it",
  ])
  assert.deepEqual(warnings('"helper": "role:a"\n"load-balancer:read": "rule:helper or rule:gone"'), [
    ":2: rule 'load-balancer:read': it refers to 'gone', which is not defined",
  ])
  assert.match(warnings('"load-balancer:read": "tenant:%(tenant_id)s"')[0]!, /no object has a tenant_id/)
  assert.deepEqual(aPolicy(undefined, 'policy_file = /nonexistent/policy.yaml').logged, [
    '[oslo_policy] policy_file = /nonexistent/policy.yaml: no such file; the default policies hold',
  ])
})

test('a rule that nobody defines is the default rule, where a file has one', () => {
  const get = 'os_load-balancer_api:loadbalancer:get_one'
  assert.equal(mayDo(aPolicy('"default": "role:a"\n"load-balancer:read": "rule:gone"').policy, get, caller(['a']), 'other'), true)
  assert.equal(mayDo(aPolicy('"load-balancer:read": "rule:gone"').policy, get, caller(['a']), 'other'), false)
})

test('a changed file counts soon; a broken one leaves what was and is logged once', () => {
  const get = 'os_load-balancer_api:loadbalancer:get_one'
  const { policy, file, directory, logged, later } = aPolicy()
  const isAllowed = () => mayDo(policy, get, caller(['a']), 'other')
  assert.equal(isAllowed(), false)
  writeFileSync(file, '"load-balancer:read": "role:a"')
  later()
  assert.equal(isAllowed(), true)
  writeFileSync(file, '"load-balancer:read": "role:a or"')
  for (let i = 0; i < 3; i++) {
    later()
    assert.equal(isAllowed(), true)
  }
  assert.equal(logged.filter((line) => /stay as they were: .*policy\.yaml:1: rule 'load-balancer:read', position 10/.test(line)).length, 1)
  // Files of policy.d win over policy.yaml.
  writeFileSync(file, '"load-balancer:read": "role:a"')
  mkdirSync(join(directory, 'policy.d'))
  writeFileSync(join(directory, 'policy.d', '10-closed.yaml'), '"load-balancer:read": "!"')
  later()
  assert.equal(isAllowed(), false)
  rmSync(join(directory, 'policy.d'), { recursive: true })
  rmSync(file)
  later()
  assert.equal(isAllowed(), false)
})
