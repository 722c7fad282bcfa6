/** What became of requests, counted as a user would: by what was lost and why. */

/**
 * `refused`: a new connection was not made. `closed`: it closed before any answer. `broken`: an answer had begun and broke off. `status`: an
 * answer that was no success. `late`: nothing for as long as a client waits. `retry failed`: a kept-alive connection that was idle closed
 * under a request, and so did the new one that the request was repeated on.
 */
export const lossKinds = ['refused', 'closed', 'broken', 'status', 'late', 'retry failed'] as const
export type Loss = (typeof lossKinds)[number]

/** How long the answers took, in buckets of a tenth of a millisecond up to ten seconds; the last holds all above. */
const BUCKETS_PER_MS = 10
const BUCKETS = 100_000
const MOST_EXAMPLES = 50

export interface LoadReport {
  /** Requests answered or lost, on new connections and on kept ones. */
  requests: { fresh: number; kept: number }
  lost: Record<Loss, number>
  /** A kept-alive connection closed under a request, and the one retry succeeded: no loss, as HTTP clients repeat by themselves (RFC 9112, 9.3.1). */
  retried: number
  /** When (milliseconds since the epoch), to what, and how requests were lost; the first ones. */
  examples: { at: number; target: string; loss: Loss; detail: string }[]
  /** Requests that ended in each whole second of the run. */
  perSecond: number[]
  /** Milliseconds. */
  p50: number
  p99: number
  longest: number
}

export class Outcomes {
  readonly #started = performance.now()
  readonly #requests = { fresh: 0, kept: 0 }
  readonly #lost = Object.fromEntries(lossKinds.map((kind) => [kind, 0])) as Record<Loss, number>
  readonly #examples: LoadReport['examples'] = []
  readonly #perSecond: number[] = []
  readonly #buckets = new Uint32Array(BUCKETS + 1)
  #longest = 0
  #retried = 0

  answered(on: 'fresh' | 'kept', ms: number, { retried = false } = {}): void {
    this.#ended(on)
    if (retried) this.#retried++
    this.#longest = Math.max(this.#longest, ms)
    this.#buckets[Math.min(Math.floor(ms * BUCKETS_PER_MS), BUCKETS)]!++
  }

  lost(on: 'fresh' | 'kept', target: string, loss: Loss, detail: string): void {
    this.#ended(on)
    this.#lost[loss]++
    if (this.#examples.length < MOST_EXAMPLES) this.#examples.push({ at: Date.now(), target, loss, detail })
  }

  #ended(on: 'fresh' | 'kept'): void {
    this.#requests[on]++
    const second = Math.floor((performance.now() - this.#started) / 1_000)
    this.#perSecond[second] = (this.#perSecond[second] ?? 0) + 1
  }

  /** How many requests have been answered or lost. */
  get ended(): number {
    return this.#requests.fresh + this.#requests.kept
  }

  report(): LoadReport {
    return {
      requests: { ...this.#requests },
      lost: { ...this.#lost },
      retried: this.#retried,
      examples: this.#examples,
      // A second in which nothing ended is a hole in the array.
      perSecond: Array.from(this.#perSecond, (count) => count ?? 0),
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      longest: this.#longest,
    }
  }

  #quantile(part: number): number {
    const total = this.#buckets.reduce((sum, count) => sum + count, 0)
    let seen = 0
    const bucket = this.#buckets.findIndex((count) => {
      seen += count
      return seen >= part * total
    })
    return bucket / BUCKETS_PER_MS
  }
}
