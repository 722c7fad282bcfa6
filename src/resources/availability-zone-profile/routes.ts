import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { invalidOption, notFound, objectInUse } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import type { Db } from '../../db/connection.ts'
import { providerNamed } from '../provider/metadata.ts'
import { checkAvailabilityZoneData } from './checks.ts'
import {
  deleteAvailabilityZoneProfile,
  findAvailabilityZoneProfile,
  findAvailabilityZoneProfileToChange,
  insertAvailabilityZoneProfile,
  isAvailabilityZoneProfileInUse,
  updateAvailabilityZoneProfile,
} from './repository.ts'
import { availabilityZoneProfileChanges, newAvailabilityZoneProfile } from './row.ts'
import { AvailabilityZoneProfile, AvailabilityZoneProfileCreate, AvailabilityZoneProfileUpdate } from './schema.ts'

const createBody = bodyKind('availability_zone_profile_', 'availability_zone_profile', AvailabilityZoneProfileCreate)
const updateBody = bodyKind('availability_zone_profile_', 'availability_zone_profile', AvailabilityZoneProfileUpdate)

const listed: ListSpec<'availability_zone_profile'> = {
  table: 'availability_zone_profile',
  columns: ['id', 'name', 'provider_name', 'availability_zone_data'],
  order: ['id'],
}

/** For admins only. The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function availabilityZoneProfileRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/availabilityzoneprofiles',
    summary: 'List availability zone profiles',
    answer: lists('availability_zone_profiles', AvailabilityZoneProfile, listed, 'availability_zone_profile_links'),
    policies: ['os_load-balancer_api:availability-zone-profile:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:availability-zone-profile:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return {
        availability_zone_profiles: rows.map((row) => selectFields(request.query, config, row)),
        availability_zone_profile_links: links,
      }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/availabilityzoneprofiles/:id',
    summary: 'Show an availability zone profile',
    answer: shows('availability_zone_profile', AvailabilityZoneProfile),
    policies: ['os_load-balancer_api:availability-zone-profile:get_one'],
    async handler(request) {
      request.authorize('os_load-balancer_api:availability-zone-profile:get_one', request.caller.project_id)
      return { availability_zone_profile: selectFields(request.query, config, await requireAvailabilityZoneProfile(db, request.params.id)) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/availabilityzoneprofiles',
    summary: 'Create an availability zone profile',
    answer: creates('availability_zone_profile', AvailabilityZoneProfile),
    policies: ['os_load-balancer_api:availability-zone-profile:post'],
    body: createBody,
    async handler(request, reply) {
      request.authorize('os_load-balancer_api:availability-zone-profile:post', request.caller.project_id)
      const availability_zone_profile = newAvailabilityZoneProfile(request.body)
      await checkAvailabilityZoneData(
        context,
        providerNamed(availability_zone_profile.provider_name),
        availability_zone_profile.availability_zone_data,
      )
      await db.transaction().execute((tx) => insertAvailabilityZoneProfile(tx, availability_zone_profile))
      return reply.code(201).send({ availability_zone_profile })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/availabilityzoneprofiles/:id',
    summary: 'Update an availability zone profile',
    answer: shows('availability_zone_profile', AvailabilityZoneProfile),
    policies: ['os_load-balancer_api:availability-zone-profile:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      request.authorize('os_load-balancer_api:availability-zone-profile:put', request.caller.project_id)
      for (const field of ['name', 'provider_name', 'availability_zone_data'] as const) {
        if (update[field] === null) throw invalidOption('None', field)
      }
      const { availability_zone_data, provider_name } = update
      const changesMeaning = availability_zone_data !== undefined || provider_name !== undefined
      if (changesMeaning && (await isAvailabilityZoneProfileInUse(db, id))) throw objectInUse('Availability Zone Profile', id)
      if (typeof availability_zone_data === 'string') {
        const provider = provider_name ?? (await requireAvailabilityZoneProfile(db, id)).provider_name
        // The word is upstream's.
        await checkAvailabilityZoneData(context, providerNamed(provider), availability_zone_data, 'flavor_data')
      }
      return db.transaction().execute(async (tx) => {
        const row = await findAvailabilityZoneProfileToChange(tx, id)
        if (!row) throw notFound('Availability Zone Profile', id)
        if (changesMeaning && (await isAvailabilityZoneProfileInUse(tx, id))) throw objectInUse('Availability Zone Profile', id)
        const changes = availabilityZoneProfileChanges(update)
        await updateAvailabilityZoneProfile(tx, id, changes)
        return { availability_zone_profile: { ...row, ...changes } }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/availabilityzoneprofiles/:id',
    summary: 'Delete an availability zone profile',
    answer: deletes,
    idArgument: 'availability_zone_profile_id',
    policies: ['os_load-balancer_api:availability-zone-profile:delete'],
    async handler(request, reply) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:availability-zone-profile:delete', request.caller.project_id)
      await db.transaction().execute(async (tx) => {
        const row = await findAvailabilityZoneProfileToChange(tx, id)
        if (await isAvailabilityZoneProfileInUse(tx, id)) throw objectInUse('Availability Zone Profile', id)
        if (!row) throw notFound('Availability Zone Profile', id)
        await deleteAvailabilityZoneProfile(tx, id)
      })
      return reply.code(204).send()
    },
  })
}

async function requireAvailabilityZoneProfile(db: Db, id: string): Promise<AvailabilityZoneProfile> {
  const row = await findAvailabilityZoneProfile(db, id)
  if (!row) throw notFound('Availability Zone Profile', id)
  return row
}
