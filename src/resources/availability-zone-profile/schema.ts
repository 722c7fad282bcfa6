/** Fields stand in upstream's order (`octavia/api/v2/types/availability_zone_profile.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { changes, shown, text, uuid } from '../fields.ts'

const fields = {
  name: text(255, { onNull: '' }),
  provider_name: text(255),
  // Null is no JSON either; upstream's fault shows it so.
  availability_zone_data: text(4096, {
    onNull: 'None',
    description: 'JSON: an object whose keys the provider lists as its availability zone capabilities',
  }),
}

export const AvailabilityZoneProfileCreate = Type.Object(fields)
export type AvailabilityZoneProfileCreate = Static<typeof AvailabilityZoneProfileCreate>

export const AvailabilityZoneProfileUpdate = changes(AvailabilityZoneProfileCreate, ['name', 'provider_name', 'availability_zone_data'])
export type AvailabilityZoneProfileUpdate = Static<typeof AvailabilityZoneProfileUpdate>

export const AvailabilityZoneProfile = Type.Object({ id: uuid(), ...shown(fields) }, { title: 'AvailabilityZoneProfile' })
export type AvailabilityZoneProfile = Static<typeof AvailabilityZoneProfile>
