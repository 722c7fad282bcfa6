/** What the routes of the secret store have in common: who asks, what he may, and what he has sent. */
import type { FastifyRequest } from 'fastify'
import type { Db } from '../../../db/connection.ts'
import { callerOf, HttpFault, unauthenticated } from '../../http.ts'
import type { Asker } from '../access.ts'
import { findContainer, findSecret, type Guarded } from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import type { ContainerRow, SecretRow } from '../tables.ts'
import { type Rules, validate } from './validate.ts'

export type WithId = { Params: { id: string } }

/** Throws 401 for a token that is for no project: secrets belong to one. */
export function askerOf(request: FastifyRequest): Asker {
  const caller = callerOf(request)
  if (caller.project_id === null) throw unauthenticated()
  return { ...caller, project_id: caller.project_id }
}

/** `operation` is Barbican's word for it: Secret creation, Container retrieval, ... Throws 403. */
export function allow(isAllowed: boolean, operation: string): void {
  if (!isAllowed) throw new HttpFault(403, `${operation} attempt not allowed - please review your user/project privileges`)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Throws 404. Whether the caller may know of it is asked next. */
export async function secretOf({ db, clock }: EmbeddedSecrets, { params }: FastifyRequest<WithId>): Promise<Guarded<SecretRow>> {
  if (!UUID.test(params.id)) throw new HttpFault(404, 'Not Found. Provided secret id is invalid.')
  const secret = await findSecret(db, params.id, clock.now())
  if (secret === undefined) throw new HttpFault(404, 'Secret not found.')
  return secret
}

/** Throws 404. */
export async function containerOf({ db }: { db: Db }, { params }: FastifyRequest<WithId>): Promise<Guarded<ContainerRow>> {
  if (!UUID.test(params.id)) throw new HttpFault(404, 'Not Found. Provided container id is invalid.')
  const container = await findContainer(db, params.id)
  if (container === undefined) throw new HttpFault(404, 'Secrets container not found.')
  return container
}

/** The secret or container that a path is about. */
export const objects = {
  secrets: { of: secretOf, operation: 'Secret' },
  containers: { of: containerOf, operation: 'Container' },
} as const

/** Without what parameters it may have, such as a character set; empty when there is none. */
export function contentTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}

export function unexpectedContentType(...expected: string[]): HttpFault {
  return new HttpFault(415, `Unexpected content type. Expected content types are: [${expected.map((type) => `'${type}'`).join(', ')}]`)
}

/** The JSON body, as the rules have it; `schema` is Barbican's name of it. Throws 415 and 400. */
export function bodyOf<Body>(request: FastifyRequest, schema: string, rules: Rules): Body {
  if (contentTypeOf(request) !== 'application/json') throw unexpectedContentType('application/json')
  let body: unknown
  try {
    body = JSON.parse(bytesOf(request).toString('utf8'), (_name, value) => (typeof value === 'string' ? value.trim() : value))
  } catch {
    throw new HttpFault(400, 'Malformed JSON')
  }
  validate(body, schema, rules)
  return body as Body
}

export function bytesOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}
