/** The client's types and methods, from the API's description. */
import type { JsonObject, OpenApi, Operation } from '../api/openapi.ts'

/** The source of `src/client/operations.ts`. */
export function clientSource(document: OpenApi): string {
  const { schemas, parameters } = document.components
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      // What is outside of the versions is for finding them.
      .filter(() => path.startsWith('/v2/'))
      .map(([method, operation]) => operationOf(path, method.toUpperCase(), operation)),
  )
  return [
    '/** Generated from docs/generated/openapi.json by `npm run generate`: change the schemas of the API instead. */',
    "import { Connection, type Page, segment } from './connection.ts'",
    '',
    ...Object.entries(schemas)
      .filter(([name]) => !name.endsWith('Fault') || name === 'ObjectFault')
      .map(([name, schema]) => declaration(name, schema)),
    '/** What queries of lists share. */',
    declaration('SharedQuery', { type: 'object', properties: Object.fromEntries(Object.entries(parameters!).map(asProperty)) }),
    ...operations.flatMap(({ query }) => query),
    '/** The load balancing API: a method for each of its operations. Each throws `Fault` when the service refuses. */',
    'export class LoadBalancing extends Connection {',
    operations.map(({ lines }) => lines.map((line) => `  ${line}`).join('\n')).join('\n\n'),
    '}',
    '',
  ].join('\n')
}

const asProperty = ([name, { schema, description }]: [string, JsonObject]): [string, JsonObject] => [
  name,
  { ...(schema as JsonObject), ...(description === undefined ? {} : { description }) },
]

function declaration(name: string, schema: JsonObject): string {
  if (schema.properties === undefined) return `export type ${name} = ${typeOf(schema)}\n`
  return `export interface ${name} ${typeOf(schema)}\n`
}

function typeOf(schema: JsonObject, indent = ''): string {
  const { $ref, anyOf, enum: values, type, items, properties, required, additionalProperties } = schema
  if (typeof $ref === 'string') return $ref.split('/').at(-1)!
  if (Array.isArray(anyOf)) return anyOf.map((one) => typeOf(one as JsonObject, indent)).join(' | ')
  if (Array.isArray(values)) return values.map(literal).join(' | ')
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one }, indent)).join(' | ')
  if (type === 'null') return 'null'
  if (type === 'array') return arrayOf(typeOf(items as JsonObject, indent))
  if (properties !== undefined) return objectType(properties as Record<string, JsonObject>, new Set(required as string[]), indent)
  if (type === 'object') return `Record<string, ${typeOf(additionalProperties as JsonObject, indent)}>`
  return type === 'integer' ? 'number' : String(type ?? 'unknown')
}

function objectType(properties: Record<string, JsonObject>, required: Set<string>, indent: string): string {
  const lines = Object.entries(properties).flatMap(([name, property]) => {
    const note = typeof property.description === 'string' ? [`${indent}  /** ${property.description} */`] : []
    return [...note, `${indent}  ${key(name)}${required.has(name) ? '' : '?'}: ${typeOf(property, `${indent}  `)}`]
  })
  return `{\n${lines.join('\n')}\n${indent}}`
}

const arrayOf = (type: string) => (type.includes(' | ') && !type.startsWith('{') ? `(${type})[]` : `${type}[]`)
const key = (name: string) => (/^\w+$/.test(name) ? name : `'${name}'`)
const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : String(value))

interface Method {
  /** Declares the query's type. */
  query: string[]
  lines: string[]
}

function operationOf(path: string, method: string, { operationId, summary, parameters, requestBody, responses }: Operation): Method {
  const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => String(name))
  const queryName = `${operationId[0]!.toUpperCase()}${operationId.slice(1)}Query`
  const query = queryType(queryName, parameters)
  const body = requestBody === undefined ? undefined : wrapped(requestBody)
  const args = [
    ...inPath.map((name) => `${name}: string`),
    ...(body === undefined ? [] : [`${body.key}: ${typeOf(body.schema)}`]),
    ...(query.length === 0 ? [] : [`query: ${queryName} = {}`]),
  ]
  const options = [...(query.length === 0 ? [] : ['query']), ...(body === undefined ? [] : [`body: { ${body.key} }`])]
  const url = inPath.length === 0 ? `'${path}'` : `\`${path.replaceAll(/\{\w+\}/g, (name) => `$\{segment(${name.slice(1, -1)})}`)}\``
  const given = options.length === 0 ? '' : `, { ${options.join(', ')} }`
  const { returns, call } = resultOf(responses, method, url)
  return {
    query,
    lines: [`/** ${summary}. */`, `${operationId}(${args.join(', ')}): ${returns} {`, `  return this.${call}${given})`, '}'],
  }
}

function queryType(name: string, parameters: JsonObject[]): string[] {
  const own = parameters.filter((parameter) => parameter.in === 'query').map((parameter) => asProperty([String(parameter.name), parameter]))
  const shared = parameters.filter(({ $ref }) => $ref !== undefined).map(({ $ref }) => String($ref).split('/').at(-1)!)
  if (own.length + shared.length === 0) return []
  const picked = shared.length === 0 ? '' : ` extends Pick<SharedQuery, ${shared.map(literal).join(' | ')}>`
  return [`export interface ${name}${picked} ${own.length === 0 ? '{}' : objectType(Object.fromEntries(own), new Set(), '')}\n`]
}

/** Of `{ member: ... }`. */
function wrapped(carrier: JsonObject): { key: string; schema: JsonObject; others: string[] } {
  const { schema } = (carrier.content as Record<string, JsonObject>)['application/json']!
  const [[first, found], ...others] = Object.entries((schema as JsonObject).properties as Record<string, JsonObject>) as [
    [string, JsonObject],
    ...[string, JsonObject][],
  ]
  return { key: first, schema: found, others: others.map(([name]) => name) }
}

/** The beginning of the call: its options and the closing bracket are missing. */
function resultOf(responses: Operation['responses'], method: string, url: string): { returns: string; call: string } {
  const [, answer] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? []
  if (answer?.content === undefined) return { returns: 'Promise<void>', call: `nothing('${method}', ${url}` }
  if ('text/plain' in (answer.content as JsonObject)) return { returns: 'AsyncGenerator<string>', call: `lines(${url}` }
  const { key, schema, others } = wrapped(answer)
  const type = typeOf(schema)
  const [links] = others
  if (links === undefined) return { returns: `Promise<${type}>`, call: `object<${type}>('${method}', ${url}, '${key}'` }
  const item = typeOf(schema.items as JsonObject)
  return { returns: `Promise<Page<${item}>>`, call: `page<${item}>(${url}, '${key}', '${links}'` }
}
