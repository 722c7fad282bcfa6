/** The API's HTTP server: what holds for every request, whatever it asks for. */
import { randomUUID } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type Config, ConfigError } from '../config/config.ts'
import { isBusy } from '../db/busy.ts'
import { isUnavailable } from '../db/unavailable.ts'
import { FencedError, IdentityUnavailable, NotFoundError, RefusedError, ServiceError } from '../drivers/errors.ts'
import { whereToAuthenticate } from '../drivers/identity/index.ts'
import { type Activity, during } from '../lib/activity.ts'
import { parseTraceparent } from '../lib/span.ts'
import { amphoraRoutes } from '../resources/amphora/routes.ts'
import { availabilityZoneRoutes } from '../resources/availability-zone/routes.ts'
import { availabilityZoneProfileRoutes } from '../resources/availability-zone-profile/routes.ts'
import { eventRoutes } from '../resources/event/routes.ts'
import { flavorRoutes } from '../resources/flavor/routes.ts'
import { flavorProfileRoutes } from '../resources/flavor-profile/routes.ts'
import { healthMonitorRoutes } from '../resources/health-monitor/routes.ts'
import { l7policyRoutes } from '../resources/l7policy/routes.ts'
import { l7ruleRoutes } from '../resources/l7rule/routes.ts'
import { listenerRoutes } from '../resources/listener/routes.ts'
import { logRoutes } from '../resources/load-balancer/log-routes.ts'
import { loadBalancerRoutes } from '../resources/load-balancer/routes.ts'
import { memberRoutes } from '../resources/member/routes.ts'
import { poolRoutes } from '../resources/pool/routes.ts'
import { providerRoutes } from '../resources/provider/routes.ts'
import { quotaRoutes } from '../resources/quota/routes.ts'
import { noTracer, type Tracer } from '../tracing/tracer.ts'
import { authenticate, authorize, scopeOfList } from './authentication.ts'
import { allowCrossOrigin } from './cross-origin.ts'
import { discoveryRoutes } from './discovery.ts'
import {
  answerFault,
  bodyTooLarge,
  databaseUnavailable,
  Fault,
  identityUnavailable,
  internalError,
  malformedJson,
  notAcceptable,
  pathNotFound,
  projectBusy,
  serviceUnavailable,
  unknownMediaType,
} from './faults.ts'
import { healthCheckRoute } from './health-check.ts'
import { openapiRoute } from './openapi.ts'
import { type Caller, openPolicy } from './policy.ts'
import { type ApiContext, routeOtherMethods } from './route.ts'

const REQUEST_TIMEOUT_MS = 60_000

/** As oslo.middleware takes it. */
const REQUEST_ID = /^req-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$/
const isReading: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

const nobody: Caller = { user_id: null, project_id: null, roles: [], is_admin: false }

