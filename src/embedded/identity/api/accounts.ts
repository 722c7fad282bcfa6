/** Domains, projects, users and roles: an admin's to change; everybody sees himself and his projects. */
import type { FastifyInstance } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import { baseUrl, callerOf, HttpFault, type Query, unauthenticated } from '../../http.ts'
import { defaultDomainId, newId } from '../bootstrap.ts'
import { checkPassword, hashPassword } from '../passwords.ts'
import * as repository from '../repository.ts'
import type { ProjectRow, UserRow } from '../tables.ts'
import {
  authorizeAdmin,
  badRequest,
  domainAnswer,
  duplicate,
  filtered,
  forbidden,
  found,
  linksOf,
  projectAnswer,
  roleAnswer,
  userAnswer,
} from './answers.ts'
import type { IdentityApiContext } from './server.ts'

const closed = { additionalProperties: false }
const Name = Type.String({ minLength: 1, maxLength: 255 })
const Description = Type.Union([Type.String({ maxLength: 65_535 }), Type.Null()])
const Password = Type.String({ minLength: 1, maxLength: 4_096 })
const NullableText = Type.Union([Type.String({ maxLength: 255 }), Type.Null()])
/** Clients send the object even when they have no option to set; there is none. */
const NoOptions = Type.Object({}, closed)

const domainFields = { description: Type.Optional(Description), enabled: Type.Optional(Type.Boolean()), options: Type.Optional(NoOptions) }
const DomainCreate = Type.Object({ domain: Type.Object({ name: Name, ...domainFields }, closed) })
const DomainUpdate = Type.Object({ domain: Type.Object({ name: Type.Optional(Name), ...domainFields }, closed) })

const projectFields = {
  description: Type.Optional(Description),
  enabled: Type.Optional(Type.Boolean()),
  tags: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 80, uniqueItems: true })),
  domain_id: Type.Optional(Type.String()),
  parent_id: Type.Optional(NullableText),
  is_domain: Type.Optional(Type.Literal(false)),
  options: Type.Optional(NoOptions),
}
const ProjectCreate = Type.Object({ project: Type.Object({ name: Name, ...projectFields }, closed) })
const ProjectUpdate = Type.Object({ project: Type.Object({ name: Type.Optional(Name), ...projectFields }, closed) })

const userFields = {
  description: Type.Optional(Description),
  email: Type.Optional(NullableText),
  enabled: Type.Optional(Type.Boolean()),
  domain_id: Type.Optional(Type.String()),
  default_project_id: Type.Optional(NullableText),
  password: Type.Optional(Type.Union([Password, Type.Null()])),
  options: Type.Optional(NoOptions),
}
const UserCreate = Type.Object({ user: Type.Object({ name: Name, ...userFields }, closed) })
const UserUpdate = Type.Object({ user: Type.Object({ name: Type.Optional(Name), ...userFields }, closed) })
const PasswordChange = Type.Object({
  user: Type.Object({ password: Password, original_password: Type.String({ maxLength: 4_096 }) }, closed),
})

const roleFields = { description: Type.Optional(Description), domain_id: Type.Optional(Type.Null()), options: Type.Optional(NoOptions) }
const RoleCreate = Type.Object({ role: Type.Object({ name: Name, ...roleFields }, closed) })
const RoleUpdate = Type.Object({ role: Type.Object({ name: Type.Optional(Name), ...roleFields }, closed) })

type WithId = { Params: { id: string } }
type WithQuery = { Querystring: Query }
type WithBody<S extends TSchema> = { Body: Static<S> }

export function accountRoutes(app: FastifyInstance, context: IdentityApiContext): void {
  domainRoutes(app, context)
  projectRoutes(app, context)
  userRoutes(app, context)
  roleRoutes(app, context)
}

