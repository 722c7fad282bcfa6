/** How a load balancer's row comes from a body, and what an answer shows of it. */
import type { LoadBalancerRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { idOnly } from '../fields.ts'
import type { ListenerTree } from '../listener/schema.ts'
import type { PoolTree } from '../pool/schema.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import type { Chosen } from './offer.ts'
import type { ChildIds } from './repository.ts'
import type { LoadBalancer, LoadBalancerCreate, LoadBalancerTree, LoadBalancerUpdate } from './schema.ts'
import type { VipPlace } from './vip.ts'
import type { VipPort } from './vip-port.ts'

type Decided = VipPort & Pick<LoadBalancerRow, 'id' | 'project_id' | 'vip_vnic_type'> & { place: VipPlace; chosen: Chosen }

export function newLoadBalancer(body: LoadBalancerCreate, decided: Decided, clock: Clock): LoadBalancerRow {
  const { id, project_id, place, chosen, vip_address, vip_port_id, vip_port_owned, vip_vnic_type, additional_vips } = decided
  return {
    ...newlyCreated(clock),
    id,
    project_id,
    name: body.name,
    description: body.description,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    vip_address,
    vip_port_id,
    vip_subnet_id: place.subnet_id,
    vip_network_id: place.network_id,
    vip_qos_policy_id: place.qos_policy_id,
    vip_vnic_type,
    vip_sg_ids: [...new Set(body.vip_sg_ids)],
    additional_vips,
    vip_port_owned,
    provider: chosen.provider,
    flavor_id: body.flavor_id ?? null,
    availability_zone: body.availability_zone ?? null,
    topology: chosen.flavor.topology,
    server_group_id: null,
  }
}

export function loadBalancerChanges(update: LoadBalancerUpdate): Partial<LoadBalancerRow> {
  const changes = changedFields<LoadBalancerUpdate, LoadBalancerRow>(update, {
    name: '',
    description: '',
    admin_state_up: false,
    vip_sg_ids: [],
    tags: undefined,
  })
  if (changes.vip_sg_ids) changes.vip_sg_ids = [...new Set(changes.vip_sg_ids)]
  return changes
}

/** Alone or in a list. */
export function showLoadBalancer(row: LoadBalancerRow & ChildIds): LoadBalancer {
  return { ...ownFields(row), listeners: toIds(row.listener_ids), pools: toIds(row.pool_ids) }
}

function toIds(joined: string | null): { id: string }[] {
  return joined === null ? [] : joined.split(',').map(idOnly)
}

/** The answer to a create: with whole listeners and pools. */
export function showLoadBalancerInTree(row: LoadBalancerRow, listeners: ListenerTree[], pools: PoolTree[]): LoadBalancerTree {
  return { ...ownFields(row), listeners, pools }
}

function ownFields(row: LoadBalancerRow) {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    provisioning_status: row.provisioning_status,
    operating_status: row.operating_status,
    admin_state_up: row.admin_state_up,
    project_id: row.project_id,
    created_at: row.created_at,
    updated_at: row.updated_at,
    vip_address: row.vip_address,
    vip_port_id: row.vip_port_id,
    vip_subnet_id: row.vip_subnet_id,
    vip_network_id: row.vip_network_id,
    vip_sg_ids: row.vip_sg_ids,
    additional_vips: row.additional_vips,
    provider: row.provider,
    flavor_id: row.flavor_id,
    vip_qos_policy_id: row.vip_qos_policy_id,
    tags: row.tags,
    availability_zone: row.availability_zone,
    vip_vnic_type: row.vip_vnic_type,
    tenant_id: row.project_id,
  }
}
