/**
 * How resources announce their routes. Paths are written once, below `/v2/lbaas` or `/v2/octavia`; the server makes the other spellings
 * (`/v2.0`, without `/lbaas`, `.json`) into this one before routing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { Context } from '../context.ts'
import { onceDatabaseIsBack } from '../db/unavailable.ts'
import type { IdentityDriver } from '../drivers/identity/driver.ts'
import type { Activity } from '../lib/activity.ts'
import type { Answer } from './answer.ts'
import type { BodyKind } from './body.ts'
import { Fault, methodNotAllowed, missingArgument, unknownArguments } from './faults.ts'
import { checkPageArguments } from './listing.ts'
import type { Caller, ListedType, PolicyName } from './policy.ts'

/** What routes are given: the application's context and who says who is who. */
export interface ApiContext extends Context {
  readonly identity: IdentityDriver
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
    /** On whose behalf what is done for it is done; undefined where Fastify refused it before anything else. */
    activity?: Activity
    /** Throws 403 unless the policy lets the caller do it to an object of that project (null: to no object in particular). */
    authorize(policy: PolicyName, project_id: string | null): void
    /** The project whose objects a list may show, null for all of them; throws 403. In: the project asked for, by default the query's. */
    scopeOfList(type: ListedType, asked?: string | null): string | null
  }
  interface FastifyInstance {
    /** What `route` was called with, in its order. */
    announced: AnnouncedRoute[]
    /** A request is begun again because of the database. */
    onDatabaseRetry(): void
    /** It is about to close: clients and the balancer in front shall go elsewhere. */
    drain(): void
    isDraining(): boolean
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface AnnouncedRoute {
  readonly method: Method
  readonly path: string
  /** The policies that `request.authorize` may be asked for; empty is a mistake. */
  readonly policies: readonly PolicyName[]
  readonly body?: BodyKind
  /** What upstream's fault says is missing where the item's method is sent to the collection; default: the name in the path. */
  readonly idArgument?: string
  /** What it does, in the words of the API's description: 'Show a member'. */
  readonly summary: string
  /** What it answers when all is well. */
  readonly answer: Answer
  /** What its query may say besides what every list takes. */
  readonly query?: Readonly<Record<string, TSchema>>
  /**
   * Where the database cannot tell whether it was done it is done again, for it says the same twice. Default: PUT alone; one that starts a flow is known by
   * that.
   */
  readonly mayRepeat?: boolean
  /** Looks up what stands in the middle of the path, before anything else is, as upstream does while routing; throws 404. */
  readonly parent?: (params: Record<string, string>) => Promise<void>
}

type ParamNames<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<Rest>
  : P extends `${string}:${infer Name}`
    ? Name
    : never

export type Query = Record<string, string | string[]>

export type ApiRequest<P extends string, S extends TSchema> = FastifyRequest<{
  Params: Record<ParamNames<P>, string>
  Body: Static<S>
  Querystring: Query
}>

export interface Route<P extends string, S extends TSchema> extends Omit<AnnouncedRoute, 'parent'> {
  readonly path: P
  readonly body?: BodyKind<S>
  parent?(params: Record<ParamNames<P>, string>): Promise<void>
  handler(request: ApiRequest<P, S>, reply: FastifyReply): Promise<unknown>
}

export function route<const P extends string, S extends TSchema>(api: FastifyInstance, { handler, ...route }: Route<P, S>): void {
  const announced = route as AnnouncedRoute
  api.announced.push(announced)
  const { method, path, body, parent, query, mayRepeat = method === 'PUT' } = announced
  // Below a parent the handler does it, once it has found the parent.
  const readsPages = method === 'GET' && !/:\w+_id\//.test(path)
  const known = takesAnyArgument(announced) ? null : new Set(Object.keys(query ?? {}))
  api.route({
    method,
    url: path,
    // Plain async functions, so that a thrown fault reaches the one error handler.
    async handler(request, reply) {
      if (parent) await parent(request.params as Record<string, string>)
      if (readsPages) checkPageArguments(request.query as Query)
      if (known !== null) refuseArguments(request.query as Query, known)
      // As upstream, the body is read after authentication and before anything is looked up.
      if (request.body instanceof Fault) throw request.body
      const asked = request.body
      return onceDatabaseIsBack(
        () => {
          if (body) request.body = body.read(asked)
          return handler(request as ApiRequest<P, S>, reply)
        },
        { mayRepeat, onRetry: api.onDatabaseRetry },
      )
    },
  })
}

/** As with upstream, lists and whole objects are shown whatever else the query says (`fields` is for them alone); all other handlers mind. */
export function takesAnyArgument({ method, path, answer }: Pick<AnnouncedRoute, 'method' | 'path' | 'answer'>): boolean {
  return method === 'GET' && (answer.listed !== undefined || (/\/:\w+$/.test(path) && !path.startsWith('/v2/lbaas/quotas/')))
}

/** Throws 400 with all the arguments that are not known. */
function refuseArguments(query: Query, known: ReadonlySet<string>): void {
  const unknown = Object.keys(query).filter((name) => !known.has(name))
  if (unknown.length > 0) throw unknownArguments(unknown)
}

const everyMethod = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD'] as const

/** Answers the methods that no route announced: of a collection what its items have 400, the rest 405 (OPTIONS: `cross-origin.ts`). Called once, last. */
export function routeOtherMethods(api: FastifyInstance): void {
  const methods = Map.groupBy(api.announced, ({ path }) => path)
  for (const [path, routes] of methods) {
    const ofItem = api.announced.filter((other) => other.path.startsWith(`${path}/:`) && !other.path.slice(path.length + 2).includes('/'))
    // How upstream calls what stands behind a collection's name: the id, mostly.
    const item = ofItem[0]?.path.slice(path.length + 2)
    const collection = path.replace(/\/:[^/]+$/, '')
    const related = [...routes, ...ofItem, ...(methods.get(collection) ?? [])]
    const allowed = [...new Set(related.map(({ method }) => method))]
    const parent = routes.find((announced) => announced.parent !== undefined)?.parent
    for (const method of everyMethod) {
      if (routes.some((announced) => announced.method === method)) continue
      const onItem = method === 'PUT' || method === 'DELETE' ? ofItem.find((other) => other.method === method) : undefined
      api.route({
        method,
        url: path,
        async handler(request) {
          if (parent) await parent(request.params as Record<string, string>)
          if (onItem !== undefined) throw missingArgument(onItem.idArgument ?? item ?? '')
          throw methodNotAllowed(allowed)
        },
      })
    }
  }
}
