/** What heartbeats say of a UDP or SCTP listener, in the shape of HAProxy's statistics (`octavia/amphorae/backends/utils/keepalivedlvs_query.py`). */
import type { StatRow } from '../haproxy-socket.ts'
import type { ForwardedListener, ForwardedMember } from './lvs-file.ts'

/** Counted since the listener is there; bytes are those of whole IP packets. */
export interface ListenerCounts {
  activeConnections: number
  totalConnections: number
  bytesIn: number
  bytesOut: number
}

export const NOTHING_COUNTED: ListenerCounts = { activeConnections: 0, totalConnections: 0, bytesIn: 0, bytesOut: 0 }

/** RESTARTING: what forwards has just begun and cannot be asked yet. */
export type MemberState = 'UP' | 'DOWN' | 'RESTARTING'

/** A disabled listener is not spoken of, as by upstream's agent; the pool is where it is enabled. */
export function heartbeatRows(
  listener_id: string,
  listener: ForwardedListener,
  counts: ListenerCounts,
  stateOf: (member: ForwardedMember) => MemberState,
): StatRow[] {
  if (listener.isDisabled) return []
  const frontend: StatRow = {
    ...row(listener_id, 'FRONTEND', 'OPEN'),
    currentSessions: counts.activeConnections,
    totalSessions: counts.totalConnections,
    bytesIn: counts.bytesIn,
    bytesOut: counts.bytesOut,
  }
  if (listener.pool_id === null) return [frontend]
  const proxy = `${listener.pool_id}:${listener_id}`
  const statuses = listener.services
    .flatMap(({ members }) => members)
    .map((member) => [member.id ?? '', statusOf(member, stateOf(member))] as const)
    .filter(([id]) => id !== '')
  const isDown = statuses.length > 0 && statuses.every(([, status]) => status === 'DOWN')
  return [
    frontend,
    row(proxy, 'BACKEND', isDown ? 'DOWN' : 'UP'),
    ...statuses.map(([id, status]) => row(proxy, id, status)),
    ...listener.disabledMembers.map((id) => row(proxy, id, 'MAINT')),
  ]
}

function statusOf(member: ForwardedMember, state: MemberState): string {
  if (state !== 'UP') return state
  if (member.weight === 0) return 'DRAIN'
  return member.isChecked ? 'UP' : 'no check'
}

function row(proxy: string, server: string, status: string): StatRow {
  return { proxy, server, status, weight: 1, currentSessions: 0, totalSessions: 0, bytesIn: 0, bytesOut: 0, requestErrors: 0 }
}
