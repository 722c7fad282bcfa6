/** Keeps the walls of this state as the rows want them: one nft call per change, with nothing but what differs. */
import { randomBytes } from 'node:crypto'
import { exec } from '../../lib/exec.ts'
import { nftScript } from './kernel.ts'
import type { NetworkNames } from './names.ts'
import { changeScript, fullScript, nextStamp, type Ruleset, type Stamp } from './ruleset.ts'
import { type WallsInput, wallsOf } from './walls.ts'

/** How often a rebuild is tried while another process (the lab's command beside the controller) changes the walls too. */
const MAX_ATTEMPTS = 5

export class WallKeeper {
  readonly #names: NetworkNames
  readonly #read: () => Promise<WallsInput>
  /** What the kernel has, unless another process has been there: then the stamp differs. */
  #present: { ruleset: Ruleset; stamp: Stamp } | undefined
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

  /** Rebuilds what somebody has taken away. */
  async check(): Promise<void> {
    await this.#running
    const present = this.#present
    if (present === undefined) return
    const there = await this.#stampInKernel()
    const { epoch, number } = present.stamp
    // Another process's change counts as somebody's, too; a round of ours may have been under way while we looked.
    if ((there?.epoch !== epoch || there.number !== number) && present === this.#present) await this.rebuild()
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
    const present = this.#present
    if (present !== undefined) {
      const wanted = wallsOf(this.#names, await this.#read())
      const script = changeScript(present.ruleset, wanted, present.stamp)
      if (script === '') return
      try {
        await nftScript(script)
        this.#present = { ruleset: wanted, stamp: nextStamp(present.stamp) }
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
      const present = await this.#stampInKernel()
      const ruleset = wallsOf(this.#names, await this.#read())
      const stamp = { epoch: `stamp_${randomBytes(6).toString('hex')}`, number: 1 }
      try {
        await nftScript(fullScript(ruleset, present, stamp))
        this.#present = { ruleset, stamp }
        return
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS) throw error
      }
    }
  }

  async #stampInKernel(): Promise<Stamp | null> {
    const { code, stdout } = await exec('nft', ['list', 'sets', 'inet'], { anyStatus: true })
    if (code !== 0) return null
    const ours = stdout.split(/^table /m).find((table) => table.startsWith(`inet ${this.#names.table} `))
    const [, epoch, elements] = ours?.match(/set (stamp_[0-9a-f]+) \{[^=}]*elements = \{([^}]*)\}/) ?? []
    if (epoch === undefined) return null
    return { epoch, number: Math.max(...elements!.split(',').map(Number)) }
  }
}
