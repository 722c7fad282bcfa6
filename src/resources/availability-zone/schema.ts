/** Fields stand in upstream's order (`octavia/api/v2/types/availability_zones.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { boolean, changes, description, shown, text, uuid } from '../fields.ts'

const fields = {
  name: text(255),
  description,
  enabled: boolean({ default: true }),
  availability_zone_profile_id: uuid(),
}

export const AvailabilityZoneCreate = Type.Object(fields)
export type AvailabilityZoneCreate = Static<typeof AvailabilityZoneCreate>

export const AvailabilityZoneUpdate = changes(AvailabilityZoneCreate, ['description', 'enabled'])
export type AvailabilityZoneUpdate = Static<typeof AvailabilityZoneUpdate>

export const AvailabilityZone = Type.Object(shown(fields), { title: 'AvailabilityZone' })
export type AvailabilityZone = Static<typeof AvailabilityZone>
