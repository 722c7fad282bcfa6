/** What a client chooses of what the operator offers: provider, flavor and availability zone (upstream: `controllers/load_balancer.py`). */
import { disabledOption, flavorNotOfProvider, validationFailure } from '../../api/faults.ts'
import { pythonText } from '../../api/python-text.ts'
import type { ApiContext } from '../../api/route.ts'
import type { Config } from '../../config/config.ts'
import type { Tx } from '../../db/connection.ts'
import type { FlavorProfileRow, FlavorRow } from '../../db/tables.ts'
import { effectsOfZoneProfile, type ZoneEffects } from '../availability-zone/effects.ts'
import { findAvailabilityZone, findAvailabilityZoneToUse, findProfileOfAvailabilityZone } from '../availability-zone/repository.ts'
import { checkAvailabilityZoneData } from '../availability-zone-profile/checks.ts'
import { effectsOfProfile, type FlavorEffects } from '../flavor/effects.ts'
import { findFlavor, findFlavorToUse, findProfileOfFlavor } from '../flavor/repository.ts'
import { checkFlavorData } from '../flavor-profile/checks.ts'
import { metadataOf, providerNamed } from '../provider/metadata.ts'
import type { LoadBalancerCreate } from './schema.ts'

type Asked = Pick<LoadBalancerCreate, 'provider' | 'flavor_id' | 'availability_zone'>

export interface Chosen {
  provider: string
  flavor: FlavorEffects
  zone: ZoneEffects
}

/** Throws 400, or 501 for what the provider does not understand. Asks the cloud's services, so no transaction may be open. */
export async function choose(context: ApiContext, asked: Asked): Promise<Chosen> {
  const { db, config } = context
  const { flavor_id, availability_zone } = asked
  // Null names none of them: a client that wants none says nothing.
  if (flavor_id !== undefined) checkFlavor(flavor_id === null ? undefined : await findFlavor(db, flavor_id), flavor_id)
  if (availability_zone !== undefined) {
    checkZone(availability_zone === null ? undefined : await findAvailabilityZone(db, availability_zone), availability_zone)
  }
  const flavor = typeof flavor_id === 'string' ? await findProfileOfFlavor(db, flavor_id) : undefined
  const zone = typeof availability_zone === 'string' ? await findProfileOfAvailabilityZone(db, availability_zone) : undefined
  const provider = providerOf(asked, flavor, config)
  metadataOf(provider, config)
  // What the provider accepted once it may refuse now.
  if (flavor) await checkFlavorData(context, provider, flavor.flavor_data)
  if (zone) await checkAvailabilityZoneData(context, provider, zone.availability_zone_data)
  return { provider, flavor: effectsOfProfile(config, flavor), zone: effectsOfZoneProfile(config, zone) }
}

/** Once more, in the transaction that stores the load balancer: until it ends nobody deletes what was chosen. */
export async function holdChosen(tx: Tx, { flavor_id, availability_zone }: Asked): Promise<void> {
  if (typeof flavor_id === 'string') checkFlavor(await findFlavorToUse(tx, flavor_id), flavor_id)
  if (typeof availability_zone === 'string') checkZone(await findAvailabilityZoneToUse(tx, availability_zone), availability_zone)
}

function checkFlavor(flavor: FlavorRow | undefined, flavor_id: string | null): void {
  if (flavor === undefined) throw validationFailure('Invalid flavor_id.')
  if (!flavor.enabled) throw disabledOption('flavor', pythonText(flavor_id))
}

function checkZone(zone: { enabled: boolean } | undefined, availability_zone: string | null): void {
  if (zone === undefined) throw validationFailure('Invalid availability zone.')
  if (!zone.enabled) throw disabledOption('availability_zone', pythonText(availability_zone))
}

function providerOf({ provider, flavor_id }: Asked, flavor: FlavorProfileRow | undefined, { api_settings }: Config): string {
  const ofFlavor = flavor?.provider_name
  if (provider === undefined) return ofFlavor || api_settings.default_provider_driver
  if (ofFlavor && ofFlavor !== provider) throw flavorNotOfProvider(pythonText(flavor_id), pythonText(provider))
  return providerNamed(provider)
}
