/** How a flavor's row comes from a body. Answers show the row as it is. */
import { randomUUID } from 'node:crypto'
import type { FlavorRow } from '../../db/tables.ts'
import { changedFields } from '../row-fields.ts'
import type { FlavorCreate, FlavorUpdate } from './schema.ts'

export function newFlavor(body: FlavorCreate): FlavorRow {
  return { id: randomUUID(), ...body }
}

export function flavorChanges(update: FlavorUpdate): Partial<FlavorRow> {
  return changedFields<FlavorUpdate, FlavorRow>(update, { name: '', description: '', enabled: true })
}
