/** Fields stand in upstream's order (`octavia/api/v2/types/load_balancer.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import {
  changes,
  commonFields,
  description,
  IdOnly,
  ipAddress,
  listOf,
  nullable,
  oneOf,
  port,
  projectId,
  serverSet,
  shown,
  text,
  uuid,
} from '../fields.ts'
import { ListenerInTree, ListenerTree } from '../listener/schema.ts'
import { PoolInTree, PoolTree } from '../pool/schema.ts'

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
  // Here null is not the same as nothing: there is no such provider, flavor or zone.
  provider: Type.Optional(nullable(text(64))),
  tags,
  flavor_id: Type.Optional(nullable(uuid())),
  availability_zone: Type.Optional(nullable(text(255))),
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

const shownFields = {
  ...shown({ name, description, admin_state_up, tags }),
  vip_address: ipAddress(),
  vip_port_id: uuid(),
  vip_subnet_id: nullable(uuid()),
  vip_network_id: uuid(),
  vip_qos_policy_id: nullable(uuid()),
  vip_vnic_type: oneOf(['normal', 'direct']),
  vip_sg_ids: listOf(uuid()),
  additional_vips: listOf(Type.Object({ subnet_id: uuid(), ip_address: ipAddress(), port_id: uuid() })),
  provider: Type.String(),
  flavor_id: nullable(uuid()),
  availability_zone: nullable(Type.String()),
  ...serverSet,
}

/** In answers, alone and in a list. */
export const LoadBalancer = Type.Object({ ...shownFields, listeners: listOf(IdOnly), pools: listOf(IdOnly) }, { title: 'LoadBalancer' })
export type LoadBalancer = Static<typeof LoadBalancer>

/** The answer to a create: with whole listeners and pools. */
export const LoadBalancerTree = Type.Object(
  { ...shownFields, listeners: listOf(ListenerTree), pools: listOf(PoolTree) },
  { title: 'LoadBalancerTree' },
)
export type LoadBalancerTree = Static<typeof LoadBalancerTree>

const { id, provisioning_status, operating_status } = serverSet
const statuses = { id, name: Type.String(), provisioning_status, operating_status }

/** The statuses of a load balancer and of all that serves it. */
export const StatusTree = Type.Object(
  {
    loadbalancer: Type.Object({
      ...statuses,
      listeners: listOf(
        Type.Object({
          ...statuses,
          pools: listOf(
            Type.Object({
              ...statuses,
              health_monitor: Type.Optional(Type.Object({ ...statuses, type: Type.String() })),
              members: listOf(Type.Object({ ...statuses, address: ipAddress(), protocol_port: port() })),
            }),
          ),
        }),
      ),
    }),
  },
  { title: 'StatusTree' },
)
export type StatusTree = Static<typeof StatusTree>
