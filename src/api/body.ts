/**
 * Reads a request's body by its schema: takes, converts and refuses what upstream's WSME takes, converts and refuses, in its order and words
 * (`wsme/rest/json.py`, `wsme/types.py`). A schema is compiled once into closures, so that a request costs next to nothing.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { IsObject, IsOptional, type Static, type TObject, type TSchema } from 'typebox'
import { formatIp, parseCidr } from '../lib/ip.ts'
import { type Fault, invalidInput, missingArgument, unknownAttributes } from './faults.ts'
import { pythonRepr, pythonText } from './python-text.ts'

/** Body `{ [key]: schema }`; `argument` is the name upstream's handler gives the whole body, which its faults show. */
export interface BodyKind<S extends TSchema = TSchema> {
  readonly argument: string
  readonly key: string
  readonly schema: S
  readonly read: (body: unknown) => Static<S>
}

/** `missing` is the fault for a body without the key. */
export function bodyKind<S extends TSchema>(argument: string, key: string, schema: S, missing?: () => Fault): BodyKind<S> {
  const convert = compile(schema)
  const absent = missing ?? (() => invalidInput(key, null, 'Mandatory field missing.'))
  function read(body: unknown): Static<S> {
    if (body === undefined) throw missingArgument(argument)
    if (!isPlainObject(body)) throw invalidInput(argument, body, `Value should be an object with the key ${key}`)
    try {
      const unknown = Object.keys(body).filter((name) => name !== key)
      if (unknown.length > 0) throw unknownAttributes(argument, unknown)
      const value = body[key]
      if (value === undefined || value === null) throw absent()
      const nulls: Fault[] = []
      const converted = convert(value, nulls)
      if (nulls[0] !== undefined) throw nulls[0]
      return converted as Static<S>
    } catch (error) {
      // As upstream: what cannot be converted is told with the whole body, what is converted but not allowed with its field.
      if (error instanceof ConversionError) throw invalidInput(argument, body, error.message)
      if (error instanceof UnknownAttributes) throw unknownAttributes([argument, key, ...error.path].join('.'), error.names)
      throw error
    }
  }
  return { argument, key, schema, read }
}

/**
 * In: a value that is there and not null. Out: the value to store. To `nulls` go the faults of mandatory fields that are null, which are
 * told when nothing else is wrong with the body: upstream finds them later still, by what they lead to.
 */
type Convert = (value: unknown, nulls: Fault[]) => unknown

/** The value is not of the type at all. */
class ConversionError extends Error {}

/** The value is of the type but not allowed; the object it belongs to adds its field. */
class NotAllowed extends Error {
  /** What upstream shows, where it shows not what was given but what that was converted to. */
  readonly converted: unknown
  constructor(message: string, converted?: unknown) {
    super(message)
    this.converted = converted
  }
}

/** Of an object in the body; `path` grows on the way out. */
class UnknownAttributes extends Error {
  readonly names: string[]
  readonly path: string[] = []
  constructor(names: string[]) {
    super(`unknown: ${names.join(', ')}`)
    this.names = names
  }
}

type Plain = Record<string, unknown>

function isPlainObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The keywords this file reads of a schema. */
type Keywords = {
  type?: string
  anyOf?: Keywords[]
  enum?: (string | number)[]
  format?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  items?: Keywords
  patternProperties?: Record<string, Keywords>
  default?: unknown
  onNull?: unknown
  distinct?: boolean
}

function compile(schema: TSchema): Convert {
  if (IsObject(schema)) return compileObject(schema)
  const keywords = schema as Keywords
  if (keywords.anyOf) return compile(keywords.anyOf.find(({ type }) => type !== 'null') as TSchema)
  if (keywords.enum) return oneOf(keywords.enum)
  switch (keywords.type) {
    case 'string':
      return keywords.format ? formatted(keywords.format) : text(keywords)
    case 'integer':
      return integer(keywords)
    case 'boolean':
      return toBoolean
    case 'array':
      return list(compile(keywords.items as TSchema), keywords)
    case 'object':
      return dictionary(compile(Object.values(keywords.patternProperties ?? {})[0] as TSchema))
  }
  throw new Error(`no way to read ${JSON.stringify(schema)} from a body`)
}

type FieldPlan = { name: string; convert: Convert; isOptional: boolean; fallback: unknown; onNull: unknown }

