/** Values for a schema: such as a client would send, and such as nobody should. */
import type { TSchema } from 'typebox'
import type { Dice } from './dice.ts'
import type { Known } from './known.ts'

/** The keywords of a body's schema that are looked at. */
interface Keywords {
  type?: string
  anyOf?: Keywords[]
  enum?: (string | number)[]
  format?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  items?: Keywords
  properties?: Record<string, Keywords>
  patternProperties?: Record<string, Keywords>
  default?: unknown
}

/** JSON that no value can be printed as, such as a number out of range; put in by `toJson`. */
class Verbatim {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const DEPTH = 3_000

const nasty: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 0.1, 256, 65_536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 + 2, 1e308],
  ...['1e400', '-1e400', '-0', '1E+2', '123456789012345678901234567890', '0.1e-400'].map((text) => new Verbatim(text)),
  ...[
    '',
    ' ',
    '0',
    '-1',
    'true',
    'null',
    'NaN',
    'Infinity',
    '1_000',
    '٣',
    ' 1 ',
    'a'.repeat(255),
    'a'.repeat(256),
    'é'.repeat(255),
    '💥'.repeat(200),
  ],
  ...['\ud800', 'x\udfffy', '\u0000', 'a\u0000b', '\n', '\r\nX-Injected: yes', '\u202e', '\ufeff', 'e\u0301'.repeat(40), '\u2028'],
  ...[
    "' or 1=1 --",
    '"; drop table pool; --',
    '%s%n',
    '{{7*7}}',
    '../../etc/passwd',
    '<script>',
    '\\',
    '"',
    '%00',
    'a,b',
    'x'.repeat(5_000),
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'],
  ...[[], {}, [[]], [null], [{}], { '': '' }, { constructor: { prototype: {} } }, Array.from({ length: 2_000 }, (_, n) => n)],
  new Verbatim('{"__proto__":{"is_admin":true}}'),
  new Verbatim('{"a":1,"a":2}'),
  new Verbatim('['.repeat(DEPTH) + ']'.repeat(DEPTH)),
  new Verbatim(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`),
  new Verbatim('"\\ud83d"'),
  ...['::', '0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4', 'fe80::1%eth0', '1.2.3', '10.0.0.0/33', '10.0.0.1/8', '2001:db8::/129'],
  ...['http://', 'http://[', 'https://a b/', 'javascript:alert(1)', 'http://a:99999/', '//a', '/%zz'],
  ...['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '{7e9d2b3c11114a4a9b9b000000000001}', 'urn:uuid:x'],
]

export const nastyValue = (dice: Dice): unknown => dice.pick(nasty)

/** As text that JSON.stringify would refuse to make. */
export function toJson(value: unknown): string {
  if (value instanceof Verbatim) return value.text
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, item]) => `${JSON.stringify(name)}:${toJson(item)}`)
      .join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Fields that hold the id of something that may exist, by where it is found. */
const references: Record<string, string> = {
  loadbalancer_id: 'loadbalancers',
  listener_id: 'listeners',
  pool_id: 'pools',
  default_pool_id: 'pools',
  redirect_pool_id: 'pools',
  flavor_id: 'flavors',
  flavor_profile_id: 'flavorprofiles',
  availability_zone: 'availabilityzones',
  availability_zone_profile_id: 'availabilityzoneprofiles',
}

/** What fields of text mean beyond their schema. */
const byName: Record<string, readonly unknown[]> = {
  provider: ['amphora', 'octavia'],
  provider_name: ['amphora', 'octavia', 'nobody'],
  flavor_data: ['{"loadbalancer_topology": "SINGLE"}', '{"compute_flavor": "1"}', '{"x": 1}', '{', '[]', 'null'],
  availability_zone_data: ['{"compute_zone": "a"}', '{"compute_zone": 1}', '[', '"x"'],
  expected_codes: ['200', '200,202', '200-204', '999', '2'],
  domain_name: ['example.org', '-'],
  cookie_name: ['JSESSIONID', 'a b'],
  redirect_url: ['http://example.org/', 'ftp://x'],
  redirect_prefix: ['https://example.org/', 'x'],
  url_path: ['/', '/health?x=1', 'health'],
  tls_ciphers: ['ECDHE-RSA-AES128-GCM-SHA256', 'nonsense', ''],
  value: ['/x', 'example.org', 'True', '1'],
  key: ['x-header', 'CN'],
}

/** A body for the schema: mostly what a client would send, with one field in ten that nobody should. */
export function valueFor(schema: TSchema, dice: Dice, known: Known): unknown {
  return make(schema as Keywords, '', dice, known, 0)
}

function make(schema: Keywords, name: string, dice: Dice, known: Known, depth: number): unknown {
  if (depth > 0 && dice.chance(0.025)) return nastyValue(dice)
  const reference = references[name]
  if (reference !== undefined && dice.chance(0.8)) return known.idOf(reference, dice) ?? dice.uuid()
  if (Object.hasOwn(byName, name) && dice.chance(0.9)) return dice.pick(byName[name]!)
  if (schema.anyOf !== undefined) return make(dice.pick(schema.anyOf), name, dice, known, depth)
  if (schema.enum !== undefined) return dice.pick(schema.enum)
  if (schema.default !== undefined && dice.chance(0.3)) return schema.default
  switch (schema.type) {
    case 'string':
      return text(schema, dice)
    case 'integer':
    case 'number':
      return number(schema, dice)
    case 'boolean':
      return dice.chance(0.5)
    case 'array':
      return Array.from({ length: dice.below(4) }, () => make(schema.items ?? {}, name, dice, known, depth + 1))
    case 'object':
      return object(schema, dice, known, depth)
    default:
      return null
  }
}

function object({ properties, patternProperties }: Keywords, dice: Dice, known: Known, depth: number): unknown {
  if (properties === undefined) {
    const inner = Object.values(patternProperties ?? {})[0] ?? { type: 'string' }
    const names = ['X-Forwarded-For', 'X-Forwarded-Port', 'X-SSL-Client-DN', '__proto__', 'x']
    return Object.fromEntries(Array.from({ length: dice.below(3) }, () => [dice.pick(names), make(inner, '', dice, known, depth + 1)]))
  }
  const result: [string, unknown][] = []
  for (const [name, schema] of Object.entries(properties)) {
    const isNeeded = schema.default === undefined && schema.anyOf === undefined
    if (dice.chance(isNeeded ? 0.98 : 0.15)) result.push([name, make(schema, name, dice, known, depth + 1)])
  }
  if (dice.chance(0.02)) result.push([dice.pick(['__proto__', 'constructor', 'unknown', '', 'tenant_id']), nastyValue(dice)])
  return Object.fromEntries(result)
}

function text({ format, maxLength = 255 }: Keywords, dice: Dice): string {
  switch (format) {
    case 'uuid':
      return dice.uuid()
    case 'ip-address':
      return dice.chance(0.8) ? `203.0.113.${dice.below(255)}` : `2001:db8::${dice.below(255)}`
    case 'cidr':
      return dice.pick(['10.0.0.0/8', '2001:db8::/32', '0.0.0.0/0'])
    case 'alpn-protocol':
      return dice.pick(['h2', 'http/1.1', 'http/1.0'])
    case 'http-url':
      return 'http://example.org/x'
    case 'url-path':
      return '/x'
    default:
      return dice.chance(0.1) ? 'n'.repeat(Math.min(maxLength, 300)) : dice.pick(['one', 'two', 'três', 'a b', ''])
  }
}

function number({ minimum = 0, maximum = 100_000 }: Keywords, dice: Dice): number {
  if (dice.chance(0.05)) return dice.pick([minimum, maximum, minimum - 1, maximum + 1])
  return minimum + dice.below(Math.min(maximum - minimum, 1_000) + 1)
}
