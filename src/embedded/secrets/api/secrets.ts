import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import { baseUrl, HttpFault, lastValueOf, type Query } from '../../http.ts'
import { mayChange, mayDecrypt, mayList, mayShow, mayStore } from '../access.ts'
import { openPayload, sealPayload } from '../payloads.ts'
import { deleteSecret, insertSecret, listConsumers, updateSecret } from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import type { SecretRow, SecretType } from '../tables.ts'
import { secretAnswer, secretConsumer, secretRef } from './answers.ts'
import { filterSecrets, listAnswer, orderOf, pageOf, parseTime } from './listing.ts'
import { microversionOf } from './microversion.ts'
import { acceptedType, type Payload, payloadOfBody, payloadOfBytes } from './payload.ts'
import { allow, askerOf, bodyOf, bytesOf, contentTypeOf, secretOf, unexpectedContentType, type WithId } from './request.ts'
import { invalid, type Rules } from './validate.ts'

const secretTypes: readonly SecretType[] = ['symmetric', 'passphrase', 'private', 'public', 'certificate', 'opaque']

const rules: Rules = {
  fields: {
    name: { kind: 'string', nullable: true, maxLength: 255 },
    algorithm: { kind: 'string', maxLength: 255 },
    mode: { kind: 'string', maxLength: 255 },
    bit_length: { kind: 'integer', minimum: 1, maximum: 32_767 },
    expiration: { kind: 'string', maxLength: 255 },
    payload: { kind: 'string', isSecret: true },
    secret_type: { kind: 'string', values: secretTypes },
    payload_content_type: { kind: 'string', nullable: true, maxLength: 255 },
    payload_content_encoding: { kind: 'string', values: ['base64'] },
  },
}

interface Body {
  name?: string | null
  algorithm?: string
  mode?: string
  bit_length?: number
  expiration?: string
  payload?: string
  secret_type?: SecretType
  payload_content_type?: string | null
  payload_content_encoding?: string
}

const rawTypes = ['application/octet-stream', 'text/plain']

