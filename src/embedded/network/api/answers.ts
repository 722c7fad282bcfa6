/** What Neutron's objects have in common on the wire. */
import { Type } from 'typebox'

/** Stored times are naive UTC; Neutron's end in Z. */
export const common = (row: { id: string; project_id: string; description: string; created_at: string; updated_at: string }) => ({
  id: row.id,
  project_id: row.project_id,
  tenant_id: row.project_id,
  description: row.description,
  created_at: zulu(row.created_at),
  updated_at: zulu(row.updated_at),
  revision_number: 0,
})

export const commonAttributes = ['id', 'name', 'project_id', 'tenant_id', 'description', 'created_at', 'updated_at'] as const

const zulu = (time: string): string => `${time.slice(0, 19)}Z`

export const closed = { additionalProperties: false }

/** What every object may be given. */
export const labels = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(Type.String({ maxLength: 255 })),
}

/** At creation only. */
export const owner = {
  project_id: Type.Optional(Type.String({ maxLength: 255 })),
  tenant_id: Type.Optional(Type.String({ maxLength: 255 })),
}

export const flag = Type.Optional(Type.Boolean())
export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** A whole number, also as text, as the command line's client sends some. */
export const wholeNumber = Type.Union([Type.Integer(), Type.String({ pattern: '^\\d{1,9}$' })])
