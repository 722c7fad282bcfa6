/** Pairs that users keep with a secret. */
import type { FastifyInstance } from 'fastify'
import { baseUrl, HttpFault } from '../../http.ts'
import { mayChange, mayDecrypt } from '../access.ts'
import { updateSecret } from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import { allow, askerOf, bodyOf, secretOf, type WithId } from './request.ts'
import type { Rules } from './validate.ts'

const allRules: Rules = { fields: { metadata: { kind: 'object' } }, required: ['metadata'] }
const text = { kind: 'string', maxLength: 255 } as const
const oneRules: Rules = { fields: { key: text, value: text }, required: ['key', 'value'], closed: true }

const MAX_PAIRS = 256

type WithKey = { Params: { id: string; key: string } }
type Pair = { key: string; value: string }

export function metadataRoutes(app: FastifyInstance, secrets: EmbeddedSecrets): void {
  const { db } = secrets
  const path = '/v1/secrets/:id/metadata'

  app.get<WithId>(path, async (request) => {
    const secret = await secretOf(secrets, request)
    allow(mayDecrypt(askerOf(request), secret), 'Secret metadata retrieval')
    return { metadata: secret.metadata }
  })

  app.put<WithId>(path, async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret metadata creation')
    const { metadata } = bodyOf<{ metadata: Record<string, unknown> }>(request, 'SecretMetadata', allRules)
    const pairs = Object.entries(metadata).map(([key, value]) => {
      if (typeof value !== 'string') throw new HttpFault(400, 'Invalid Metadata. Keys and Values must be Strings.')
      return [checkedKey(key), value]
    })
    await updateSecret(db, secret.id, { metadata: Object.fromEntries(pairs) })
    return reply.code(201).send({ metadata_ref: `${baseUrl(request)}/v1/secrets/${secret.id}/metadata` })
  })

  app.post<WithId>(path, async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret metadatum creation')
    const { key: asked, value } = bodyOf<Pair>(request, 'SecretMetadatum', oneRules)
    const key = checkedKey(asked)
    if (Object.hasOwn(secret.metadata, key)) throw new HttpFault(409, 'Conflict. Key in request is already in the secret metadata')
    if (Object.keys(secret.metadata).length >= MAX_PAIRS) throw new HttpFault(413, 'Provided information too large to process')
    await updateSecret(db, secret.id, { metadata: { ...secret.metadata, [key]: value } })
    const location = `${baseUrl(request)}/v1/secrets/${secret.id}/metadata/${key}`
    return reply.code(201).header('location', location).send({ key, value })
  })

  app.get<WithKey>(`${path}/:key`, async (request) => {
    const secret = await secretOf(secrets, request)
    allow(mayDecrypt(askerOf(request), secret), 'Secret metadatum retrieval')
    const { key } = request.params
    return { key, value: metadatumOf(secret.metadata, key) }
  })

  app.put<WithKey>(`${path}/:key`, async (request) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret metadatum update')
    const { key: asked, value } = bodyOf<Pair>(request, 'SecretMetadatum', oneRules)
    const key = checkedKey(asked)
    metadatumOf(secret.metadata, request.params.key)
    if (key !== request.params.key) throw new HttpFault(409, 'Key in request data does not match key in the request url.')
    await updateSecret(db, secret.id, { metadata: { ...secret.metadata, [key]: value } })
    return { key, value }
  })

  app.delete<WithKey>(`${path}/:key`, async (request, reply) => {
    const secret = await secretOf(secrets, request)
    allow(mayChange(askerOf(request), secret), 'Secret metadatum removal')
    const { key } = request.params
    metadatumOf(secret.metadata, key)
    const { [key]: _, ...metadata } = secret.metadata
    await updateSecret(db, secret.id, { metadata })
    return reply.code(204).send()
  })
}

function metadatumOf(metadata: Record<string, string>, key: string): string {
  const value = Object.hasOwn(metadata, key) ? metadata[key] : undefined
  if (value === undefined) throw new HttpFault(404, 'Secret metadata not found.')
  return value
}

function checkedKey(key: string): string {
  if (!/^[A-Za-z0-9_-]*$/.test(key)) throw new HttpFault(400, 'Invalid Key. Key must be URL safe.')
  return key.toLowerCase()
}
