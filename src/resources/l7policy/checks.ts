import { invalidL7PolicyAction, invalidL7PolicyArguments } from '../../api/faults.ts'
import type { L7PolicyAction, L7PolicyRow } from '../../db/tables.ts'

type Target = Pick<L7PolicyRow, 'redirect_pool_id' | 'redirect_url' | 'redirect_prefix' | 'redirect_http_code'>

/** What says where an l7policy sends requests; what an update leaves out stays as it is. */
export type Redirect = Partial<Target> & { action?: L7PolicyAction }

/**
 * Makes action and targets agree: a target that is given decides the action and clears the other targets; where none is given, the action
 * must not lack its own. Upstream's rules and their order: `sanitize_l7policy_api_args` in `octavia/common/validate.py`.
 * Out: the fields to store. Throws 400 `Invalid L7 Policy arguments: ...`.
 */
export function settleRedirect(asked: Partial<Target> & { action?: L7PolicyAction | null }): Redirect {
  const { action, redirect_prefix: prefix, redirect_http_code: code } = asked
  if (action === null) throw invalidL7PolicyAction('None')
  checkHasTarget(action, asked)
  // An action puts aside the targets that are plainly not its own; what is left of them decides.
  const url = action === 'REJECT' || action === 'REDIRECT_TO_POOL' ? null : asked.redirect_url
  const pool = action === 'REJECT' || action === 'REDIRECT_TO_URL' ? null : asked.redirect_pool_id
  if (pool && (url || prefix)) {
    throw invalidL7PolicyArguments('Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time')
  }
  if (pool) return only('REDIRECT_TO_POOL', { redirect_pool_id: pool })
  if (url) return only('REDIRECT_TO_URL', { redirect_url: url, redirect_http_code: code || 302 })
  if (prefix) return only('REDIRECT_PREFIX', { redirect_prefix: prefix, redirect_http_code: code || 302 })
  // The code of a redirect that there is none of is kept, as upstream keeps it.
  if (action === 'REJECT') return only('REJECT', code === undefined ? {} : { redirect_http_code: code })
  const { action: _, ...targets } = asked
  return targets
}

function only(action: L7PolicyAction, target: Partial<Target>): Redirect {
  return { action, redirect_pool_id: null, redirect_url: null, redirect_prefix: null, redirect_http_code: null, ...target }
}

/** The action's own target must be there. For updates it is also asked of the result: upstream lets them take it away. */
export function checkHasTarget(action: L7PolicyAction | undefined, target: Partial<Target>): void {
  if (action === 'REDIRECT_TO_URL' && !target.redirect_url) throw invalidL7PolicyArguments('redirect_url must not be None')
  if (action === 'REDIRECT_TO_POOL' && !target.redirect_pool_id) {
    throw invalidL7PolicyArguments('redirect_pool_id or redirect_pool must not be None')
  }
  if (action === 'REDIRECT_PREFIX' && !target.redirect_prefix) throw invalidL7PolicyArguments('redirect_prefix must not be None')
}