export function secretRoutes(app: FastifyInstance, secrets: EmbeddedSecrets): void {
  const { db, clock, box } = secrets

  app.post('/v1/secrets', async (request, reply) => {
    const asker = askerOf(request)
    allow(mayStore(asker), 'Secret creation')
    const body = bodyOf<Body>(request, 'Secret', rules)
    const expires_at_ms = expirationOf(body.expiration)
    const payload = payloadOfBody(body)
    const id = randomUUID()
    const now = clock.now()
    await insertSecret(db, {
      id,
      project_id: asker.project_id,
      creator_id: asker.user_id,
      name: body.name ?? null,
      secret_type: body.secret_type ?? 'opaque',
      algorithm: body.algorithm ?? null,
      bit_length: body.bit_length ?? null,
      mode: body.mode ?? null,
      expires_at_ms,
      content_type: payload?.content_type ?? null,
      payload: payload === null ? null : sealPayload(box, id, payload.bytes),
      metadata: {},
      created_at_ms: now,
      updated_at_ms: now,
    })
    const secret_ref = secretRef(baseUrl(request), id)
    return reply.code(201).header('location', secret_ref).send({ secret_ref })
  })

  app.get<{ Querystring: Query }>('/v1/secrets', async (request) => {
    const asker = askerOf(request)
    allow(mayList(asker), 'Secret(s) retrieval')
    const { query } = request
    const alive = db
      .selectFrom('embedded_secret')
      .where((where) => where.or([where('expires_at_ms', 'is', null), where('expires_at_ms', '>', clock.now())]))
    // Those of other projects that list the user by name, or those of his own project.
    const visible =
      lastValueOf(query, 'acl_only')?.toLowerCase() === 'true'
        ? alive.where('id', 'in', db.selectFrom('embedded_secret_acl_user').select('object_id').where('user_id', '=', asker.user_id))
        : alive.where('project_id', '=', asker.project_id)
    const wanted = filterSecrets(visible, query)
    const page = pageOf(query)
    const { total } = await wanted.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow()
    let ordered = wanted.selectAll()
    for (const { column, direction } of orderOf(query)) ordered = ordered.orderBy(column, direction)
    const rows = await ordered.limit(page.limit).offset(page.offset).execute()
    const items = await shown(request, rows)
    return listAnswer(baseUrl(request), 'secrets', items, Number(total), page)
  })

  app.get<WithId>('/v1/secrets/:id', async (request, reply) => {
    const secret = await secretOf(secrets, request)
    const { accept } = request.headers
    // As in Barbican's first days; a client that takes JSON too is given that.
    if (accept !== undefined && !/\*\/\*|application\/json/.test(accept)) return sendPayload(request, reply)
    allow(mayShow(askerOf(request), secret), 'Secret retrieval')
    const [answer] = await shown(request, [secret])
    return answer
  })

  app.get<WithId>('/v1/secrets/:id/payload', sendPayload)

  app.put<WithId>('/v1/secrets/:id', async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret update')
    const payload = rawPayloadOf(request, 'Secret update')
    if (secret.payload !== null) throw new HttpFault(409, 'Secret already has data, cannot modify it.')
    await setPayload(secret.id, payload)
    return reply.code(204).send()
  })

  // Ours: a renewed certificate under its old reference.
  app.put<WithId>('/v1/secrets/:id/payload', async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret payload update')
    await setPayload(secret.id, rawPayloadOf(request, 'Secret payload update'))
    return reply.code(204).send()
  })

  app.delete<WithId>('/v1/secrets/:id', async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret deletion')
    await db.transaction().execute((tx) => deleteSecret(tx, secret.id))
    return reply.code(204).send()
  })

  async function setPayload(id: string, { content_type, bytes }: Payload): Promise<void> {
    await updateSecret(db, id, { content_type, payload: sealPayload(box, id, bytes), updated_at_ms: clock.now() })
  }

  async function sendPayload(request: FastifyRequest<WithId>, reply: FastifyReply) {
    const secret = await secretOf(secrets, request)
    allow(mayDecrypt(askerOf(request), secret), 'Secret payload retrieval')
    const bytes = openPayload(box, secret)
    if (bytes === null || secret.content_type === null) throw new HttpFault(404, 'Not Found. Sorry but your secret has no payload.')
    const type = acceptedType(request.headers.accept, { content_type: secret.content_type, bytes })
    return reply.header('content-type', type === 'text/plain' ? 'text/plain; charset=utf-8' : type).send(bytes)
  }

  /** Consumers are shown from microversion 1.1 on. */
  async function shown(request: FastifyRequest, rows: SecretRow[]): Promise<object[]> {
    const base = baseUrl(request)
    const answers = rows.map((row) => ({ id: row.id, answer: secretAnswer(row, base) }))
    if (microversionOf(request) === '1.0') return answers.map(({ answer }) => answer)
    const consumers = await listConsumers(
      db,
      rows.map(({ id }) => id),
    )
    return answers.map(({ id, answer }) => ({
      ...answer,
      consumers: consumers.filter(({ object_id }) => object_id === id).map(secretConsumer),
    }))
  }

  /** Null without one. Throws 400. */
  function expirationOf(text: string | undefined): number | null {
    if (!text) return null
    const ms = parseTime(text)
    if (ms === null) throw invalid('Secret', "Invalid date for 'expiration'", 'expiration')
    if (ms <= clock.now()) throw invalid('Secret', "'expiration' is before current time", 'expiration')
    return ms
  }
}

function rawPayloadOf(request: FastifyRequest, operation: string): Payload {
  const type = contentTypeOf(request)
  if (!rawTypes.includes(type)) throw unexpectedContentType(...rawTypes)
  return payloadOfBytes(operation, type, request.headers['content-encoding'], bytesOf(request))
}
