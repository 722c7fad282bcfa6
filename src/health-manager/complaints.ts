/** What is refused or wrong, counted by kind; of each kind a line in the log now and then, for anybody can send packets. */
import type { HealthManagerContext } from './context.ts'

const INTERVAL_MS = 10_000

export class Complaints {
  readonly #context: Pick<HealthManagerContext, 'clock' | 'log'>
  readonly #kinds = new Map<string, { count: number; told: number; lastTold: number }>()

  constructor(context: Pick<HealthManagerContext, 'clock' | 'log'>) {
    this.#context = context
  }

  /** `details` are shown of one that stands for all since the last line. Kinds are the program's, not a sender's: each is kept for ever. */
  add(kind: string, text: string, details: Record<string, unknown>, count = 1): void {
    const known = this.#kinds.get(kind) ?? { count: 0, told: 0, lastTold: Number.NEGATIVE_INFINITY }
    this.#kinds.set(kind, known)
    known.count += count
    const now = this.#context.clock.monotonic()
    if (now - known.lastTold < INTERVAL_MS) return
    this.#context.log.warn({ kind, since_last: known.count - known.told, in_all: known.count, ...details }, text)
    known.lastTold = now
    known.told = known.count
  }
}
