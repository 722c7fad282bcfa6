/** What a flow was told a moment ago of things that hardly change, so that its steps, and those of a pair's amphorae side by side, ask once. */
import { currentActivity } from '../../lib/activity.ts'

/** A flow may take longer than what it was told is good for. */
const GOOD_FOR_MS = 60_000
const MAX_REMEMBERED = 1_000

export class ToldToFlows {
  readonly #answers = new Map<string, { answer: Promise<unknown>; until: number }>()

  /** What `ask` answers, or has answered to the same flow. Who is not in a flow asks himself. In: what it is about. */
  async once<T>(about: string, ask: () => Promise<T>): Promise<T> {
    const flow_id = currentActivity()?.flow_id
    if (flow_id === undefined) return ask()
    const key = `${flow_id} ${about}`
    const now = performance.now()
    const told = this.#answers.get(key)
    if (told !== undefined && now < told.until) return told.answer as Promise<T>
    const answer = ask()
    // In the order in which they were told.
    this.#answers.delete(key)
    this.#answers.set(key, { answer, until: now + GOOD_FOR_MS })
    if (this.#answers.size > MAX_REMEMBERED) this.#answers.delete(this.#answers.keys().next().value!)
    answer.catch(() => this.#answers.delete(key))
    return answer
  }
}