/** The whole API, not yet listening. Throws ConfigError where everyone on the network would be an admin. */
export function createApi(context: ApiContext, tracer: Tracer = noTracer): FastifyInstance {
  const { config, log } = context
  refuseRemoteNoauth(config)
  const policy = openPolicy(context)
  const www_authenticate_uri = whereToAuthenticate(config)
  const api = fastify({
    bodyLimit: config.oslo_middleware.max_request_body_size,
    requestTimeout: REQUEST_TIMEOUT_MS,
    exposeHeadRoutes: false,
    // What still comes on connections that are there is served as ever.
    return503OnClosing: false,
    genReqId: () => `req-${randomUUID()}`,
    rewriteUrl: (request) => canonicalUrl(request.url ?? '/'),
    // Names and ids longer than this are nobody's.
    routerOptions: { maxParamLength: 512 },
    frameworkErrors: (error, request, reply) => answerFault(toFault(error, request), request, reply, { www_authenticate_uri }),
  })
  api.decorate('announced', [])
  api.decorate('onDatabaseRetry', () => context.metrics.database_retries_total.add({ work: 'request' }))
  api.decorateRequest('caller')
  api.decorateRequest('authorize', function authorizeCaller(this: FastifyRequest, name, project_id) {
    authorize(policy, this.caller, name, project_id)
  })
  api.decorateRequest('scopeOfList', function scopeOfCallersList(this: FastifyRequest, type, asked) {
    const { project_id, tenant_id } = this.query as Record<string, string | string[] | undefined>
    const inQuery = [project_id ?? tenant_id ?? []].flat().at(-1) ?? null
    return scopeOfList(policy, this.caller, type, asked === undefined ? inQuery : asked)
  })

  knowWhose(api, tracer)
  makeDrainable(api)
  endUnusedConnections(api)
  allowCrossOrigin(api, config)
  const isAllowedHost = hostCheck(config)
  api.addHook('onRequest', async (request, reply) => {
    reply.header('x-openstack-request-id', request.id)
    // PostgreSQL cannot even be asked for such a name.
    if (request.url.includes('%00')) throw pathNotFound()
    if (!isAllowedHost(request.headers.host)) throw new Fault(400, 'The Host header names no host of this service.')
    request.caller = needsNoToken(request.url) ? nobody : await authenticate(request, config, context.identity, policy)
    if (!acceptsJson(request.headers.accept) && !needsNoToken(request.url)) throw notAcceptable()
  })

  api.addHook('onResponse', async (request, reply) => {
    const about = { method: request.method, route: request.routeOptions.url ?? 'unknown' }
    context.metrics.api_requests_total.add({ ...about, status: String(reply.statusCode) })
    context.metrics.api_request_duration_seconds.observe(about, reply.elapsedTime / 1_000)
    const line = {
      method: request.method,
      path: request.originalUrl.split('?', 1)[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    }
    during(request.activity ?? {}, () => (isReading.has(request.method) ? log.debug(line, 'request') : log.info(line, 'request')))
    request.activity?.span?.set({ 'http.response.status_code': reply.statusCode, 'http.route': about.route })
    request.activity?.span?.end(reply.statusCode >= 500 ? `${reply.statusCode}` : undefined)
  })

  // Fastify adds a charset, which JSON has no use for and upstream does not send.
  api.addHook('onSend', (_request, reply, payload, done) => {
    if (reply.getHeader('content-type') === 'application/json; charset=utf-8') reply.header('content-type', 'application/json')
    done(null, payload)
  })

  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', { parseAs: 'string' }, (request, text, done) => {
    if (text === '') return done(null, undefined)
    const type = (request.headers['content-type'] ?? 'application/json').split(';', 1)[0]!.trim().toLowerCase()
    // What is wrong with the body is told when the route reads it: upstream has looked at path and query by then.
    if (!jsonTypes.has(type)) return done(null, unknownMediaType(type))
    try {
      done(null, JSON.parse(text as string))
    } catch {
      done(null, malformedJson())
    }
  })

  api.setErrorHandler((error, request, reply) => {
    const fault = toFault(error, request)
    if (fault.status >= 500 && fault.status !== 501) {
      log.error({ method: request.method, url: request.originalUrl, err: error }, 'request failed')
    }
    answerFault(fault, request, reply, { www_authenticate_uri })
  })
  api.setNotFoundHandler(async () => {
    throw pathNotFound()
  })

  discoveryRoutes(api, context)
  healthCheckRoute(api, context)
  loadBalancerRoutes(api, context)
  eventRoutes(api, context)
  logRoutes(api, context)
  listenerRoutes(api, context)
  poolRoutes(api, context)
  memberRoutes(api, context)
  healthMonitorRoutes(api, context)
  l7policyRoutes(api, context)
  l7ruleRoutes(api, context)
  amphoraRoutes(api, context)
  providerRoutes(api, context)
  quotaRoutes(api, context)
  flavorProfileRoutes(api, context)
  flavorRoutes(api, context)
  availabilityZoneProfileRoutes(api, context)
  availabilityZoneRoutes(api, context)
  routeOtherMethods(api)
  openapiRoute(api)
  return api
}

/** Everything that is done for a request knows whose it is. */
function knowWhose(api: FastifyInstance, tracer: Tracer): void {
  api.decorateRequest('activity')
  api.addHook('onRequest', (request, _reply, done) => {
    const told = request.headers['x-openstack-request-id']
    const traceparent = request.headers.traceparent?.toString()
    const attributes = {
      'http.request.method': request.method,
      'url.path': request.originalUrl.split('?', 1)[0]!,
      'ottavia.request_id': request.id,
    }
    const span = tracer.begin(`${request.method} ${request.routeOptions.url ?? ''}`.trim(), { kind: 'server', attributes, traceparent })
    const { id } = request.params as { id?: string }
    const activity: Activity = {
      request_id: request.id,
      ...(typeof told === 'string' && REQUEST_ID.test(told) ? { global_request_id: told } : {}),
      ...(parseTraceparent(traceparent) === null ? {} : { traceparent }),
      ...(request.routeOptions.url?.startsWith('/v2/lbaas/loadbalancers/:id') ? { load_balancer_id: id } : {}),
      span,
    }
    request.activity = activity
    during(activity, done)
  })
  // Reading the body, the connection has led us away.
  api.addHook('preValidation', (request, _reply, done) => during(request.activity ?? {}, done))
}

