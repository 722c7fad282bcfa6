/** All members of a pool at once: what the request lists is what the pool has afterwards, told apart by address and port. */
import type { FastifyInstance } from 'fastify'
import { acceptsSilently } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { Fault, immutable, validationFailure } from '../../api/faults.ts'
import { isTrueWord } from '../../api/query.ts'
import { lockQuota, takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import type { MemberRow } from '../../db/tables.ts'
import type { NetworkDriver } from '../../drivers/network/driver.ts'
import { startFlow } from '../../flow/start.ts'
import { boolean, listOf } from '../fields.ts'
import { findHealthMonitorOfPool } from '../health-monitor/repository.ts'
import { lockPool } from '../pool/repository.ts'
import { newlyUpdated } from '../row-fields.ts'
import { type Requester, requesterOf, visibleSubnet } from '../visible-networks.ts'
import { batchUpdateMembers } from './batch-update-flow.ts'
import { checkAddressNotReserved } from './checks.ts'
import { checkFamilies, checkSriovAllowed } from './create.ts'
import { findPoolInPath, insertMembers, listMembersOfPool, setMembersProvisioningStatus, updateMember } from './repository.ts'
import { memberChangesOfBatch, newMember } from './row.ts'
import { MemberInBatch } from './schema.ts'

const batchBody = bodyKind('members_', 'members', listOf(MemberInBatch))

export function memberBatchRoutes(api: FastifyInstance, context: ApiContext): void {
  const { db, config, clock, network } = context

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/pools/:pool_id/members',
    summary: 'Update all members of a pool at once',
    query: { additive_only: boolean({ description: 'leave members that the body does not list', default: false }) },
    answer: acceptsSilently,
    policies: ['os_load-balancer_api:member:post', 'os_load-balancer_api:member:put', 'os_load-balancer_api:member:delete'],
    async parent({ pool_id }) {
      await findPoolInPath(db, pool_id)
    },
    body: batchBody,
    async handler(request, reply) {
      const { pool_id } = request.params
      const wanted = request.body
      const additiveOnly = isTrueWord(request.query.additive_only)
      const { project_id } = await findPoolInPath(db, pool_id)
      request.authorize('os_load-balancer_api:member:post', project_id)
      request.authorize('os_load-balancer_api:member:put', project_id)
      if (!additiveOnly) request.authorize('os_load-balancer_api:member:delete', project_id)
      const present = await listMembersOfPool(db, pool_id)
      if (wanted.length === 0 && (additiveOnly || present.length === 0)) return reply.code(202).send()
      // The network is asked with no transaction open; what it said is judged below, where upstream asks it.
      const subnets = await lookUpSubnets(network, compare(present, wanted).created, requesterOf(request, config, project_id))

      await db.transaction().execute(async (tx) => {
        const pool = await findPoolInPath(tx, pool_id)
        await lockQuota(tx, project_id)
        await lockPool(tx, pool)
        const { created, updated, missing } = compare(await listMembersOfPool(tx, pool_id), wanted)
        const deleted = additiveOnly ? [] : missing
        for (const { address } of created) checkAddressNotReserved(address, config)
        checkListedOnce(wanted)
        await takeQuota(tx, config, 'member', project_id, created.length, deleted.length)
        for (const { subnet_id } of created) checkSubnet(subnets, subnet_id, pool_id)

        await checkSriovAllowed(tx, config, pool.load_balancer_id, created)
        const monitored = (await findHealthMonitorOfPool(tx, pool_id)) !== undefined
        const rows = created.map((body) => newMember(body, { project_id, pool_id }, monitored, clock))
        await checkFamilies(tx, context, pool, rows)
        await insertMembers(tx, rows)
        for (const { id, body } of updated) await updateMember(tx, id, { ...memberChangesOfBatch(body), ...newlyUpdated(clock) })
        await setMembersProvisioningStatus(tx, idsOf(deleted), 'PENDING_DELETE')
        const { load_balancer_id } = pool
        const ids = { created: idsOf(rows), updated: idsOf(updated), deleted: idsOf(deleted) }
        await startFlow(tx, batchUpdateMembers, { pool_id, load_balancer_id, ...ids }, { subject: load_balancer_id })
      })
      return reply.code(202).send()
    },
  })
}

type Comparison = { created: MemberInBatch[]; updated: { id: string; body: MemberInBatch }[]; missing: MemberRow[] }

function compare(present: MemberRow[], wanted: MemberInBatch[]): Comparison {
  const presentByKey = new Map(present.map((member) => [keyOf(member), member]))
  const wantedKeys = new Set(wanted.map(keyOf))
  const result: Comparison = { created: [], updated: [], missing: present.filter((member) => !wantedKeys.has(keyOf(member))) }
  for (const body of wanted) {
    const member = presentByKey.get(keyOf(body))
    if (member) result.updated.push({ id: member.id, body })
    else result.created.push(body)
  }
  return result
}

const keyOf = ({ address, protocol_port }: { address: string; protocol_port: number }) => `${address} ${protocol_port}`
const idsOf = (objects: { id: string }[]) => objects.map(({ id }) => id)

/** Upstream words it so for members that are there already, and fails on new ones. */
function checkListedOnce(wanted: MemberInBatch[]): void {
  if (new Set(wanted.map(keyOf)).size < wanted.length) {
    throw validationFailure('Member must be updated only once in the same request.')
  }
}

/** By id: null where the subnet exists, the fault where it does not. */
type Subnets = Map<string, Fault | null>

async function lookUpSubnets(network: NetworkDriver, created: MemberInBatch[], requester: Requester): Promise<Subnets> {
  const subnets: Subnets = new Map()
  for (const { subnet_id } of created) {
    if (subnet_id === null || subnets.has(subnet_id)) continue
    const fault = await visibleSubnet(network, subnet_id, requester).then(
      () => null,
      (error: unknown) => {
        if (error instanceof Fault) return error
        throw error
      },
    )
    subnets.set(subnet_id, fault)
  }
  return subnets
}

function checkSubnet(subnets: Subnets, subnet_id: string | null, pool_id: string): void {
  if (subnet_id === null) return
  const fault = subnets.get(subnet_id)
  // Nobody asked for it: the member was there a moment ago, and another request has deleted it meanwhile.
  if (fault === undefined) throw immutable('Pool', pool_id)
  if (fault !== null) throw fault
}
