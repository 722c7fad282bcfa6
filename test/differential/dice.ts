/** Chance by a seed, and what is made of it. */
import { seededRandom } from '../support/random.ts'

export type Make<T = unknown> = (dice: Dice) => T

export class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** From 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Each with its weight. */
  weighted<T>(choices: readonly (readonly [number, T])[]): T {
    let rest = this.below(choices.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, value] of choices) {
      rest -= weight
      if (rest < 0) return value
    }
    throw new Error('no choices')
  }

  several<T>(most: number, make: Make<T>): T[] {
    return Array.from({ length: this.below(most + 1) }, () => make(this))
  }
}
