/** POST /v3/auth/tokens: the only operation that needs no token. */
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { HttpFault, lastValueOf, type Query, unauthenticated } from '../../http.ts'
import { regionId } from '../endpoints.ts'
import * as repository from '../repository.ts'
import type { DomainRow, UserRow } from '../tables.ts'
import type { TokenContent, TokenScope } from '../tokens.ts'
import { badRequest, catalogAnswer, isTrue, servicesFor, tokenAnswer } from './answers.ts'
import type { IdentityApiContext } from './server.ts'

const NameOrId = Type.Object({ id: Type.Optional(Type.String()), name: Type.Optional(Type.String()) })
const InDomain = Type.Object({
  id: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  domain: Type.Optional(NameOrId),
})
const Login = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.String()),
      password: Type.Optional(
        Type.Object({ user: Type.Intersect([InDomain, Type.Object({ password: Type.String({ maxLength: 4_096 }) })]) }),
      ),
      token: Type.Optional(Type.Object({ id: Type.String() })),
    }),
    scope: Type.Optional(
      Type.Union([
        Type.Literal('unscoped'),
        Type.Object({
          project: Type.Optional(InDomain),
          domain: Type.Optional(NameOrId),
          system: Type.Optional(Type.Object({})),
          unscoped: Type.Optional(Type.Object({})),
        }),
      ]),
    ),
  }),
})
type Login = Static<typeof Login>

/** Each check of a password keeps a core busy for a tenth of a second. */
const maxLoginsAtOnce = 32

export function loginRoutes(app: FastifyInstance, context: IdentityApiContext): void {
  const { identity, db } = context
  let logins = 0

  app.post<{ Body: Login; Querystring: Query }>('/v3/auth/tokens', { schema: { body: Login } }, async (request, reply) => {
    const { auth } = request.body
    const { user, parent } = await authenticate(auth.identity)
    const methods = [...new Set([...auth.identity.methods, ...(parent?.methods ?? [])])]
    const issued =
      auth.scope === undefined
        ? await issueOnDefault(user, methods, parent)
        : await identity.issue(user, await findScope(auth.scope), methods, parent)
    if (issued === null) throw unauthenticated()
    const nocatalog = lastValueOf(request.query, 'nocatalog')
    const scoped = issued.known.project !== null || issued.known.domain !== null
    const withCatalog = scoped && (nocatalog === undefined || !isTrue(nocatalog))
    return reply
      .code(201)
      .headers({ 'x-subject-token': issued.token, vary: 'X-Auth-Token' })
      .send({
        token: {
          ...tokenAnswer(issued.known),
          ...(withCatalog ? { catalog: catalogAnswer(servicesFor(request, context), regionId) } : {}),
        },
      })
  })

  async function authenticate(proof: Login['auth']['identity']): Promise<{ user: UserRow; parent?: TokenContent }> {
    const [method, ...others] = proof.methods
    if (others.length === 0 && method === 'password' && proof.password !== undefined) {
      if (logins >= maxLoginsAtOnce) throw new HttpFault(503, 'Too many logins at once. Please try again.')
      logins++
      try {
        const user = await identity.login(await findUser(proof.password.user), proof.password.user.password)
        if (user !== null) return { user }
      } finally {
        logins--
      }
    } else if (others.length === 0 && method === 'token' && proof.token !== undefined) {
      const known = await identity.validate(proof.token.id)
      if (known !== null) return { user: known.user, parent: known.content }
    } else if (method === undefined || method === 'password' || method === 'token') {
      throw badRequest('Exactly one of the methods password and token is expected, with its details.')
    }
    throw unauthenticated()
  }

  async function findUser({ id, name, domain }: Static<typeof InDomain>): Promise<UserRow | undefined> {
    if (id !== undefined) return repository.findUser(db, id)
    if (name === undefined || domain === undefined) throw badRequest('A user is named by id, or by name and domain.')
    const found = await findDomain(domain)
    return found && repository.findUserByName(db, found.id, name)
  }

  async function findDomain({ id, name }: Static<typeof NameOrId>): Promise<DomainRow | undefined> {
    if (id !== undefined) return repository.findDomain(db, id)
    if (name === undefined) throw badRequest('A domain is named by id or by name.')
    return repository.findDomainByName(db, name)
  }

  /** Throws 401 when there is no such project or domain, so that names can't be tried out. */
  async function findScope(scope: NonNullable<Login['auth']['scope']>): Promise<TokenScope> {
    if (scope === 'unscoped' || scope.unscoped !== undefined) return null
    if (scope.project !== undefined) {
      const { id, name, domain } = scope.project
      if (id !== undefined) return { project_id: id }
      if (name === undefined || domain === undefined) throw badRequest('A project is named by id, or by name and domain.')
      const within = await findDomain(domain)
      const project = within && (await repository.findProjectByName(db, within.id, name))
      if (project === undefined) throw unauthenticated()
      return { project_id: project.id }
    }
    const domain = scope.domain && (await findDomain(scope.domain))
    if (domain === undefined) throw unauthenticated() // nobody has a role on the system
    return { domain_id: domain.id }
  }

  /** Who asks for no scope gets the user's default project, if that is possible. */
  async function issueOnDefault(user: UserRow, methods: string[], parent: TokenContent | undefined) {
    const onProject =
      user.default_project_id === null ? null : await identity.issue(user, { project_id: user.default_project_id }, methods, parent)
    return onProject ?? identity.issue(user, null, methods, parent)
  }
}