function domainRoutes(app: FastifyInstance, { db, identity }: IdentityApiContext): void {
  app.get<WithQuery>('/v3/domains', async (request) => {
    authorizeAdmin(request, 'identity:list_domains')
    const base = baseUrl(request)
    const domains = filtered(await repository.listDomains(db), request.query, ['id', 'name', 'enabled'])
    return { domains: domains.map((row) => domainAnswer(row, base)), links: linksOf(request, base) }
  })

  app.get<WithId>('/v3/domains/:id', async (request) => {
    authorizeAdmin(request, 'identity:get_domain')
    const { id } = request.params
    return { domain: domainAnswer(found(await repository.findDomain(db, id), 'domain', id), baseUrl(request)) }
  })

  app.post<WithBody<typeof DomainCreate>>('/v3/domains', { schema: { body: DomainCreate } }, async (request, reply) => {
    authorizeAdmin(request, 'identity:create_domain')
    const { name, description, enabled } = request.body.domain
    const row = { id: newId(), name, description: description ?? '', enabled: enabled ?? true }
    await db.transaction().execute(async (tx) => {
      if (await repository.findDomainByName(tx, name)) throw duplicate('domain', name)
      await repository.insertDomain(tx, row)
    })
    return reply.code(201).send({ domain: domainAnswer(row, baseUrl(request)) })
  })

  app.patch<WithId & WithBody<typeof DomainUpdate>>('/v3/domains/:id', { schema: { body: DomainUpdate } }, async (request) => {
    authorizeAdmin(request, 'identity:update_domain')
    const { id } = request.params
    const { options, ...changes } = request.body.domain
    const row = await db.transaction().execute(async (tx) => {
      const old = found(await repository.findDomain(tx, id), 'domain', id)
      const row = { ...old, ...defined(changes), description: changes.description ?? old.description }
      const namesake = await repository.findDomainByName(tx, row.name)
      if (namesake !== undefined && namesake.id !== id) throw duplicate('domain', row.name)
      await repository.updateDomain(tx, id, row)
      return row
    })
    identity.changed()
    return { domain: domainAnswer(row, baseUrl(request)) }
  })

  app.delete<WithId>('/v3/domains/:id', async (request, reply) => {
    authorizeAdmin(request, 'identity:delete_domain')
    const { id } = request.params
    await db.transaction().execute(async (tx) => {
      const domain = found(await repository.findDomain(tx, id), 'domain', id)
      if (domain.enabled) throw new HttpFault(403, 'Cannot delete a domain that is enabled, please disable it first.')
      await repository.deleteDomain(tx, id)
    })
    identity.changed()
    return reply.code(204).send()
  })
}

function projectRoutes(app: FastifyInstance, { db, identity }: IdentityApiContext): void {
  app.get<WithQuery>('/v3/projects', async (request) => {
    authorizeAdmin(request, 'identity:list_projects')
    const base = baseUrl(request)
    const all = (await repository.listProjects(db)).map((row) => ({ ...row, parent_id: row.domain_id, is_domain: false }))
    const projects = filtered(all, request.query, ['id', 'name', 'domain_id', 'parent_id', 'enabled', 'is_domain'])
    return { projects: projects.map((row) => projectAnswer(row, base)), links: linksOf(request, base) }
  })

  app.get<WithId>('/v3/projects/:id', async (request) => {
    const { id } = request.params
    if (callerOf(request).project_id !== id) authorizeAdmin(request, 'identity:get_project')
    return { project: projectAnswer(found(await repository.findProject(db, id), 'project', id), baseUrl(request)) }
  })

  app.post<WithBody<typeof ProjectCreate>>('/v3/projects', { schema: { body: ProjectCreate } }, async (request, reply) => {
    authorizeAdmin(request, 'identity:create_project')
    const { name, description, enabled, tags, domain_id = defaultDomainId, parent_id } = request.body.project
    if (parent_id != null && parent_id !== domain_id) throw badRequest('Projects cannot be nested: parent_id must be the domain.')
    const row: ProjectRow = { id: newId(), domain_id, name, description: description ?? '', enabled: enabled ?? true, tags: tags ?? [] }
    await db.transaction().execute(async (tx) => {
      found(await repository.findDomain(tx, domain_id), 'domain', domain_id)
      if (await repository.findProjectByName(tx, domain_id, name)) throw duplicate('project', name, domain_id)
      await repository.insertProject(tx, row)
    })
    return reply.code(201).send({ project: projectAnswer(row, baseUrl(request)) })
  })

  app.patch<WithId & WithBody<typeof ProjectUpdate>>('/v3/projects/:id', { schema: { body: ProjectUpdate } }, async (request) => {
    authorizeAdmin(request, 'identity:update_project')
    const { id } = request.params
    const { options, domain_id, parent_id, is_domain, ...changes } = request.body.project
    const row = await db.transaction().execute(async (tx) => {
      const old = found(await repository.findProject(tx, id), 'project', id)
      refuseMove(old.domain_id, domain_id)
      refuseMove(old.domain_id, parent_id)
      const row: ProjectRow = { ...old, ...defined(changes), description: changes.description ?? old.description }
      const namesake = await repository.findProjectByName(tx, row.domain_id, row.name)
      if (namesake !== undefined && namesake.id !== id) throw duplicate('project', row.name, row.domain_id)
      await repository.updateProject(tx, id, row)
      return row
    })
    identity.changed()
    return { project: projectAnswer(row, baseUrl(request)) }
  })

  app.delete<WithId>('/v3/projects/:id', async (request, reply) => {
    authorizeAdmin(request, 'identity:delete_project')
    const { id } = request.params
    await db.transaction().execute(async (tx) => {
      found(await repository.findProject(tx, id), 'project', id)
      await repository.deleteProject(tx, id)
    })
    identity.changed()
    return reply.code(204).send()
  })
}

