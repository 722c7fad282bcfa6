import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { notFound } from '../../api/faults.ts'
import { checkPageArguments, type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { MemberRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { findHealthMonitorOfPool } from '../health-monitor/repository.ts'
import { sumStatistics } from '../listener/repository.ts'
import { Statistics } from '../listener/schema.ts'
import { lockPool } from '../pool/repository.ts'
import { newlyUpdated } from '../row-fields.ts'
import { requesterOf, visibleSubnet } from '../visible-networks.ts'
import { memberBatchRoutes } from './batch-routes.ts'
import { checkAddressNotReserved } from './checks.ts'
import { checkSriovAllowed, storeNewMember } from './create.ts'
import { createMember } from './create-flow.ts'
import { deleteMember } from './delete-flow.ts'
import { findMember, findPoolInPath, updateMember } from './repository.ts'
import { memberChanges, newMember, showMember } from './row.ts'
import { Member, MemberCreate, MemberUpdate } from './schema.ts'
import { updateMember as updateMemberFlow } from './update-flow.ts'

const createBody = bodyKind('member_', 'member', MemberCreate)
const updateBody = bodyKind('member_', 'member', MemberUpdate)

const listed: ListSpec<'member'> = {
  table: 'member',
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
    'address',
    'protocol_port',
    'weight',
    'backup',
    'subnet_id',
    'monitor_address',
    'monitor_port',
    'vnic_type',
  ],
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function memberRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock, network } = context
  const parent = async ({ pool_id }: { pool_id: string }) => {
    await findPoolInPath(db, pool_id)
  }

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/pools/:pool_id/members',
    summary: 'List the members of a pool',
    answer: lists('members', Member, listed),
    policies: ['os_load-balancer_api:member:get_all'],
    async handler(request) {
      const { pool_id } = request.params
      const pool = await findPoolInPath(db, pool_id)
      request.authorize('os_load-balancer_api:member:get_all', pool.project_id)
      const { rows, links } = await listPage(db, config, request, listed, { pool_id })
      return { members: rows.map((row) => shownTo(request, config, row, showMember(row))), members_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/pools/:pool_id/members/:id',
    summary: 'Show a member',
    answer: shows('member', Member),
    policies: ['os_load-balancer_api:member:get_one'],
    async handler(request) {
      const { pool_id, id } = request.params
      await findPoolInPath(db, pool_id)
      checkPageArguments(request.query)
      const member = await findMember(db, id)
      if (!member) throw notFound('Member', id)
      request.authorize('os_load-balancer_api:member:get_one', member.project_id)
      checkIsIn(pool_id, member)
      return { member: shownTo(request, config, member, showMember(member)) }
    },
  })

  // Ours.
  route(api, {
    method: 'GET',
    path: '/v2/lbaas/pools/:pool_id/members/:id/stats',
    summary: 'Show what passed through a member',
    answer: shows('stats', Statistics),
    policies: ['os_load-balancer_api:member:get_stats'],
    async handler(request) {
      const { pool_id, id } = request.params
      await findPoolInPath(db, pool_id)
      const member = await findMember(db, id)
      if (!member) throw notFound('Member', id)
      request.authorize('os_load-balancer_api:member:get_stats', member.project_id)
      checkIsIn(pool_id, member)
      return { stats: await sumStatistics(db, 'member_statistics', 'member_id', id) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/pools/:pool_id/members',
    summary: 'Create a member',
    answer: creates('member', Member),
    policies: ['os_load-balancer_api:member:post'],
    parent,
    body: createBody,
    async handler(request, reply) {
      const { pool_id } = request.params
      const { body } = request
      // The network is asked with no transaction open; what may change meanwhile is looked at again below, under the lock.
      const { project_id } = await findPoolInPath(db, pool_id)
      request.authorize('os_load-balancer_api:member:post', project_id)
      checkAddressNotReserved(body.address, config)
      if (body.subnet_id !== null) await visibleSubnet(network, body.subnet_id, requesterOf(request, config, project_id))
      const member = await db.transaction().execute(async (tx) => {
        const pool = await findPoolInPath(tx, pool_id)
        await takeQuota(tx, config, 'member', project_id)
        await checkSriovAllowed(tx, config, pool.load_balancer_id, [body])
        const monitored = (await findHealthMonitorOfPool(tx, pool_id)) !== undefined
        const member = newMember(body, { project_id, pool_id }, monitored, clock)
        await lockPool(tx, pool)
        await storeNewMember(tx, context, pool, member)
        const { load_balancer_id } = pool
        await startFlow(tx, createMember, { member_id: member.id, pool_id, load_balancer_id }, { subject: load_balancer_id })
        return member
      })
      return reply.code(201).send({ member: showMember(member) })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/pools/:pool_id/members/:id',
    summary: 'Update a member',
    answer: shows('member', Member),
    policies: ['os_load-balancer_api:member:put'],
    parent,
    body: updateBody,
    async handler(request) {
      const { pool_id, id } = request.params
      const update = request.body
      return db.transaction().execute(async (tx) => {
        const pool = await findPoolInPath(tx, pool_id)
        const member = await findMember(tx, id)
        if (!member) throw notFound('Member', id)
        request.authorize('os_load-balancer_api:member:put', member.project_id)
        checkIsIn(pool_id, member)
        await lockPool(tx, pool)
        const changes = { ...memberChanges(update), ...newlyUpdated(clock) }
        await updateMember(tx, id, changes)
        const { load_balancer_id } = pool
        await startFlow(tx, updateMemberFlow, { member_id: id, pool_id, load_balancer_id }, { subject: load_balancer_id })
        return { member: showMember({ ...member, ...changes }) }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/pools/:pool_id/members/:id',
    summary: 'Delete a member',
    answer: deletes,
    policies: ['os_load-balancer_api:member:delete'],
    parent,
    async handler(request, reply) {
      const { pool_id, id } = request.params
      await db.transaction().execute(async (tx) => {
        const pool = await findPoolInPath(tx, pool_id)
        const member = await findMember(tx, id)
        if (!member) throw notFound('Member', id)
        request.authorize('os_load-balancer_api:member:delete', member.project_id)
        checkIsIn(pool_id, member)
        await lockPool(tx, pool)
        await updateMember(tx, id, { provisioning_status: 'PENDING_DELETE' })
        const { load_balancer_id } = pool
        await startFlow(tx, deleteMember, { member_id: id, pool_id, load_balancer_id }, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })

  memberBatchRoutes(api, context)
}

function checkIsIn(pool_id: string, member: MemberRow): void {
  if (member.pool_id !== pool_id) throw notFound('Member', member.id)
}
