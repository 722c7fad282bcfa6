/** Who sends a request: asked of the identity service by the token, or, without authentication, whoever he says he is. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../config/config.ts'
import type { IdentityDriver } from '../drivers/identity/driver.ts'
import { policyForbidden, unauthenticated } from './faults.ts'
import type { Caller, ListedType, Policy, PolicyName } from './policy.ts'

/** Longer tokens than any identity service makes; what is longer is refused unasked. */
const MAX_TOKEN_LENGTH = 8192

/** What of a request says who sends it. */
export interface Envelope {
  headers: IncomingHttpHeaders
  method: string
  /** As the client wrote it. */
  originalUrl: string
}

/** Throws 401 for a request without a valid token. */
export async function authenticate(
  { headers, method, originalUrl }: Envelope,
  config: Config,
  identity: IdentityDriver,
  policy: Policy,
): Promise<Caller> {
  if (config.api_settings.auth_strategy !== 'keystone') {
    return { user_id: null, project_id: oneHeader(headers['x-project-id'] ?? headers['x-tenant-id']), roles: [], is_admin: true }
  }
  const token = oneHeader(headers['x-auth-token'])
  const service_token = oneHeader(headers['x-service-token'])
  if (token === null || token.length > MAX_TOKEN_LENGTH || (service_token?.length ?? 0) > MAX_TOKEN_LENGTH) throw unauthenticated()
  const [path = ''] = originalUrl.split('?', 1)
  const found = await identity.validate(token, { service_token, method, path })
  if (found === null) throw unauthenticated()
  return { ...found, is_admin: policy.isAdmin(found), token }
}

function oneHeader(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** Throws 403. `project_id` owns the object; null where no object is concerned. */
export function authorize(policy: Policy, caller: Caller, name: PolicyName, project_id: string | null): void {
  if (!policy.isAllowed(name, caller, project_id)) throw policyForbidden()
}

/**
 * In: the project a list is asked for, if any. Out: the project whose objects the caller may see, null for all. Throws 403.
 */
export function scopeOfList(policy: Policy, caller: Caller, type: ListedType, asked: string | null): string | null {
  if (policy.isAllowed(`os_load-balancer_api:${type}:get_all-global`, caller, asked)) return asked
  const project_id = asked ?? caller.project_id
  if (project_id === null) throw policyForbidden()
  authorize(policy, caller, `os_load-balancer_api:${type}:get_all`, project_id)
  return project_id
}
