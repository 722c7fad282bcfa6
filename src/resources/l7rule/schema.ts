/** Fields stand in upstream's order (`octavia/api/v2/types/l7rule.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { boolean, changes, commonFields, nullable, oneOf, projectId, serverSet, shown } from '../fields.ts'

const types = ['HOST_NAME', 'PATH', 'FILE_TYPE', 'HEADER', 'COOKIE', 'SSL_CONN_HAS_CERT', 'SSL_VERIFY_RESULT', 'SSL_DN_FIELD'] as const
const compareTypes = ['REGEX', 'STARTS_WITH', 'ENDS_WITH', 'CONTAINS', 'EQUAL_TO'] as const

const oneLine = Type.String({ maxLength: 255, pattern: '^[^\\r\\n]*$' })

const fields = {
  type: oneOf(types),
  compare_type: oneOf(compareTypes),
  key: nullable(oneLine),
  value: oneLine,
  invert: boolean({ default: false }),
  admin_state_up: commonFields.admin_state_up,
  project_id: projectId,
  tags: commonFields.tags,
}

const { project_id: _, ...ownFields } = fields

/** In answers: alone, in a list and within a tree. */
export const L7Rule = Type.Object({ ...shown(ownFields), ...serverSet }, { title: 'L7Rule' })
export type L7Rule = Static<typeof L7Rule>

export const L7RuleCreate = Type.Object(fields)
export type L7RuleCreate = Static<typeof L7RuleCreate>

/** Within a fully populated create. */
export const L7RuleInTree = Type.Omit(L7RuleCreate, ['project_id'], { title: 'L7RuleInTree' })
export type L7RuleInTree = Static<typeof L7RuleInTree>

export const L7RuleUpdate = changes(L7RuleCreate, ['type', 'compare_type', 'key', 'value', 'invert', 'admin_state_up', 'tags'])
export type L7RuleUpdate = Static<typeof L7RuleUpdate>
