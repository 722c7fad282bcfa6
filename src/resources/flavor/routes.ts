import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { invalidSubresource, nameInUse, notFound, objectInUse } from '../../api/faults.ts'
import { type ListSpec, listPage, selectFields } from '../../api/listing.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { findFlavorProfileToUse } from '../flavor-profile/repository.ts'
import { deleteFlavor, findFlavor, findFlavorToChange, insertFlavor, isFlavorInUse, isFlavorNameTaken, updateFlavor } from './repository.ts'
import { flavorChanges, newFlavor } from './row.ts'
import { Flavor, FlavorCreate, FlavorUpdate } from './schema.ts'

const createBody = bodyKind('flavor_', 'flavor', FlavorCreate)
const updateBody = bodyKind('flavor_', 'flavor', FlavorUpdate)

const listed: ListSpec<'flavor'> = {
  table: 'flavor',
  columns: ['id', 'name', 'description', 'enabled', 'flavor_profile_id'],
  order: ['id'],
}

/** Flavors belong to no project: everyone may look, admins make them. */
export function flavorRoutes(api: FastifyInstance, { db, config }: ApiContext): void {
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/flavors',
    summary: 'List flavors',
    answer: lists('flavors', Flavor, listed),
    policies: ['os_load-balancer_api:flavor:get_all'],
    async handler(request) {
      request.authorize('os_load-balancer_api:flavor:get_all', request.caller.project_id)
      const { rows, links } = await listPage(db, config, request, listed)
      return { flavors: rows.map((row) => selectFields(request.query, config, row)), flavors_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/flavors/:id',
    summary: 'Show a flavor',
    answer: shows('flavor', Flavor),
    policies: ['os_load-balancer_api:flavor:get_one'],
    async handler(request) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:flavor:get_one', request.caller.project_id)
      const flavor = await findFlavor(db, id)
      if (!flavor) throw notFound('Flavor', id)
      return { flavor: selectFields(request.query, config, flavor) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/flavors',
    summary: 'Create a flavor',
    answer: creates('flavor', Flavor),
    policies: ['os_load-balancer_api:flavor:post'],
    body: createBody,
    async handler(request, reply) {
      request.authorize('os_load-balancer_api:flavor:post', request.caller.project_id)
      const flavor = newFlavor(request.body)
      await db.transaction().execute(async (tx) => {
        const profile = await findFlavorProfileToUse(tx, flavor.flavor_profile_id)
        if (!(await insertFlavor(tx, flavor))) throw nameInUse('flavor', flavor.name)
        // Upstream's database refuses it, with 500.
        if (!profile) throw invalidSubresource('Flavor profile', flavor.flavor_profile_id)
      })
      return reply.code(201).send({ flavor })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/flavors/:id',
    summary: 'Update a flavor',
    answer: shows('flavor', Flavor),
    policies: ['os_load-balancer_api:flavor:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:flavor:put', request.caller.project_id)
      const changes = flavorChanges(request.body)
      return db.transaction().execute(async (tx) => {
        const row = await findFlavorToChange(tx, id)
        if (!row) throw notFound('Flavor', id)
        // Upstream's database refuses it, with 500.
        if (changes.name !== undefined && (await isFlavorNameTaken(tx, changes.name, id))) throw nameInUse('flavor', changes.name)
        await updateFlavor(tx, id, changes)
        return { flavor: { ...row, ...changes } }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/flavors/:id',
    summary: 'Delete a flavor',
    answer: deletes,
    idArgument: 'flavor_id',
    policies: ['os_load-balancer_api:flavor:delete'],
    async handler(request, reply) {
      const { id } = request.params
      request.authorize('os_load-balancer_api:flavor:delete', request.caller.project_id)
      await db.transaction().execute(async (tx) => {
        if (!(await findFlavorToChange(tx, id))) throw notFound('Flavor', id)
        if (await isFlavorInUse(tx, id)) throw objectInUse('Flavor', id)
        await deleteFlavor(tx, id)
      })
      return reply.code(204).send()
    },
  })
}
