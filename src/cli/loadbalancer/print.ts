/** Objects as the openstack command prints them: a table, JSON, or bare values for scripts. */
import { pythonText } from '../../api/python-text.ts'
import { formatTable } from '../table.ts'
import type { Shown } from './operations.ts'
import { ValueError } from './values.ts'

export interface Printed {
  format: 'table' | 'json' | 'value'
  /** Of these columns alone. */
  column?: readonly string[]
}

/** One object: a line a field. */
export function printOne(fields: readonly string[], object: Shown, printed: Printed): string {
  const chosen = chosenOf(fields, printed)
  const values = chosen.map((field) => cell(field, object[field]))
  if (printed.format === 'json') return JSON.stringify(Object.fromEntries(chosen.map((field, index) => [field, values[index]])), null, 2)
  if (printed.format === 'value') return values.map(pythonText).join('\n')
  return formatTable(
    ['Field', 'Value'],
    chosen.map((field, index) => [field, pythonText(values[index])]),
  )
}

/** Many objects: a line each. */
export function printMany(columns: readonly string[], objects: readonly Shown[], printed: Printed): string {
  const chosen = chosenOf(columns, printed)
  const rows = objects.map((object) => chosen.map((column) => cell(column, object[column])))
  if (printed.format === 'json') {
    return JSON.stringify(
      rows.map((row) => Object.fromEntries(chosen.map((column, index) => [column, row[index]]))),
      null,
      2,
    )
  }
  if (printed.format === 'value') return rows.map((row) => row.map(pythonText).join(' ')).join('\n')
  // As there: of nothing there is no table.
  if (rows.length === 0) return ''
  const numbers = new Set([...chosen.keys()].filter((column) => typeof rows[0]![column] === 'number'))
  return formatTable(
    chosen,
    rows.map((row) => row.map(pythonText)),
    numbers,
  )
}

function chosenOf(columns: readonly string[], { column }: Printed): readonly string[] {
  if (column === undefined) return columns
  const chosen = columns.filter((name) => column.includes(name))
  if (chosen.length > 0) return chosen
  throw new ValueError(`No recognized column names in ${column.join(', ')}. Recognized columns are ${columns.join(', ')}.`)
}

/** Fields that hold several values in one: a line for each. */
const lines: ReadonlySet<string> = new Set(['tags', 'allowed_cidrs'])
const named: ReadonlySet<string> = new Set(['insert_headers', 'session_persistence'])
const references: ReadonlySet<string> = new Set(['listeners', 'pools', 'l7policies', 'loadbalancers', 'members', 'rules'])

function cell(field: string, value: unknown): unknown {
  // A key that the service left out, as healthmonitor_id.
  if (value === undefined) return ''
  if (value === null) return null
  if (lines.has(field)) return (value as string[]).join('\n')
  if (references.has(field)) return (value as { id: string }[]).map(({ id }) => id).join('\n')
  if (field === 'fault') return (value as { message: string }).message
  if (!named.has(field)) return value
  const pairs = Object.entries(value as object)
  return pairs.length === 0 ? null : pairs.map(([name, one]) => `${name}=${pythonText(one)}`).join('\n')
}
