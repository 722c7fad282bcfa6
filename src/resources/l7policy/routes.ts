import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { invalidL7PolicyArguments, notFound } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { Tx } from '../../db/connection.ts'
import type { ListenerRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { listL7RuleIdsOfPolicies } from '../l7rule/repository.ts'
import { checkListenerAndPool, checkTakesChildren } from '../listener/checks.ts'
import { findListener, setListenersProvisioningStatus } from '../listener/repository.ts'
import { findLoadBalancer, lockLoadBalancer } from '../load-balancer/repository.ts'
import { findPool } from '../pool/repository.ts'
import { newlyUpdated, refuseChildren } from '../row-fields.ts'
import { checkHasTarget } from './checks.ts'
import { storeNewL7Policy } from './create.ts'
import { createL7Policy } from './create-flow.ts'
import { deleteL7Policy } from './delete-flow.ts'
import { findL7Policy, moveL7Policy, updateL7Policy } from './repository.ts'
import { l7policyChanges, newL7Policy, showL7Policy } from './row.ts'
import { L7Policy, L7PolicyCreate, L7PolicyUpdate } from './schema.ts'
import { updateL7Policy as updateL7PolicyFlow } from './update-flow.ts'

const createBody = bodyKind('l7policy_', 'l7policy', L7PolicyCreate)
const updateBody = bodyKind('l7policy_', 'l7policy', L7PolicyUpdate)

const listed: ListSpec<'l7policy'> = {
  table: 'l7policy',
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
    'listener_id',
    'action',
    'redirect_pool_id',
    'redirect_url',
    'redirect_prefix',
    'redirect_http_code',
    'position',
  ],
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function l7policyRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/l7policies',
    summary: 'List l7policies',
    answer: lists('l7policies', L7Policy, listed),
    policies: ['os_load-balancer_api:l7policy:get_all', 'os_load-balancer_api:l7policy:get_all-global'],
    async handler(request) {
      const project_id = request.scopeOfList('l7policy')
      const { rows, links } = await listPage(db, config, request, listed, project_id === null ? {} : { project_id })
      const ruleIds = await listL7RuleIdsOfPolicies(
        db,
        rows.map(({ id }) => id),
      )
      const l7policies = rows.map((row) => shownTo(request, config, row, showL7Policy(row, ruleIds.get(row.id) ?? [])))
      return { l7policies, l7policies_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/l7policies/:id',
    summary: 'Show an l7policy',
    answer: shows('l7policy', L7Policy),
    policies: ['os_load-balancer_api:l7policy:get_one'],
    async handler(request) {
      const { id } = request.params
      const policy = await findL7Policy(db, id)
      if (!policy) throw notFound('L7 Policy', id)
      request.authorize('os_load-balancer_api:l7policy:get_one', policy.project_id)
      const ruleIds = await listL7RuleIdsOfPolicies(db, [id])
      return { l7policy: shownTo(request, config, policy, showL7Policy(policy, ruleIds.get(id) ?? [])) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/l7policies',
    summary: 'Create an l7policy',
    answer: creates('l7policy', L7Policy),
    policies: ['os_load-balancer_api:l7policy:post'],
    body: createBody,
    async handler(request, reply) {
      const { body } = request
      const { listener_id, redirect_pool_id } = body
      const policy = await db.transaction().execute(async (tx) => {
        const listener = await findListener(tx, listener_id)
        if (!listener) throw notFound('Listener', listener_id)
        const { project_id, load_balancer_id } = listener
        request.authorize('os_load-balancer_api:l7policy:post', project_id)
        checkTakesChildren(listener)
        await checkRedirectPool(tx, listener, redirect_pool_id)
        await takeQuota(tx, config, 'l7policy', project_id)
        const policy = newL7Policy(body, { project_id, listener_id, redirect_pool_id }, clock)
        const loadBalancer = await findLoadBalancer(tx, load_balancer_id)
        if (!loadBalancer) throw notFound('Load Balancer', load_balancer_id)
        await lockLoadBalancer(tx, load_balancer_id)
        await setListenersProvisioningStatus(tx, [listener_id], 'PENDING_UPDATE')
        const stored = await storeNewL7Policy(tx, context, policy, listener, loadBalancer)
        refuseChildren('l7policy', { rules: body.rules })
        const params = { l7policy_id: stored.id, listener_id, load_balancer_id }
        await startFlow(tx, createL7Policy, params, { subject: load_balancer_id })
        return stored
      })
      return reply.code(201).send({ l7policy: showL7Policy(policy, []) })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/l7policies/:id',
    summary: 'Update an l7policy',
    answer: shows('l7policy', L7Policy),
    policies: ['os_load-balancer_api:l7policy:put'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      return db.transaction().execute(async (tx) => {
        const policy = await findL7Policy(tx, id)
        if (!policy) throw notFound('L7 Policy', id)
        const { listener_id } = policy
        request.authorize('os_load-balancer_api:l7policy:put', policy.project_id)
        if (Object.keys(update).length === 0) throw invalidL7PolicyArguments('Invalid update options')
        const changes = { ...l7policyChanges(update), ...newlyUpdated(clock) }
        const { action, ...targets } = { ...policy, ...changes }
        checkHasTarget(action, targets)
        const listener = await findListener(tx, listener_id)
        if (!listener) throw notFound('Listener', listener_id)
        const { load_balancer_id } = listener
        await checkRedirectPool(tx, listener, changes.redirect_pool_id ?? null)
        await lockLoadBalancer(tx, load_balancer_id)
        await setListenersProvisioningStatus(tx, [listener_id], 'PENDING_UPDATE')
        await updateL7Policy(tx, id, changes)
        if (update.position) await moveL7Policy(tx, policy, update.position)
        await startFlow(tx, updateL7PolicyFlow, { l7policy_id: id, listener_id, load_balancer_id }, { subject: load_balancer_id })
        const ruleIds = await listL7RuleIdsOfPolicies(tx, [id])
        return { l7policy: showL7Policy((await findL7Policy(tx, id))!, ruleIds.get(id) ?? []) }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/l7policies/:id',
    summary: 'Delete an l7policy',
    answer: deletes,
    policies: ['os_load-balancer_api:l7policy:delete'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const policy = await findL7Policy(tx, id)
        if (!policy) throw notFound('L7 Policy', id)
        const { listener_id } = policy
        request.authorize('os_load-balancer_api:l7policy:delete', policy.project_id)
        const listener = await findListener(tx, listener_id)
        if (!listener) throw notFound('Listener', listener_id)
        const { load_balancer_id } = listener
        await lockLoadBalancer(tx, load_balancer_id)
        await setListenersProvisioningStatus(tx, [listener_id], 'PENDING_UPDATE')
        await updateL7Policy(tx, id, { provisioning_status: 'PENDING_DELETE' })
        await startFlow(tx, deleteL7Policy, { l7policy_id: id, listener_id, load_balancer_id }, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })
}

async function checkRedirectPool(tx: Tx, listener: ListenerRow, pool_id: string | null): Promise<void> {
  if (pool_id !== null) checkListenerAndPool(listener, pool_id, await findPool(tx, pool_id))
}
