import type { FastifyInstance } from 'fastify'
import { lists } from '../../api/answer.ts'
import { selectFields } from '../../api/listing.ts'
import { type ApiContext, type Query, route } from '../../api/route.ts'
import { metadataOf } from './metadata.ts'
import { Capability, Provider } from './schema.ts'

/** Providers come from the configuration, so there are no rows, pages or links. */
export function providerRoutes(api: FastifyInstance, { config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/providers',
    summary: 'List the providers that load balancers may have',
    // As upstream's, this list is not filtered.
    answer: lists('providers', Provider, { columns: [] }, null),
    policies: ['os_load-balancer_api:provider:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:provider:get_all', request.caller.project_id)
      const providers = Object.entries(config.api_settings.enabled_provider_drivers).map(([name, description]) => ({ name, description }))
      return { providers: providers.map((provider) => selectFields(request.query, config, provider)) }
    },
  })

  const kinds = [
    ['flavor', 'flavor_capabilities', 'os_load-balancer_api:provider-flavor:get_all', 'flavors'],
    [
      'availability_zone',
      'availability_zone_capabilities',
      'os_load-balancer_api:provider-availability-zone:get_all',
      'availability zones',
    ],
  ] as const
  for (const [kind, key, policy, what] of kinds) {
    route(api, {
      method: 'GET',
      path: `/v2/lbaas/providers/:provider/${key}`,
      summary: `List what the profiles of ${what} may say to a provider`,
      answer: lists(key, Capability, { columns: ['name', 'description'] }, null),
      policies: [policy],
      async handler(request) {
        request.authorize(policy, request.caller.project_id)
        const metadata = metadataOf(request.params.provider, config)[kind]
        const capabilities = Object.entries(metadata).map(([name, { description }]) => ({ name, description }))
        const wanted = capabilities.filter((capability) => isAskedFor(capability, request.query))
        return { [key]: wanted.map((capability) => selectFields(request.query, config, capability)) }
      },
    })
  }
}

/** As upstream, an empty filter lets all pass and one that is given twice none; other arguments say nothing. */
function isAskedFor(capability: Capability, { name, description }: Query): boolean {
  return (!name || capability.name === name) && (!description || capability.description === description)
}
