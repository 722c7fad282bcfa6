/** Of Nova's v2.1 API what an admin's `openstack server list|show` and `server group list` ask for; nothing can be changed through it. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../../../config/config.ts'
import type { IdentityDriver } from '../../../drivers/identity/driver.ts'
import type { Log } from '../../../lib/log.ts'
import {
  baseUrl,
  callerOf,
  createService,
  HttpFault,
  isAdmin,
  lastValueOf,
  listen,
  type Query,
  type RunningService,
  requireToken,
} from '../../http.ts'
import { amphoraFlavor, flavorAnswer, serverAnswer, serverGroupAnswer, type Wire } from './answers.ts'
import type { DirectoryServer, ServerDirectory } from './directory.ts'

export interface ComputeApiContext {
  directory: ServerDirectory
  identity: IdentityDriver
  /** Owns all servers (`firstProjects(db)` of the embedded identity). */
  serviceProjectId: string
  config: Config
  log: Log
}

/** The one version spoken; clients that can do more keep to it. */
const microversion = '2.1'
const maxPageSize = 1_000

export async function startComputeService(context: ComputeApiContext & { host: string; port: number }): Promise<RunningService> {
  const { identity, config, log, host, port } = context
  const app = createService({ host, config, log, renderFault: renderNovaFault })

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'openstack-api-version': `compute ${microversion}`,
      'x-openstack-nova-api-version': microversion,
      vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
    })
    refuseOtherMicroversions(request.headers['openstack-api-version'], request.headers['x-openstack-nova-api-version'])
  })
  app.get('/', async (request) => ({ versions: [versionDocument(baseUrl(request))] }))
  app.get('/v2.1', async (request) => ({ version: versionDocument(baseUrl(request)) }))
  app.register(async (guarded) => {
    requireToken(guarded, identity)
    routes(guarded, context)
  })
  app.register(async (images) => imageRoutes(images, identity))
  return listen(app, host, port)
}

function routes(app: FastifyInstance, { directory, serviceProjectId, config }: ComputeApiContext): void {
  app.get<{ Querystring: Query }>('/v2.1/servers/detail', async (request) =>
    page('servers', await visible(request), request.query, baseUrl(request), request.url),
  )

  app.get<{ Querystring: Query }>('/v2.1/servers', async (request) => {
    const brief = (await visible(request)).map(({ id, name, links }) => ({ id, name, links }))
    return page('servers', brief, request.query, baseUrl(request), request.url)
  })

  app.get<{ Params: { id: string } }>('/v2.1/servers/:id', async (request) => {
    const { id } = request.params
    const server = isAdmin(callerOf(request)) ? await directory.getServer(id) : null
    if (server === null) throw new HttpFault(404, `Instance ${id} could not be found.`)
    return { server: serverAnswer(server, serviceProjectId, baseUrl(request)) }
  })

  app.get('/v2.1/os-server-groups', async (request) => {
    const groups = isAdmin(callerOf(request)) ? await directory.listServerGroups() : []
    return { server_groups: groups.map((group) => serverGroupAnswer(group, serviceProjectId)) }
  })

  app.get<{ Params: { id: string } }>('/v2.1/os-server-groups/:id', async (request) => {
    const { id } = request.params
    const groups = isAdmin(callerOf(request)) ? await directory.listServerGroups() : []
    const group = groups.find((candidate) => candidate.id === id)
    if (group === undefined) throw new HttpFault(404, `Instance group ${id} could not be found.`)
    return { server_group: serverGroupAnswer(group, serviceProjectId) }
  })

  app.get('/v2.1/flavors/detail', async (request) => ({ flavors: [flavorAnswer(amphoraFlavor(config), baseUrl(request))] }))

  app.get('/v2.1/flavors', async (request) => {
    const { id, name, links } = flavorAnswer(amphoraFlavor(config), baseUrl(request))
    return { flavors: [{ id, name, links }] }
  })

  app.get<{ Params: { id: string } }>('/v2.1/flavors/:id', async (request) => {
    const flavor = amphoraFlavor(config)
    if (request.params.id !== flavor.id) throw new HttpFault(404, `Flavor ${request.params.id} could not be found.`)
    return { flavor: flavorAnswer(flavor, baseUrl(request)) }
  })

  app.get<{ Params: { id: string } }>('/v2.1/flavors/:id/os-extra_specs', async () => ({ extra_specs: {} }))

  /** An admin sees all servers, also without `all_tenants`: all there are belong to the service. */
  async function visible(request: FastifyRequest<{ Querystring: Query }>): Promise<Wire[]> {
    const { query } = request
    const caller = callerOf(request)
    const project = lastValueOf(query, 'project_id') ?? lastValueOf(query, 'tenant_id')
    if (!isAdmin(caller) || (project !== undefined && project !== serviceProjectId)) return []
    const servers = (await directory.listServers()).filter((server) => matches(server, query))
    return servers.map((server) => serverAnswer(server, serviceProjectId, baseUrl(request)))
  }
}