function makeDrainable(api: FastifyInstance): void {
  let draining = false
  api.decorate('drain', () => {
    draining = true
  })
  api.decorate('isDraining', () => draining)
  api.addHook('onRequest', (_request, reply, done) => {
    if (draining) reply.header('connection', 'close')
    done()
  })
}

/** A server that closes ends connections that were used and are idle, and waits for others: those that clients opened in advance would keep it for a minute. */
function endUnusedConnections(api: FastifyInstance): void {
  const unused = new Set<Socket>()
  let closing = false
  api.server.on('connection', (socket: Socket) => {
    if (closing) {
      socket.destroy()
      return
    }
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  api.server.on('request', ({ socket }) => unused.delete(socket))
  api.addHook('preClose', async () => {
    closing = true
    for (const socket of unused) socket.destroy()
  })
}

function refuseRemoteNoauth({ api_settings: { auth_strategy, bind_host, allow_remote_noauth } }: Config): void {
  if (auth_strategy === 'keystone' || allow_remote_noauth || isLoopback(bind_host)) return
  throw new ConfigError(
    `[api_settings] auth_strategy = ${auth_strategy} makes everyone who reaches ${bind_host} an admin; ` +
      'bind to 127.0.0.1, use keystone, or set allow_remote_noauth = true',
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

const jsonTypes: ReadonlySet<string> = new Set(['application/json', 'application/javascript', 'text/javascript', 'text/x-json'])

function needsNoToken(url: string): boolean {
  return ['/', '/healthcheck', '/openapi'].includes(url.split('?', 1)[0]!)
}

function acceptsJson(accept: string | undefined): boolean {
  return accept === undefined || accept === '' || /application\/(json|\*)|\*\/\*/.test(accept)
}

/**
 * One spelling of the many upstream takes: `/v2.0` and `/v2`, with and without `/lbaas`, below `/load-balancer` or not, with `.json` or a
 * slash at the end.
 */
export function canonicalUrl(url: string): string {
  const end = url.indexOf('?')
  const query = end < 0 ? '' : url.slice(end)
  let path = end < 0 ? url : url.slice(0, end)
  if (path === '/load-balancer' || path.startsWith('/load-balancer/')) path = path.slice('/load-balancer'.length) || '/'
  if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  if (path.endsWith('.json')) path = path.slice(0, -'.json'.length)
  if (path === '/v2.0' || path.startsWith('/v2.0/')) path = `/v2${path.slice('/v2.0'.length)}`
  if (path.startsWith('/v2/') && !/^\/v2\/(lbaas|octavia)(\/|$)/.test(path)) path = `/v2/lbaas${path.slice('/v2'.length)}`
  return path + query
}

/** A page in a browser can make any name resolve to a loopback address; the name it then sends in Host gives it away. */
function hostCheck({ api_settings }: Config): (host: string | undefined) => boolean {
  const base = api_settings.api_base_uri === null ? undefined : URL.parse(api_settings.api_base_uri)?.hostname
  const allowed = new Set([api_settings.bind_host, ...api_settings.allowed_hosts, ...(base ? [base] : [])])
  const onEveryAddress = api_settings.bind_host === '0.0.0.0' || api_settings.bind_host === '::'
  return (host) => {
    if (host === undefined) return true
    const name = host
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase()
    if (allowed.has(name) || isLoopback(name)) return true
    return onEveryAddress && isIP(name) !== 0
  }
}

function toFault(error: unknown, request: FastifyRequest): Fault {
  if (error instanceof Fault) return error
  const code = (error as { code?: unknown }).code
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge()
  if (typeof code === 'string' && code.startsWith('FST_ERR_CTP')) return malformedJson()
  if (error instanceof NotFoundError) return new Fault(400, error.message)
  if (error instanceof RefusedError) return new Fault(error.status, error.message)
  if (isBusy(error)) return projectBusy()
  if (isUnavailable(error)) return databaseUnavailable()
  if (error instanceof IdentityUnavailable) return identityUnavailable()
  if (error instanceof ServiceError && error.isFailure) return serviceUnavailable(error.service)
  if (error instanceof FencedError) return internalError(request.id)
  const status = (error as { statusCode?: unknown }).statusCode
  if (typeof status === 'number' && status >= 400 && status < 500) return new Fault(status, (error as Error).message)
  return internalError(request.id)
}
