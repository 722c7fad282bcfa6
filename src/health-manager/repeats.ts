/**
 * Which packets were heard before. It forgets with the process, and whom it has not heard for longest when there are too many; what our agents send is
 * also told from a repetition by its number in the database (`admission.ts`).
 */
const MARKS = 64
/** Amphorae, or amphorae and controllers; a few tens of megabytes at most. */
const MAX_SENDERS = 50_000

export class Repeats {
  /** By amphora and controller. */
  readonly #numbers = new Map<string, number>()
  /** By amphora and address, as a ring. */
  readonly #marks = new Map<string, { marks: BigUint64Array; next: number }>()

  /** Of our agents: whether one with this number or a higher one was heard already; if not, it is now. */
  hasNumber(amphora_id: string, controller: string, seq: number): boolean {
    const key = `${amphora_id} ${controller}`
    if (seq <= (this.#numbers.get(key) ?? 0)) return true
    renew(this.#numbers, key, seq)
    return false
  }

  /** Of upstream's agents: whether one of the last packets has the same mark. */
  hasMark(amphora_id: string, address: string, mark: bigint): boolean {
    const key = `${amphora_id} ${address}`
    const known = this.#marks.get(key) ?? { marks: new BigUint64Array(MARKS), next: 0 }
    if (known.marks.includes(mark)) return true
    known.marks[known.next] = mark
    known.next = (known.next + 1) % MARKS
    renew(this.#marks, key, known)
    return false
  }
}

function renew<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  if (map.size >= MAX_SENDERS) map.delete(map.keys().next().value!)
  map.set(key, value)
}
