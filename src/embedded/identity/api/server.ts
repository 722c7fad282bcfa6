import { embeddedIdentityDriver } from '../../../drivers/identity/embedded.ts'
import type { Log } from '../../../lib/log.ts'
import { baseUrl, createService, listen, type RunningService, renderKeystoneFault, requireToken } from '../../http.ts'
import type { EmbeddedIdentity, IdentityContext } from '../service.ts'
import { accountRoutes } from './accounts.ts'
import { assignmentRoutes } from './assignments.ts'
import { catalogRoutes } from './catalog.ts'
import { loginRoutes } from './login.ts'
import { tokenRoutes } from './tokens.ts'

export interface IdentityApiContext extends IdentityContext {
  identity: EmbeddedIdentity
  log: Log
}

/** Keystone's v3 API over the embedded identity. Port 0 takes a free one; the catalog shows the configured ones. */
export async function startIdentityService(context: IdentityApiContext & { host: string; port: number }): Promise<RunningService> {
  const { identity, config, clock, log, host, port } = context
  const app = createService({ host, config, log, renderFault: renderKeystoneFault })

  app.get('/', async (request, reply) => reply.code(300).send({ versions: { values: [versionDocument(baseUrl(request))] } }))
  app.get('/v3', async (request) => ({ version: versionDocument(baseUrl(request)) }))
  app.register(async (open) => loginRoutes(open, context))
  app.register(async (guarded) => {
    requireToken(guarded, embeddedIdentityDriver(identity, clock))
    tokenRoutes(guarded, context)
    catalogRoutes(guarded, context)
    accountRoutes(guarded, context)
    assignmentRoutes(guarded, context)
  })
  return listen(app, host, port)
}

/** 3.14 is what Debian 12's Keystone says; nothing that came later is needed by its clients. */
function versionDocument(base: string): object {
  return {
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [{ rel: 'self', href: `${base}/v3/` }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
  }
}
