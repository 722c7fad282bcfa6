/** Which user has which role on which project or domain. */
import type { FastifyInstance } from 'fastify'
import { baseUrl, HttpFault, lastValueOf, type Query } from '../../http.ts'
import * as repository from '../repository.ts'
import { impliedRole, withImplied } from '../role-implications.ts'
import type { DomainRow, ProjectRow, RoleAssignmentRow, RoleRow, UserRow } from '../tables.ts'
import { authorizeAdmin, found, isTrue, linksOf, named, roleAnswer } from './answers.ts'
import type { IdentityApiContext } from './server.ts'

type OnTarget = { Params: { target_id: string; user_id: string } }
type OneAssignment = { Params: { target_id: string; user_id: string; role_id: string } }

export function assignmentRoutes(app: FastifyInstance, { db, identity }: IdentityApiContext): void {
  for (const target_type of ['project', 'domain'] as const) {
    const path = `/v3/${target_type}s/:target_id/users/:user_id/roles`

    app.get<OnTarget>(path, async (request) => {
      authorizeAdmin(request, 'identity:list_grants')
      const { target_id, user_id } = request.params
      await checkNames(target_type, target_id, user_id)
      const base = baseUrl(request)
      const assigned = await repository.listAssignments(db, { target_type, target_id, user_id })
      const roles = (await repository.listRoles(db)).filter((role) => assigned.some(({ role_id }) => role_id === role.id))
      return { roles: roles.map((role) => roleAnswer(role, base)), links: linksOf(request, base) }
    })

    app.put<OneAssignment>(`${path}/:role_id`, async (request, reply) => {
      authorizeAdmin(request, 'identity:create_grant')
      await repository.insertAssignment(db, await assignmentOf(request.params))
      identity.changed()
      return reply.code(204).send()
    })

    app.get<OneAssignment>(`${path}/:role_id`, async (request, reply) => {
      authorizeAdmin(request, 'identity:check_grant')
      const assignment = await assignmentOf(request.params)
      if ((await repository.listAssignments(db, assignment)).length === 0) throw noAssignment(assignment)
      return reply.code(204).send()
    })

    app.delete<OneAssignment>(`${path}/:role_id`, async (request, reply) => {
      authorizeAdmin(request, 'identity:revoke_grant')
      const assignment = await assignmentOf(request.params)
      if ((await repository.deleteAssignments(db, assignment)) === 0) throw noAssignment(assignment)
      identity.changed()
      return reply.code(204).send()
    })

    async function assignmentOf({ target_id, user_id, role_id }: OneAssignment['Params']): Promise<RoleAssignmentRow> {
      await checkNames(target_type, target_id, user_id)
      found(await repository.findRole(db, role_id), 'role', role_id)
      return { user_id, target_type, target_id, role_id }
    }
  }

  app.get<{ Querystring: Query }>('/v3/role_assignments', async (request) => {
    authorizeAdmin(request, 'identity:list_role_assignments')
    const base = baseUrl(request)
    const { query } = request
    const flag = (name: string) => isTrue(lastValueOf(query, name) ?? '0')
    const roles = await repository.listRoles(db)
    const stored = await repository.listAssignments(db, { user_id: lastValueOf(query, 'user.id') })
    const expanded = flag('effective') ? withImpliedRoles(stored, roles) : stored
    const names = flag('include_names') ? await loadNames(roles) : null
    const wanted = expanded.filter((assignment) => matches(assignment, query))
    return {
      role_assignments: wanted.map((assignment) => assignmentAnswer(assignment, names, base)),
      links: linksOf(request, base),
    }
  })

  app.get('/v3/role_inferences', async (request) => {
    authorizeAdmin(request, 'identity:list_role_inference_rules')
    const base = baseUrl(request)
    const roles = await repository.listRoles(db)
    const role_inferences = roles.flatMap((role) => {
      const implied = impliedRole(role, roles)
      return implied === undefined ? [] : [{ prior_role: roleAnswer(role, base), implies: [roleAnswer(implied, base)] }]
    })
    return { role_inferences, links: linksOf(request, base) }
  })

  async function checkNames(target_type: 'project' | 'domain', target_id: string, user_id: string): Promise<void> {
    if (target_type === 'project') found(await repository.findProject(db, target_id), 'project', target_id)
    else found(await repository.findDomain(db, target_id), 'domain', target_id)
    found(await repository.findUser(db, user_id), 'user', user_id)
  }

  async function loadNames(roles: RoleRow[]): Promise<Names> {
    const byId = <T extends { id: string }>(rows: T[]) => new Map(rows.map((row) => [row.id, row]))
    return {
      domains: byId(await repository.listDomains(db)),
      projects: byId(await repository.listProjects(db)),
      users: byId(await repository.listUsers(db)),
      roles: byId(roles),
    }
  }
}

type Names = {
  domains: Map<string, DomainRow>
  projects: Map<string, ProjectRow>
  users: Map<string, UserRow>
  roles: Map<string, RoleRow>
}

function matches({ role_id, target_type, target_id }: RoleAssignmentRow, query: Query): boolean {
  const role = lastValueOf(query, 'role.id')
  const project = lastValueOf(query, 'scope.project.id')
  const domain = lastValueOf(query, 'scope.domain.id')
  // There are no groups, no roles on the system and no inherited ones: who asks for these finds none.
  if (['group.id', 'scope.system', 'scope.OS-INHERIT:inherited_to'].some((name) => lastValueOf(query, name) !== undefined)) return false
  if (role !== undefined && role !== role_id) return false
  if (project !== undefined && !(target_type === 'project' && target_id === project)) return false
  return domain === undefined || (target_type === 'domain' && target_id === domain)
}

function withImpliedRoles(assignments: RoleAssignmentRow[], roles: RoleRow[]): RoleAssignmentRow[] {
  const all = assignments.flatMap((assignment) =>
    withImplied(new Set([assignment.role_id]), roles).map((role) => ({ ...assignment, role_id: role.id })),
  )
  const keyOf = (one: RoleAssignmentRow) => [one.user_id, one.target_type, one.target_id, one.role_id].join(' ')
  return [...new Map(all.map((assignment) => [keyOf(assignment), assignment])).values()]
}

function assignmentAnswer(assignment: RoleAssignmentRow, names: Names | null, base: string): object {
  const { user_id, target_type, target_id, role_id } = assignment
  const self = `${base}/v3/${target_type}s/${target_id}/users/${user_id}/roles/${role_id}`
  if (names === null) {
    return { role: { id: role_id }, user: { id: user_id }, scope: { [target_type]: { id: target_id } }, links: { assignment: self } }
  }
  const inDomain = (row: { id: string; name: string; domain_id: string }) => ({
    ...named(row),
    domain: named(names.domains.get(row.domain_id)!),
  })
  return {
    role: named(names.roles.get(role_id)!),
    user: inDomain(names.users.get(user_id)!),
    scope:
      target_type === 'project' ? { project: inDomain(names.projects.get(target_id)!) } : { domain: named(names.domains.get(target_id)!) },
    links: { assignment: self },
  }
}

const noAssignment = ({ role_id }: RoleAssignmentRow): HttpFault =>
  new HttpFault(404, `Could not find role assignment with role: ${role_id}.`)
