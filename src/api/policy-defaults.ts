/**
 * Who may do what unless a policy file says otherwise: upstream's rules (`octavia/policies/*.py`), which since 2025.1 are Keystone's default
 * roles. What the API asks for are the names that begin with `os_load-balancer_api:`; the others are what they are made of.
 */

interface RoleRule {
  rule: string
  /** What held before 2025.1; counts besides, when `[oslo_policy] enforce_new_defaults` is false and the file has no such rule. */
  legacy?: string
}

export const roleRules: Record<string, RoleRule> = {
  context_is_admin: { rule: 'role:admin', legacy: 'role:admin or role:load-balancer_admin' },
  'project-member': { rule: 'role:member and project_id:%(project_id)s' },
  'project-reader': { rule: 'role:reader and project_id:%(project_id)s' },
  service: { rule: 'role:service' },
  'load-balancer:owner': { rule: 'project_id:%(project_id)s' },
  'load-balancer:admin': { rule: 'is_admin:True or role:admin', legacy: 'is_admin:True or role:admin or role:load-balancer_admin' },
  'load-balancer:global_observer': { rule: 'role:admin', legacy: 'role:load-balancer_global_observer' },
  'load-balancer:member_and_owner': {
    rule: 'rule:project-member',
    legacy: 'role:load-balancer_member and rule:load-balancer:owner',
  },
  'load-balancer:observer_and_owner': {
    rule: 'rule:project-reader',
    legacy: 'role:load-balancer_observer and rule:load-balancer:owner',
  },
  'load-balancer:quota-admin': { rule: 'role:admin', legacy: 'role:load-balancer_quota_admin' },
  'load-balancer:read': {
    rule: anyOf('observer_and_owner', 'global_observer', 'member_and_owner', 'admin'),
  },
  'load-balancer:read-global': { rule: anyOf('global_observer', 'admin') },
  'load-balancer:write': { rule: anyOf('member_and_owner', 'admin') },
  'load-balancer:read-quota': {
    rule: anyOf('observer_and_owner', 'global_observer', 'member_and_owner', 'quota-admin', 'admin'),
  },
  'load-balancer:read-quota-global': { rule: anyOf('global_observer', 'quota-admin', 'admin') },
  'load-balancer:write-quota': { rule: anyOf('quota-admin', 'admin') },
}

function anyOf(...names: string[]): string {
  return names.map((name) => `rule:load-balancer:${name}`).join(' or ')
}

const read = 'rule:load-balancer:read'
const readGlobal = 'rule:load-balancer:read-global'
const write = 'rule:load-balancer:write'
const admin = 'rule:load-balancer:admin'
const readQuota = 'rule:load-balancer:read-quota'
const writeQuota = 'rule:load-balancer:write-quota'

type Verb = 'get_all' | 'get_one' | 'post' | 'put' | 'delete'

/** The five operations of a type. */
const operations = <T extends string>(type: T, reading: string, writing: string) =>
  ({
    [`os_load-balancer_api:${type}:get_all`]: reading,
    [`os_load-balancer_api:${type}:get_one`]: reading,
    [`os_load-balancer_api:${type}:post`]: writing,
    [`os_load-balancer_api:${type}:put`]: writing,
    [`os_load-balancer_api:${type}:delete`]: writing,
  }) as Record<`os_load-balancer_api:${T}:${Verb}`, string>

export const apiRules = {
  ...operations('loadbalancer', read, write),
  'os_load-balancer_api:loadbalancer:get_all-global': readGlobal,
  'os_load-balancer_api:loadbalancer:post:vip_sg_ids': write,
  'os_load-balancer_api:loadbalancer:put:vip_sg_ids': write,
  'os_load-balancer_api:loadbalancer:get_stats': read,
  'os_load-balancer_api:loadbalancer:get_status': read,
  // Ours.
  'os_load-balancer_api:loadbalancer:get_events': read,
  'os_load-balancer_api:loadbalancer:get_logs': read,
  'os_load-balancer_api:loadbalancer:put_failover': admin,
  ...operations('listener', read, write),
  'os_load-balancer_api:listener:get_all-global': readGlobal,
  'os_load-balancer_api:listener:get_stats': read,
  ...operations('pool', read, write),
  'os_load-balancer_api:pool:get_all-global': readGlobal,
  ...operations('member', read, write),
  // The alarm service reads members' statuses.
  'os_load-balancer_api:member:get_all': `${read} or rule:service`,
  // Ours.
  'os_load-balancer_api:member:get_stats': read,
  ...operations('healthmonitor', read, write),
  'os_load-balancer_api:healthmonitor:get_all-global': readGlobal,
  ...operations('l7policy', read, write),
  'os_load-balancer_api:l7policy:get_all-global': readGlobal,
  ...operations('l7rule', read, write),
  'os_load-balancer_api:quota:get_all': readQuota,
  'os_load-balancer_api:quota:get_all-global': 'rule:load-balancer:read-quota-global',
  'os_load-balancer_api:quota:get_one': readQuota,
  'os_load-balancer_api:quota:get_defaults': readQuota,
  'os_load-balancer_api:quota:put': writeQuota,
  'os_load-balancer_api:quota:delete': writeQuota,
  'os_load-balancer_api:provider:get_all': read,
  'os_load-balancer_api:provider-flavor:get_all': admin,
  'os_load-balancer_api:provider-availability-zone:get_all': admin,
  ...operations('flavor', read, admin),
  ...operations('flavor-profile', admin, admin),
  ...operations('availability-zone', read, admin),
  ...operations('availability-zone-profile', admin, admin),
  'os_load-balancer_api:amphora:get_all': admin,
  'os_load-balancer_api:amphora:get_one': admin,
  'os_load-balancer_api:amphora:get_stats': admin,
  'os_load-balancer_api:amphora:put_failover': admin,
  'os_load-balancer_api:amphora:put_config': admin,
  'os_load-balancer_api:amphora:delete': admin,
} satisfies Record<string, string>

export type PolicyName = keyof typeof apiRules

/** The types whose lists are policed by `get_all` and, across projects, `get_all-global`. */
export type ListedType = {
  [P in PolicyName]: P extends `os_load-balancer_api:${infer T}:get_all-global` ? T : never
}[PolicyName]
