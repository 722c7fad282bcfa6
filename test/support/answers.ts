/** Holds every answer of the API against what its route says it answers: whatever a test asks for, it also tests the API's description. */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { Answer } from '../../src/api/answer.ts'
import { Fault } from '../../src/api/faults.ts'
import { describe, type JsonObject, type OpenApi } from '../../src/api/openapi.ts'

/** How often each route (`GET /v2/lbaas/pools`) has given the answer it announces. */
export type Answered = Map<string, number>

/** To be called before the first request. A request whose answer is not as announced fails with 500 and says why. */
export function checkAnswers(api: FastifyInstance): Answered {
  const answered: Answered = new Map()
  const announced = new Map(api.announced.map(({ method, path, answer }) => [`${method} ${path}`, answer]))
  let description: OpenApi | undefined
  api.addHook('onSend', async (request, reply, payload) => {
    const route = `${request.method} ${request.routeOptions.url}`
    const answer = announced.get(route)
    if (answer === undefined) return payload
    const isFault = reply.statusCode >= 400
    if (isFault) description ??= describe(api.announced)
    const wrong = isFault
      ? wrongInFault(description!, route, reply.statusCode, isJson(reply.getHeader('content-type')) ? payload : undefined)
      : wrongIn(answer, reply.statusCode, payload, request.query as object)
    if (wrong.length > 0) throw new Fault(500, `${route} does not answer as it announces: ${wrong.join('; ')}`)
    if (!isFault) answered.set(route, (answered.get(route) ?? 0) + 1)
    return payload
  })
  return answered
}

const isJson = (type: unknown) => String(type).startsWith('application/json')

function wrongIn(answer: Answer, status: number, payload: unknown, query: object): string[] {
  if (status !== answer.status) return [`status ${status}`]
  if (answer.isText) return []
  if (answer.body === undefined) return payload ? ['a body where none is announced'] : []
  // A selection leaves out what would be mandatory.
  return 'fields' in query ? [] : errorsOf(answer.body, payload)
}

/** Faults that are no JSON have no schema. */
function wrongInFault({ paths, components }: OpenApi, route: string, status: number, payload: unknown): string[] {
  const [method, path] = route.split(' ') as [string, string]
  const { responses } = paths[path.replaceAll(/:(\w+)/g, '{$1}')]![method.toLowerCase()]!
  if (responses[status] === undefined) return [`status ${status}`]
  if (payload === undefined) return []
  type Described = { content: { 'application/json': { schema: { anyOf: { $ref: string }[] } } } }
  const { schema } = (components.responses![status] as unknown as Described).content['application/json']
  const shapes = schema.anyOf.map(({ $ref }) => components.schemas[$ref.split('/').at(-1)!] as JsonObject)
  const errors = shapes.map((shape) => errorsOf(shape as TSchema, payload))
  return errors.some((found) => found.length === 0) ? [] : errors.flat()
}

function errorsOf(schema: TSchema, payload: unknown): string[] {
  return validatorOf(schema)
    .Errors(JSON.parse(payload as string))
    .map(({ instancePath, message }) => `${instancePath} ${message}`)
}

const validators = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema)
  if (known) return known
  const made = Compile(closed(schema))
  validators.set(schema, made)
  return made
}

/** The same schema, but with nothing besides: what is shown must be said, too. */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)])
  const copy = Object.fromEntries(entries)
  return 'properties' in schema ? { ...copy, additionalProperties: false } : copy
}
