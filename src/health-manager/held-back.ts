/**
 * Owners are told, by an event of their load balancer, why an amphora that is dead, or seems so, is not being replaced yet. The process remembers what it has
 * told, so that an outage costs an event an hour for each load balancer and reason, and no write in each round.
 */
import type { Db } from '../db/connection.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import { recordFailoversHeldBack } from '../resources/event/record.ts'
import type { Failure } from '../resources/failures.ts'
import type { Limit } from './begin-failovers.ts'
import type { WatchContext } from './context.ts'

/** `listening`: heartbeats may have been missed. */
export type Hindrance = Limit | 'listening'
export type Waiting = { amphora_id: string; load_balancer_id: string }

/** An outage that lasts is told of again after that. */
const SAME_EVENT_MS = 3_600_000
/** In one round; the next takes the next ones. */
const MAX_TOLD = 1_000

const words: Record<Hindrance, Failure> = {
  failover_threshold: 'failovers_stopped',
  failovers_per_minute: 'failover_waits',
  failover_threads: 'failover_waits',
  listening: 'failover_undecided',
}

export class HeldBack {
  readonly #context: Pick<WatchContext, 'db' | 'config'>
  /** When, by hindrance and load balancer; only those that still waited when it was last told of. */
  readonly #told = new Map<Hindrance, ReadonlyMap<string, number>>()

  constructor(context: Pick<WatchContext, 'db' | 'config'>) {
    this.#context = context
  }

  /** In: all that wait because of this in this round. */
  async tell(waiting: readonly Waiting[], hindrance: Hindrance, nowMs: number): Promise<void> {
    const before = this.#told.get(hindrance)
    const told = new Map<string, number>()
    const fresh = new Map<string, Waiting>()
    for (const each of waiting) {
      const { load_balancer_id } = each
      const toldAtMs = before?.get(load_balancer_id)
      if (toldAtMs !== undefined && nowMs - toldAtMs < SAME_EVENT_MS) told.set(load_balancer_id, toldAtMs)
      else if (fresh.size < MAX_TOLD) fresh.set(load_balancer_id, each)
    }
    for (const id of fresh.keys()) told.set(id, nowMs)
    this.#told.set(hindrance, told)
    if (fresh.size === 0) return
    try {
      await this.#record([...fresh.values()], hindrance, waiting.length, nowMs)
    } catch (error) {
      for (const id of fresh.keys()) told.delete(id)
      throw error
    }
  }

  #record(fresh: readonly Waiting[], hindrance: Hindrance, count: number, nowMs: number): Promise<void> {
    const details = (amphora_id: string) => `amphora ${amphora_id}: ${this.#detailsOf(hindrance, count)}`
    const period = String(Math.floor(nowMs / SAME_EVENT_MS))
    return this.#context.db
      .transaction()
      .execute((tx) => recordFailoversHeldBack(tx, fresh, { failure: words[hindrance], details, nowMs, period }))
  }

  #detailsOf(hindrance: Hindrance, waiting: number): string {
    const { heartbeat_timeout, ...limits } = this.#context.config.health_manager
    if (hindrance === 'listening')
      return `judged once heartbeats were awaited for [health_manager] heartbeat_timeout = ${heartbeat_timeout} s`
    return `[health_manager] ${hindrance} = ${limits[hindrance]}, ${waiting} wait`
  }
}

/** Those that seem silent, while nobody is judged, of load balancers that are shown as ailing: their owners wonder. */
export function listSeeminglySilent(db: Db, silentBefore: number): Promise<Waiting[]> {
  return db
    .selectFrom('amphora')
    .innerJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .innerJoin('load_balancer', 'load_balancer.id', 'amphora.loadbalancer_id')
    .select(['amphora.id as amphora_id', 'load_balancer.id as load_balancer_id'])
    .where('amphora.status', 'in', servingStatuses)
    .where('amphora_health.last_update_ms', '<', silentBefore)
    .where('amphora_health.busy', '=', false)
    .where('load_balancer.operating_status', 'in', ['ERROR', 'DEGRADED'])
    .where('load_balancer.provisioning_status', 'in', ['ACTIVE', 'ERROR'])
    .orderBy('amphora_health.last_update_ms')
    .limit(MAX_TOLD)
    .execute()
}
