import type { FastifyInstance } from 'fastify'
import { accepts, acceptsSilently, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { noObjectSupplied, notFound } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { quotaResources } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { findQuota, resetQuota, setQuota } from './repository.ts'
import { quotaChanges, showQuota, showQuotaInList } from './row.ts'
import { Quota, QuotaInList, QuotaUpdate } from './schema.ts'

const updateBody = bodyKind('quotas', 'quota', QuotaUpdate, () => noObjectSupplied('quota'))

const listed: ListSpec<'quota'> = {
  table: 'quota',
  columns: ['project_id', ...quotaResources],
  aliases: { loadbalancer: 'load_balancer', healthmonitor: 'health_monitor' },
  order: ['project_id'],
  // Rows that only count for us what is in use are nothing that anybody has set.
  hidden: { column: 'listed', value: false },
}

/** Quotas are no objects: they are there for every project, whether anybody has heard of it or not (`defaults` is one to clients). */
export function quotaRoutes(api: FastifyInstance, { db, config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/quotas',
    summary: 'List the quotas that were set',
    answer: lists('quotas', QuotaInList, listed),
    policies: ['os_load-balancer_api:quota:get_all', 'os_load-balancer_api:quota:get_all-global'],
    async handler(request) {
      // As upstream: another's project is a filter that finds nothing, not a forbidden one.
      const project_id = request.scopeOfList('quota', null)
      const { rows, links } = await listPage(db, config, request, listed, { project_id })
      return { quotas: rows.map(showQuotaInList), quotas_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/quotas/:project_id',
    summary: 'Show the quota of a project',
    answer: shows('quota', Quota),
    policies: ['os_load-balancer_api:quota:get_one'],
    async handler(request) {
      const { project_id } = request.params
      request.authorize('os_load-balancer_api:quota:get_one', project_id)
      return { quota: showQuota(project_id, await findQuota(db, project_id), config) }
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/quotas/:project_id',
    summary: 'Set the quota of a project',
    answer: accepts('quota', Quota),
    policies: ['os_load-balancer_api:quota:put'],
    body: updateBody,
    async handler(request, reply) {
      const { project_id } = request.params
      request.authorize('os_load-balancer_api:quota:put', project_id)
      const row = await setQuota(db, project_id, quotaChanges(request.body))
      return reply.code(202).send({ quota: showQuota(project_id, row, config) })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/quotas/:project_id',
    summary: 'Reset the quota of a project to the defaults',
    answer: acceptsSilently,
    policies: ['os_load-balancer_api:quota:delete'],
    mayRepeat: true,
    async handler(request, reply) {
      const { project_id } = request.params
      request.authorize('os_load-balancer_api:quota:delete', project_id)
      if (!(await resetQuota(db, project_id))) throw notFound('Quotas', project_id)
      return reply.code(202).send()
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/quotas/:project_id/default',
    summary: 'Show what a project may have where nothing was set for it',
    answer: shows('quota', Quota),
    policies: ['os_load-balancer_api:quota:get_defaults'],
    async handler(request) {
      const { project_id } = request.params
      request.authorize('os_load-balancer_api:quota:get_defaults', project_id)
      return { quota: showQuota(project_id, undefined, config) }
    },
  })
}
