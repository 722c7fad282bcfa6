/** How an l7policy's row comes from a body, and what an answer shows of it. */
import type { L7PolicyRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { idOnly } from '../fields.ts'
import type { L7Rule } from '../l7rule/schema.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import { settleRedirect } from './checks.ts'
import type { L7Policy, L7PolicyCreate, L7PolicyInTree, L7PolicyTree, L7PolicyUpdate } from './schema.ts'

type Parents = Pick<L7PolicyRow, 'project_id' | 'listener_id' | 'redirect_pool_id'>

/** Throws 400 where action and targets don't go together. In: the pool's id, which a tree knows by its name. */
export function newL7Policy(body: L7PolicyCreate | L7PolicyInTree, parents: Parents, clock: Clock): L7PolicyRow {
  const { redirect_url, redirect_prefix, redirect_http_code } = body
  return {
    ...newlyCreated(clock),
    name: body.name,
    description: body.description,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    position: body.position,
    redirect_url,
    redirect_prefix,
    redirect_http_code,
    action: body.action,
    ...parents,
    ...settleRedirect({
      action: body.action,
      redirect_pool_id: parents.redirect_pool_id,
      redirect_url,
      redirect_prefix,
      redirect_http_code,
    }),
  }
}

/** What an update stores besides the position, which moves the others too. */
export function l7policyChanges(update: L7PolicyUpdate): Partial<Omit<L7PolicyRow, 'position'>> {
  const { position: _, action: __, ...rest } = update
  const own = changedFields<typeof rest, L7PolicyRow>(rest, { name: '', description: '', admin_state_up: false, tags: undefined })
  return { ...own, ...settleRedirect(redirectOf(update)) }
}

function redirectOf(update: L7PolicyUpdate): Parameters<typeof settleRedirect>[0] {
  const { action, redirect_pool_id, redirect_url, redirect_prefix, redirect_http_code } = update
  const named = { action, redirect_pool_id, redirect_url, redirect_prefix, redirect_http_code }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

/** Alone or in a list. In: the policy and the ids of its rules. */
export function showL7Policy(policy: L7PolicyRow, l7rule_ids: string[]): L7Policy {
  return { ...ownFields(policy), rules: l7rule_ids.map(idOnly) }
}

/** Within the answer to a fully populated create: with whole rules. */
export function showL7PolicyInTree(policy: L7PolicyRow, rules: L7Rule[]): L7PolicyTree {
  return { ...ownFields(policy), rules }
}

function ownFields({ fault: _, ...fields }: L7PolicyRow) {
  return { ...fields, tenant_id: fields.project_id }
}
