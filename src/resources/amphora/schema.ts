import { type Static, Type } from 'typebox'
import { boolean, ipAddress, nullable, oneOf, ShownFault, time, uuid } from '../fields.ts'
import { Statistics } from '../listener/schema.ts'

export const Amphora = Type.Object(
  {
    id: uuid(),
    loadbalancer_id: nullable(uuid()),
    compute_id: nullable(Type.String()),
    lb_network_ip: nullable(ipAddress()),
    vrrp_ip: nullable(ipAddress()),
    ha_ip: nullable(ipAddress()),
    vrrp_port_id: nullable(uuid()),
    ha_port_id: nullable(uuid()),
    cert_expiration: nullable(time()),
    cert_busy: boolean(),
    role: nullable(oneOf(['MASTER', 'BACKUP', 'STANDALONE'])),
    status: oneOf(['BOOTING', 'ALLOCATED', 'READY', 'PENDING_CREATE', 'PENDING_DELETE', 'DELETED', 'ERROR', 'FAILOVER_STOPPED']),
    vrrp_interface: nullable(Type.String()),
    vrrp_id: nullable(Type.Integer()),
    vrrp_priority: nullable(Type.Integer()),
    cached_zone: nullable(Type.String()),
    image_id: nullable(Type.String()),
    compute_flavor: nullable(Type.String()),
    created_at: time(),
    updated_at: nullable(time()),
    agent_version: Type.Optional(Type.String({ description: 'Ours, as is `fault`: of agents that tell it.' })),
    fault: Type.Optional(ShownFault),
  },
  { title: 'Amphora' },
)
export type Amphora = Static<typeof Amphora>

/** What passed one of its listeners through an amphora. */
export const AmphoraStatistics = Type.Object(
  { id: uuid(), listener_id: uuid(), loadbalancer_id: uuid(), ...Statistics.properties },
  { title: 'AmphoraStatistics' },
)
