/** What a load balancer's availability zone means; what the zone leaves out, and a load balancer in none, is as the configuration says. */
import type { Config } from '../../config/config.ts'
import type { Db } from '../../db/connection.ts'
import type { AvailabilityZoneProfileRow, LoadBalancerRow } from '../../db/tables.ts'
import { understood } from '../provider/metadata.ts'
import { findProfileOfAvailabilityZone } from './repository.ts'

export interface ZoneEffects {
  /** Where the compute service puts the amphorae; null: where it likes. */
  compute_zone: string | null
  /** Networks the amphorae boot with, the management network first. */
  boot_network_ids: string[]
  /** The only networks VIPs may be on; empty: all that are not denied. */
  valid_vip_networks: string[]
}

/** For whoever builds what serves a load balancer: a zone in use keeps its profile, so the answer is always the same. */
export async function zoneEffects(
  db: Db,
  config: Config,
  { availability_zone }: Pick<LoadBalancerRow, 'availability_zone'>,
): Promise<ZoneEffects> {
  return effectsOfZoneProfile(config, availability_zone === null ? undefined : await findProfileOfAvailabilityZone(db, availability_zone))
}

export function effectsOfZoneProfile(
  { controller_worker, networking, nova }: Config,
  profile: Pick<AvailabilityZoneProfileRow, 'availability_zone_data'> | undefined,
): ZoneEffects {
  const data = profile === undefined ? {} : understood('availability_zone', JSON.parse(profile.availability_zone_data))
  const valid = data.valid_vip_networks ?? []
  return {
    compute_zone: data.compute_zone ?? nova.availability_zone,
    boot_network_ids: data.management_network ? [data.management_network] : controller_worker.amp_boot_network_list,
    valid_vip_networks: valid.length > 0 ? valid.map(String) : networking.valid_vip_networks,
  }
}
