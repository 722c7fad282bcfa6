import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { invalidSubresource, nameInUse, notFound, objectInUse } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { findAvailabilityZoneProfileToUse } from '../availability-zone-profile/repository.ts'
import {
  deleteAvailabilityZone,
  findAvailabilityZone,
  findAvailabilityZoneToChange,
  insertAvailabilityZone,
  isAvailabilityZoneInUse,
  updateAvailabilityZone,
} from './repository.ts'
import { availabilityZoneChanges } from './row.ts'
import { AvailabilityZone, AvailabilityZoneCreate, AvailabilityZoneUpdate } from './schema.ts'

const createBody = bodyKind('availability_zone_', 'availability_zone', AvailabilityZoneCreate)
const updateBody = bodyKind('availability_zone_', 'availability_zone', AvailabilityZoneUpdate)

/** By name, as it is their key; upstream cannot go on from a marker. */
const listed: ListSpec<'availability_zone'> = {
  table: 'availability_zone',
  columns: ['name', 'description', 'enabled', 'availability_zone_profile_id'],
  order: ['name'],
}

/** Availability zones belong to no project: everyone may look, admins make them. */
export function availabilityZoneRoutes(api: FastifyInstance, { db, config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/availabilityzones',
    summary: 'List availability zones',
    answer: lists('availability_zones', AvailabilityZone, listed),
    policies: ['os_load-balancer_api:availability-zone:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:availability-zone:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return { availability_zones: rows.map((row) => selectFields(request.query, config, row)), availability_zones_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/availabilityzones/:name',
    summary: 'Show an availability zone',
    answer: shows('availability_zone', AvailabilityZone),
    policies: ['os_load-balancer_api:availability-zone:get_one'],
    async handler(request) {
      const { name } = request.params
      request.authorize('os_load-balancer_api:availability-zone:get_one', request.caller.project_id)
      const zone = await findAvailabilityZone(db, name)
      if (!zone) throw notFound('Availability Zone', name)
      return { availability_zone: selectFields(request.query, config, zone) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/availabilityzones',
    summary: 'Create an availability zone',
    answer: creates('availability_zone', AvailabilityZone),
    policies: ['os_load-balancer_api:availability-zone:post'],
    body: createBody,
    async handler(request, reply) {
      request.authorize('os_load-balancer_api:availability-zone:post', request.caller.project_id)
      const zone = request.body
      await db.transaction().execute(async (tx) => {
        const profile = await findAvailabilityZoneProfileToUse(tx, zone.availability_zone_profile_id)
        if (!(await insertAvailabilityZone(tx, zone))) throw nameInUse('availability zone', zone.name)
        // Upstream's database refuses it, with 500.
        if (!profile) throw invalidSubresource('Availability Zone Profile', zone.availability_zone_profile_id)
      })
      return reply.code(201).send({ availability_zone: zone })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/availabilityzones/:name',
    summary: 'Update an availability zone',
    answer: shows('availability_zone', AvailabilityZone),
    idArgument: 'name',
    policies: ['os_load-balancer_api:availability-zone:put'],
    body: updateBody,
    async handler(request) {
      const { name } = request.params
      request.authorize('os_load-balancer_api:availability-zone:put', request.caller.project_id)
      const changes = availabilityZoneChanges(request.body)
      return db.transaction().execute(async (tx) => {
        const row = await findAvailabilityZoneToChange(tx, name)
        if (!row) throw notFound('Availability Zone', name)
        await updateAvailabilityZone(tx, name, changes)
        return { availability_zone: { ...row, ...changes } }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/availabilityzones/:name',
    summary: 'Delete an availability zone',
    answer: deletes,
    idArgument: 'availability_zone_name',
    policies: ['os_load-balancer_api:availability-zone:delete'],
    async handler(request, reply) {
      const { name } = request.params
      request.authorize('os_load-balancer_api:availability-zone:delete', request.caller.project_id)
      await db.transaction().execute(async (tx) => {
        if (!(await findAvailabilityZoneToChange(tx, name))) throw notFound('Availability Zone', name)
        if (await isAvailabilityZoneInUse(tx, name)) throw objectInUse('Availability Zone', name)
        await deleteAvailabilityZone(tx, name)
      })
      return reply.code(204).send()
    },
  })
}
