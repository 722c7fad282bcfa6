/** Barbican's v1 API over the embedded secret store, at the microversions 1.0 and 1.1. */
import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../../../config/config.ts'
import type { IdentityDriver } from '../../../drivers/identity/driver.ts'
import type { Log } from '../../../lib/log.ts'
import { baseUrl, createService, HttpFault, listen, type RunningService, requireToken } from '../../http.ts'
import type { EmbeddedSecrets } from '../service.ts'
import { aclRoutes } from './acls.ts'
import { consumerRoutes } from './consumers.ts'
import { containerRoutes } from './containers.ts'
import { metadataRoutes } from './metadata.ts'
import { microversionOf, microversions } from './microversion.ts'
import { secretRoutes } from './secrets.ts'

export interface SecretsApiContext {
  secrets: EmbeddedSecrets
  identity: IdentityDriver
  config: Config
  log: Log
}

/** Barbican's `max_allowed_request_size_in_bytes`. */
const MAX_REQUEST_BYTES = 25_000

export async function startSecretsService(context: SecretsApiContext & { host: string; port: number }): Promise<RunningService> {
  const { identity, config, log, host, port } = context
  const app = createService({ host, config, log, renderFault: renderBarbicanFault, faultOf: tooLarge })

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'openstack-api-version': `key-manager ${microversionOf(request)}`, vary: 'OpenStack-API-Version' })
  })
  app.get('/', async (request, reply) => {
    const version = versionDocument(request)
    return reply.code(300).send({ versions: microversionOf(request) === '1.0' ? { values: [version] } : [version] })
  })
  app.get('/v1', async (request) => ({ version: versionDocument(request) }))
  app.register(async (guarded) => {
    requireToken(guarded, identity)
    takeAnyBody(guarded)
    secretRoutes(guarded, context.secrets)
    containerRoutes(guarded, context.secrets)
    consumerRoutes(guarded, context.secrets)
    aclRoutes(guarded, context.secrets)
    metadataRoutes(guarded, context.secrets)
    emptyRoutes(guarded)
  })
  return listen(app, host, port)
}

/** Payloads are bytes, and each route says itself what it takes. */
function takeAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_REQUEST_BYTES }, (_request, body, done) => done(null, body))
}

/** What clients ask for beside secrets: nothing is generated here, and nothing limited. */
function emptyRoutes(app: FastifyInstance): void {
  app.get('/v1/orders', async () => ({ orders: [], total: 0 }))
  app.get('/v1/quotas', async () => ({ quotas: { secrets: -1, orders: -1, containers: -1, consumers: -1, cas: -1 } }))
}

function versionDocument(request: FastifyRequest): object {
  const links = [
    { rel: 'self', href: `${baseUrl(request)}/v1/` },
    { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' },
  ]
  if (microversionOf(request) !== '1.0')
    return { id: 'v1', status: 'CURRENT', min_version: microversions[0], max_version: microversions.at(-1), links }
  const media = { base: 'application/json', type: 'application/vnd.openstack.key-manager-v1+json' }
  return { id: 'v1', status: 'stable', links, 'media-types': [media] }
}

/** `{"code":404,"title":"Not Found","description":"Secret not found."}` */
function renderBarbicanFault({ status, message }: HttpFault): object {
  const title = status === 413 ? 'Request Entity Too Large' : (STATUS_CODES[status] ?? 'Error')
  return { code: status, title, description: message }
}

function tooLarge(error: unknown): HttpFault | undefined {
  return (error as { statusCode?: unknown }).statusCode === 413
    ? new HttpFault(413, 'Provided information too large to process')
    : undefined
}