function compileObject(schema: TObject): Convert {
  const plans = Object.entries(schema.properties).map(([name, property]): FieldPlan => {
    const keywords = property as Keywords
    const isNullable = keywords.anyOf?.some(({ type }) => type === 'null') ?? false
    const inner = isNullable ? keywords.anyOf!.find(({ type }) => type !== 'null')! : keywords
    const fallback = keywords.default ?? (isNullable ? null : undefined)
    return {
      name,
      convert: compile(property),
      isOptional: IsOptional(property),
      fallback,
      onNull: isNullable ? null : (inner.onNull ?? fallback),
    }
  })
  const names = new Set(plans.map(({ name }) => name))
  const projectPlan = plans.find(({ name }) => name === 'project_id')
  return (value, nulls) => {
    if (!isPlainObject(value)) throw new ConversionError(`Value should be an object, not ${pythonText(value)}`)
    const unknown = Object.keys(value).filter((name) => !names.has(name) && !(projectPlan && name === 'tenant_id'))
    if (unknown.length > 0) throw new UnknownAttributes(unknown)
    const result: Plain = {}
    for (const plan of plans) {
      const given = value[plan.name]
      if (given !== undefined && given !== null) {
        result[plan.name] = convertField(plan, plan.name, given, nulls)
      } else if (given === null && plan.onNull !== undefined) {
        result[plan.name] = fresh(plan.onNull)
      } else if (!plan.isOptional) {
        const missing = plan.fallback === undefined ? invalidInput(plan.name, null, 'Mandatory field missing.') : undefined
        if (missing !== undefined && given === undefined) throw missing
        if (missing !== undefined) nulls.push(missing)
        result[plan.name] = fresh(plan.fallback)
      }
    }
    if (projectPlan && value.tenant_id !== undefined && value.tenant_id !== null) {
      result.project_id = convertField(projectPlan, 'tenant_id', value.tenant_id, nulls)
    }
    return result
  }
}

function convertField(plan: FieldPlan, name: string, given: unknown, nulls: Fault[]): unknown {
  try {
    return plan.convert(given, nulls)
  } catch (error) {
    if (error instanceof UnknownAttributes) error.path.unshift(name)
    if (error instanceof NotAllowed) throw invalidInput(name, error.converted ?? given, error.message)
    throw error
  }
}

/** A default that is a list or object belongs to one result only. */
function fresh(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}

function list(convert: Convert, { distinct = false }: Keywords): Convert {
  return (value, nulls) => {
    if (!Array.isArray(value)) throw new ConversionError(`Value not a valid list: ${pythonText(value)}`)
    const items = value.map((item) => {
      if (item === null) throw new NotAllowed('Value should not contain null')
      return convert(item, nulls)
    })
    return distinct ? [...new Set(items)] : items
  }
}

function dictionary(convert: Convert): Convert {
  return (value, nulls) => {
    if (!isPlainObject(value)) throw new ConversionError(`Value not a valid dict: ${pythonText(value)}`)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, convert(item, nulls)]))
  }
}

function text({ minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: Keywords): Convert {
  const matcher = pattern === undefined ? null : new RegExp(pattern)
  return (value) => {
    if (typeof value !== 'string') throw new NotAllowed('Value should be string')
    if (value.length < minLength) throw new NotAllowed(`Value should have a minimum character requirement of ${minLength}`)
    // Python counts code points; a string of that many UTF-16 units has no more of them.
    if (value.length > maxLength && [...value].length > maxLength) {
      throw new NotAllowed(`Value should have a maximum character requirement of ${maxLength}`)
    }
    if (matcher !== null && !matcher.test(value)) throw new NotAllowed(`Value should match the pattern ${pattern}`)
    // Beyond upstream: PostgreSQL cannot store NUL.
    if (value.includes('\0')) throw new NotAllowed('Value should not contain null characters')
    return value
  }
}

/** Without limits of its own a number is one of 32 bits, as its column. */
function integer({ minimum = -(2 ** 31), maximum = 2 ** 31 - 1 }: Keywords): Convert {
  return (value) => {
    const number = toInteger(value)
    if (number < minimum) throw new NotAllowed(`Value should be greater or equal to ${minimum}`, number)
    if (number > maximum) throw new NotAllowed(`Value should be lower or equal to ${maximum}`, number)
    return number
  }
}

/** Python cuts what it repeats of a number's text here. */
const MAX_LITERAL = 200

/** As Python's int(): digits in text and booleans count, fractions are cut off. */
function toInteger(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return Math.trunc(value)
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') {
    if (/^\s*[+-]?\d+(_\d+)*\s*$/.test(value)) return Number(value.replaceAll('_', ''))
    throw new ConversionError(`invalid literal for int() with base 10: ${pythonRepr(value).slice(0, MAX_LITERAL)}`)
  }
  throw new ConversionError(notInteger(value))
}

