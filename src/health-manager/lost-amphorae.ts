/**
 * Amphorae whose machine the compute driver says is gone, or whose management port is gone or out of service: no heartbeat will come, so nobody waits for
 * one. Asked in portions; what was found stays known until the next question about the same amphora.
 */
import type { FailoverCause } from '../resources/amphora/failover-flow.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import type { WatchContext } from './context.ts'

/** In one portion. With more amphorae it takes several looks until each was asked for. */
const ASKED_AT_ONCE = 500

export class LostAmphorae {
  readonly #context: WatchContext
  readonly #lost = new Map<string, FailoverCause>()
  #askedUpTo = ''

  constructor(context: WatchContext) {
    this.#context = context
  }

  /** As far as was asked. */
  get known(): ReadonlyMap<string, FailoverCause> {
    return this.#lost
  }

  /** Asks for the next portion. Throws when a driver cannot say; then what was known stays. */
  async ask(): Promise<void> {
    const { compute, network } = this.#context
    const portion = await this.#nextPortion()
    const gone = new Set(await compute.listGone(portion.map(({ compute_id }) => compute_id)))
    const running = portion.flatMap(({ compute_id, lb_network_ip }) =>
      gone.has(compute_id) || lb_network_ip === null ? [] : [{ device_id: compute_id, ip_address: lb_network_ip }],
    )
    const cutOff = new Set((compute.hasPorts ? await network.listDown(running) : []).map(({ device_id }) => device_id))
    for (const { id, compute_id } of portion) {
      if (gone.has(compute_id)) this.#lost.set(id, 'machine_gone')
      else if (cutOff.has(compute_id)) this.#lost.set(id, 'management_port_down')
      else this.#lost.delete(id)
    }
  }

  async #nextPortion(): Promise<{ id: string; compute_id: string; lb_network_ip: string | null }[]> {
    const rows = await this.#context.db
      .selectFrom('amphora')
      .select(['id', 'compute_id', 'lb_network_ip'])
      .where('status', 'in', [...servingStatuses, 'READY'])
      .where('compute_id', 'is not', null)
      .where('id', '>', this.#askedUpTo)
      .orderBy('id')
      .limit(ASKED_AT_ONCE)
      .execute()
    const portion = rows.flatMap(({ compute_id, ...row }) => (compute_id === null ? [] : { ...row, compute_id }))
    const isLast = rows.length < ASKED_AT_ONCE
    // Of amphorae that are no longer expected nobody speaks any more.
    const asked = new Set(portion.map(({ id }) => id))
    for (const id of this.#lost.keys()) {
      if (id > this.#askedUpTo && (isLast || id <= rows.at(-1)!.id) && !asked.has(id)) this.#lost.delete(id)
    }
    this.#askedUpTo = isLast ? '' : rows.at(-1)!.id
    return portion
  }
}
