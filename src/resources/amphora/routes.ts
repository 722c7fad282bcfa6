import type { FastifyInstance } from 'fastify'
import { type SqlBool, sql } from 'kysely'
import { lists, shows } from '../../api/answer.ts'
import { notFound } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import type { AmphoraRow } from '../../db/tables.ts'
import { listOf } from '../fields.ts'
import { checkActionSupported } from '../unsupported.ts'
import { findAmphora, listStatisticsOfAmphora } from './repository.ts'
import { Amphora, AmphoraStatistics } from './schema.ts'

const listed: ListSpec<'amphora'> = {
  table: 'amphora',
  columns: [
    'id',
    'loadbalancer_id',
    'compute_id',
    'lb_network_ip',
    'vrrp_ip',
    'ha_ip',
    'vrrp_port_id',
    'ha_port_id',
    'cert_expiration',
    'cert_busy',
    'role',
    'status',
    'vrrp_interface',
    'vrrp_id',
    'vrrp_priority',
    'cached_zone',
    'image_id',
    'compute_flavor',
    'created_at',
    'updated_at',
  ],
  aliases: { load_balancer_id: 'loadbalancer_id' },
  hidden: { column: 'status', value: 'DELETED' },
  filters: { project_id: ofProject, tenant_id: ofProject },
}

/** An amphora belongs to the service; what is meant is whose load balancer it serves. */
function ofProject(project_id: string) {
  return sql<SqlBool>`loadbalancer_id in (select id from load_balancer where project_id = ${project_id})`
}

/** For admins only: no object of a project is concerned. */
export function amphoraRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config } = context

  route(api, {
    method: 'GET',
    path: '/v2/octavia/amphorae',
    summary: 'List amphorae',
    answer: lists('amphorae', Amphora, listed),
    policies: ['os_load-balancer_api:amphora:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:amphora:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return { amphorae: rows.map((row) => selectFields(request.query, config, showAmphora(row))), amphorae_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/octavia/amphorae/:id',
    summary: 'Show an amphora',
    answer: shows('amphora', Amphora),
    policies: ['os_load-balancer_api:amphora:get_one'],
    async handler(request) {
      request.authorize('os_load-balancer_api:amphora:get_one', request.caller.project_id)
      return { amphora: selectFields(request.query, config, showAmphora(await requireAmphora(request.params.id))) }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/octavia/amphorae/:id/stats',
    summary: 'Show what passed through an amphora, by listener',
    answer: shows('amphora_stats', listOf(AmphoraStatistics)),
    policies: ['os_load-balancer_api:amphora:get_stats'],
    async handler(request) {
      request.authorize('os_load-balancer_api:amphora:get_stats', request.caller.project_id)
      const { id } = request.params
      const statistics = await listStatisticsOfAmphora(db, id)
      if (statistics.length === 0) throw notFound('Amphora stats for', id)
      const amphora_stats = statistics.map(({ amphora_id, load_balancer_id, ...rest }) => ({
        id: amphora_id,
        loadbalancer_id: load_balancer_id,
        ...rest,
      }))
      return { amphora_stats: amphora_stats.map((item) => selectFields(request.query, config, item)) }
    },
  })

  const notYet = [
    ['PUT', '/v2/octavia/amphorae/:id/failover', 'os_load-balancer_api:amphora:put_failover', 'failover'],
    ['PUT', '/v2/octavia/amphorae/:id/config', 'os_load-balancer_api:amphora:put_config', 'amphora_configuration'],
    ['DELETE', '/v2/octavia/amphorae/:id', 'os_load-balancer_api:amphora:delete', 'amphora_deletion'],
  ] as const
  for (const [method, path, policy, action] of notYet) {
    route(api, {
      method,
      path,
      policies: [policy],
      async handler(request) {
        await requireAmphora(request.params.id)
        request.authorize(policy, request.caller.project_id)
        checkActionSupported(context, { provider: 'amphora' }, action)
      },
    })
  }

  async function requireAmphora(id: string): Promise<AmphoraRow> {
    const row = await findAmphora(db, id)
    if (!row) throw notFound('Amphora', id)
    return row
  }
}

/** Without its key, and without what is not in upstream's answers. */
function showAmphora({ server_certificate: _, fault: __, ...shown }: AmphoraRow): Amphora {
  return shown
}
