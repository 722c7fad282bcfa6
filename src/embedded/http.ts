/**
 * What the HTTP services of the embedded cloud (identity, network, secrets, compute) share: a server that knows its callers, refuses foreign Host
 * headers, bounds bodies, and words faults as the service it stands for.
 */
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Config } from '../config/config.ts'
import { isUnavailable, onceDatabaseIsBack } from '../db/unavailable.ts'
import { IdentityUnavailable } from '../drivers/errors.ts'
import type { Identity, IdentityDriver } from '../drivers/identity/driver.ts'
import { whereToAuthenticate } from '../drivers/identity/index.ts'
import { hostIsOurs } from '../lib/host-is-ours.ts'
import type { Log } from '../lib/log.ts'

const bodyLimitBytes = 1_048_576
const requestTimeoutMs = 30_000

/** Something a client can see. `type` is the name of the fault where the service's faults have one. */
export class HttpFault extends Error {
  readonly status: number
  readonly type: string
  constructor(status: number, message: string, type = '') {
    super(message)
    this.status = status
    this.type = type
  }
}

export interface ServiceOptions {
  /** The address it is bound to. */
  host: string
  config: Config
  log: Log
  /** The body of a fault, in the shape of the service. */
  renderFault(fault: HttpFault): object
  /** Turns what the service's own code throws into a fault; undefined for what it does not know. */
  faultOf?(error: unknown): HttpFault | undefined
}

export interface RunningService {
  /** `http://127.0.0.1:9696`, with the port that was really taken. */
  url: string
  close(): Promise<void>
}

export function createService({ host, config, log, renderFault, faultOf }: ServiceOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true } },
  })

  app.addHook('onRoute', (route) => {
    const { handler } = route
    route.handler = function handleOnceDatabaseIsBack(request, reply) {
      return onceDatabaseIsBack(async () => handler.call(this, request, reply))
    }
  })

  // Clients send `Content-Type: application/json` also without a body.
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parseJson(request, body as string, done)
  })

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-openstack-request-id', `req-${randomUUID()}`)
    if (!hostIsOurs(request.headers.host, host, config.api_settings.allowed_hosts)) {
      throw new HttpFault(400, 'The Host header names another server.')
    }
  })

  app.setNotFoundHandler(() => {
    throw new HttpFault(404, 'The resource could not be found.')
  })

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const fault = error instanceof HttpFault ? error : (faultOf?.(error) ?? httpFaultOf(error))
    if (fault.status >= 500) log.error({ err: error, method: request.method, path: request.url.split('?')[0] }, 'request failed')
    if (fault.status === 401) reply.header('www-authenticate', `Keystone uri="${whereToAuthenticate(config)}"`)
    // A missing or bad token is refused by Keystone's middleware in front of each service, so in Keystone's shape.
    return reply.code(fault.status).send(fault.status === 401 ? renderKeystoneFault(fault) : renderFault(fault))
  })
  return app
}

export async function listen(app: FastifyInstance, host: string, port: number): Promise<RunningService> {
  const url = await app.listen({ host, port })
  return { url, close: () => app.close() }
}

export const unauthenticated = (): HttpFault => new HttpFault(401, 'The request you have made requires authentication.')

const callers = new WeakMap<FastifyRequest, Identity>()

/** From here on in `app`, requests without a valid token end with 401; `callerOf` tells whose the others are. */
export function requireToken(app: FastifyInstance, identity: IdentityDriver): void {
  app.addHook('onRequest', async (request) => {
    const token = request.headers['x-auth-token']
    const caller = typeof token === 'string' ? await identity.validate(token) : null
    if (caller === null) throw unauthenticated()
    callers.set(request, caller)
  })
}

export function callerOf(request: FastifyRequest): Identity {
  const caller = callers.get(request)
  if (caller === undefined) throw new Error('this route does not ask for a token')
  return caller
}

export const isAdmin = (caller: Identity): boolean => caller.roles.includes('admin')

/** `http://HOST:PORT` as the client called us, for the links in answers. The Host header was checked before. */
export const baseUrl = (request: FastifyRequest): string => `http://${request.host}`

/** As Fastify leaves it: a parameter that was given several times is a list. */
export type Query = Record<string, string | string[] | undefined>

export function valuesOf(query: Query, name: string): string[] {
  const value = query[name]
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}

/** The last one counts where only one makes sense. */
export const lastValueOf = (query: Query, name: string): string | undefined => valuesOf(query, name).at(-1)

/** `{"error":{"code":404,"message":"...","title":"Not Found"}}` */
export function renderKeystoneFault(fault: HttpFault): object {
  return { error: { code: fault.status, message: fault.message, title: STATUS_CODES[fault.status] ?? 'Error' } }
}

/** What Fastify itself found wrong (malformed JSON, a body too large or against the schema); the rest is our own mistake. */
function httpFaultOf(error: FastifyError): HttpFault {
  if (error instanceof IdentityUnavailable) return new HttpFault(503, 'The Keystone service is temporarily unavailable.')
  if (isUnavailable(error)) return new HttpFault(503, 'The database is temporarily unavailable.')
  const status = error.statusCode ?? 500
  if (status >= 500) return new HttpFault(500, 'An unexpected error prevented the server from fulfilling your request.')
  return new HttpFault(status, error.message)
}
