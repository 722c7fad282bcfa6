import type { Clock } from '../../lib/clock.ts'
import type { Identity, IdentityDriver } from './driver.ts'

/** What this driver needs of the embedded identity service (`embedded/identity/service.ts`). */
export interface TokenValidator {
  /** Null when the token is not valid (any more). */
  identify(token: string): Promise<Identity | null>
  /** Grows with every change made through this process that can make a token invalid or change its roles. */
  readonly generation: number
}

/** For how long another process's revocation may go unseen; this process's own counts at once. */
const cacheLifetimeMs = 1_000
const cacheMaxTokens = 10_000

/**
 * Tokens checked in this process, against the embedded identity's tables. Answers are remembered for a second, so that a client's burst
 * of requests costs one look into the tables.
 */
export function embeddedIdentityDriver(validator: TokenValidator, clock: Clock): IdentityDriver {
  const known = new Map<string, { identity: Identity; until: number }>()
  let knownGeneration = validator.generation

  return {
    async validate(token) {
      if (knownGeneration !== validator.generation) {
        known.clear()
        knownGeneration = validator.generation
      }
      const remembered = known.get(token)
      if (remembered !== undefined && clock.monotonic() < remembered.until) {
        return Date.parse(remembered.identity.expires_at) > clock.now() ? remembered.identity : null
      }
      known.delete(token)
      const generation = validator.generation
      const identity = await validator.identify(token)
      // A change that happened meanwhile may not be in the answer: it is given, but not remembered.
      if (identity !== null && generation === validator.generation && knownGeneration === generation) {
        if (known.size >= cacheMaxTokens) known.clear()
        known.set(token, { identity, until: clock.monotonic() + cacheLifetimeMs })
      }
      return identity
    },
  }
}
