/**
 * The API's description (OpenAPI 3.1, whose schemas are JSON Schema 2020-12), made from what routes announce about themselves. Nothing of
 * it depends on the configuration, so all installations of a version serve the same one, which is also in `docs/generated/`.
 */

import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import type { Answer, Listed } from './answer.ts'
import { MAX_URL_LENGTH } from './body.ts'
import { currentVersion } from './discovery.ts'
import { methodNotAllowed } from './faults.ts'
import { type AnnouncedRoute, takesAnyArgument } from './route.ts'

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

export interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, JsonObject>; [kind: string]: Record<string, JsonObject> }
  [key: string]: unknown
}

export interface Operation {
  operationId: string
  summary: string
  tags: string[]
  parameters: JsonObject[]
  requestBody?: JsonObject
  responses: Record<string, JsonObject>
  [extension: string]: unknown
}

/** Serves the description, to everyone. Called once, when all routes are announced. */
export function openapiRoute(api: FastifyInstance): void {
  let built: { text: string; etag: string } | undefined
  const build = () => {
    const text = JSON.stringify(describe(api.announced))
    return { text, etag: `"${createHash('sha256').update(text).digest('base64url')}"` }
  }
  api.route({
    method: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD'],
    // The suffix is taken off before routing, as of every path.
    url: '/openapi',
    async handler(request, reply) {
      if (request.method !== 'GET') throw methodNotAllowed(['GET'])
      built ??= build()
      reply.header('etag', built.etag).header('cache-control', 'no-cache')
      if (request.headers['if-none-match'] === built.etag) return reply.code(304).send()
      return reply.type('application/json').send(built.text)
    },
  })
}

export function describe(routes: readonly AnnouncedRoute[]): OpenApi {
  const schemas = new Components()
  const paths: OpenApi['paths'] = { '/': { get: discovery } }
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = describeRoute(route, schemas)
  }
  const components = { schemas: { ...schemas.all(), ...faultSchemas }, parameters, responses: faultResponses, securitySchemes }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Ottavia load balancing',
      version: currentVersion,
      summary: "OpenStack Octavia's API",
      description:
        'Every path is also served below `/v2.0`, without `/lbaas`, below `/load-balancer` and with `.json` at its end. Unknown fields of ' +
        'bodies are refused; clients ignore fields of answers that they do not know.',
      license: { name: 'Apache License 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components,
  }
}

const securitySchemes: Record<string, JsonObject> = {
  token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token', description: 'A token of the identity service for a project' },
}

