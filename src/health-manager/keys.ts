/** The keys that a packet may be signed with. */
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'
import type { HealthManagerContext } from './context.ts'

/** Whoever sends what cannot be verified is looked for in the database this often at most. */
const LOOK_UP_INTERVAL_MS = 5_000
const MAX_ADDRESSES = 50_000
/** Amphorae whose keys need not be derived for each of their packets. */
const MAX_DERIVED = 50_000
/** Amphorae with the same address; there is one, and another while it is being replaced. */
const MAX_AMPHORAE = 4

/**
 * Our controllers give each amphora a key of its own, whatever agent is on it. Our agents name the amphora in their packets; of an upstream's agent that
 * has such a key it is known by its address.
 */
export class Keys {
  readonly #context: HealthManagerContext
  /** Newest first. */
  readonly #common: () => readonly string[]
  #derived = new Map<string, string[]>()
  #derivedFrom: readonly string[] = []
  readonly #amphoraeAt = new Map<string, { ids: string[]; asked: number }>()

  constructor(context: HealthManagerContext, common: () => readonly string[]) {
    this.#context = context
    this.#common = common
  }

  /** Those that all agents of an Octavia's controller share. */
  common(): readonly string[] {
    return this.#common()
  }

  of(amphora_id: string): readonly string[] {
    const common = this.#common()
    if (common !== this.#derivedFrom || this.#derived.size >= MAX_DERIVED) {
      this.#derived = new Map()
      this.#derivedFrom = common
    }
    let keys = this.#derived.get(amphora_id)
    if (keys === undefined) {
      keys = common.map((key) => heartbeatKeyOf(amphora_id, key))
      this.#derived.set(amphora_id, keys)
    }
    return keys
  }

  /** As it was when it was looked up last. */
  amphoraeAt(address: string): readonly string[] {
    return this.#amphoraeAt.get(address)?.ids ?? []
  }

  mayLookUp(address: string): boolean {
    const known = this.#amphoraeAt.get(address)
    return known === undefined || this.#context.clock.monotonic() - known.asked >= LOOK_UP_INTERVAL_MS
  }

  async lookUp(addresses: readonly string[]): Promise<void> {
    const rows = await this.#context.db
      .selectFrom('amphora')
      .select(['id', 'lb_network_ip'])
      .where('lb_network_ip', 'in', addresses)
      .where('status', '!=', 'DELETED')
      .execute()
    const asked = this.#context.clock.monotonic()
    if (this.#amphoraeAt.size + addresses.length > MAX_ADDRESSES) this.#amphoraeAt.clear()
    for (const address of addresses) {
      const ids = rows.filter(({ lb_network_ip }) => lb_network_ip === address).map(({ id }) => id)
      this.#amphoraeAt.set(address, { ids: ids.slice(0, MAX_AMPHORAE), asked })
    }
  }
}
