import { Type } from 'typebox'

export const Provider = Type.Object({ name: Type.String(), description: Type.String() }, { title: 'Provider' })
