/** Bodies are checked as by Barbican's JSON schemas, and what is wrong is told in its words. */
import { HttpFault } from '../../http.ts'

type Kind = 'string' | 'integer' | 'boolean' | 'object' | 'array'

export interface Rule {
  kind: Kind
  nullable?: true
  minLength?: number
  maxLength?: number
  values?: readonly string[]
  minimum?: number
  maximum?: number
  /** Of an array. */
  items?: Rule
  /** Of an object. */
  fields?: Rules
  /** Its value is never repeated. */
  isSecret?: true
}

export interface Rules {
  fields: Record<string, Rule>
  required?: readonly string[]
  /** No others. */
  closed?: true
}

export function invalid(schema: string, reason: string, property: string | null): HttpFault {
  return new HttpFault(400, `Provided object does not match schema '${schema}': ${reason}. Invalid property: '${property ?? 'None'}'`)
}

/** Throws 400. */
export function validate(body: unknown, schema: string, rules: Rules): void {
  const problem = problemOfObject(body, rules)
  if (problem !== null) throw invalid(schema, problem.reason, problem.property)
}

type Problem = { reason: string; property: string | null }

function problemOfObject(body: unknown, { fields, required = [], closed }: Rules): Problem | null {
  if (!isObject(body)) return { reason: `${shown(body)} is not of type 'object'`, property: null }
  const missing = required.find((name) => body[name] === undefined)
  if (missing !== undefined) return { reason: `'${missing}' is a required property`, property: null }
  for (const [name, value] of Object.entries(body)) {
    const rule = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (rule === undefined) {
      if (closed) return { reason: `Additional properties are not allowed (${shown(name)} was unexpected)`, property: null }
      continue
    }
    const reason = problemOf(value, rule)
    if (reason !== null) return { reason, property: name }
  }
  return null
}

function problemOf(value: unknown, rule: Rule): string | null {
  const { kind, nullable, minLength = 0, maxLength = Number.POSITIVE_INFINITY, values, minimum, maximum, items, fields } = rule
  if (value === null && nullable) return null
  const said = rule.isSecret ? 'The value' : shown(value)
  if (!is[kind](value)) return `${said} is not of type ${nullable ? `'${kind}', 'null'` : `'${kind}'`}`
  if (typeof value === 'string') {
    if (values !== undefined && !values.includes(value)) return `${said} is not one of [${values.map((known) => `'${known}'`).join(', ')}]`
    if (value.length > maxLength) return `${said} is too long`
    if (value.length < minLength) return `${said} is too short`
  }
  if (typeof value === 'number') {
    if (minimum !== undefined && value < minimum) return `${said} is less than the minimum of ${minimum}`
    if (maximum !== undefined && value > maximum) return `${said} is greater than the maximum of ${maximum}`
  }
  if (Array.isArray(value) && items !== undefined) {
    for (const item of value) {
      const problem = problemOf(item, items)
      if (problem !== null) return problem
    }
  }
  return fields === undefined ? null : (problemOfObject(value, fields)?.reason ?? null)
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const is: Record<Kind, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  object: isObject,
  array: Array.isArray,
}

/** In a fault a value is no longer than this. */
const MAX_SHOWN = 300

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
}
