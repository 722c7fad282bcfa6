/** Fields stand in upstream's order (`octavia/api/v2/types/l7policy.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import {
  changes,
  commonFields,
  description,
  IdOnly,
  integer,
  listOf,
  nullable,
  oneOf,
  projectId,
  serverSet,
  shown,
  url,
  uuid,
} from '../fields.ts'
import { L7Rule, L7RuleInTree } from '../l7rule/schema.ts'
import { PoolInTree } from '../pool/schema.ts'

const actions = ['REJECT', 'REDIRECT_TO_URL', 'REDIRECT_TO_POOL', 'REDIRECT_PREFIX'] as const
const lastPosition = 2 ** 31 - 1

const { name, admin_state_up, tags } = commonFields
const action = oneOf(actions)
const redirect_url = nullable(url())
const redirect_prefix = nullable(url())
/** The default means: after all others. */
const position = integer({ minimum: 1, maximum: lastPosition, default: lastPosition })
const redirect_http_code = nullable(oneOf([301, 302, 303, 307, 308]))

const shownFields = {
  ...shown({
    name,
    description,
    admin_state_up,
    action,
    redirect_pool_id: nullable(uuid()),
    redirect_url,
    redirect_prefix,
    redirect_http_code,
    tags,
  }),
  position: integer({ minimum: 1, maximum: lastPosition }),
  listener_id: uuid(),
  ...serverSet,
}

/** In answers, alone and in a list. */
export const L7Policy = Type.Object({ ...shownFields, rules: listOf(IdOnly) }, { title: 'L7Policy' })
export type L7Policy = Static<typeof L7Policy>

/** In the answer to a fully populated create: with whole rules. */
export const L7PolicyTree = Type.Object({ ...shownFields, rules: listOf(L7Rule) }, { title: 'L7PolicyTree' })
export type L7PolicyTree = Static<typeof L7PolicyTree>

export const L7PolicyCreate = Type.Object({
  name,
  description,
  admin_state_up,
  project_id: projectId,
  action,
  redirect_pool_id: nullable(uuid()),
  redirect_url,
  redirect_prefix,
  position,
  listener_id: uuid(),
  // Known, but to be created on their own.
  rules: listOf(L7RuleInTree, { default: [] }),
  tags,
  redirect_http_code,
})
export type L7PolicyCreate = Static<typeof L7PolicyCreate>

/** Within a fully populated create: the pool by its definition or by its name, and the rules. */
export const L7PolicyInTree = Type.Object(
  {
    name,
    description,
    admin_state_up,
    action,
    redirect_pool: nullable(PoolInTree),
    redirect_url,
    redirect_prefix,
    position,
    rules: listOf(L7RuleInTree, { default: [] }),
    tags,
    redirect_http_code,
  },
  { title: 'L7PolicyInTree' },
)
export type L7PolicyInTree = Static<typeof L7PolicyInTree>

export const L7PolicyUpdate = changes(L7PolicyCreate, [
  'name',
  'description',
  'admin_state_up',
  'action',
  'redirect_pool_id',
  'redirect_url',
  'redirect_prefix',
  'position',
  'tags',
  'redirect_http_code',
])
export type L7PolicyUpdate = Static<typeof L7PolicyUpdate>
