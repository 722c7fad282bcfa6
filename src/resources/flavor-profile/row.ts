/** How a flavor profile's row comes from a body. Answers show the row as it is. */
import { randomUUID } from 'node:crypto'
import type { FlavorProfileRow } from '../../db/tables.ts'
import { changedFields } from '../row-fields.ts'
import type { FlavorProfileCreate, FlavorProfileUpdate } from './schema.ts'

export function newFlavorProfile(body: FlavorProfileCreate): FlavorProfileRow {
  return { id: randomUUID(), ...body }
}

/** In: an update without nulls. */
export function flavorProfileChanges(update: FlavorProfileUpdate): Partial<FlavorProfileRow> {
  return changedFields<FlavorProfileUpdate, FlavorProfileRow>(update, { name: undefined, provider_name: undefined, flavor_data: undefined })
}
