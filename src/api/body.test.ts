import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from 'typebox'
import { isFault } from '../../test/support/is-fault.ts'
import {
  boolean,
  changes,
  cidr,
  commonFields,
  dictionary,
  integer,
  ipAddress,
  listOf,
  nullable,
  oneOf,
  projectId,
  text,
  url,
  urlPath,
  uuid,
} from '../resources/fields.ts'
import { bodyKind } from './body.ts'

const Child = Type.Object({ port: integer({ minimum: 1, maximum: 65535 }), name: text(5, { default: '' }) })
const Thing = Type.Object({
  ...commonFields,
  id_of_friend: nullable(uuid()),
  kind: oneOf(['A', 'B']),
  weight: integer({ minimum: 0, maximum: 256, default: 1 }),
  backup: boolean({ default: false }),
  address: nullable(ipAddress()),
  range: nullable(listOf(cidr())),
  target: nullable(url()),
  path: nullable(urlPath()),
  headers: dictionary(255, { default: {} }),
  version: nullable(oneOf([1.0, 1.1])),
  children: listOf(Child, { default: [] }),
  project_id: projectId,
})
const create = bodyKind('thing_', 'thing', Thing)
const update = bodyKind('thing_', 'thing', changes(Thing, ['name', 'kind', 'weight']))

function refuses(body: unknown, text: string, kind: { read(body: unknown): unknown } = create): void {
  assert.throws(() => kind.read(body), isFault(text))
}
const refusesField = (field: Record<string, unknown>, text: string) => refuses({ thing: { kind: 'A', ...field } }, text)

test('what a create body leaves out or nulls is its default, or null', () => {
  const defaults = {
    name: '',
    admin_state_up: true,
    tags: [],
    id_of_friend: null,
    kind: 'A',
    weight: 1,
    backup: false,
    address: null,
    range: null,
    target: null,
    path: null,
    headers: {},
    version: null,
    children: [],
  }
  assert.deepEqual(create.read({ thing: { kind: 'A' } }), defaults)
  const nulls = Object.fromEntries(Object.keys(defaults).map((name) => [name, null]))
  // Null is upstream's false for this field alone.
  assert.deepEqual(create.read({ thing: { ...nulls, kind: 'A', weight: null } }), { ...defaults, admin_state_up: false })
})

test('a default is never shared between two results', () => {
  const first = create.read({ thing: { kind: 'A' } })
  first.tags.push('changed')
  assert.deepEqual(create.read({ thing: { kind: 'A' } }).tags, [])
})

test('what an update leaves out stays out, and null stays null', () => {
  assert.deepEqual(update.read({ thing: {} }), {})
  assert.deepEqual(update.read({ thing: { name: null, weight: null } }), { name: null, weight: null })
  refuses({ thing: { address: '10.0.0.1' } }, 'Unknown attribute for argument thing_.thing: address', update)
})

