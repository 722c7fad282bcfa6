/** How an l7rule's row comes from a body, and what an answer shows of it. */
import type { L7RuleRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import { checkL7RuleData } from './checks.ts'
import type { L7Rule, L7RuleCreate, L7RuleInTree, L7RuleUpdate } from './schema.ts'

type Parents = Pick<L7RuleRow, 'project_id' | 'l7policy_id'>

/** Throws 400 where type, comparison, key and value don't go together. */
export function newL7Rule(body: L7RuleCreate | L7RuleInTree, parents: Parents, clock: Clock): L7RuleRow {
  checkL7RuleData(body)
  return {
    ...newlyCreated(clock),
    ...parents,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    type: body.type,
    compare_type: body.compare_type,
    key: body.key,
    value: body.value,
    invert: body.invert,
  }
}

/** In: an update whose data `checkL7RuleData` has accepted together with the rule's. */
export function l7ruleChanges(update: L7RuleUpdate, rule: L7RuleRow): Partial<L7RuleRow> {
  const changes = changedFields<L7RuleUpdate, L7RuleRow>(update, {
    admin_state_up: false,
    tags: undefined,
    type: undefined,
    compare_type: undefined,
    value: undefined,
    invert: false,
  })
  if (usesNoKey(changes.type ?? rule.type)) changes.key = null
  return changes
}

/** What rules of these types compare has no name, so an update drops the key (upstream: `L7RuleRepository.update`). */
function usesNoKey(type: L7RuleRow['type']): boolean {
  return type === 'HOST_NAME' || type === 'PATH' || type === 'FILE_TYPE'
}

/** The same shape alone, in a list and within a tree. */
export function showL7Rule(rule: L7RuleRow): L7Rule {
  const { l7policy_id: _, fault: __, ...fields } = rule
  return { ...fields, tenant_id: rule.project_id }
}
