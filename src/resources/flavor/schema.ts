/** Fields stand in upstream's order (`octavia/api/v2/types/flavors.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { boolean, changes, description, shown, text, uuid } from '../fields.ts'

const fields = {
  name: text(255, { onNull: '' }),
  description,
  enabled: boolean({ default: true }),
  flavor_profile_id: uuid(),
}

export const FlavorCreate = Type.Object(fields)
export type FlavorCreate = Static<typeof FlavorCreate>

export const FlavorUpdate = changes(FlavorCreate, ['name', 'description', 'enabled'])
export type FlavorUpdate = Static<typeof FlavorUpdate>

export const Flavor = Type.Object({ id: uuid(), ...shown(fields) }, { title: 'Flavor' })
export type Flavor = Static<typeof Flavor>
