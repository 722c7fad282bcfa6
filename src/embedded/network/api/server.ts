/** Neutron's v2.0 API over the embedded network. */
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../../config/config.ts'
import type { Db } from '../../../db/connection.ts'
import type { IdentityDriver } from '../../../drivers/identity/driver.ts'
import type { Log } from '../../../lib/log.ts'
import { baseUrl, createService, HttpFault, listen, type RunningService, requireToken } from '../../http.ts'
import { NeutronError } from '../errors.ts'
import type { NetworkBackend } from './backend.ts'
import { extensionRoutes } from './extensions.ts'
import { loadBalancingRoutes } from './load-balancing.ts'
import { networks } from './networks.ts'
import { ports } from './ports.ts'
import { resourceRoutes } from './resource.ts'
import { securityGroupRules, securityGroups } from './security-groups.ts'
import { subnets } from './subnets.ts'

export interface NetworkApiContext {
  db: Db
  network: NetworkBackend
  identity: IdentityDriver
  config: Config
  log: Log
}

export async function startNetworkService(context: NetworkApiContext & { host: string; port: number }): Promise<RunningService> {
  const { identity, config, log, host, port } = context
  const app = createService({
    host,
    config,
    log,
    renderFault: (fault) => ({ NeutronError: { type: fault.type || typeOf(fault.status), message: fault.message, detail: '' } }),
    faultOf: (error) => (error instanceof NeutronError ? new HttpFault(error.status, error.message, error.type) : undefined),
  })

  app.get('/', async (request) => ({
    versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${baseUrl(request)}/v2.0/` }] }],
  }))
  app.register(async (guarded) => {
    requireToken(guarded, identity)
    routes(guarded, context)
  })
  return listen(app, host, port)
}

function routes(app: FastifyInstance, { db, network, config }: NetworkApiContext): void {
  resourceRoutes(app, db, networks(network))
  resourceRoutes(app, db, subnets(network))
  resourceRoutes(app, db, ports(network))
  resourceRoutes(app, db, securityGroups(network))
  resourceRoutes(app, db, securityGroupRules(network))
  extensionRoutes(app)
  loadBalancingRoutes(app, { config })
}

/** The names of faults that have no better one, after the exceptions of the library that Neutron's API is written with. */
function typeOf(status: number): string {
  return (
    { 400: 'HTTPBadRequest', 404: 'HTTPNotFound', 413: 'HTTPRequestEntityTooLarge', 500: 'HTTPInternalServerError' }[status] ?? 'HTTPError'
  )
}
