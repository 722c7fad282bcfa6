/** Keeps the walls of this state as the rows want them: one nft call per change, with nothing but what differs. */
import { nftScript } from './kernel.ts'
import type { NetworkNames } from './names.ts'
import { changeScript, fullScript, type Ruleset } from './ruleset.ts'
import { type WallsInput, wallsOf } from './walls.ts'

export class WallKeeper {
  readonly #names: NetworkNames
  readonly #read: () => Promise<WallsInput>
  /** What the kernel has, as far as we know. */
  #present: Ruleset | undefined
  #running: Promise<void> = Promise.resolve()
  /** A round that has not read the rows yet; whoever asks meanwhile shares it. */
  #waiting: Promise<void> | undefined

  constructor(names: NetworkNames, read: () => Promise<WallsInput>) {
    this.#names = names
    this.#read = read
  }

  /** When it returns, the walls are at least as new as the rows were at the call. */
  refresh(): Promise<void> {
    this.#waiting ??= this.#next()
    return this.#waiting
  }

  /** As `refresh`, without trusting what we know of the kernel. */
  rebuild(): Promise<void> {
    this.forget()
    return this.refresh()
  }

  /** The tables are gone, or may be. */
  forget(): void {
    this.#present = undefined
  }

  async #next(): Promise<void> {
    await this.#running
    this.#waiting = undefined
    const round = this.#apply()
    this.#running = round.catch(() => {}) // its callers are told
    return round
  }

  async #apply(): Promise<void> {
    const wanted = wallsOf(this.#names, await this.#read())
    if (this.#present !== undefined) {
      try {
        await nftScript(changeScript(this.#present, wanted))
        this.#present = wanted
        return
      } catch {
        // Somebody else has changed our tables, so that the change does not fit them: they are laid anew, which says what is wrong if that fails too.
      }
    }
    this.#present = undefined
    await nftScript(fullScript(wanted))
    this.#present = wanted
  }
}
