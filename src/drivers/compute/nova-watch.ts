/**
 * Which of many servers are gone, again and again (every few seconds, by the health manager): the whole list is asked for now and then, in between only what
 * changed. What seems gone is asked for by itself before it is told, for an error here would replace an amphora that serves.
 */
import type { Clock } from '../../lib/clock.ts'
import { sideBySide } from '../../lib/side-by-side.ts'
import type { ServiceClient } from '../openstack/session.ts'
import type { Server } from './driver.ts'
import { type NovaServer, statusOf } from './nova-server.ts'

/** The whole list, which is long. */
const WHOLE_LIST_INTERVAL_MS = 600_000
/** What changed is asked for from so long before the last answer: clocks differ, and Nova's transactions end later than they say. */
const OVERLAP_MS = 300_000
/** In one call; the next begins with those that were left out. */
const MAX_CONFIRMED = 20
const CONFIRMED_AT_ONCE = 4

type Status = Server['status']

export class ServerWatch {
  readonly #nova: ServiceClient
  readonly #clock: Clock
  readonly #statuses = new Map<string, Status>()
  #wholeListAt = Number.NEGATIVE_INFINITY
  #changesSince = 0
  #asking: Promise<void> | undefined
  /** Among the suspects, where they are too many for one call. */
  #confirmedUpTo = 0

  constructor(nova: ServiceClient, clock: Clock) {
    this.#nova = nova
    this.#clock = clock
  }

  /** In: ids of servers. Out: those of them that are gone. */
  async gone(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return []
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    await this.#asking
    const suspects = this.#nextOf(ids.filter((id) => (this.#statuses.get(id) ?? 'GONE') === 'GONE'))
    const confirmed = await sideBySide(suspects, CONFIRMED_AT_ONCE, (id) => this.#isGone(id))
    return suspects.filter((_, at) => confirmed[at])
  }

  #nextOf(suspects: readonly string[]): readonly string[] {
    if (suspects.length <= MAX_CONFIRMED) return suspects
    const begin = this.#confirmedUpTo % suspects.length
    this.#confirmedUpTo = begin + MAX_CONFIRMED
    return [...suspects.slice(begin), ...suspects.slice(0, begin)].slice(0, MAX_CONFIRMED)
  }

  async #ask(): Promise<void> {
    const [askedAt, now] = [this.#clock.monotonic(), this.#clock.now()]
    const isWhole = askedAt - this.#wholeListAt >= WHOLE_LIST_INTERVAL_MS
    const since = new Date(this.#changesSince - OVERLAP_MS).toISOString()
    // With `changes-since` deleted ones are listed as well.
    const servers = await this.#nova.list<NovaServer>('/servers/detail', 'servers', { query: isWhole ? {} : { 'changes-since': since } })
    if (isWhole) {
      this.#statuses.clear()
      this.#wholeListAt = askedAt
    }
    for (const server of servers) this.#statuses.set(server.id, statusOf(server))
    this.#changesSince = now
  }

  async #isGone(id: string): Promise<boolean> {
    const { status, body } = await this.#nova.request<{ server: NovaServer }>('GET', `/servers/${id}`, { accept: [404] })
    const found = status === 404 ? 'GONE' : statusOf(body.server)
    this.#statuses.set(id, found)
    return found === 'GONE'
  }
}
