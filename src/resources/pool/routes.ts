import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { duplicateDefaultPool, notFound, poolInUse, validationFailure } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { Db } from '../../db/connection.ts'
import type { ListenerRow, PoolRow, SessionPersistence } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { checkPoolProtocol, checkTakesChildren } from '../listener/checks.ts'
import { findListener, updateListener } from '../listener/repository.ts'
import { findLoadBalancer, lockLoadBalancer } from '../load-balancer/repository.ts'
import { newlyUpdated, refuseChildren } from '../row-fields.ts'
import { checkPoolServable } from '../servable.ts'
import { type ShownCertificates, showTlsCertificates } from '../tls-certificates.ts'
import { References, unchecked } from '../tls-references.ts'
import { checkPoolSupported } from '../unsupported.ts'
import { checkPoolUpdate, checkSessionPersistence } from './checks.ts'
import { storeNewPool } from './create.ts'
import { createPool } from './create-flow.ts'
import { deletePool } from './delete-flow.ts'
import { findL7PolicyRedirectingTo, findPool, loadPoolReferences, lockListenersOfPool, updatePool } from './repository.ts'
import { newPool, poolChanges, settlePersistence, showPool } from './row.ts'
import { Pool, PoolCreate, PoolUpdate } from './schema.ts'
import { updatePool as updatePoolFlow } from './update-flow.ts'

const createBody = bodyKind('pool_', 'pool', PoolCreate)
const updateBody = bodyKind('pool_', 'pool', PoolUpdate)

