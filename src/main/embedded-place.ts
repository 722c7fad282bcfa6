/** Which of an installation's processes holds the embedded cloud: the links, machines and services of this machine. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { Lease, type LeaseContext } from '../controllers/lease.ts'
import { isPostgresql } from '../db/connection.ts'
import { certManagerOf } from '../drivers/certificates/index.ts'
import { identityDriverOf } from '../drivers/identity/index.ts'
import { lockState, secretOf } from './state.ts'

const LOCK_PAUSE_MS = 500

/** Whether there is anything to hold. */
export function hasEmbeddedParts(config: Config): boolean {
  const { compute_driver, network_driver } = config.controller_worker
  return (
    compute_driver === 'compute_embedded_driver' ||
    network_driver === 'network_embedded_driver' ||
    identityDriverOf(config) === 'embedded' ||
    certManagerOf(config) === 'embedded_cert_manager'
  )
}

/**
 * The place of the one process that holds it: a lease among those on one PostgreSQL database, and on this machine a lock of the kernel, which is all
 * there is on SQLite.
 */
export class EmbeddedPlace {
  readonly #lease: Lease | undefined
  readonly #stateDirectory: string
  #unlock = () => {}

  /** `holder` is this process (`flow/worker-identity.ts`). */
  constructor(context: LeaseContext, { stateDirectory, holder }: { stateDirectory: string; holder: string }) {
    this.#stateDirectory = stateDirectory
    if (!isPostgresql(context.db)) return
    this.#lease = new Lease(context, { name: 'embedded', holder, place: secretOf(stateDirectory, 'installation.id') })
  }

  /** Whether it is free, and ours now. Throws where no second process may wait for it. */
  async tryToTake(): Promise<boolean> {
    if (this.#lease === undefined) {
      this.#unlock = await lockState(this.#stateDirectory)
      return true
    }
    if (!(await this.#lease.tryToTake())) return false
    this.#unlock = await lockState(this.#stateDirectory)
    return true
  }

  /** Waits until it is ours; `signal` ends the wait. */
  async take(signal: AbortSignal): Promise<void> {
    await this.#lease?.take(signal)
    for (;;) {
      try {
        this.#unlock = await lockState(this.#stateDirectory)
        return
      } catch (error) {
        // A predecessor in another container, which could not be killed from here, or `ottavia down`.
        if (signal.aborted) throw error
        await sleep(LOCK_PAUSE_MS, undefined, { signal })
      }
    }
  }

  /** To be called once it is ours; `onLost` when another has taken it over. */
  keep(onLost: () => void): void {
    this.#lease?.keep(onLost)
  }

  async giveBack(): Promise<void> {
    this.#unlock()
    await this.#lease?.giveBack()
  }
}
