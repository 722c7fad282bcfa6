/** How an availability zone's row comes from an update; a create's body and what answers show are rows as they are. */
import type { AvailabilityZoneRow } from '../../db/tables.ts'
import { changedFields } from '../row-fields.ts'
import type { AvailabilityZoneUpdate } from './schema.ts'

export function availabilityZoneChanges(update: AvailabilityZoneUpdate): Partial<AvailabilityZoneRow> {
  return changedFields<AvailabilityZoneUpdate, AvailabilityZoneRow>(update, { description: '', enabled: true })
}
