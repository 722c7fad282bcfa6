import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Identity } from './driver.ts'

/** What is known of so many tokens is kept; the oldest makes room. */
const MAX_REMEMBERED = 10_000

/** Answers about tokens, for a while. Kept by a keyed hash: neither a dump of the memory nor its order tells a token. */
export class RememberedIdentities {
  readonly #known = new Map<string, { identity: Identity; until: number }>()
  readonly #key = randomBytes(32)
  readonly #clock: Clock
  readonly #lifetimeMs: number

  /** In: `lifetimeMs`, from the question to the end of the answer; 0 or less remembers nothing. */
  constructor(clock: Clock, lifetimeMs: number) {
    this.#clock = clock
    this.#lifetimeMs = lifetimeMs
  }

  /** What stands for the token outside of requests. */
  nameOf(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('base64')
  }

  get(name: string): Identity | undefined {
    const found = this.#known.get(name)
    if (found !== undefined && this.#clock.monotonic() < found.until) return found.identity
    this.#known.delete(name)
    return undefined
  }

  /** In: `askedAt`, monotonic time of the question; what happened since may not be in the answer. */
  set(name: string, identity: Identity, askedAt: number): void {
    if (this.#lifetimeMs <= 0) return
    this.#known.delete(name)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < MAX_REMEMBERED) break
      this.#known.delete(oldest)
    }
    this.#known.set(name, { identity, until: askedAt + this.#lifetimeMs })
  }

  clear(): void {
    this.#known.clear()
  }
}
