import { options } from '../../config/options.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Identity, IdentityDriver } from './driver.ts'
import { RememberedIdentities } from './remembered.ts'
import { type TokenRules, withTokenRules } from './token-rules.ts'

/** What this driver needs of the embedded identity service (`embedded/identity/service.ts`). */
export interface TokenValidator {
  /** Null when the token is not valid (any more). With `allowExpired` one that expired a while ago still is. */
  identify(token: string, allowExpired?: boolean): Promise<Identity | null>
  /** Grows with every change made through this process that can make a token invalid or change its roles. */
  readonly generation: number
}

/** For how long another process's revocation may go unseen; this process's own counts at once. */
const REMEMBERED_MS = 1_000

/**
 * Tokens checked in this process, against the embedded identity's tables. Answers are remembered for a second, so that a client's burst
 * of requests costs one look into the tables.
 */
export function embeddedIdentityDriver(validator: TokenValidator, clock: Clock, rules: TokenRules = defaultRules): IdentityDriver {
  const remembered = new RememberedIdentities(clock, REMEMBERED_MS)
  let knownGeneration = validator.generation

  return withTokenRules(
    {
      async find(token, allowExpired) {
        if (knownGeneration !== validator.generation) {
          remembered.clear()
          knownGeneration = validator.generation
        }
        const name = remembered.nameOf(token)
        const known = remembered.get(name)
        if (known !== undefined) return known
        const { generation } = validator
        const askedAt = clock.monotonic()
        const identity = await validator.identify(token, allowExpired)
        // A change that happened meanwhile may not be in the answer: it is given, but not remembered.
        if (identity !== null && generation === validator.generation && knownGeneration === generation) {
          remembered.set(name, identity, askedAt)
        }
        return identity
      },
    },
    rules,
    clock,
  )
}

const { service_token_roles, service_token_roles_required, service_type } = options.keystone_authtoken
const defaultRules: TokenRules = {
  service_token_roles: service_token_roles.default,
  service_token_roles_required: service_token_roles_required.default,
  service_type: service_type.default,
}
