/** How a member's row comes from a body, and what an answer shows of it. */
import type { MemberRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import type { Member, MemberCreate, MemberInBatch, MemberInTree, MemberUpdate } from './schema.ts'

type Parents = Pick<MemberRow, 'project_id' | 'pool_id'>

/** In: `monitored`, whether the pool has a health monitor; its members are OFFLINE until their first check. */
export function newMember(
  body: MemberCreate | MemberInTree | MemberInBatch,
  parents: Parents,
  monitored: boolean,
  clock: Clock,
): MemberRow {
  return {
    ...newlyCreated(clock),
    ...parents,
    operating_status: monitored ? 'OFFLINE' : 'NO_MONITOR',
    name: body.name ?? '',
    admin_state_up: body.admin_state_up,
    tags: body.tags ?? [],
    address: body.address,
    protocol_port: body.protocol_port,
    weight: body.weight,
    backup: body.backup,
    subnet_id: body.subnet_id,
    monitor_address: body.monitor_address,
    monitor_port: body.monitor_port,
    vnic_type: body.request_sriov ? 'direct' : 'normal',
  }
}

export function memberChanges(update: MemberUpdate): Partial<MemberRow> {
  return changedFields<MemberUpdate, MemberRow>(update, {
    name: '',
    admin_state_up: false,
    tags: undefined,
    weight: 1,
    backup: false,
  })
}

/** What a batch update stores of a member that is there already: what was left out goes back to its default. */
export function memberChangesOfBatch(body: MemberInBatch): Partial<MemberRow> {
  const { name, admin_state_up, weight, backup, monitor_address, monitor_port, tags } = body
  return memberChanges({ name, admin_state_up, weight, backup, monitor_address, monitor_port, tags })
}

/** The same shape alone, in a list and within a tree. */
export function showMember(member: MemberRow): Member {
  const { pool_id: _, fault: __, ...fields } = member
  return { ...fields, tenant_id: member.project_id }
}
