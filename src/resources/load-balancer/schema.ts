/** Fields stand in upstream's order (`octavia/api/v2/types/load_balancer.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { changes, commonFields, description, ipAddress, listOf, nullable, projectId, text, uuid } from '../fields.ts'
import { ListenerInTree } from '../listener/schema.ts'
import { PoolInTree } from '../pool/schema.ts'

const { name, admin_state_up, tags } = commonFields

const AdditionalVip = Type.Object({
  subnet_id: uuid(),
  ip_address: nullable(ipAddress()),
  port_id: nullable(uuid()),
})

export const LoadBalancerCreate = Type.Object({
  name,
  description,
  admin_state_up,
  vip_address: nullable(ipAddress()),
  vip_port_id: nullable(uuid()),
  vip_subnet_id: nullable(uuid()),
  vip_network_id: nullable(uuid()),
  vip_qos_policy_id: nullable(uuid()),
  vip_sg_ids: Type.Optional(nullable(listOf(uuid()))),
  additional_vips: listOf(AdditionalVip, { default: [] }),
  project_id: projectId,
  listeners: listOf(ListenerInTree, { default: [] }),
  pools: listOf(PoolInTree, { default: [] }),
  provider: nullable(text(64)),
  tags,
  flavor_id: nullable(uuid()),
  availability_zone: nullable(text(255)),
})
export type LoadBalancerCreate = Static<typeof LoadBalancerCreate>

export const LoadBalancerUpdate = changes(LoadBalancerCreate, [
  'name',
  'description',
  'vip_qos_policy_id',
  'admin_state_up',
  'vip_sg_ids',
  'tags',
])
export type LoadBalancerUpdate = Static<typeof LoadBalancerUpdate>