const listed: ListSpec<'pool'> = {
  table: 'pool',
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
    'lb_algorithm',
    'tls_enabled',
    'tls_container_ref',
    'ca_tls_container_ref',
    'crl_container_ref',
    'tls_ciphers',
  ],
  aliases: { loadbalancer_id: 'load_balancer_id' },
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function poolRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/pools',
    summary: 'List pools',
    answer: lists('pools', Pool, listed),
    policies: ['os_load-balancer_api:pool:get_all', 'os_load-balancer_api:pool:get_all-global'],
    async handler(request) {
      const project_id = request.scopeOfList('pool')
      const { rows, links } = await listPage(db, config, request, listed, project_id === null ? {} : { project_id })
      const references = await loadPoolReferences(
        db,
        rows.map(({ id }) => id),
      )
      const certificatesOf = await showTlsCertificates(db, rows)
      const pools = rows.map((row) => shownTo(request, config, row, showPool(row, references.get(row.id)!, certificatesOf(row.id))))
      return { pools, pools_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/pools/:id',
    summary: 'Show a pool',
    answer: shows('pool', Pool),
    policies: ['os_load-balancer_api:pool:get_one'],
    async handler(request) {
      const { id } = request.params
      const pool = await findPool(db, id)
      if (!pool) throw notFound('Pool', id)
      request.authorize('os_load-balancer_api:pool:get_one', pool.project_id)
      const certificatesOf = await showTlsCertificates(db, [pool])
      return { pool: shownTo(request, config, pool, await showWithReferences(db, pool, certificatesOf(id))) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/pools',
    summary: 'Create a pool',
    answer: creates('pool', Pool),
    policies: ['os_load-balancer_api:pool:post'],
    body: createBody,
    async handler(request, reply) {
      const { body } = request
      const references = new References(context, request.caller)
      const pool = await references.during((checks) =>
        db.transaction().execute(async (tx) => {
          const listener = body.listener_id === null ? undefined : await findListener(tx, body.listener_id)
          const load_balancer_id = body.loadbalancer_id ?? listener?.load_balancer_id
          if (load_balancer_id === undefined) {
            if (body.listener_id !== null) throw notFound('Listener', body.listener_id)
            throw validationFailure('Must provide at least one of: loadbalancer_id, listener_id')
          }
          const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
          if (!loadBalancer) throw notFound('Load Balancer', load_balancer_id)
          const { project_id } = loadBalancer
          request.authorize('os_load-balancer_api:pool:post', project_id)
          // Upstream does not look at a listener that is given besides the load balancer, and could link two load balancers.
          if (body.listener_id !== null && listener?.load_balancer_id !== load_balancer_id) throw notFound('Listener', body.listener_id)
          if (listener && body.loadbalancer_id === null) checkMayServe(listener, body)
          const pool = newPool(body, { project_id, load_balancer_id }, config, clock)
          await takeQuota(tx, config, 'pool', project_id)
          if (listener && listener.default_pool_id !== null) throw duplicateDefaultPool()
          // Given the load balancer too, upstream takes any protocol; the listener could not be served then.
          if (listener && body.loadbalancer_id !== null) checkMayServe(listener, body)
          await lockLoadBalancer(tx, load_balancer_id)
          await storeNewPool(tx, context, pool, loadBalancer, checks(load_balancer_id))
          refuseChildren('pool', { healthmonitor: body.healthmonitor, members: body.members })
          if (listener) await updateListener(tx, listener.id, { default_pool_id: pool.id, provisioning_status: 'PENDING_UPDATE' })
          await startFlow(tx, createPool, { pool_id: pool.id, load_balancer_id }, { subject: load_balancer_id })
          return showWithReferences(tx, pool)
        }),
      )
      return reply.code(201).send({ pool })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/pools/:id',
    summary: 'Update a pool',
    answer: shows('pool', Pool),
    policies: ['os_load-balancer_api:pool:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      const references = new References(context, request.caller)
      return references.during((checks) =>
        db.transaction().execute(async (tx) => {
          const pool = await findPool(tx, id)
          if (!pool) throw notFound('Pool', id)
          const { load_balancer_id } = pool
          request.authorize('os_load-balancer_api:pool:put', pool.project_id)
          const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
          if (!loadBalancer) throw notFound('Load Balancer', load_balancer_id)
          const { session_persistence: present } = pool
          const persistence: Partial<SessionPersistence> | null =
            update.session_persistence === undefined ? present : settlePersistence(update.session_persistence, present)
          checkSessionPersistence(pool.protocol, persistence, 'update')
          checkPoolUpdate(update, pool, config, context.amphora.capabilities.pool_tls ? checks(load_balancer_id) : unchecked)
          await lockLoadBalancer(tx, load_balancer_id)
          await lockListenersOfPool(tx, id)
          checkPoolSupported(context, loadBalancer, update)
          const changes = { ...poolChanges(update, config), session_persistence: persistence, ...newlyUpdated(clock) }
          checkPoolServable(context, { ...pool, ...changes })
          await updatePool(tx, id, changes)
          await startFlow(tx, updatePoolFlow, { pool_id: id, load_balancer_id }, { subject: load_balancer_id })
          return { pool: await showWithReferences(tx, { ...pool, ...changes }) }
        }),
      )
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/pools/:id',
    summary: 'Delete a pool',
    answer: deletes,
    policies: ['os_load-balancer_api:pool:delete'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const pool = await findPool(tx, id)
        if (!pool) throw notFound('Pool', id)
        const { load_balancer_id } = pool
        request.authorize('os_load-balancer_api:pool:delete', pool.project_id)
        const policy = await findL7PolicyRedirectingTo(tx, id)
        if (policy) throw poolInUse(id, policy.id)
        await lockLoadBalancer(tx, load_balancer_id)
        await lockListenersOfPool(tx, id)
        await updatePool(tx, id, { provisioning_status: 'PENDING_DELETE' })
        await startFlow(tx, deletePool, { pool_id: id, load_balancer_id }, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })
}

function checkMayServe(listener: ListenerRow, { protocol }: Pick<PoolRow, 'protocol'>): void {
  checkTakesChildren(listener)
  checkPoolProtocol(listener, protocol)
}

async function showWithReferences(db: Db, pool: PoolRow, certificates: ShownCertificates = {}) {
  return showPool(pool, (await loadPoolReferences(db, [pool.id])).get(pool.id)!, certificates)
}
