/**
 * What one process of an installation has at a time, and another takes over when it dies, stands still or no longer reaches the database. The holder
 * counts in the database; who waits watches the count, so no two clocks are compared, and a database that was away makes nobody suspicious.
 * A predecessor that may still be there is killed before anything is done in its place.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '../db/connection.ts'
import { endProcessOf, isDead } from '../flow/worker-identity.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { LeaseRow } from './tables.ts'

const BEAT_MS = 1_000
/** A holder that does not count for so long, while it could, has lost it. */
const LEASE_MS = 5_000

export interface LeaseContext {
  readonly db: Db
  readonly clock: Clock
  readonly log: Log
}

export class Lease {
  readonly #context: LeaseContext
  readonly #wanted: Omit<LeaseRow, 'beats'>
  /** What was seen last, and since when without a change. */
  #seen: { holder: string; beats: number; since: number } | undefined
  #beating: NodeJS.Timeout | undefined

  /** In: what it is called, the process that wants it, and the installation to which the holder must belong. */
  constructor(context: LeaseContext, wanted: Omit<LeaseRow, 'beats'>) {
    this.#context = context
    this.#wanted = wanted
  }

  /** Resolves when it is ours. Throws when it belongs to another installation, or `signal` aborts. */
  async take(signal: AbortSignal): Promise<void> {
    while (!(await this.tryToTake())) await sleep(BEAT_MS, undefined, { signal })
  }

  /** False while another has it, or the database is away. */
  async tryToTake(): Promise<boolean> {
    const { clock, log } = this.#context
    let row: LeaseRow | undefined
    try {
      row = await this.#find()
    } catch (error) {
      // Perhaps the holder could not count either.
      this.#seen = undefined
      log.warn({ error: String(error) }, `cannot look who has ${this.#wanted.name}`)
      return false
    }
    if (row === undefined) return this.#insert()
    const { name, holder, place } = this.#wanted
    if (row.holder === holder) return true
    if (row.place !== place) {
      throw new Error(`the ${name} cloud of this database belongs to another state directory; only processes that share one can take over`)
    }
    if (this.#seen?.holder !== row.holder || this.#seen.beats !== row.beats) {
      this.#seen = { holder: row.holder, beats: row.beats, since: clock.monotonic() }
    }
    if (!isDead(row.holder) && clock.monotonic() - this.#seen.since < LEASE_MS) return false
    if (!(await this.#replace(row))) return false
    log.warn({ predecessor: row.holder }, `${name} is taken over`)
    await endProcessOf(row.holder)
    return true
  }

  /** Counts from now on; `onLost` is called once when another has taken it over. */
  keep(onLost: () => void): void {
    const { db, log } = this.#context
    const { name, holder } = this.#wanted
    let isCounting = false
    this.#beating = setInterval(() => {
      if (isCounting) return
      isCounting = true
      db.updateTable('lease')
        .set((expression) => ({ beats: expression('beats', '+', 1) }))
        .where('name', '=', name)
        .where('holder', '=', holder)
        .executeTakeFirst()
        .then(
          ({ numUpdatedRows }) => {
            if (numUpdatedRows > 0n || this.#beating === undefined) return
            clearInterval(this.#beating)
            onLost()
          },
          (error) => log.warn({ error: String(error) }, `cannot say that ${name} is here`),
        )
        .finally(() => {
          isCounting = false
        })
    }, BEAT_MS)
  }

  /** Another may have it at once. */
  async giveBack(): Promise<void> {
    clearInterval(this.#beating)
    this.#beating = undefined
    const { name, holder } = this.#wanted
    await this.#context.db.deleteFrom('lease').where('name', '=', name).where('holder', '=', holder).execute()
  }

  #find(): Promise<LeaseRow | undefined> {
    return this.#context.db.selectFrom('lease').selectAll().where('name', '=', this.#wanted.name).executeTakeFirst()
  }

  async #insert(): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await this.#context.db
      .insertInto('lease')
      .values({ ...this.#wanted, beats: 0 })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst()
    return (numInsertedOrUpdatedRows ?? 0n) > 0n
  }

  /** False when the holder has counted meanwhile, or somebody else was quicker. */
  async #replace({ name, holder, beats }: LeaseRow): Promise<boolean> {
    const { numUpdatedRows } = await this.#context.db
      .updateTable('lease')
      .set({ holder: this.#wanted.holder, beats: beats + 1 })
      .where('name', '=', name)
      .where('holder', '=', holder)
      .where('beats', '=', beats)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }
}