test('values are converted as upstream converts them', () => {
  const asked = {
    kind: 'B',
    weight: '7',
    backup: 'yes',
    id_of_friend: '{AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE}',
    range: ['10.0.0.7/8', '2001:DB8::1/32', '10.1.1.1'],
    version: 1.1,
    address: '2001:DB8::1',
  }
  const read = create.read({ thing: asked })
  assert.equal(read.weight, 7)
  assert.equal(read.backup, true)
  assert.equal(read.id_of_friend, 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee')
  assert.deepEqual(read.range, ['10.0.0.0/8', '2001:db8::/32', '10.1.1.1/32'])
  assert.equal(read.version, 1.1)
  assert.equal(read.address, '2001:DB8::1')
})

test('tenant_id is another spelling of project_id', () => {
  assert.equal(create.read({ thing: { kind: 'A', tenant_id: 'p1' } }).project_id, 'p1')
  refusesField(
    { tenant_id: 'x'.repeat(37) },
    `Invalid input for field/attribute tenant_id. Value: '${'x'.repeat(37)}'. Value should have a maximum character requirement of 36`,
  )
})

test('values that are not allowed are told with their field', () => {
  const told = (field: string, value: string, reason: string) => `Invalid input for field/attribute ${field}. Value: '${value}'. ${reason}`
  refusesField({ weight: 257 }, told('weight', '257', 'Value should be lower or equal to 256'))
  refusesField({ weight: -1 }, told('weight', '-1', 'Value should be greater or equal to 0'))
  refusesField({ kind: 'C' }, told('kind', 'C', 'Value should be one of: A, B'))
  refusesField({ version: 2 }, told('version', '2.0', 'Value should be one of: 1.0, 1.1'))
  refusesField({ id_of_friend: 'xx' }, told('id_of_friend', 'xx', 'Value should be UUID format'))
  refusesField({ address: '300.1.1.1' }, told('address', '300.1.1.1', 'Value should be IPv4 or IPv6 format'))
  refusesField({ address: [] }, told('address', '[]', "int() argument must be a string, a bytes-like object or a real number, not 'list'"))
  refusesField({ address: 'fe80::1%eth0' }, told('address', 'fe80::1%eth0', 'Value should be IPv4 or IPv6 format'))
  refusesField({ name: 5 }, told('name', '5', 'Value should be string'))
  refusesField({ tags: ['a', 5] }, told('tags', "['a', 5]", 'Value should be string'))
  refusesField({ range: ['10.0.0.0/33'] }, told('range', "['10.0.0.0/33']", 'Value should be IPv4 or IPv6 CIDR format'))
  refusesField({ target: 'http://a b/' }, told('target', 'http://a b/', 'Value must be a valid URL string'))
  refusesField({ target: {} }, told('target', '{}', "expected string or bytes-like object, got 'dict'"))
  refusesField({ target: 'ftp://a/' }, told('target', 'ftp://a/', 'Value must be a valid URL string'))
  refusesField({ path: 'no/slash' }, told('path', 'no/slash', 'Value must be a valid URL Path string'))
  refusesField({ headers: { a: 1 } }, told('headers', "{'a': 1}", 'Value should be string'))
  refusesField({ children: [{ port: 0 }] }, told('port', '0', 'Value should be greater or equal to 1'))
  refuses({ thing: {} }, told('kind', 'None', 'Mandatory field missing.'))
  refuses({ thing: { kind: null } }, told('kind', 'None', 'Mandatory field missing.'))
})

test('values that cannot be converted are told with the whole body', () => {
  const told = (body: string, reason: string) => `Invalid input for field/attribute thing_. Value: '${body}'. ${reason}`
  refuses(
    { thing: { kind: 'A', weight: '82x' } },
    told("{'thing': {'kind': 'A', 'weight': '82x'}}", "invalid literal for int() with base 10: '82x'"),
  )
  const long = 'x'.repeat(256)
  refuses(
    { thing: { kind: 'A', weight: long } },
    told(`{'thing': {'kind': 'A', 'weight': '${long}'}}`, `invalid literal for int() with base 10: '${'x'.repeat(199)}`),
  )
  refuses(
    { thing: { kind: 'A', backup: 'maybe' } },
    told("{'thing': {'kind': 'A', 'backup': 'maybe'}}", 'Value not an unambiguous boolean: maybe'),
  )
  refuses({ thing: { kind: 'A', tags: 'a' } }, told("{'thing': {'kind': 'A', 'tags': 'a'}}", 'Value not a valid list: a'))
})

test('unknown attributes are told before anything else, with the path to them', () => {
  refuses({ thing: { foo: 1, weight: 'x' } }, 'Unknown attribute for argument thing_.thing: foo')
  refuses({ thing: { foo: 1, bar: 2 } }, 'Unknown attributes for argument thing_.thing: foo, bar')
  refuses({ thing: { kind: 'A', children: [{ port: 1, id: 'x' }] } }, 'Unknown attribute for argument thing_.thing.children: id')
  refuses({ thing: { kind: 'A' }, other: 1 }, 'Unknown attribute for argument thing_: other')
  refuses(JSON.parse('{"thing": {"kind": "A", "__proto__": {"weight": 5}}}'), 'Unknown attribute for argument thing_.thing: __proto__')
})

test('bodies that are no object, or have none', () => {
  refuses(undefined, 'Missing argument: "thing_"')
  refuses([], "Invalid input for field/attribute thing_. Value: '[]'. Value should be an object with the key thing")
  refuses({}, "Invalid input for field/attribute thing. Value: 'None'. Mandatory field missing.")
})

test('null of a mandatory field is told after everything else that is wrong', () => {
  refuses(
    { thing: { kind: null, weight: 300 } },
    "Invalid input for field/attribute weight. Value: '300'. Value should be lower or equal to 256",
  )
  refuses(
    { thing: { kind: null, children: [{ port: null }, {}] } },
    "Invalid input for field/attribute port. Value: 'None'. Mandatory field missing.",
  )
  refuses({ thing: { kind: null } }, "Invalid input for field/attribute kind. Value: 'None'. Mandatory field missing.")
})

test('a list or an object is no word, as Python says it', () => {
  refuses({ thing: { kind: ['A'] } }, "Invalid input for field/attribute kind. Value: '['A']'. unhashable type: 'list'")
  refuses({ thing: { kind: { A: 1 } } }, "Invalid input for field/attribute kind. Value: '{'A': 1}'. unhashable type: 'dict'")
})

test('a number that is not allowed is shown as it was read', () => {
  refusesField({ version: 2 }, "Invalid input for field/attribute version. Value: '2.0'. Value should be one of: 1.0, 1.1")
  refusesField({ weight: '300' }, "Invalid input for field/attribute weight. Value: '300'. Value should be lower or equal to 256")
  refusesField({ weight: 300.7 }, "Invalid input for field/attribute weight. Value: '300'. Value should be lower or equal to 256")
})
