/** Services, endpoints and regions: read-only, because they follow from the options. */
import type { FastifyInstance } from 'fastify'
import { baseUrl, type Query } from '../../http.ts'
import { type Endpoint, regionId, type Service } from '../endpoints.ts'
import { authorizeAdmin, filtered, found, linksOf, servicesFor } from './answers.ts'
import type { IdentityApiContext } from './server.ts'

export function catalogRoutes(app: FastifyInstance, context: IdentityApiContext): void {
  app.get<{ Querystring: Query }>('/v3/services', async (request) => {
    authorizeAdmin(request, 'identity:list_services')
    const base = baseUrl(request)
    const services = filtered(servicesFor(request, context), request.query, ['name', 'type'])
    return { services: services.map((service) => serviceAnswer(service, base)), links: linksOf(request, base) }
  })

  app.get<{ Params: { id: string } }>('/v3/services/:id', async (request) => {
    authorizeAdmin(request, 'identity:get_service')
    const { id } = request.params
    const service = found(
      servicesFor(request, context).find((candidate) => candidate.id === id),
      'service',
      id,
    )
    return { service: serviceAnswer(service, baseUrl(request)) }
  })

  app.get<{ Querystring: Query }>('/v3/endpoints', async (request) => {
    authorizeAdmin(request, 'identity:list_endpoints')
    const base = baseUrl(request)
    const all = servicesFor(request, context).flatMap(({ endpoints }) =>
      endpoints.map((endpoint) => ({ ...endpoint, region_id: regionId })),
    )
    const endpoints = filtered(all, request.query, ['interface', 'service_id', 'region_id'])
    return { endpoints: endpoints.map((endpoint) => endpointAnswer(endpoint, base)), links: linksOf(request, base) }
  })

  app.get<{ Params: { id: string } }>('/v3/endpoints/:id', async (request) => {
    authorizeAdmin(request, 'identity:get_endpoint')
    const { id } = request.params
    const all = servicesFor(request, context).flatMap(({ endpoints }) => endpoints)
    const endpoint = found(
      all.find((candidate) => candidate.id === id),
      'endpoint',
      id,
    )
    return { endpoint: endpointAnswer(endpoint, baseUrl(request)) }
  })

  app.get('/v3/regions', async (request) => {
    const base = baseUrl(request)
    return { regions: [regionAnswer(base)], links: linksOf(request, base) }
  })

  app.get<{ Params: { id: string } }>('/v3/regions/:id', async (request) => {
    const { id } = request.params
    found(id === regionId ? id : undefined, 'region', id)
    return { region: regionAnswer(baseUrl(request)) }
  })
}

const serviceAnswer = ({ id, type, name, description }: Service, base: string): object => ({
  id,
  type,
  name,
  description,
  enabled: true,
  links: { self: `${base}/v3/services/${id}` },
})

const endpointAnswer = ({ id, service_id, interface: which, url }: Endpoint, base: string): object => ({
  id,
  service_id,
  interface: which,
  url,
  region: regionId,
  region_id: regionId,
  enabled: true,
  links: { self: `${base}/v3/endpoints/${id}` },
})

const regionAnswer = (base: string): object => ({
  id: regionId,
  description: '',
  parent_region_id: null,
  links: { self: `${base}/v3/regions/${regionId}` },
})
