/** What a load balancer's flavor gives it; what the flavor leaves out, and a load balancer without one, is as the configuration says. */
import type { Config } from '../../config/config.ts'
import type { Db } from '../../db/connection.ts'
import type { FlavorProfileRow, LoadBalancerRow, Topology } from '../../db/tables.ts'
import { understood } from '../provider/metadata.ts'
import { findProfileOfFlavor } from './repository.ts'

export interface FlavorEffects {
  topology: Topology
  /** Of the amphorae's machines. */
  compute_flavor: string | null
  image_tag: string
  /** The VIP is on an SR-IOV port. */
  sriov_vip: boolean
  /** Members may ask for SR-IOV ports. */
  allow_member_sriov: boolean
}

/** For whoever builds or changes what serves a load balancer: a flavor in use keeps its profile, so the answer is always the same. */
export async function flavorEffects(db: Db, config: Config, { flavor_id }: Pick<LoadBalancerRow, 'flavor_id'>): Promise<FlavorEffects> {
  return effectsOfProfile(config, flavor_id === null ? undefined : await findProfileOfFlavor(db, flavor_id))
}

export function effectsOfProfile({ controller_worker }: Config, profile: Pick<FlavorProfileRow, 'flavor_data'> | undefined): FlavorEffects {
  const data = profile === undefined ? {} : understood('flavor', JSON.parse(profile.flavor_data))
  return {
    topology: data.loadbalancer_topology ?? controller_worker.loadbalancer_topology,
    compute_flavor: data.compute_flavor ?? controller_worker.amp_flavor_id,
    image_tag: data.amp_image_tag ?? controller_worker.amp_image_tag,
    sriov_vip: data.sriov_vip ?? false,
    allow_member_sriov: data.allow_member_sriov ?? false,
  }
}
