/** How values travel between repositories and the two databases; by column name, see `tables.ts`. */
import { booleanColumns, jsonColumns } from './tables.ts'

type Convert = (value: unknown) => unknown

const toBoolean: Convert = (value) => (value === null || typeof value === 'boolean' ? value : value !== 0)
/** Most lists are empty, and each row has several. */
const toJson: Convert = (value) => (value === '[]' ? [] : typeof value === 'string' ? JSON.parse(value) : value)

/** What a result's column of this name needs before a repository sees it, if anything. */
export function converterOf(column: string): Convert | undefined {
  if (booleanColumns.has(column)) return toBoolean
  if (jsonColumns.has(column)) return toJson
  return undefined
}

/** Plain objects and arrays are stored as JSON text; everything else is the database's own. */
export function toParameter(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) return JSON.stringify(value)
  return value
}
