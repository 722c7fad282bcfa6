import { type Static, Type } from 'typebox'

const named = { name: Type.String(), description: Type.String() }

export const Provider = Type.Object(named, { title: 'Provider' })

/** A key of the data of flavor profiles or availability zone profiles. */
export const Capability = Type.Object(named, { title: 'Capability' })
export type Capability = Static<typeof Capability>