function notInteger(value: unknown): string {
  return `int() argument must be a string, a bytes-like object or a real number, not '${pythonType(value)}'`
}

function pythonType(value: unknown): string {
  if (Array.isArray(value)) return 'list'
  return typeof value === 'object' ? 'dict' : 'float'
}

const trueWords = ['true', 't', 'yes', 'y', 'on', '1']
const falseWords = ['false', 'f', 'no', 'n', 'off', '0']

function toBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isInteger(value)) return value !== 0
  if (typeof value === 'string' && trueWords.includes(value)) return true
  if (typeof value === 'string' && falseWords.includes(value)) return false
  throw new ConversionError(`Value not an unambiguous boolean: ${pythonText(value)}`)
}

function oneOf(values: readonly (string | number)[]): Convert {
  if (!values.every((value) => typeof value === 'number')) return oneOfWords(values)
  const areWhole = values.every(Number.isInteger)
  const asPython = (value: number) => (!areWhole && Number.isInteger(value) ? value.toFixed(1) : value)
  const shown = values.map(asPython).join(', ')
  return (value) => {
    const number = areWhole ? toInteger(value) : toFloat(value)
    if (!values.includes(number)) throw new NotAllowed(`Value should be one of: ${shown}`, asPython(number))
    return number
  }
}

function oneOfWords(words: readonly unknown[]): Convert {
  const shown = words.join(', ')
  return (value) => {
    if (typeof value === 'object') throw new NotAllowed(`unhashable type: '${pythonType(value)}'`)
    if (!words.includes(value)) throw new NotAllowed(`Value should be one of: ${shown}`)
    return value
  }
}

/** As Python's float(). */
function toFloat(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') {
    if (/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) return Number(value)
    throw new ConversionError(`could not convert string to float: ${pythonRepr(value)}`)
  }
  throw new ConversionError(`float() argument must be a string or a real number, not '${pythonType(value)}'`)
}

function formatted(format: string): Convert {
  const convert = formats[format]
  if (convert === undefined) throw new Error(`no way to read the format ${format}`)
  return convert
}

const formats: Record<string, Convert> = {
  uuid(value) {
    const digits =
      typeof value === 'string'
        ? value
            .replace('urn:', '')
            .replace('uuid:', '')
            .replace(/^[{}]+|[{}]+$/g, '')
        : ''
    const hex = digits.replaceAll('-', '')
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw new NotAllowed('Value should be UUID format')
    return hex.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  },
  'ip-address'(value) {
    // A zone (`fe80::1%eth0`) means nothing to an amphora, so it is refused, other than upstream.
    if (typeof value === 'string' && (isIPv4(value) || (isIPv6(value) && !value.includes('%')))) return value
    if (typeof value === 'object') throw new NotAllowed(notInteger(value))
    throw new NotAllowed('Value should be IPv4 or IPv6 format')
  },
  cidr(value) {
    const wanted = typeof value === 'string' ? value : ''
    const whole = isIPv4(wanted) ? `${wanted}/32` : isIPv6(wanted) ? `${wanted}/128` : wanted
    const cidr = parseCidr(whole)
    if (cidr === null) throw new NotAllowed('Value should be IPv4 or IPv6 CIDR format')
    return `${formatIp({ version: cidr.version, value: cidr.first })}/${cidr.prefix}`
  },
  'alpn-protocol'(value) {
    if (value === 'h2' || value === 'http/1.1' || value === 'http/1.0') return value
    throw new NotAllowed('Value should be a valid ALPN protocol ID')
  },
  'http-url'(value) {
    if (typeof value !== 'string') throw new NotAllowed(`expected string or bytes-like object, got '${pythonType(value)}'`)
    const parsed = value.length <= MAX_URL_LENGTH && !controlOrSpace.test(value) && /^https?:\/\//i.test(value) ? URL.parse(value) : null
    if (parsed === null || parsed.hostname === '') throw new NotAllowed('Value must be a valid URL string')
    return value
  },
  'url-path'(value) {
    if (
      typeof value === 'string' &&
      value.length <= MAX_URL_LENGTH &&
      /^\/(?!\/)/.test(value) &&
      !/\s/.test(value) &&
      pathCharacters.test(value)
    )
      return value
    throw new NotAllowed('Value must be a valid URL Path string')
  },
}

/** Upstream's columns have room for 255; who gets a longer one into them gets 500. */
export const MAX_URL_LENGTH = 2_048

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlOrSpace = /[\x00-\x20\x7f-\x9f]/

/** RFC 3986's path, and the query and fragment that may follow it. */
const pathCharacters = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-Fa-f]{2})*$/
