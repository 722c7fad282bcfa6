/** Who may do what: Neutron's default policies, as far as they concern what is served here. */
import type { Identity } from '../../../drivers/identity/driver.ts'
import { isAdmin } from '../../http.ts'
import { NeutronError } from '../errors.ts'

export const owns = (caller: Identity, object: { project_id: string }): boolean =>
  isAdmin(caller) || (caller.project_id !== null && caller.project_id === object.project_id)

/** `action` is the name of Neutron's policy. */
export function allow(condition: boolean, action: string): void {
  if (!condition) throw new NeutronError(403, 'PolicyNotAuthorized', `rule:${action} is disallowed by policy`)
}

/** Who only reads (`reader`, `load-balancer_observer`) changes nothing. */
export const mayWrite = (caller: Identity): boolean => caller.roles.some((role) => ['admin', 'member', 'service'].includes(role))

/** The project a new object is for: the caller's own, or, for admins, the one that is named. */
export function projectFor(caller: Identity, asked: { project_id?: string; tenant_id?: string }): string {
  const project = asked.project_id ?? asked.tenant_id ?? caller.project_id
  if (project === null) throw badRequest('The token is not scoped to a project, so project_id must be given.')
  if (project !== caller.project_id && !isAdmin(caller)) {
    throw badRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
  }
  return project
}

const badRequest = (message: string): NeutronError => new NeutronError(400, 'HTTPBadRequest', message)