function userRoutes(app: FastifyInstance, { db, identity, clock, config }: IdentityApiContext): void {
  const { password_hash_rounds: rounds } = config.identity

  app.get<WithQuery>('/v3/users', async (request) => {
    authorizeAdmin(request, 'identity:list_users')
    const base = baseUrl(request)
    const users = filtered(await repository.listUsers(db), request.query, ['id', 'name', 'domain_id', 'enabled'])
    return { users: users.map((row) => userAnswer(row, base)), links: linksOf(request, base) }
  })

  app.get<WithId>('/v3/users/:id', async (request) => {
    const { id } = request.params
    if (callerOf(request).user_id !== id) authorizeAdmin(request, 'identity:get_user')
    return { user: userAnswer(found(await repository.findUser(db, id), 'user', id), baseUrl(request)) }
  })

  app.get<WithId>('/v3/users/:id/projects', async (request) => {
    const { id } = request.params
    if (callerOf(request).user_id !== id) authorizeAdmin(request, 'identity:list_user_projects')
    const base = baseUrl(request)
    found(await repository.findUser(db, id), 'user', id)
    const projects = await repository.listProjectsOfUser(db, id)
    return { projects: projects.map((row) => projectAnswer(row, base)), links: linksOf(request, base) }
  })

  app.post<WithBody<typeof UserCreate>>('/v3/users', { schema: { body: UserCreate } }, async (request, reply) => {
    authorizeAdmin(request, 'identity:create_user')
    const { password, options, domain_id = defaultDomainId, ...asked } = request.body.user
    const row: UserRow = {
      id: newId(),
      domain_id,
      name: asked.name,
      description: asked.description ?? '',
      email: asked.email ?? null,
      enabled: asked.enabled ?? true,
      default_project_id: asked.default_project_id ?? null,
      password_hash: password == null ? null : await hashPassword(password, rounds),
      tokens_void_until_ms: 0,
    }
    await db.transaction().execute(async (tx) => {
      found(await repository.findDomain(tx, domain_id), 'domain', domain_id)
      if (await repository.findUserByName(tx, domain_id, row.name)) throw duplicate('user', row.name, domain_id)
      await repository.insertUser(tx, row)
    })
    return reply.code(201).send({ user: userAnswer(row, baseUrl(request)) })
  })

  app.patch<WithId & WithBody<typeof UserUpdate>>('/v3/users/:id', { schema: { body: UserUpdate } }, async (request) => {
    authorizeAdmin(request, 'identity:update_user')
    const { id } = request.params
    const { options, domain_id, password, ...changes } = request.body.user
    const password_hash = password == null ? password : await hashPassword(password, rounds)
    const row = await db.transaction().execute(async (tx) => {
      const old = found(await repository.findUser(tx, id), 'user', id)
      refuseMove(old.domain_id, domain_id)
      const row: UserRow = { ...old, ...defined(changes), description: changes.description ?? old.description }
      if (password_hash !== undefined) row.password_hash = password_hash
      if (password_hash !== undefined || changes.enabled === false) row.tokens_void_until_ms = clock.now()
      const namesake = await repository.findUserByName(tx, row.domain_id, row.name)
      if (namesake !== undefined && namesake.id !== id) throw duplicate('user', row.name, row.domain_id)
      await repository.updateUser(tx, id, row)
      return row
    })
    identity.changed()
    return { user: userAnswer(row, baseUrl(request)) }
  })

  app.post<WithId & WithBody<typeof PasswordChange>>(
    '/v3/users/:id/password',
    { schema: { body: PasswordChange } },
    async (request, reply) => {
      const { id } = request.params
      if (callerOf(request).user_id !== id) throw forbidden('identity:change_password')
      const { password, original_password } = request.body.user
      const user = await repository.findUser(db, id)
      if (!(await checkPassword(original_password, user?.password_hash ?? null, rounds))) throw unauthenticated()
      await repository.updateUser(db, id, { password_hash: await hashPassword(password, rounds), tokens_void_until_ms: clock.now() })
      identity.changed()
      return reply.code(204).send()
    },
  )

  app.delete<WithId>('/v3/users/:id', async (request, reply) => {
    authorizeAdmin(request, 'identity:delete_user')
    const { id } = request.params
    await db.transaction().execute(async (tx) => {
      found(await repository.findUser(tx, id), 'user', id)
      await repository.deleteUser(tx, id)
    })
    identity.changed()
    return reply.code(204).send()
  })
}

