/** Fields stand in upstream's order (`octavia/api/v2/types/member.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { boolean, changes, commonFields, integer, ipAddress, nullable, oneOf, port, projectId, serverSet, shown, uuid } from '../fields.ts'

const { name, admin_state_up, tags } = commonFields

const before = {
  name,
  admin_state_up,
  address: ipAddress(),
  protocol_port: port(),
  weight: integer({ minimum: 0, maximum: 256, default: 1 }),
  backup: boolean({ default: false }),
  subnet_id: nullable(uuid()),
}
const after = {
  monitor_port: nullable(port()),
  monitor_address: nullable(ipAddress()),
  tags,
  request_sriov: boolean({ default: false }),
}

const { request_sriov: _, ...shownAfter } = after

/** In answers: alone, in a list and within a tree. */
export const Member = Type.Object(
  { ...shown({ ...before, ...shownAfter }), vnic_type: oneOf(['normal', 'direct']), ...serverSet },
  { title: 'Member' },
)
export type Member = Static<typeof Member>

export const MemberCreate = Type.Object({ ...before, project_id: projectId, ...after })
export type MemberCreate = Static<typeof MemberCreate>

/** Within a fully populated create. */
export const MemberInTree = Type.Object({ ...before, ...after }, { title: 'MemberInTree' })
export type MemberInTree = Static<typeof MemberInTree>

/** Within a batch update: a member as at its creation; of one that is there already, name and tags stay when they are left out. */
export const MemberInBatch = Type.Object(
  {
    ...before,
    name: Type.Optional(nullable(name)),
    project_id: projectId,
    ...after,
    tags: Type.Optional(nullable(tags)),
  },
  { title: 'MemberInBatch' },
)
export type MemberInBatch = Static<typeof MemberInBatch>

export const MemberUpdate = changes(MemberCreate, ['name', 'admin_state_up', 'weight', 'backup', 'monitor_port', 'monitor_address', 'tags'])
export type MemberUpdate = Static<typeof MemberUpdate>
