import type { FastifyInstance } from 'fastify'
import { type SqlBool, sql } from 'kysely'
import { acceptsSilently, deletes, lists, shows } from '../../api/answer.ts'
import { immutable, notFound } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { AmphoraRow, LoadBalancerRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { listOf } from '../fields.ts'
import { findLoadBalancer } from '../load-balancer/repository.ts'
import { checkActionSupported } from '../unsupported.ts'
import { beginFailover } from './begin-failover.ts'
import { configureAmphora } from './configure-flow.ts'
import { deleteAmphora } from './delete-flow.ts'
import { findAmphora, listStatisticsOfAmphora, lockAmphoraForDelete } from './repository.ts'
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
    'agent_version',
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
  const { db, config, clock } = context

  route(api, {
    method: 'GET',
    path: '/v2/octavia/amphorae',
    summary: 'List amphorae',
    answer: lists('amphorae', Amphora, listed),
    policies: ['os_load-balancer_api:amphora:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:amphora:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return { amphorae: rows.map((row) => shownTo(request, config, row, showAmphora(row))), amphorae_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/octavia/amphorae/:id',
    summary: 'Show an amphora',
    answer: shows('amphora', Amphora),
    policies: ['os_load-balancer_api:amphora:get_one'],
    async handler(request) {
      // Upstream looks this one up first.
      const row = await requireAmphora(request.params.id)
      request.authorize('os_load-balancer_api:amphora:get_one', request.caller.project_id)
      return { amphora: shownTo(request, config, row, showAmphora(row)) }
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
      return { amphora_stats }
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/octavia/amphorae/:id/failover',
    summary: 'Replace an amphora by a new one',
    answer: acceptsSilently,
    policies: ['os_load-balancer_api:amphora:put_failover'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const loadBalancer = await requireLoadBalancerOf(tx, await requireAmphora(id, tx))
        request.authorize('os_load-balancer_api:amphora:put_failover', loadBalancer.project_id)
        checkActionSupported(context, loadBalancer, 'failover')
        const { refusal } = await beginFailover(tx, context, id, 'requested')
        if (refusal === 'serves_none') throw immutable('amphora', id)
        if (refusal !== null) throw immutable('Load Balancer', loadBalancer.id)
      })
      return reply.code(202).send()
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/octavia/amphorae/:id/config',
    summary: "Write an agent's configuration anew",
    answer: acceptsSilently,
    policies: ['os_load-balancer_api:amphora:put_config'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const loadBalancer = await requireLoadBalancerOf(tx, await requireAmphora(id, tx))
        request.authorize('os_load-balancer_api:amphora:put_config', loadBalancer.project_id)
        checkActionSupported(context, loadBalancer, 'amphora_configuration')
        const { id: load_balancer_id } = loadBalancer
        await startFlow(tx, configureAmphora, { amphora_id: id, load_balancer_id }, { subject: load_balancer_id })
      })
      return reply.code(202).send()
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/octavia/amphorae/:id',
    summary: 'Delete an amphora that is in ERROR or spare',
    answer: deletes,
    policies: ['os_load-balancer_api:amphora:delete'],
    async handler(request, reply) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:amphora:delete', request.caller.project_id)
      await db.transaction().execute(async (tx) => {
        const { loadbalancer_id } = await requireAmphora(id, tx)
        checkActionSupported(context, { provider: 'amphora' }, 'amphora_deletion')
        await lockAmphoraForDelete(tx, id, clock.now())
        await startFlow(tx, deleteAmphora, { amphora_id: id }, { subject: loadbalancer_id ?? id })
      })
      return reply.code(204).send()
    },
  })

  async function requireAmphora(id: string, at: Db = db): Promise<AmphoraRow> {
    const row = await findAmphora(at, id)
    if (!row) throw notFound('Amphora', id)
    return row
  }

  async function requireLoadBalancerOf(tx: Tx, { loadbalancer_id }: AmphoraRow): Promise<LoadBalancerRow> {
    const row = loadbalancer_id === null ? undefined : await findLoadBalancer(tx, loadbalancer_id)
    if (!row) throw notFound('Load Balancer', loadbalancer_id ?? 'None')
    return row
  }
}

/** Without its key; what the fault is shown of depends on who asks. */
function showAmphora({ server_certificate: _, fault: __, agent_version, ...shown }: AmphoraRow): Amphora {
  return agent_version === null ? shown : { ...shown, agent_version }
}
