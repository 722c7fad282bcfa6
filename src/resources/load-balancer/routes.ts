import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { acceptsSilently, creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { missingProject, noObjectSupplied, notFound, validationFailure } from '../../api/faults.ts'
import { type ListSpec, listPage } from '../../api/listing.ts'
import { isTrueWord } from '../../api/query.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { LoadBalancerRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { boolean } from '../fields.ts'
import { sumStatistics } from '../listener/repository.ts'
import { Statistics } from '../listener/schema.ts'
import { newlyUpdated } from '../row-fields.ts'
import { References } from '../tls-references.ts'
import { checkActionSupported, checkLoadBalancerSupported } from '../unsupported.ts'
import { requesterOf, visibleQosPolicy, visibleSecurityGroup, visibleSubnet } from '../visible-networks.ts'
import { createLoadBalancer } from './create-flow.ts'
import { deleteLoadBalancer } from './delete-flow.ts'
import { failoverLoadBalancer } from './failover-flow.ts'
import { choose, holdChosen } from './offer.ts'
import { memberSubnetsIn, populate, referencesIn } from './populate.ts'
import {
  type ChildIds,
  childIds,
  findLoadBalancer,
  findLoadBalancerOnPort,
  findLoadBalancerWithChildIds,
  insertLoadBalancer,
  lockLoadBalancerForDelete,
  lockLoadBalancerForFailover,
  lockLoadBalancerForUpdate,
  updateLoadBalancer,
} from './repository.ts'
import { loadBalancerChanges, newLoadBalancer, showLoadBalancer, showLoadBalancerInTree } from './row.ts'
import { LoadBalancer, LoadBalancerCreate, LoadBalancerTree, LoadBalancerUpdate, StatusTree } from './schema.ts'
import { showStatusTree } from './status-tree.ts'
import { loadTree } from './tree.ts'
import { updateLoadBalancer as updateLoadBalancerFlow } from './update-flow.ts'
import { checkVipNetwork, checkVnicType, placeVip } from './vip.ts'
import { dropReservation, withVipPort } from './vip-port.ts'

const createBody = bodyKind('load_balancer', 'loadbalancer', LoadBalancerCreate, () => noObjectSupplied('loadbalancer'))
const updateBody = bodyKind('load_balancer', 'loadbalancer', LoadBalancerUpdate, () => noObjectSupplied('loadbalancer'))

const listed: ListSpec<'load_balancer', ChildIds> = {
  table: 'load_balancer',
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
    'vip_address',
    'vip_port_id',
    'vip_subnet_id',
    'vip_network_id',
    'vip_qos_policy_id',
    'vip_vnic_type',
    'provider',
    'flavor_id',
    'availability_zone',
    'topology',
  ],
  hidden: { column: 'provisioning_status', value: 'DELETED' },
  extras: childIds,
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function loadBalancerRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock, network } = context

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/loadbalancers',
    summary: 'List load balancers',
    answer: lists('loadbalancers', LoadBalancer, listed),
    policies: ['os_load-balancer_api:loadbalancer:get_all', 'os_load-balancer_api:loadbalancer:get_all-global'],
    async handler(request) {
      const project_id = request.scopeOfList('loadbalancer')
      const { rows, links } = await listPage(db, config, request, listed, { project_id })
      const loadbalancers = rows.map((row) => shownTo(request, config, row, showLoadBalancer(row)))
      return { loadbalancers, loadbalancers_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/loadbalancers/:id',
    summary: 'Show a load balancer',
    answer: shows('loadbalancer', LoadBalancer),
    policies: ['os_load-balancer_api:loadbalancer:get_one'],
    async handler(request) {
      const { id } = request.params
      const row = await findLoadBalancerWithChildIds(db, id)
      if (!row) throw notFound('Load Balancer', id)
      request.authorize('os_load-balancer_api:loadbalancer:get_one', row.project_id)
      return { loadbalancer: shownTo(request, config, row, showLoadBalancer(row)) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/loadbalancers',
    summary: 'Create a load balancer, alone or with all that belongs to it',
    answer: creates('loadbalancer', LoadBalancerTree),
    policies: ['os_load-balancer_api:loadbalancer:post', 'os_load-balancer_api:loadbalancer:post:vip_sg_ids'],
    body: createBody,
    async handler(request, reply) {
      const { body, caller } = request
      const project_id = body.project_id || caller.project_id
      if (!project_id) throw missingProject()
      request.authorize('os_load-balancer_api:loadbalancer:post', project_id)
      if (body.vip_sg_ids !== undefined) request.authorize('os_load-balancer_api:loadbalancer:post:vip_sg_ids', project_id)
      const requester = requesterOf(request, config, project_id)
      const place = await placeVip(body, network, config, requester)
      const chosen = await choose(context, body)
      checkLoadBalancerSupported(context, chosen, body)
      checkVipNetwork(place.network_id, chosen.zone, config)
      const vip_vnic_type = chosen.flavor.sriov_vip ? 'direct' : 'normal'
      checkVnicType(vip_vnic_type, body.vip_sg_ids)
      for (const subnet_id of memberSubnetsIn(body)) await visibleSubnet(network, subnet_id, requester)

      const references = new References(context, caller)
      await references.lookUp(referencesIn(body, context))
      const id = randomUUID()
      const loadbalancer = await withVipPort(context, { id, project_id }, place, (port) =>
        references.during((checks) =>
          db.transaction().execute(async (tx) => {
            await dropReservation(tx, id, port)
            await takeQuota(tx, config, 'load_balancer', project_id)
            const other = port.vip_port_owned ? undefined : await findLoadBalancerOnPort(tx, port.vip_port_id)
            if (other) throw validationFailure(`Port ${port.vip_port_id} is already used by device lb-${other.id} `)
            await holdChosen(tx, body)
            const row = newLoadBalancer(body, { ...port, id, project_id, place, vip_vnic_type, chosen }, clock)
            await insertLoadBalancer(tx, row)
            const { listeners, pools } = await populate(tx, context, row, body, checks(id))
            await startFlow(tx, createLoadBalancer, { load_balancer_id: id }, { subject: id })
            return showLoadBalancerInTree(row, listeners, pools)
          }),
        ),
      )
      return reply.code(201).send({ loadbalancer })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/loadbalancers/:id',
    summary: 'Update a load balancer',
    answer: shows('loadbalancer', LoadBalancer),
    policies: ['os_load-balancer_api:loadbalancer:put', 'os_load-balancer_api:loadbalancer:put:vip_sg_ids'],
    body: updateBody,
    async handler(request) {
      const { id } = request.params
      const update = request.body
      const present = await requireLoadBalancer(id)
      request.authorize('os_load-balancer_api:loadbalancer:put', present.project_id)
      if (update.vip_sg_ids !== undefined) request.authorize('os_load-balancer_api:loadbalancer:put:vip_sg_ids', present.project_id)
      // Asks the network service, hence before the transaction.
      const { vip_qos_policy_id } = update
      if (vip_qos_policy_id && vip_qos_policy_id !== present.vip_qos_policy_id) {
        await visibleQosPolicy(network, vip_qos_policy_id, requesterOf(request, config, present.project_id))
      }
      for (const group of update.vip_sg_ids ?? []) {
        await visibleSecurityGroup(network, group, requesterOf(request, config, present.project_id))
      }
      checkVnicType(present.vip_vnic_type, update.vip_sg_ids)
      return db.transaction().execute(async (tx) => {
        await lockLoadBalancerForUpdate(tx, id)
        checkLoadBalancerSupported(context, present, update)
        const row = await findLoadBalancerWithChildIds(tx, id)
        if (!row) throw notFound('Load Balancer', id)
        const changes = { ...loadBalancerChanges(update), ...newlyUpdated(clock) }
        await updateLoadBalancer(tx, id, changes)
        const updated = { ...row, ...changes }
        const former_vip_sg_ids = row.vip_sg_ids.filter((group) => !updated.vip_sg_ids.includes(group))
        await startFlow(tx, updateLoadBalancerFlow, { load_balancer_id: id, former_vip_sg_ids }, { subject: id })
        return { loadbalancer: showLoadBalancer(updated) }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/loadbalancers/:id',
    summary: 'Delete a load balancer',
    query: { cascade: boolean({ description: 'with all that belongs to it', default: false }) },
    answer: deletes,
    policies: ['os_load-balancer_api:loadbalancer:delete'],
    async handler(request, reply) {
      const { id } = request.params
      const cascade = isTrueWord(request.query.cascade)
      await db.transaction().execute(async (tx) => {
        const row = await findLoadBalancerWithChildIds(tx, id)
        if (!row) throw notFound('Load Balancer', id)
        request.authorize('os_load-balancer_api:loadbalancer:delete', row.project_id)
        const hasChildren = row.listener_ids !== null || row.pool_ids !== null
        if (hasChildren && !cascade) throw validationFailure(`Cannot delete Load Balancer ${id} - it has children`)
        await lockLoadBalancerForDelete(tx, id)
        await startFlow(tx, deleteLoadBalancer, { load_balancer_id: id, cascade }, { subject: id })
      })
      return reply.code(204).send()
    },
  })

  // The second spelling is that of the LBaaS of Neutron.
  for (const path of ['/v2/lbaas/loadbalancers/:id/status', '/v2/lbaas/loadbalancers/:id/statuses'] as const) {
    route(api, {
      method: 'GET',
      path,
      summary: 'Show the statuses of a load balancer and of all that serves it',
      answer: shows('statuses', StatusTree),
      policies: ['os_load-balancer_api:loadbalancer:get_status'],
      async handler(request) {
        const { id } = request.params
        const row = await requireLoadBalancer(id)
        request.authorize('os_load-balancer_api:loadbalancer:get_status', row.project_id)
        const tree = await loadTree(db, id)
        if (!tree) throw notFound('Load Balancer', id)
        return { statuses: await showStatusTree(db, tree) }
      },
    })
  }

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/loadbalancers/:id/stats',
    summary: 'Show what passed through a load balancer',
    answer: shows('stats', Statistics),
    policies: ['os_load-balancer_api:loadbalancer:get_stats'],
    async handler(request) {
      const { id } = request.params
      const row = await requireLoadBalancer(id)
      request.authorize('os_load-balancer_api:loadbalancer:get_stats', row.project_id)
      return { stats: await sumStatistics(db, 'listener_statistics', 'load_balancer_id', id) }
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/loadbalancers/:id/failover',
    summary: 'Replace the amphorae of a load balancer',
    answer: acceptsSilently,
    policies: ['os_load-balancer_api:loadbalancer:put_failover'],
    async handler(request, reply) {
      const { id } = request.params
      await db.transaction().execute(async (tx) => {
        const row = await findLoadBalancer(tx, id)
        if (!row) throw notFound('Load Balancer', id)
        request.authorize('os_load-balancer_api:loadbalancer:put_failover', row.project_id)
        await lockLoadBalancerForFailover(tx, id)
        checkActionSupported(context, row, 'failover')
        await startFlow(tx, failoverLoadBalancer, { load_balancer_id: id }, { subject: id })
      })
      return reply.code(202).send()
    },
  })

  async function requireLoadBalancer(id: string): Promise<LoadBalancerRow> {
    const row = await findLoadBalancer(db, id)
    if (!row) throw notFound('Load Balancer', id)
    return row
  }
}
