import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { notFound } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import { startFlow } from '../../flow/start.ts'
import { findLoadBalancer } from '../load-balancer/repository.ts'
import { findPool, lockPool } from '../pool/repository.ts'
import { newlyUpdated } from '../row-fields.ts'
import { checkHealthMonitorAndPool, checkHealthMonitorUpdate, checkPingAllowed } from './checks.ts'
import { storeNewHealthMonitor } from './create.ts'
import { createHealthMonitor } from './create-flow.ts'
import { deleteHealthMonitor } from './delete-flow.ts'
import { findHealthMonitor, updateHealthMonitor } from './repository.ts'
import { healthMonitorChanges, newHealthMonitor, showHealthMonitor } from './row.ts'
import { HealthMonitor, HealthMonitorCreate, HealthMonitorUpdate } from './schema.ts'
import { updateHealthMonitor as updateHealthMonitorFlow } from './update-flow.ts'

const createBody = bodyKind('health_monitor_', 'healthmonitor', HealthMonitorCreate)
const updateBody = bodyKind('health_monitor_', 'healthmonitor', HealthMonitorUpdate)

const listed: ListSpec<'health_monitor'> = {
  table: 'health_monitor',
  columns: [
    'id',
    'name',
    'tags',
    'project_id',
    'provisioning_status',
    'operating_status',
    'admin_state_up',
    'created_at',
    'updated_at',
    'pool_id',
    'type',
    'delay',
    'timeout',
    'max_retries',
    'max_retries_down',
    'http_method',
    'url_path',
    'expected_codes',
    'http_version',
    'domain_name',
  ],
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function healthMonitorRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock } = context
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/healthmonitors',
    summary: 'List health monitors',
    answer: lists('healthmonitors', HealthMonitor, listed),
    policies: ['os_load-balancer_api:healthmonitor:get_all', 'os_load-balancer_api:healthmonitor:get_all-global'],
    async handler(request) {
      const project_id = request.scopeOfList('healthmonitor')
      const { rows, links } = await listPage(db, config, request, listed, project_id === null ? {} : { project_id })
      const healthmonitors = rows.map((row) => shownTo(request, config, row, showHealthMonitor(row)))
      return { healthmonitors, healthmonitors_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/healthmonitors/:id',
    summary: 'Show a health monitor',
    answer: shows('healthmonitor', HealthMonitor),
    policies: ['os_load-balancer_api:healthmonitor:get_one'],
    async handler(request) {
      const { id } = request.params
      const monitor = await findHealthMonitor(db, id)
      if (!monitor) throw notFound('Health Monitor', id)
      request.authorize('os_load-balancer_api:healthmonitor:get_one', monitor.project_id)
      return { healthmonitor: shownTo(request, config, monitor, showHealthMonitor(monitor)) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/healthmonitors',
    summary: 'Create the health monitor of a pool',
    answer: creates('healthmonitor', HealthMonitor),
    policies: ['os_load-balancer_api:healthmonitor:post'],
    body: createBody,
    async handler(request, reply) {
      const { body } = request
      const { pool_id } = body
      const monitor = await db.transaction().execute(async (tx) => {
        const pool = await findPool(tx, pool_id)
        if (!pool) throw notFound('Pool', pool_id)
        const { project_id, load_balancer_id } = pool
        request.authorize('os_load-balancer_api:healthmonitor:post', project_id)
        checkPingAllowed(body.type, config)
        checkHealthMonitorAndPool(body, pool, config)
        await takeQuota(tx, config, 'health_monitor', project_id)
        const monitor = newHealthMonitor(body, { project_id, pool_id }, clock)
        await lockPool(tx, pool)
        const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
        if (!loadBalancer) throw notFound('Load Balancer', load_balancer_id)
        await storeNewHealthMonitor(tx, context, monitor, loadBalancer)
        const health_monitor_id = monitor.id
        await startFlow(tx, createHealthMonitor, { health_monitor_id, pool_id, load_balancer_id }, { subject: load_balancer_id })
        return monitor
      })
      return reply.code(201).send({ healthmonitor: showHealthMonitor(monitor) })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/healthmonitors/:id',
    summary: 'Update a health monitor',
    answer: shows('healthmonitor', HealthMonitor),
    policies: ['os_load-balancer_api:healthmonitor:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      return db.transaction().execute(async (tx) => {
        const monitor = await findHealthMonitor(tx, id)
        if (!monitor) throw notFound('Health Monitor', id)
        const pool = await findPool(tx, monitor.pool_id)
        if (!pool) throw notFound('Pool', monitor.pool_id)
        request.authorize('os_load-balancer_api:healthmonitor:put', monitor.project_id)
        checkHealthMonitorUpdate(update, monitor)
        checkHealthMonitorAndPool({ type: monitor.type, delay: update.delay ?? undefined }, pool, config)
        await lockPool(tx, pool)
        const changes = { ...healthMonitorChanges(update), ...newlyUpdated(clock) }
        await updateHealthMonitor(tx, id, changes)
        const { id: pool_id, load_balancer_id } = pool
        const params = { health_monitor_id: id, pool_id, load_balancer_id }
        await startFlow(tx, updateHealthMonitorFlow, params, { subject: load_balancer_id })
        return { healthmonitor: showHealthMonitor({ ...monitor, ...changes }) }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/healthmonitors/:id',
    summary: 'Delete a health monitor',
    answer: deletes,
    policies: ['os_load-balancer_api:healthmonitor:delete'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const monitor = await findHealthMonitor(tx, id)
        if (!monitor) throw notFound('Health Monitor', id)
        const pool = await findPool(tx, monitor.pool_id)
        if (!pool) throw notFound('Pool', monitor.pool_id)
        request.authorize('os_load-balancer_api:healthmonitor:delete', monitor.project_id)
        await lockPool(tx, pool)
        await updateHealthMonitor(tx, id, { provisioning_status: 'PENDING_DELETE' })
        const { id: pool_id, load_balancer_id } = pool
        const params = { health_monitor_id: id, pool_id, load_balancer_id }
        await startFlow(tx, deleteHealthMonitor, params, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })
}
