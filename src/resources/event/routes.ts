import type { FastifyInstance } from 'fastify'
import { lists } from '../../api/answer.ts'
import { notFound } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import type { EventRow } from '../../db/tables.ts'
import { timestamp } from '../../lib/clock.ts'
import { findLoadBalancer } from '../load-balancer/repository.ts'
import { Event } from './schema.ts'

const listed: ListSpec<'event'> = {
  table: 'event',
  columns: ['id', 'event', 'object_type', 'object_id', 'object_name', 'operating_status', 'count', 'duration_ms', 'outcome'],
  aliases: { started_at: 'started_at_ms' },
  order: ['started_at_ms', 'id'],
  descending: true,
}

/** Ours: what happened to a load balancer and to what is below it, the latest first. */
export function eventRoutes(api: FastifyInstance, { db, config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/loadbalancers/:id/events',
    summary: 'List what happened to a load balancer',
    answer: lists('events', Event, listed),
    policies: ['os_load-balancer_api:loadbalancer:get_events'],
    async handler(request) {
      const { id } = request.params
      const loadBalancer = await findLoadBalancer(db, id)
      if (!loadBalancer) throw notFound('Load Balancer', id)
      request.authorize('os_load-balancer_api:loadbalancer:get_events', loadBalancer.project_id)
      const { rows, links } = await listPage(db, config, request, listed, { load_balancer_id: id })
      const events = rows.map((row) => selectFields(request.query, config, showEvent(row, request.caller.is_admin)))
      return { events, events_links: links }
    },
  })
}

function showEvent({ load_balancer_id: _, started_at_ms, details, ...shown }: EventRow, toAdmin: boolean): Event {
  return { ...shown, started_at: timestamp(started_at_ms), ...(toAdmin ? { details } : {}) }
}
