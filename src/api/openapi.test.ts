import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCloud } from '../../test/support/cloud.ts'
import { describe, type JsonObject, type OpenApi, type Operation } from './openapi.ts'

async function description(): Promise<OpenApi> {
  const { cloud } = await aCloud({ worker: false }).empty()
  return JSON.parse(JSON.stringify(describe(cloud.server.announced))) as OpenApi
}

function operations({ paths }: OpenApi): { path: string; method: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
}

/** Every object in the document, with where it is. */
function* objectsIn(value: unknown, at = '#'): Generator<[at: string, object: Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [at, value as Record<string, unknown>]
  for (const [key, child] of Object.entries(value)) yield* objectsIn(child, `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
}

function resolve(document: OpenApi, ref: string): unknown {
  const steps = ref.split('/').slice(1)
  return steps.reduce<unknown>((value, step) => {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
  }, document)
}

test('anyone can read the description, without a token, and a client that has it already gets 304', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const first = await cloud.server.inject({ url: '/openapi.json' })
  assert.equal(first.statusCode, 200)
  assert.equal(first.headers['content-type'], 'application/json')
  assert.equal(first.json<OpenApi>().openapi, '3.1.0')
  const again = await cloud.server.inject({ url: '/openapi.json', headers: { 'if-none-match': String(first.headers.etag) } })
  assert.deepEqual([again.statusCode, again.payload], [304, ''])
  assert.equal((await cloud.server.inject({ url: '/openapi.json', method: 'POST' })).statusCode, 405)
})

test('every announced route is described, under a name of its own, with what it does and answers', async () => {
  const { cloud } = await aCloud({ worker: false }).empty()
  const document = describe(cloud.server.announced)
  const found = operations(document)
  const names = found.map(({ operation }) => operation.operationId)
  assert.deepEqual([...new Set(names)], names)
  for (const { method, path, policies, answer, summary } of cloud.server.announced) {
    const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    assert.ok(operation, `${method} ${path}`)
    assert.deepEqual(operation['x-policies'], policies)
    assert.ok(operation.responses[answer.status], `${operation.operationId} answers nothing`)
    assert.equal(operation.summary, summary)
  }
})

test('parameters: those of the path are declared, and none twice', async () => {
  const document = await description()
  for (const { path, operation } of operations(document)) {
    const parameters = operation.parameters.map((parameter) =>
      typeof parameter.$ref === 'string' ? (resolve(document, parameter.$ref) as JsonObject) : parameter,
    )
    const inPath = parameters.filter((parameter) => parameter.in === 'path')
    assert.deepEqual(
      inPath.map(({ name }) => name),
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      path,
    )
    assert.ok(inPath.every(({ required }) => required === true))
    const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
    assert.deepEqual([...new Set(keys)], keys, operation.operationId)
    assert.ok(parameters.every(({ schema, in: place }) => schema !== undefined && (place === 'path' || place === 'query')))
  }
})

test('every reference leads somewhere, and nothing that is named is unused', async () => {
  const document = await description()
  const used = new Set<string>()
  for (const [at, object] of objectsIn(document)) {
    if (typeof object.$ref !== 'string') continue
    assert.notEqual(resolve(document, object.$ref), undefined, `${at}: ${object.$ref}`)
    used.add(object.$ref)
  }
  for (const kind of ['schemas', 'parameters', 'responses']) {
    for (const name of Object.keys(document.components[kind]!))
      assert.ok(used.has(`#/components/${kind}/${name}`), `${kind} ${name} is unused`)
  }
})

/** The keywords of JSON Schema 2020-12 that we use, and what each must hold. */
const keywords: Record<string, (value: unknown) => boolean> = {
  $ref: isText,
  type: (value) =>
    [value].flat().every((one) => ['object', 'array', 'string', 'integer', 'number', 'boolean', 'null'].includes(String(one))),
  properties: isObject,
  additionalProperties: (value) => typeof value === 'boolean' || isObject(value),
  required: (value) => Array.isArray(value) && value.every(isText) && new Set(value).size === value.length,
  items: isObject,
  enum: (value) => Array.isArray(value) && value.length > 0 && new Set(value).size === value.length,
  anyOf: (value) => Array.isArray(value) && value.length > 0 && value.every(isObject),
  minimum: isNumber,
  maximum: isNumber,
  minLength: isNumber,
  maxLength: isNumber,
  minItems: isNumber,
  maxItems: isNumber,
  pattern: (value) => isText(value) && new RegExp(value as string, 'u') instanceof RegExp,
  format: isText,
  default: (value) => value !== undefined,
  description: isText,
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkSchema(schema: JsonObject, at: string): void {
  for (const [keyword, value] of Object.entries(schema)) {
    assert.ok(Object.hasOwn(keywords, keyword), `${at}: ${keyword} is no keyword of JSON schema that we use`)
    assert.ok(keywords[keyword]!(value), `${at}: ${keyword} cannot be ${JSON.stringify(value)}`)
  }
  const { properties, items, anyOf, additionalProperties, required } = schema
  for (const [name, property] of Object.entries((properties ?? {}) as JsonObject)) checkSchema(property as JsonObject, `${at}/${name}`)
  for (const child of [items, additionalProperties].filter(isObject)) checkSchema(child as JsonObject, `${at}/items`)
  for (const [index, one] of ((anyOf ?? []) as JsonObject[]).entries()) checkSchema(one, `${at}/${index}`)
  for (const name of (required ?? []) as string[])
    assert.ok(Object.hasOwn(properties as object, name), `${at}: ${name} is mandatory and unknown`)
  if (isObject(properties)) assert.ok([schema.type].flat().includes('object'), at)
}

test('schemas use the keywords of JSON Schema 2020-12, rightly', async () => {
  const document = await description()
  for (const [name, schema] of Object.entries(document.components.schemas)) checkSchema(schema, name)
  for (const [at, object] of objectsIn(document.paths)) if (isObject(object.schema)) checkSchema(object.schema as JsonObject, at)
  for (const [name, parameter] of Object.entries(document.components.parameters!)) checkSchema(parameter.schema as JsonObject, name)
})

test('bodies say what is mandatory, what is the default, what may be null and what is allowed', async () => {
  const { components, paths } = await description()
  const { MemberCreate, MemberUpdate } = components.schemas as Record<string, JsonObject & { properties: Record<string, JsonObject> }>
  assert.deepEqual(MemberCreate!.required, ['address', 'protocol_port'])
  assert.equal(MemberCreate!.additionalProperties, false)
  assert.deepEqual(MemberCreate!.properties.weight, { type: ['integer', 'null'], minimum: 0, maximum: 256, default: 1 })
  assert.deepEqual(MemberUpdate!.properties.weight, { type: ['integer', 'null'], minimum: 0, maximum: 256 })
  assert.equal(MemberUpdate!.required, undefined)
  const { requestBody } = paths['/v2/lbaas/pools/{pool_id}/members']!.post!
  assert.deepEqual(requestBody, {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['member'],
          additionalProperties: false,
          properties: { member: { $ref: '#/components/schemas/MemberCreate' } },
        },
      },
    },
  })
})
