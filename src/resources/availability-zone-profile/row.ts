/** How an availability zone profile's row comes from a body. Answers show the row as it is. */
import { randomUUID } from 'node:crypto'
import type { AvailabilityZoneProfileRow } from '../../db/tables.ts'
import { changedFields } from '../row-fields.ts'
import type { AvailabilityZoneProfileCreate, AvailabilityZoneProfileUpdate } from './schema.ts'

export function newAvailabilityZoneProfile(body: AvailabilityZoneProfileCreate): AvailabilityZoneProfileRow {
  return { id: randomUUID(), ...body }
}

/** In: an update without nulls. */
export function availabilityZoneProfileChanges(update: AvailabilityZoneProfileUpdate): Partial<AvailabilityZoneProfileRow> {
  return changedFields<AvailabilityZoneProfileUpdate, AvailabilityZoneProfileRow>(update, {
    name: undefined,
    provider_name: undefined,
    availability_zone_data: undefined,
  })
}
