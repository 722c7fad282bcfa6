/** Keeps the walls of this state as the rows want them: one nft call per change, with nothing but what differs. */
import { randomBytes } from 'node:crypto'
import { exec } from '../../lib/exec.ts'
import { nftScript } from './kernel.ts'
import type { NetworkNames } from './names.ts'
import { changeScript, fullScript, type Ruleset } from './ruleset.ts'
import { type WallsInput, wallsOf } from './walls.ts'

/** How often a rebuild is tried while another process (the lab's command beside the controller) changes the walls too. */
const MAX_ATTEMPTS = 5

export class WallKeeper {
  readonly #names: NetworkNames
  readonly #read: () => Promise<WallsInput>
  /** What the kernel has, unless another process has been there: then the stamp differs. */
  #present: { ruleset: Ruleset; stamp: string } | undefined
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
    if (this.#present !== undefined) {
      const { ruleset, stamp } = this.#present
      const wanted = wallsOf(this.#names, await this.#read())
      const next = newStamp()
      try {
        const script = changeScript(ruleset, wanted, { expected: stamp, next })
        if (script === '') return
        await nftScript(script)
        this.#present = { ruleset: wanted, stamp: next }
        return
      } catch {
        // Another process has changed the tables, so that the change does not fit them; the rebuild says what is wrong if it is something else.
        this.#present = undefined
      }
    }
    await this.#rebuild()
  }

  /** The stamp is read before the rows: whoever changes the walls in between makes our script fail, and we read again. */
  async #rebuild(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const expected = await this.#stampInKernel()
      const ruleset = wallsOf(this.#names, await this.#read())
      const next = newStamp()
      try {
        await nftScript(fullScript(ruleset, { expected, next }))
        this.#present = { ruleset, stamp: next }
        return
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS) throw error
      }
    }
  }

  async #stampInKernel(): Promise<string | null> {
    const { code, stdout } = await exec('nft', ['list', 'chains', 'inet'], { anyStatus: true })
    if (code !== 0) return null
    const ours = stdout.split(/^table /m).find((table) => table.startsWith(`inet ${this.#names.table} `))
    return ours?.match(/chain (stamp_[0-9a-f]+)/)?.[1] ?? null
  }
}

const newStamp = () => `stamp_${randomBytes(6).toString('hex')}`
