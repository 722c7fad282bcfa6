import type { FastifyInstance } from 'fastify'
import { lists } from '../../api/answer.ts'
import { invalidFilter } from '../../api/faults.ts'
import { selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { Provider } from './schema.ts'

/** Providers come from the configuration, so there are no rows, pages or links. */
export function providerRoutes(api: FastifyInstance, { config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/providers',
    summary: 'List the providers that load balancers may have',
    answer: lists('providers', Provider, { columns: ['name', 'description'] }, null),
    policies: ['os_load-balancer_api:provider:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:provider:get_all', request.caller.project_id)
      const { fields: _, ...filters } = request.query
      const providers = Object.entries(config.api_settings.enabled_provider_drivers).map(([name, description]) => ({ name, description }))
      for (const name of Object.keys(filters)) if (name !== 'name' && name !== 'description') throw invalidFilter()
      const wanted = providers.filter((provider) =>
        Object.entries(filters).every(([name, value]) => provider[name as keyof typeof provider] === value),
      )
      return { providers: wanted.map((provider) => selectFields(request.query, config, provider)) }
    },
  })
}
