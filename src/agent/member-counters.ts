/**
 * Statistics of members for heartbeats: what there is to tell of each, told in turns where one heartbeat has not room for all. A member that several
 * listeners' backends use is told once, with the sum.
 */
import type { StatRow } from './haproxy-socket.ts'
import type { Counters, MemberStats } from './heartbeat.ts'

export class MemberCounters {
  private readonly counters: Counters
  /** By member: grown and not told yet. */
  private readonly untold = new Map<string, MemberStats>()
  /** The connections that were told last; a member that is not there was never told. */
  private readonly told = new Map<string, number>()

  constructor(counters: Counters) {
    this.counters = counters
  }

  /** Takes note of how the counters grew. */
  add(rows: readonly StatRow[]): void {
    const members = rows.filter(({ server }) => server !== 'FRONTEND' && server !== 'BACKEND')
    for (const [id, ofMember] of Map.groupBy(members, ({ server }) => server)) {
      const grown = ofMember.map((row) => this.counters.take(row))
      const sum = (count: 'bin' | 'bout' | 'stot' | 'ereq') => grown.reduce((total, one) => total + one[count], 0)
      const connections = ofMember.reduce((total, { currentSessions }) => total + currentSessions, 0)
      if (sum('stot') + sum('bin') + sum('bout') + sum('ereq') === 0 && connections === this.told.get(id)) continue
      const [rx, tx, , total, errors] = this.untold.get(id) ?? [0, 0, 0, 0, 0]
      // Whoever has waited longest stays first.
      this.untold.set(id, [rx + sum('bin'), tx + sum('bout'), connections, total + sum('stot'), errors + sum('ereq')])
    }
    const there = new Set(members.map(({ server }) => server))
    for (const id of this.told.keys()) if (!there.has(id)) this.told.delete(id)
  }

  /** The first so many that wait. */
  waiting(limit: number): Record<string, MemberStats> {
    return Object.fromEntries([...this.untold].slice(0, limit))
  }

  /** These are on their way. */
  sent(stats: Record<string, MemberStats>): void {
    for (const [id, [, , connections]] of Object.entries(stats)) {
      this.untold.delete(id)
      this.told.set(id, connections)
    }
  }
}
