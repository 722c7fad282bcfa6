import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { noObjectSupplied, notFound } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { ListenerRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { listL7PolicyIdsOfListeners } from '../l7policy/repository.ts'
import { findLoadBalancer, lockLoadBalancer } from '../load-balancer/repository.ts'
import { findPool } from '../pool/repository.ts'
import { newlyUpdated, refuseChildren } from '../row-fields.ts'
import { checkListenerServable } from '../servable.ts'
import { showTlsCertificates } from '../tls-certificates.ts'
import { References, unchecked } from '../tls-references.ts'
import { checkListenerSupported } from '../unsupported.ts'
import { checkListenerAndPool, checkListenerUpdate } from './checks.ts'
import { storeNewListener } from './create.ts'
import { createListener } from './create-flow.ts'
import { deleteListener } from './delete-flow.ts'
import { findListener, sumListenerStatistics, updateListener } from './repository.ts'
import { listenerChanges, newListener, showListener } from './row.ts'
import { Listener, ListenerCreate, ListenerUpdate, Statistics } from './schema.ts'
import { updateListener as updateListenerFlow } from './update-flow.ts'

const createBody = bodyKind('listener_', 'listener', ListenerCreate)
const updateBody = bodyKind('listener_', 'listener', ListenerUpdate, () => noObjectSupplied('listener'))

const listed: ListSpec<'listener'> = {
  table: 'listener',
  columns: [
    'id',
    'name',
    'description',
    'tags',
    'project_id',
    'provisioning_status',
    'operating_status',
    'admin_state_up',
    'created_at',
    'updated_at',
    'load_balancer_id',
    'protocol',
    'protocol_port',
    'connection_limit',
    'default_pool_id',
    'timeout_client_data',
    'timeout_member_connect',
    'timeout_member_data',
    'timeout_tcp_inspect',
    'default_tls_container_ref',
    'client_ca_tls_container_ref',
    'client_authentication',
    'client_crl_container_ref',
    'tls_ciphers',
    'hsts_max_age',
    'hsts_include_subdomains',
    'hsts_preload',
  ],
  aliases: { loadbalancer_id: 'load_balancer_id' },
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function listenerRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/listeners',
    summary: 'List listeners',
    answer: lists('listeners', Listener, listed),
    policies: ['os_load-balancer_api:listener:get_all', 'os_load-balancer_api:listener:get_all-global'],
    async handler(request) {
      const project_id = request.scopeOfList('listener')
      const { rows, links } = await listPage(db, config, request, listed, project_id === null ? {} : { project_id })
      const policyIds = await listL7PolicyIdsOfListeners(
        db,
        rows.map(({ id }) => id),
      )
      const certificatesOf = await showTlsCertificates(db, rows)
      const shown = (row: ListenerRow) => showListener(row, policyIds.get(row.id) ?? [], certificatesOf(row.id))
      const listeners = rows.map((row) => shownTo(request, config, row, shown(row)))
      return { listeners, listeners_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/listeners/:id',
    summary: 'Show a listener',
    answer: shows('listener', Listener),
    policies: ['os_load-balancer_api:listener:get_one'],
    async handler(request) {
      const { id } = request.params
      const listener = await findListener(db, id)
      if (!listener) throw notFound('Listener', id)
      request.authorize('os_load-balancer_api:listener:get_one', listener.project_id)
      const policyIds = await listL7PolicyIdsOfListeners(db, [id])
      const certificatesOf = await showTlsCertificates(db, [listener])
      return { listener: shownTo(request, config, listener, showListener(listener, policyIds.get(id) ?? [], certificatesOf(id))) }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/listeners/:id/stats',
    summary: 'Show what passed through a listener',
    answer: shows('stats', Statistics),
    policies: ['os_load-balancer_api:listener:get_stats'],
    async handler(request) {
      const { id } = request.params
      const listener = await findListener(db, id)
      if (!listener) throw notFound('Listener', id)
      request.authorize('os_load-balancer_api:listener:get_stats', listener.project_id)
      return { stats: await sumListenerStatistics(db, id) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/listeners',
    summary: 'Create a listener',
    answer: creates('listener', Listener),
    policies: ['os_load-balancer_api:listener:post'],
    body: createBody,
    async handler(request, reply) {
      const { body } = request
      const references = new References(context, request.caller)
      const listener = await references.during((checks) =>
        db.transaction().execute(async (tx) => {
          const loadBalancer = await findLoadBalancer(tx, body.loadbalancer_id)
          if (!loadBalancer) throw notFound('Load Balancer', body.loadbalancer_id)
          const { id: load_balancer_id, project_id } = loadBalancer
          request.authorize('os_load-balancer_api:listener:post', project_id)
          await takeQuota(tx, config, 'listener', project_id)
          const { default_pool_id } = body
          const listener = newListener(body, { project_id, load_balancer_id, default_pool_id }, config, clock)
          if (default_pool_id !== null) checkListenerAndPool(listener, default_pool_id, await findPool(tx, default_pool_id))
          await lockLoadBalancer(tx, load_balancer_id)
          await storeNewListener(tx, context, listener, loadBalancer, checks(load_balancer_id))
          refuseChildren('listener', { default_pool: body.default_pool, l7policies: body.l7policies })
          await startFlow(tx, createListener, { listener_id: listener.id, load_balancer_id }, { subject: load_balancer_id })
          return listener
        }),
      )
      return reply.code(201).send({ listener: showListener(listener, []) })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/listeners/:id',
    summary: 'Update a listener',
    answer: shows('listener', Listener),
    policies: ['os_load-balancer_api:listener:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      const references = new References(context, request.caller)
      return references.during((checks) =>
        db.transaction().execute(async (tx) => {
          const listener = await findListener(tx, id)
          if (!listener) throw notFound('Listener', id)
          const { load_balancer_id } = listener
          request.authorize('os_load-balancer_api:listener:put', listener.project_id)
          const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
          if (!loadBalancer) throw notFound('Load Balancer', load_balancer_id)
          checkListenerUpdate(
            update,
            listener,
            loadBalancer,
            config,
            context.amphora.capabilities.listener_tls ? checks(load_balancer_id) : unchecked,
          )
          const { default_pool_id } = update
          if (default_pool_id) checkListenerAndPool(listener, default_pool_id, await findPool(tx, default_pool_id))
          await lockLoadBalancer(tx, load_balancer_id)
          checkListenerSupported(context, loadBalancer, update)
          const changes = { ...listenerChanges(update, config), ...newlyUpdated(clock) }
          checkListenerServable(context, { ...listener, ...changes })
          await updateListener(tx, id, changes)
          await startFlow(tx, updateListenerFlow, { listener_id: id, load_balancer_id }, { subject: load_balancer_id })
          const policyIds = await listL7PolicyIdsOfListeners(tx, [id])
          return { listener: showListener({ ...listener, ...changes }, policyIds.get(id) ?? []) }
        }),
      )
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/listeners/:id',
    summary: 'Delete a listener',
    answer: deletes,
    policies: ['os_load-balancer_api:listener:delete'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const listener = await findListener(tx, id)
        if (!listener) throw notFound('Listener', id)
        const { load_balancer_id } = listener
        request.authorize('os_load-balancer_api:listener:delete', listener.project_id)
        await lockLoadBalancer(tx, load_balancer_id)
        await updateListener(tx, id, { provisioning_status: 'PENDING_DELETE' })
        await startFlow(tx, deleteListener, { listener_id: id, load_balancer_id }, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })
}
