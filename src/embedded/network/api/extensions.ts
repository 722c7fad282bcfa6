/** What clients look at before they use a feature, and what of Neutron is always empty here. */
import type { FastifyInstance } from 'fastify'
import { baseUrl, callerOf, isAdmin } from '../../http.ts'
import { NeutronError, qosPolicyNotFound } from '../errors.ts'

/** The extensions whose fields and operations are served. */
const extensions: Record<string, string> = {
  'allowed-address-pairs': 'Allowed Address Pairs',
  binding: 'Port Binding',
  'external-net': 'Neutron external network',
  hm_max_retries_down: 'Add a fall threshold to health monitor',
  l7: 'L7 capabilities for LBaaSv2',
  lb_network_vip: 'Create loadbalancer with network_id',
  lbaasv2: 'LoadBalancing service v2',
  'net-mtu': 'Network MTU',
  'net-mtu-writable': 'Network MTU (writable)',
  pagination: 'Pagination support',
  'port-security': 'Port Security',
  'project-id': 'project_id field enabled',
  qos: 'Quality of Service',
  quotas: 'Quota management support',
  'security-group': 'security-group',
  shared_pools: 'Shared pools for LBaaSv2',
  sorting: 'Sorting support',
  'standard-attr-description': 'standard-attr-description',
  'standard-attr-tag': 'Tag support for resources with standard attributes',
  'standard-attr-timestamp': 'Resource timestamps',
}

const quotaNames = [
  'network',
  'subnet',
  'port',
  'security_group',
  'security_group_rule',
  'router',
  'floatingip',
  'subnetpool',
  'rbac_policy',
]

/** Collections that clients list and that never hold anything. */
const alwaysEmpty = ['agents', 'routers', 'floatingips', 'subnetpools', 'availability_zones']

export function extensionRoutes(app: FastifyInstance): void {
  app.get('/v2.0', async (request) => ({
    resources: ['network', 'subnet', 'port', 'security-group', 'security-group-rule'].map((name) => ({
      name: name.replaceAll('-', '_'),
      collection: `${name.replaceAll('-', '_')}s`,
      links: [{ rel: 'self', href: `${baseUrl(request)}/v2.0/${name}s` }],
    })),
  }))

  app.get('/v2.0/extensions', async () => ({ extensions: Object.keys(extensions).map(extensionAnswer) }))

  app.get<{ Params: { alias: string } }>('/v2.0/extensions/:alias', async (request) => {
    const { alias } = request.params
    if (!Object.hasOwn(extensions, alias)) throw notFound(`Extension with alias ${alias} does not exist`)
    return { extension: extensionAnswer(alias) }
  })

  app.get('/v2.0/qos/policies', async () => ({ policies: [] }))
  app.get<{ Params: { id: string } }>('/v2.0/qos/policies/:id', async (request) => {
    throw qosPolicyNotFound(request.params.id)
  })

  for (const collection of alwaysEmpty) {
    app.get(`/v2.0/${collection}`, async () => ({ [collection]: [] }))
    app.get<{ Params: { id: string } }>(`/v2.0/${collection}/:id`, async (request) => {
      throw notFound(`${request.params.id} could not be found.`)
    })
  }

  app.get<{ Params: { project: string } }>('/v2.0/quotas/:project', async (request) =>
    quotaAnswer(request.params.project, callerOf(request)),
  )
  app.get<{ Params: { project: string } }>('/v2.0/quotas/:project/default', async (request) =>
    quotaAnswer(request.params.project, callerOf(request)),
  )
}

const extensionAnswer = (alias: string): object => ({
  alias,
  name: extensions[alias],
  description: extensions[alias],
  updated: '2016-09-10T10:00:00-00:00',
  links: [],
})

/** Nothing is limited. */
function quotaAnswer(project: string, caller: Parameters<typeof isAdmin>[0]): object {
  if (project !== caller.project_id && !isAdmin(caller)) throw notFound(`Quota for tenant ${project} could not be found.`)
  return { quota: { project_id: project, tenant_id: project, ...Object.fromEntries(quotaNames.map((name) => [name, -1])) } }
}

const notFound = (message: string): NeutronError => new NeutronError(404, 'HTTPNotFound', message)
