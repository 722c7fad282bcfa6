/**
 * What a heartbeat says of the objects of a load balancer, as upstream reads it (`octavia/amphorae/drivers/health/heartbeat_udp.py`): a pure
 * function of the rows and the heartbeat.
 */
import type { LoadBalancerRow, OperatingStatus, ProvisioningStatus } from '../db/tables.ts'
import type { Heartbeat, PoolReport } from './packet.ts'

export interface Observed {
  id: string
  operating_status: OperatingStatus
}

/** The rows of one load balancer, as much of them as statuses depend on; without those that are being deleted. */
export interface ObservedLoadBalancer extends Observed {
  provisioning_status: ProvisioningStatus
  topology: LoadBalancerRow['topology']
  admin_state_up: boolean
  listeners: (Observed & { admin_state_up: boolean; provisioning_status: ProvisioningStatus })[]
  pools: (Observed & { members: Observed[] })[]
}

export interface StatusChange {
  table: 'load_balancer' | 'listener' | 'pool' | 'member'
  id: string
  load_balancer_id: string
  from: OperatingStatus
  to: OperatingStatus
}

/** Of a member that several listeners' HAProxy backends check, the worst counts, or its status would depend on who was asked last. */
const WORST_FIRST = ['DOWN', 'MAINT', 'DRAIN', 'RESTARTING', 'UP', 'no check']

/**
 * Only what changes. `silent` amphorae of it have not been heard of for too long.
 */
export function observe(loadBalancer: ObservedLoadBalancer, heartbeat: Heartbeat, silent: number): StatusChange[] {
  const changes: StatusChange[] = []
  const note = (table: StatusChange['table'], { id, operating_status: from }: Observed, to: OperatingStatus) => {
    if (from !== to) changes.push({ table, id, load_balancer_id: loadBalancer.id, from, to })
  }
  const serves = loadBalancer.admin_state_up && loadBalancer.provisioning_status === 'ACTIVE'
  let status: OperatingStatus = loadBalancer.admin_state_up ? 'ONLINE' : 'OFFLINE'
  const worsen = (to: 'DEGRADED' | 'ERROR') => {
    if (to === 'ERROR' ? status !== 'OFFLINE' : status === 'ONLINE') status = to
  }
  // The one that sends this is there; while the other is not, the pair is one failure from its end.
  if (silent > 0) worsen('DEGRADED')

  for (const listener of loadBalancer.listeners) {
    const report = heartbeat.listeners.get(listener.id)
    if (report === undefined) {
      note('listener', listener, listener.admin_state_up && serves ? 'ERROR' : 'OFFLINE')
    } else if (report.status === 'OPEN') {
      note('listener', listener, 'ONLINE')
    } else if (report.status === 'FULL') {
      note('listener', listener, 'DEGRADED')
      worsen('DEGRADED')
    }
  }

  const reports = Map.groupBy(heartbeat.pools, ({ pool_id }) => pool_id)
  for (const pool of loadBalancer.pools) {
    const ofPool = reports.get(pool.id) ?? []
    let poolStatus: OperatingStatus =
      ofPool.length === 0 ? 'OFFLINE' : ofPool.some((report) => report.status === 'DOWN') ? 'ERROR' : 'ONLINE'
    if (poolStatus === 'ERROR') worsen('ERROR')
    for (const member of pool.members) {
      const to = memberStatus(member, ofPool)
      note('member', member, to)
      if (to === 'ERROR' && poolStatus !== 'OFFLINE') {
        if (poolStatus === 'ONLINE') poolStatus = 'DEGRADED'
        worsen('DEGRADED')
      }
    }
    note('pool', pool, poolStatus)
  }
  note('load_balancer', loadBalancer, status)
  return changes
}

function memberStatus(member: Observed, reports: readonly PoolReport[]): OperatingStatus {
  const words = reports.flatMap(({ members }) => members.get(member.id) ?? [])
  const worst = WORST_FIRST.find((kind) => words.some((word) => word.startsWith(kind)))
  switch (worst) {
    case 'UP':
      return 'ONLINE'
    case 'DOWN':
      return 'ERROR'
    case 'DRAIN':
      return 'DRAINING'
    case 'MAINT':
      return 'OFFLINE'
    case 'no check':
      return 'NO_MONITOR'
    case 'RESTARTING':
      return member.operating_status
  }
  return member.operating_status === 'NO_MONITOR' || words.length > 0 ? member.operating_status : 'OFFLINE'
}

/**
 * With a wrong configuration on it an amphora counts as silent: it must report as many listeners as are enabled. Those in ERROR may be missing: what
 * could not be configured, or has lost its certificate, is no reason to replace the amphora. While a flow is at work, and while the load balancer is
 * disabled, that cannot be told.
 */
export function isAsConfigured(loadBalancer: ObservedLoadBalancer, heartbeat: Heartbeat): boolean {
  if (loadBalancer.provisioning_status.startsWith('PENDING') || !loadBalancer.admin_state_up) return true
  const enabled = loadBalancer.listeners.filter(({ admin_state_up }) => admin_state_up)
  const certain = enabled.filter(({ provisioning_status }) => provisioning_status !== 'ERROR')
  const reported = heartbeat.listeners.size
  return certain.length <= reported && reported <= enabled.length
}