function roleRoutes(app: FastifyInstance, { db, identity }: IdentityApiContext): void {
  app.get<WithQuery>('/v3/roles', async (request) => {
    authorizeAdmin(request, 'identity:list_roles')
    const base = baseUrl(request)
    const roles = filtered(await repository.listRoles(db), request.query, ['id', 'name'])
    return { roles: roles.map((row) => roleAnswer(row, base)), links: linksOf(request, base) }
  })

  app.get<WithId>('/v3/roles/:id', async (request) => {
    authorizeAdmin(request, 'identity:get_role')
    const { id } = request.params
    return { role: roleAnswer(found(await repository.findRole(db, id), 'role', id), baseUrl(request)) }
  })

  app.post<WithBody<typeof RoleCreate>>('/v3/roles', { schema: { body: RoleCreate } }, async (request, reply) => {
    authorizeAdmin(request, 'identity:create_role')
    const { name, description } = request.body.role
    const row = { id: newId(), name, description: description ?? '' }
    await db.transaction().execute(async (tx) => {
      if (await repository.findRoleByName(tx, name)) throw duplicate('role', name)
      await repository.insertRole(tx, row)
    })
    return reply.code(201).send({ role: roleAnswer(row, baseUrl(request)) })
  })

  app.patch<WithId & WithBody<typeof RoleUpdate>>('/v3/roles/:id', { schema: { body: RoleUpdate } }, async (request) => {
    authorizeAdmin(request, 'identity:update_role')
    const { id } = request.params
    const { name, description } = request.body.role
    const row = await db.transaction().execute(async (tx) => {
      const old = found(await repository.findRole(tx, id), 'role', id)
      const row = { ...old, name: name ?? old.name, description: description ?? old.description }
      const namesake = await repository.findRoleByName(tx, row.name)
      if (namesake !== undefined && namesake.id !== id) throw duplicate('role', row.name)
      await repository.updateRole(tx, id, row)
      return row
    })
    identity.changed()
    return { role: roleAnswer(row, baseUrl(request)) }
  })

  app.delete<WithId>('/v3/roles/:id', async (request, reply) => {
    authorizeAdmin(request, 'identity:delete_role')
    const { id } = request.params
    await db.transaction().execute(async (tx) => {
      found(await repository.findRole(tx, id), 'role', id)
      await repository.deleteRole(tx, id)
    })
    identity.changed()
    return reply.code(204).send()
  })
}

/** Without the properties that were not sent. */
function defined<T extends object>(changes: T): T {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as T
}

function refuseMove(current: string, asked: string | null | undefined): void {
  if (asked != null && asked !== current) throw badRequest('The domain of an object cannot be changed.')
}
