/** What a token's bearer can learn of it and do with it. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { baseUrl, callerOf, HttpFault, isAdmin, lastValueOf, type Query } from '../../http.ts'
import { regionId } from '../endpoints.ts'
import * as repository from '../repository.ts'
import type { KnownToken } from '../service.ts'
import { catalogAnswer, domainAnswer, forbidden, isTrue, linksOf, projectAnswer, servicesFor, tokenAnswer } from './answers.ts'
import type { IdentityApiContext } from './server.ts'

export function tokenRoutes(app: FastifyInstance, context: IdentityApiContext): void {
  const { identity, db } = context

  app.get<{ Querystring: Query }>('/v3/auth/tokens', async (request, reply) => {
    const known = await subjectOf(request, 'identity:validate_token')
    const nocatalog = lastValueOf(request.query, 'nocatalog')
    const withCatalog = (known.project !== null || known.domain !== null) && (nocatalog === undefined || !isTrue(nocatalog))
    return reply.headers({ 'x-subject-token': subjectHeader(request), vary: 'X-Auth-Token' }).send({
      token: {
        ...tokenAnswer(known),
        ...(withCatalog ? { catalog: catalogAnswer(servicesFor(request, context), regionId) } : {}),
      },
    })
  })

  app.delete('/v3/auth/tokens', async (request, reply) => {
    const known = await subjectOf(request, 'identity:revoke_token')
    await identity.revoke(known.content)
    return reply.code(204).send()
  })

  app.get('/v3/auth/catalog', async (request) => {
    const base = baseUrl(request)
    return { catalog: catalogAnswer(servicesFor(request, context), regionId), links: linksOf(request, base) }
  })

  app.get('/v3/auth/projects', async (request) => {
    const base = baseUrl(request)
    const projects = await repository.listProjectsOfUser(db, callerOf(request).user_id)
    return { projects: projects.filter((row) => row.enabled).map((row) => projectAnswer(row, base)), links: linksOf(request, base) }
  })

  app.get('/v3/auth/domains', async (request) => {
    const base = baseUrl(request)
    const assigned = await repository.listAssignments(db, { user_id: callerOf(request).user_id, target_type: 'domain' })
    const domains = (await repository.listDomains(db)).filter(
      (row) => row.enabled && assigned.some(({ target_id }) => target_id === row.id),
    )
    return { domains: domains.map((row) => domainAnswer(row, base)), links: linksOf(request, base) }
  })

  /** One's own token, or as admin or service anyone's. */
  async function subjectOf(request: FastifyRequest, action: string): Promise<KnownToken> {
    const caller = callerOf(request)
    const trusted = isAdmin(caller) || caller.roles.includes('service')
    const allowExpired = lastValueOf(request.query as Query, 'allow_expired')
    const known = await identity.validate(subjectHeader(request), trusted && allowExpired !== undefined && isTrue(allowExpired))
    if (known === null && trusted) throw new HttpFault(404, 'Could not find token.')
    if (known === null || !(trusted || known.user.id === caller.user_id)) throw forbidden(action)
    return known
  }
}

function subjectHeader(request: FastifyRequest): string {
  const header = request.headers['x-subject-token']
  if (typeof header !== 'string') throw new HttpFault(400, 'The header X-Subject-Token is missing.')
  return header
}