const discovery: Operation = {
  operationId: 'listVersions',
  summary: 'List the versions of the API, the current one last',
  tags: ['Discovery'],
  security: [],
  parameters: [],
  responses: {
    200: {
      description: 'OK',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['versions'],
            properties: {
              versions: {
                type: 'array',
                items: {
                  type: 'object',
                  required: ['id', 'status', 'updated', 'links'],
                  properties: {
                    id: { type: 'string' },
                    status: { type: 'string', enum: ['SUPPORTED', 'CURRENT'] },
                    updated: { type: 'string' },
                    links: {
                      type: 'array',
                      items: {
                        type: 'object',
                        required: ['href', 'rel'],
                        properties: { href: { type: 'string' }, rel: { type: 'string' } },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
}

function describeRoute(route: AnnouncedRoute, schemas: Components): Operation {
  const { operationId, noun } = nameOf(route)
  const { body, answer, policies, summary } = route
  const operation: Operation = {
    operationId,
    summary,
    tags: [noun],
    parameters: [...pathParameters(route.path), ...queryParameters(route)],
    responses: {},
    'x-policies': [...policies],
  }
  if (body) {
    const name = `${operationId.replace(/^(create|update)/, '')}${route.method === 'POST' ? 'Create' : 'Update'}`
    const schema = schemas.request(body.schema, name)
    operation.requestBody = {
      required: true,
      content: json({ type: 'object', required: [body.key], additionalProperties: false, properties: { [body.key]: schema } }),
    }
  }
  const description = meanings[answer.status]
  operation.responses[answer.status] = { description, ...contentOf(answer, schemas) }
  for (const status of faultsOf(route)) operation.responses[status] = { $ref: `#/components/responses/${status}` }
  return operation
}

function contentOf({ body, isText }: Answer, schemas: Components): { content?: JsonObject } {
  if (isText) return { content: { 'text/plain': { schema: { type: 'string' } } } }
  return body === undefined ? {} : { content: json(schemas.answer(body)) }
}

const json = (schema: Json): JsonObject => ({ 'application/json': { schema } })

const meanings = { 200: 'OK', 201: 'Created: it is being built', 202: 'Accepted', 204: 'Gone, or going' }

/** What collections are called in the singular and in operations' names. */
const nouns: Record<string, readonly [one: string, many: string]> = {
  loadbalancers: ['LoadBalancer', 'LoadBalancers'],
  listeners: ['Listener', 'Listeners'],
  pools: ['Pool', 'Pools'],
  members: ['Member', 'Members'],
  healthmonitors: ['HealthMonitor', 'HealthMonitors'],
  l7policies: ['L7Policy', 'L7Policies'],
  rules: ['L7Rule', 'L7Rules'],
  quotas: ['Quota', 'Quotas'],
  providers: ['Provider', 'Providers'],
  flavors: ['Flavor', 'Flavors'],
  flavorprofiles: ['FlavorProfile', 'FlavorProfiles'],
  availabilityzones: ['AvailabilityZone', 'AvailabilityZones'],
  availabilityzoneprofiles: ['AvailabilityZoneProfile', 'AvailabilityZoneProfiles'],
  amphorae: ['Amphora', 'Amphorae'],
}

/** What an object can be told to do: the last word of a PUT's path. */
const actions: Record<string, string> = { failover: 'failover', config: 'configure' }

/** In: GET /v2/lbaas/loadbalancers/:id/stats. Out: getLoadBalancerStats, LoadBalancer. */
function nameOf({ method, path, answer }: AnnouncedRoute): { operationId: string; noun: string } {
  const words = path.split('/').slice(3)
  const collection = words.findLast((word) => Object.hasOwn(nouns, word))
  if (collection === undefined) throw new Error(`no name for ${method} ${path}: its collection is not among the nouns of openapi.ts`)
  const [one, many] = nouns[collection]!
  const last = words.at(-1)!
  const verb = () => {
    if (last === collection) return { GET: `list${many}`, POST: `create${one}`, PUT: `update${many}`, DELETE: `delete${many}` }[method]
    if (last.startsWith(':')) return { GET: `get${one}`, POST: `create${one}`, PUT: `update${one}`, DELETE: `delete${one}` }[method]
    if (method === 'PUT' && Object.hasOwn(actions, last)) return `${actions[last]}${one}`
    const part = last.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
    return `${method === 'GET' ? (answer.listed ? 'list' : 'get') : method.toLowerCase()}${one}${part}`
  }
  return { operationId: verb(), noun: one }
}

function pathParameters(path: string): JsonObject[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name: name!, in: 'path', required: true, schema: { type: 'string' } }))
}

function queryParameters(route: AnnouncedRoute): JsonObject[] {
  const { path, answer, query = {} } = route
  const own = Object.entries(query).map(([name, schema]): JsonObject => {
    const { description, ...rest } = plain(schema)
    return { name, in: 'query', ...(description === undefined ? {} : { description }), schema: rest }
  })
  if (answer.listed === undefined) return takesAnyArgument(route) ? [...own, shared('fields')] : own
  const [[key, array], links] = Object.entries(answer.body!.properties) as [[string, TSchema & { items: TSchema }], unknown]
  const { properties = {} } = array.items as { properties?: Record<string, TSchema> }
  const filters = filtersOf(answer.listed, properties)
  const hasTags = answer.listed.columns.includes('tags')
  return [
    ...own,
    ...filters.filter(({ name }) => !path.includes(`:${name}`)),
    ...(hasTags ? ['tags', 'tags-any', 'not-tags', 'not-tags-any'].map(shared) : []),
    shared('fields'),
    ...(links === undefined || key === undefined ? [] : ['sort', 'sort_key', 'sort_dir', 'limit', 'marker', 'page_reverse'].map(shared)),
  ]
}

/** Columns that clients know by another name are listed by that. */
function filtersOf({ columns, aliases = {}, filters = {} }: Listed, properties: Record<string, TSchema>): JsonObject[] {
  const aliased = new Set(Object.values(aliases))
  const names = [...columns.filter((column) => column !== 'tags' && !aliased.has(column)), ...Object.keys(aliases), ...Object.keys(filters)]
  if (columns.includes('project_id')) names.push('tenant_id')
  return [...new Set(names)].map((name) => ({ name, in: 'query', schema: filterSchema(properties[name]) }))
}

/** Filters compare with one value; what is null is found by no value. */
function filterSchema(schema: TSchema | undefined): JsonObject {
  if (schema === undefined) return { type: 'string' }
  const { anyOf, ...simple } = plain(schema)
  const found = Array.isArray(anyOf) ? (anyOf.find((one) => (one as JsonObject).type !== 'null') as JsonObject) : simple
  const { type, format, enum: values } = found
  if (values !== undefined) return { type: 'string', enum: values }
  return { type: type ?? 'string', ...(format === undefined ? {} : { format: formats[String(format)]?.format ?? format }) }
}

const shared = (name: string): JsonObject => ({ $ref: `#/components/parameters/${name}` })

const inQuery = (name: string, description: string, schema: JsonObject): JsonObject => ({ name, in: 'query', description, schema })
const listOfText = { type: 'array', items: { type: 'string' } }

const parameters: Record<string, JsonObject> = Object.fromEntries(
  [
    inQuery('fields', 'Only these keys are answered, mandatory or not; unknown ones are ignored. May be repeated.', listOfText),
    inQuery('sort', 'Keys to sort by, each with its direction: `name:desc,created_at`.', { type: 'string' }),
    inQuery('sort_key', 'Keys to sort by, parted by commas; `sort` goes before it.', { type: 'string' }),
    inQuery('sort_dir', 'The directions that belong to `sort_key`: asc or desc, parted by commas.', { type: 'string' }),
    inQuery('limit', 'How many at most; the configuration has a limit of its own. 0 and `infinite` stand for none.', {
      type: ['integer', 'string'],
    }),
    inQuery('marker', 'The id of the last object seen: the page begins after it.', { type: 'string' }),
    inQuery('page_reverse', 'The page ends before the marker.', { type: 'boolean', default: false }),
    inQuery('tags', 'Has all of these tags, parted by commas.', listOfText),
    inQuery('tags-any', 'Has any of these tags.', listOfText),
    inQuery('not-tags', 'Has not all of these tags.', listOfText),
    inQuery('not-tags-any', 'Has none of these tags.', listOfText),
  ].map((parameter) => [parameter.name as string, parameter]),
)

/** Which faults a route may answer with. */
function faultsOf({ method, path, body, answer }: AnnouncedRoute): number[] {
  const statuses = [400, 401, 403, 404, 406, 500, 503]
  if (method !== 'GET') statuses.push(409, 501)
  // A provider that is named and not there, or has nothing to tell.
  else if (path.includes(':provider') || answer.isText) statuses.push(501)
  if (body) statuses.push(413, 415)
  return statuses.sort((a, b) => a - b)
}

const faultSchemas: Record<string, JsonObject> = {
  HandlerFault: {
    type: 'object',
    description: 'What a handler found wrong.',
    required: ['faultcode', 'faultstring', 'debuginfo'],
    properties: { faultcode: { enum: ['Client', 'Server'] }, faultstring: { type: 'string' }, debuginfo: { type: 'null' } },
  },
  RoutingFault: {
    type: 'object',
    description:
      'What was wrong before a handler was found: the path, its parent object, the method, the query. As text where JSON was not asked for.',
    required: ['code', 'title', 'description'],
    properties: { code: { type: 'integer' }, title: { type: 'string' }, description: { type: 'string' } },
  },
  UnavailableFault: {
    type: 'object',
    description: 'The identity service could not be asked.',
    required: ['message', 'code', 'title'],
    properties: { message: { type: 'string' }, code: { type: 'string' }, title: { type: 'string' } },
  },
  UnauthenticatedFault: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'title', 'message'],
        properties: { code: { type: 'integer' }, title: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
}

const faultBody = (...names: string[]) => json({ anyOf: names.map((name) => ({ $ref: `#/components/schemas/${name}` })) })

const faultResponses: Record<string, JsonObject> = {
  400: { description: 'Malformed, not allowed, or in contradiction with itself', content: faultBody('HandlerFault', 'RoutingFault') },
  401: { description: 'No valid token', content: faultBody('UnauthenticatedFault') },
  403: { description: 'Not allowed by the policies, or the quota is met', content: faultBody('HandlerFault') },
  404: { description: 'There is no such object', content: faultBody('HandlerFault', 'RoutingFault') },
  406: { description: 'JSON is not accepted', content: faultBody('RoutingFault') },
  409: {
    description: 'Something stands against it: another change is under way, or it exists already',
    content: faultBody('HandlerFault'),
  },
  413: { description: 'The body is too large', content: faultBody('HandlerFault') },
  415: { description: 'The body is not JSON', content: faultBody('HandlerFault') },
  500: { description: 'A failure of the service, or of a provider', content: faultBody('HandlerFault') },
  501: { description: 'The provider cannot do it', content: faultBody('HandlerFault') },
  503: { description: 'Something the service needs does not answer, or is busy', content: faultBody('HandlerFault', 'UnavailableFault') },
}

/** Without what is not JSON: the type checker's part of a schema. */
function plain(schema: TSchema): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject
}

/** Formats of ours, in words that others know. */
const formats: Record<string, JsonObject> = {
  'http-url': { format: 'uri', maxLength: MAX_URL_LENGTH },
  'url-path': { format: 'uri-reference', pattern: '^/', maxLength: MAX_URL_LENGTH },
  'ip-address': { format: 'ip' },
  'alpn-protocol': { enum: ['h2', 'http/1.1', 'http/1.0'] },
}

/** Schemas with a title get a place of their own, and are referred to. */
class Components {
  readonly #schemas = new Map<string, JsonObject>()

  all(): Record<string, JsonObject> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  answer(schema: TSchema): Json {
    return this.#convert(plain(schema), false)
  }

  request(schema: TSchema, name: string): Json {
    const asked = plain(schema)
    // A list as a body is named by what it lists.
    return this.#convert(asked.type === 'object' ? { title: name, ...asked } : asked, true)
  }

  #convert(schema: JsonObject, isRequest: boolean): JsonObject {
    const { title, ...rest } = schema
    const converted = this.#convertOwn(rest, isRequest)
    if (typeof title !== 'string') return converted
    const present = this.#schemas.get(title)
    if (present !== undefined && JSON.stringify(present) !== JSON.stringify(converted)) throw new Error(`two schemas are called ${title}`)
    this.#schemas.set(title, converted)
    return { $ref: `#/components/schemas/${title}` }
  }

  #convertOwn({ onNull: _, distinct: __, anyOf, enum: values, format, ...rest }: JsonObject, isRequest: boolean): JsonObject {
    if (Array.isArray(anyOf)) {
      const inner = this.#convert(anyOf.find((one) => (one as JsonObject).type !== 'null') as JsonObject, isRequest)
      return { ...orNull(inner), ...rest }
    }
    if (Array.isArray(values)) return { type: typeof values[0] === 'number' ? 'number' : 'string', enum: values, ...rest }
    if (typeof format === 'string') return { ...rest, ...(formats[format] ?? { format }) }
    if (rest.type === 'array') return { ...rest, items: this.#convert(rest.items as JsonObject, isRequest) }
    if (rest.type !== 'object') return rest
    const { patternProperties, properties, required, ...object } = rest
    if (patternProperties) {
      return { ...object, additionalProperties: this.#convert(Object.values(patternProperties as JsonObject)[0] as JsonObject, isRequest) }
    }
    return isRequest
      ? this.#request(properties as JsonObject, (required ?? []) as string[])
      : this.#answer(properties as JsonObject, required ?? [])
  }

  #answer(properties: JsonObject, required: Json): JsonObject {
    const converted = Object.entries(properties).map(([name, property]) => [name, this.#convert(property as JsonObject, false)])
    return { type: 'object', required, properties: Object.fromEntries(converted) }
  }

  /** As `body.ts` reads it: what has a default or may be null may be left out, and null stands for the default. */
  #request(properties: JsonObject, named: string[]): JsonObject {
    const required = named.filter((name) => !mayBeLeftOut(properties[name] as JsonObject))
    const converted = Object.entries(properties).map(([name, property]) => {
      const { default: fallback, ...own } = this.#convert(property as JsonObject, true)
      // Of an update: what is left out stays as it is.
      if (fallback !== undefined && named.includes(name)) own.default = fallback
      return [name, mayBeLeftOut(property as JsonObject) ? orNull(own) : own]
    })
    if (properties.project_id)
      converted.push(['tenant_id', { type: ['string', 'null'], maxLength: 36, description: 'Another spelling of project_id' }])
    return {
      type: 'object',
      additionalProperties: false,
      ...(required.length > 0 ? { required } : {}),
      properties: Object.fromEntries(converted),
    }
  }
}

function mayBeLeftOut({ default: fallback, anyOf }: JsonObject): boolean {
  return fallback !== undefined || anyOf !== undefined
}

function orNull(schema: JsonObject): JsonObject {
  const { type, enum: values } = schema
  if (schema.$ref !== undefined) return { anyOf: [schema, { type: 'null' }] }
  if (schema.anyOf !== undefined || Array.isArray(type)) return schema
  return { ...schema, type: [type!, 'null'], ...(Array.isArray(values) ? { enum: [...values, null] } : {}) }
}
