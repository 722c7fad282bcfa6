/** Holds every answer of the API against what its route says it answers: whatever a test asks for, it also tests the API's description. */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { Answer } from '../../src/api/answer.ts'
import { Fault } from '../../src/api/faults.ts'

/** How often each route (`GET /v2/lbaas/pools`) has given the answer it announces. */
export type Answered = Map<string, number>

/** To be called before the first request. A request whose answer is not as announced fails with 500 and says why. */
export function checkAnswers(api: FastifyInstance): Answered {
  const answered: Answered = new Map()
  const announced = new Map(api.announced.map(({ method, path, answer }) => [`${method} ${path}`, answer]))
  api.addHook('onSend', async (request, reply, payload) => {
    const route = `${request.method} ${request.routeOptions.url}`
    const answer = announced.get(route)
    if (answer === undefined || reply.statusCode >= 400) return payload
    const wrong = reply.statusCode === answer.status ? wrongIn(answer, payload, request.query as object) : [`status ${reply.statusCode}`]
    if (wrong.length > 0) throw new Fault(500, `${route} does not answer as it announces: ${wrong.join('; ')}`)
    answered.set(route, (answered.get(route) ?? 0) + 1)
    return payload
  })
  return answered
}

function wrongIn(answer: Answer, payload: unknown, query: object): string[] {
  if (answer.body === undefined) return payload ? ['a body where none is announced'] : []
  // A selection leaves out what would be mandatory.
  if ('fields' in query) return []
  const body: unknown = JSON.parse(payload as string)
  return validatorOf(answer)
    .Errors(body)
    .map(({ instancePath, message }) => `${instancePath} ${message}`)
}

const validators = new WeakMap<Answer, Validator>()

function validatorOf(answer: Answer): Validator {
  const known = validators.get(answer)
  if (known) return known
  const made = Compile(closed(answer.body as TSchema))
  validators.set(answer, made)
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
