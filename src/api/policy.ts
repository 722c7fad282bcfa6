/**
 * Who may do what: Keystone's default roles, as upstream's policies have them since 2025.1 (`octavia/policies/*.py`). A route names the
 * policies it asks for; a test walks the routes and finds those that name none.
 */

/** Who sends a request, as far as policies ask. */
export interface Caller {
  readonly user_id: string | null
  /** The project his token is for; without authentication the header X-Project-Id. */
  readonly project_id: string | null
  readonly roles: readonly string[]
  /** True for everyone where there is no authentication. */
  readonly is_admin: boolean
}

/** `project_id` owns the object that is asked for; null when no object is concerned. */
type Rule = (caller: Caller, project_id: string | null) => boolean

const any =
  (...rules: Rule[]): Rule =>
  (caller, project_id) =>
    rules.some((rule) => rule(caller, project_id))

const owner = (caller: Caller, project_id: string | null) => project_id !== null && caller.project_id === project_id

const admin: Rule = (caller) => caller.is_admin || caller.roles.includes('admin')
const globalObserver: Rule = (caller) => caller.roles.includes('admin')
const quotaAdmin: Rule = (caller) => caller.roles.includes('admin')
const memberAndOwner: Rule = (caller, project_id) => caller.roles.includes('member') && owner(caller, project_id)
const observerAndOwner: Rule = (caller, project_id) => caller.roles.includes('reader') && owner(caller, project_id)
const service: Rule = (caller) => caller.roles.includes('service')

const read = any(observerAndOwner, globalObserver, memberAndOwner, admin)
const readGlobal = any(globalObserver, admin)
const write = any(memberAndOwner, admin)
const readQuota = any(observerAndOwner, globalObserver, memberAndOwner, quotaAdmin, admin)
const readQuotaGlobal = any(globalObserver, quotaAdmin, admin)
const writeQuota = any(quotaAdmin, admin)

const childPolicies = <T extends string>(type: T) =>
  ({
    [`os_load-balancer_api:${type}:get_all`]: read,
    [`os_load-balancer_api:${type}:get_all-global`]: readGlobal,
    [`os_load-balancer_api:${type}:get_one`]: read,
    [`os_load-balancer_api:${type}:post`]: write,
    [`os_load-balancer_api:${type}:put`]: write,
    [`os_load-balancer_api:${type}:delete`]: write,
  }) as Record<`os_load-balancer_api:${T}:${'get_all' | 'get_all-global' | 'get_one' | 'post' | 'put' | 'delete'}`, Rule>

export const policies = {
  ...childPolicies('loadbalancer'),
  'os_load-balancer_api:loadbalancer:post:vip_sg_ids': write,
  'os_load-balancer_api:loadbalancer:put:vip_sg_ids': write,
  'os_load-balancer_api:loadbalancer:get_stats': read,
  'os_load-balancer_api:loadbalancer:get_status': read,
  'os_load-balancer_api:loadbalancer:put_failover': admin,
  ...childPolicies('listener'),
  'os_load-balancer_api:listener:get_stats': read,
  ...childPolicies('pool'),
  ...childPolicies('member'),
  // The alarm service reads members' statuses.
  'os_load-balancer_api:member:get_all': any(read, service),
  ...childPolicies('healthmonitor'),
  ...childPolicies('l7policy'),
  ...childPolicies('l7rule'),
  'os_load-balancer_api:quota:get_all': readQuota,
  'os_load-balancer_api:quota:get_all-global': readQuotaGlobal,
  'os_load-balancer_api:quota:get_one': readQuota,
  'os_load-balancer_api:quota:get_defaults': readQuota,
  'os_load-balancer_api:quota:put': writeQuota,
  'os_load-balancer_api:quota:delete': writeQuota,
  'os_load-balancer_api:provider:get_all': read,
  'os_load-balancer_api:provider-flavor:get_all': admin,
  'os_load-balancer_api:provider-availability-zone:get_all': admin,
  'os_load-balancer_api:amphora:get_all': admin,
  'os_load-balancer_api:amphora:get_one': admin,
  'os_load-balancer_api:amphora:get_stats': admin,
  'os_load-balancer_api:amphora:put_failover': admin,
  'os_load-balancer_api:amphora:put_config': admin,
  'os_load-balancer_api:amphora:delete': admin,
} satisfies Record<string, Rule>

export type PolicyName = keyof typeof policies

/** The types whose lists are policed by `get_all` and, across projects, `get_all-global`. */
export type ListedType = {
  [P in PolicyName]: P extends `os_load-balancer_api:${infer T}:get_all-global` ? T : never
}[PolicyName]

export function isAllowed(policy: PolicyName, caller: Caller, project_id: string | null): boolean {
  return policies[policy](caller, project_id)
}
