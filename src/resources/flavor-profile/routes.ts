import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { type Fault, invalidOption, notFound, objectInUse } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import type { Db } from '../../db/connection.ts'
import { providerNamed } from '../provider/metadata.ts'
import { checkFlavorData } from './checks.ts'
import {
  deleteFlavorProfile,
  findFlavorProfile,
  findFlavorProfileToChange,
  insertFlavorProfile,
  isFlavorProfileInUse,
  updateFlavorProfile,
} from './repository.ts'
import { flavorProfileChanges, newFlavorProfile } from './row.ts'
import { FlavorProfile, FlavorProfileCreate, FlavorProfileUpdate } from './schema.ts'

const createBody = bodyKind('flavor_profile_', 'flavorprofile', FlavorProfileCreate)
const updateBody = bodyKind('flavor_profile_', 'flavorprofile', FlavorProfileUpdate)

const listed: ListSpec<'flavor_profile'> = {
  table: 'flavor_profile',
  columns: ['id', 'name', 'provider_name', 'flavor_data'],
  order: ['id'],
}

/** For admins only. The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function flavorProfileRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/flavorprofiles',
    summary: 'List flavor profiles',
    answer: lists('flavorprofiles', FlavorProfile, listed, 'flavorprofile_links'),
    policies: ['os_load-balancer_api:flavor-profile:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:flavor-profile:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return { flavorprofiles: rows.map((row) => selectFields(request.query, config, row)), flavorprofile_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/flavorprofiles/:id',
    summary: 'Show a flavor profile',
    answer: shows('flavorprofile', FlavorProfile),
    policies: ['os_load-balancer_api:flavor-profile:get_one'],
    async handler(request) {
      request.authorize('os_load-balancer_api:flavor-profile:get_one', request.caller.project_id)
      return { flavorprofile: selectFields(request.query, config, await requireFlavorProfile(db, request.params.id)) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/flavorprofiles',
    summary: 'Create a flavor profile',
    answer: creates('flavorprofile', FlavorProfile),
    policies: ['os_load-balancer_api:flavor-profile:post'],
    body: createBody,
    async handler(request, reply) {
      request.authorize('os_load-balancer_api:flavor-profile:post', request.caller.project_id)
      const flavorprofile = newFlavorProfile(request.body)
      await checkFlavorData(context, providerNamed(flavorprofile.provider_name), flavorprofile.flavor_data)
      await db.transaction().execute((tx) => insertFlavorProfile(tx, flavorprofile))
      return reply.code(201).send({ flavorprofile })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/flavorprofiles/:id',
    summary: 'Update a flavor profile',
    answer: shows('flavorprofile', FlavorProfile),
    policies: ['os_load-balancer_api:flavor-profile:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      request.authorize('os_load-balancer_api:flavor-profile:put', request.caller.project_id)
      for (const field of ['name', 'provider_name', 'flavor_data'] as const) {
        if (update[field] === null) throw invalidOption('None', field)
      }
      const { flavor_data, provider_name } = update
      const changesMeaning = flavor_data !== undefined || provider_name !== undefined
      if (changesMeaning && (await isFlavorProfileInUse(db, id))) throw objectInUse('Flavor profile', id)
      if (typeof flavor_data === 'string') {
        const provider = provider_name ?? (await requireFlavorProfile(db, id)).provider_name
        await checkFlavorData(context, providerNamed(provider), flavor_data)
      }
      return db.transaction().execute(async (tx) => {
        const row = await findFlavorProfileToChange(tx, id)
        if (!row) throw profileNotFound(id)
        if (changesMeaning && (await isFlavorProfileInUse(tx, id))) throw objectInUse('Flavor profile', id)
        const changes = flavorProfileChanges(update)
        await updateFlavorProfile(tx, id, changes)
        return { flavorprofile: { ...row, ...changes } }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/flavorprofiles/:id',
    summary: 'Delete a flavor profile',
    answer: deletes,
    idArgument: 'flavor_profile_id',
    policies: ['os_load-balancer_api:flavor-profile:delete'],
    async handler(request, reply) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:flavor-profile:delete', request.caller.project_id)
      await db.transaction().execute(async (tx) => {
        const row = await findFlavorProfileToChange(tx, id)
        if (await isFlavorProfileInUse(tx, id)) throw objectInUse('Flavor profile', id)
        if (!row) throw notFound('Flavor profile', id)
        await deleteFlavorProfile(tx, id)
      })
      return reply.code(204).send()
    },
  })
}

async function requireFlavorProfile(db: Db, id: string): Promise<FlavorProfile> {
  const row = await findFlavorProfile(db, id)
  if (!row) throw profileNotFound(id)
  return row
}

/** Upstream, where this id stands for what was deleted, words it so. */
const deletedId = '00000000-0000-0000-0000-000000000000'

function profileNotFound(id: string): Fault {
  return notFound(id === deletedId ? 'Flavor profile' : 'Flavor Profile', id)
}
