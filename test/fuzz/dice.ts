import { seededRandom } from '../support/random.ts'

/** Choices that are the same in every run with the same seed. */
export class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16)).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
}