/** Glance's part: clients that list servers ask it for the names of images, of which there are none. */
function imageRoutes(app: FastifyInstance, identity: IdentityDriver): void {
  const version = (request: FastifyRequest) => ({
    id: 'v2.0',
    status: 'CURRENT',
    links: [{ rel: 'self', href: `${baseUrl(request)}/image/v2/` }],
  })
  app.get('/image', async (request, reply) => reply.code(300).send({ versions: [version(request)] }))
  app.register(async (guarded) => {
    requireToken(guarded, identity)
    guarded.get('/image/v2/images', async () => ({ images: [], first: '/v2/images', schema: '/v2/schemas/images' }))
  })
}

/** The filters that mean something here; others (`deleted`, `host`, ...) are taken and ignored, as Nova ignores what it does not know. */
function matches(server: DirectoryServer, query: Query): boolean {
  const name = lastValueOf(query, 'name')
  if (name !== undefined && !server.name.includes(name.replace(/^\^|\$$/g, ''))) return false
  const ip = lastValueOf(query, 'ip') ?? lastValueOf(query, 'ip6')
  if (ip !== undefined && !server.addresses.some(({ ip_address }) => ip_address.includes(ip.replace(/^\^|\$$/g, '')))) return false
  const status = lastValueOf(query, 'status')
  return status === undefined || serverAnswer(server, '', '').status === status.toUpperCase()
}

/** From after `marker`, at most `limit`, with a link to what follows. */
function page(name: string, items: Wire[], query: Query, base: string, url: string): object {
  const marker = lastValueOf(query, 'marker')
  const asked = lastValueOf(query, 'limit')
  const limit = asked === undefined ? maxPageSize : Number(asked)
  if (!Number.isInteger(limit) || limit < 0) throw new HttpFault(400, `Invalid input for query parameters limit. Value: ${asked}.`)
  const start = marker === undefined ? 0 : items.findIndex((item) => item.id === marker) + 1
  if (marker !== undefined && start === 0) throw new HttpFault(400, `marker [${marker}] not found`)
  const shown = items.slice(start, start + Math.min(limit, maxPageSize))
  const last = shown.at(-1)
  if (last === undefined || start + shown.length === items.length) return { [name]: shown }
  const next = new URL(url, base)
  next.searchParams.set('marker', String(last.id))
  return { [name]: shown, [`${name}_links`]: [{ rel: 'next', href: next.href }] }
}

function versionDocument(base: string): object {
  return {
    id: 'v2.1',
    status: 'CURRENT',
    version: microversion,
    min_version: microversion,
    updated: '2013-07-23T11:33:21Z',
    links: [{ rel: 'self', href: `${base}/v2.1/` }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2.1' }],
  }
}

/** `compute 2.90` or, in the older header, `2.90`; `latest` is what we have. */
function refuseOtherMicroversions(general: string | string[] | undefined, older: string | string[] | undefined): void {
  const asked = [general ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((value) => value.trim().split(/\s+/))
    .find(([service]) => service === 'compute')?.[1]
  const version = asked ?? [older ?? []].flat()[0]
  if (version === undefined || version === 'latest' || version === microversion) return
  throw new HttpFault(406, `Version ${version} is not supported by the API. Minimum is ${microversion} and maximum is ${microversion}.`)
}

const faultNames: Record<number, string> = { 400: 'badRequest', 403: 'forbidden', 404: 'itemNotFound', 409: 'conflictingRequest' }

/** `{"itemNotFound":{"code":404,"message":"..."}}` */
function renderNovaFault(fault: HttpFault): object {
  return { [faultNames[fault.status] ?? 'computeFault']: { code: fault.status, message: fault.message } }
}
