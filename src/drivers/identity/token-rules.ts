/**
 * When a token that the identity service knows is good for a request: its expiry, service tokens, and the access rules of application
 * credentials. The same for all backends; the rules are keystonemiddleware's (`auth_token/__init__.py`).
 */
import type { Options } from '../../config/options.ts'
import type { Clock } from '../../lib/clock.ts'
import type { AccessRule, Identity, IdentityDriver, TokenUse } from './driver.ts'

/** What backends know. */
export interface TokenSource {
  /** Null when the token is not valid. With `allowExpired` also a token that expired a while ago is. */
  find(token: string, allowExpired: boolean): Promise<Identity | null>
}

export type TokenRules = Pick<Options['keystone_authtoken'], 'service_token_roles' | 'service_token_roles_required' | 'service_type'>

export function withTokenRules(source: TokenSource, rules: TokenRules, clock: Clock): IdentityDriver {
  const isExpired = ({ expires_at }: Identity) => !(Date.parse(expires_at) > clock.now())

  async function serviceOf(token: string): Promise<{ identity: Identity; hasRole: boolean } | null> {
    const identity = await source.find(token, false)
    if (identity === null || isExpired(identity)) return null
    const hasRole = identity.roles.some((role) => rules.service_token_roles.includes(role))
    return hasRole || !rules.service_token_roles_required ? { identity, hasRole } : null
  }

  return {
    async validate(token, use) {
      const service = use?.service_token ? await serviceOf(use.service_token.trim()) : undefined
      if (service === null) return null
      const allowExpired = service?.hasRole ?? false
      const identity = await source.find(token.trim(), allowExpired)
      if (identity === null || (!allowExpired && isExpired(identity))) return null
      if (identity.access_rules && !isWithin(identity.access_rules, use, rules.service_type)) return null
      if (service === undefined) return identity
      const { user_id, project_id, roles } = service.identity
      return { ...identity, service: { user_id, project_id, roles } }
    },
  }
}

/** A request that a service passes on is not the user's own, so his rules were asked there. */
function isWithin(rules: readonly AccessRule[], use: TokenUse | undefined, service_type: string | null): boolean {
  if (use === undefined || service_type === null) return false
  if (use.service_token) return true
  return rules.some(({ service, method, path }) => service === service_type && method === use.method && matches(path, use.path))
}

/**
 * `*` and `{name}` are one segment, `**` is anything. Users write the patterns, so no regular expression is made of them: this takes at most
 * the length of the pattern times that of the path.
 */
function matches(pattern: string, path: string): boolean {
  /** Whether what was read of the pattern so far can end before that character of the path. */
  let ends = [true, ...Array.from(path, () => false)]
  for (const part of pattern.split(/(\{[^}]*\}|\*\*|\*)/)) {
    const next = ends.map(() => false)
    let isUnderWay = false
    for (const [index, isEnd] of ends.entries()) {
      if (part === '**') {
        isUnderWay ||= isEnd
        next[index] = isUnderWay
      } else if (part === '*' || part.startsWith('{')) {
        isUnderWay = (isUnderWay || isEnd) && path[index] !== '/'
        if (isUnderWay && index < path.length) next[index + 1] = true
      } else if (isEnd && path.startsWith(part, index)) {
        next[index + part.length] = true
      }
    }
    ends = next
  }
  return ends[path.length]!
}
