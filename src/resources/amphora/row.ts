import type { Config } from '../../config/config.ts'
import type { AmphoraRow, Topology } from '../../db/tables.ts'

export type Role = NonNullable<AmphoraRow['role']>

type Place = Pick<AmphoraRow, 'vrrp_id' | 'vrrp_priority'> & { role: Role }

/** Statuses of amphorae that serve or should: one in ERROR missed a change, one that is FAILOVER_STOPPED is silent as too many others are. */
export const servingStatuses: readonly AmphoraRow['status'][] = ['ALLOCATED', 'ERROR', 'FAILOVER_STOPPED']

/** Upstream's priorities; below a second 254 and 253, whose skew is next to nothing (RFC 5798 §6.1: (256 - priority) / 256 intervals). */
export function rolesOf(topology: Topology, { keepalived_vrrp }: Pick<Config, 'keepalived_vrrp'>): Place[] {
  if (topology === 'SINGLE') return [{ role: 'STANDALONE', vrrp_id: null, vrrp_priority: null }]
  const fractional = !Number.isInteger(keepalived_vrrp.vrrp_advert_int)
  return [
    { role: 'MASTER', vrrp_id: 1, vrrp_priority: fractional ? 254 : 100 },
    { role: 'BACKUP', vrrp_id: 1, vrrp_priority: fractional ? 253 : 90 },
  ]
}

/** Nothing is made of it yet. */
export function newAmphora(
  known: Pick<AmphoraRow, 'id' | 'loadbalancer_id' | 'role' | 'vrrp_id' | 'vrrp_priority' | 'created_at'>,
): AmphoraRow {
  return {
    compute_id: null,
    lb_network_ip: null,
    vrrp_ip: null,
    ha_ip: null,
    vrrp_port_id: null,
    ha_port_id: null,
    cert_expiration: null,
    cert_busy: false,
    status: 'PENDING_CREATE',
    vrrp_interface: null,
    cached_zone: null,
    image_id: null,
    compute_flavor: null,
    server_certificate: null,
    agent_version: null,
    fault: null,
    updated_at: null,
    ...known,
  }
}
