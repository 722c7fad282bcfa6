/** Fields stand in upstream's order (`octavia/api/v2/types/flavor_profile.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { changes, shown, text, uuid } from '../fields.ts'

const fields = {
  name: text(255, { onNull: '' }),
  provider_name: text(255),
  // Null is no JSON either; upstream's fault shows it so.
  flavor_data: text(4096, { onNull: 'None', description: 'JSON: an object whose keys the provider lists as its flavor capabilities' }),
}

export const FlavorProfileCreate = Type.Object(fields)
export type FlavorProfileCreate = Static<typeof FlavorProfileCreate>

export const FlavorProfileUpdate = changes(FlavorProfileCreate, ['name', 'provider_name', 'flavor_data'])
export type FlavorProfileUpdate = Static<typeof FlavorProfileUpdate>

export const FlavorProfile = Type.Object({ id: uuid(), ...shown(fields) }, { title: 'FlavorProfile' })
export type FlavorProfile = Static<typeof FlavorProfile>
