import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import { parseReference } from '../../../drivers/certificates/reference.ts'
import { baseUrl, HttpFault, lastValueOf, type Query } from '../../http.ts'
import { mayChange, mayList, mayShow, mayStore } from '../access.ts'
import {
  deleteContainer,
  deleteContainerSecret,
  findSecret,
  insertContainer,
  insertContainerSecret,
  listConsumers,
  listContainerSecrets,
} from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import type { ContainerRow, ContainerType } from '../tables.ts'
import { containerAnswer, containerRef } from './answers.ts'
import { listAnswer, pageOf } from './listing.ts'
import { allow, askerOf, bodyOf, containerOf, type WithId } from './request.ts'
import { invalid, type Rules } from './validate.ts'

const named = { name: { kind: 'string', nullable: true, maxLength: 255 } } as const
const secretRefRules: Rules = { fields: { ...named, secret_ref: { kind: 'string', minLength: 1 } }, required: ['secret_ref'] }
const rules: Rules = {
  fields: {
    ...named,
    type: { kind: 'string', values: ['generic', 'rsa', 'certificate'] },
    secret_refs: { kind: 'array', items: { kind: 'object', fields: secretRefRules } },
  },
  required: ['type'],
}

type SecretRef = { name?: string | null; secret_ref: string }
type Body = { name?: string | null; type: ContainerType; secret_refs?: SecretRef[] }

/** What secrets may and must be called in a container that is not generic. */
const namesIn = {
  rsa: { required: ['public_key', 'private_key'], optional: ['private_key_passphrase'] },
  certificate: { required: ['certificate'], optional: ['private_key', 'private_key_passphrase', 'intermediates'] },
}
const wordsFor = {
  rsa: {
    unknown: "only 'private_key', 'public_key' and 'private_key_passphrase' reference names are allowed for RSA type",
    missing: "The minimum required reference names are 'public_key' and'private_key' for RSA type",
  },
  certificate: {
    unknown:
      "only 'private_key', 'certificate' , 'private_key_passphrase',  or 'intermediates' reference names are allowed for Certificate type",
    missing: "The minimum required reference name is 'certificate' for Certificate type",
  },
}

export function containerRoutes(app: FastifyInstance, secrets: EmbeddedSecrets): void {
  const { db, clock } = secrets

  app.post('/v1/containers', async (request, reply) => {
    const asker = askerOf(request)
    allow(mayStore(asker), 'Container creation')
    const { name, type, secret_refs = [] } = bodyOf<Body>(request, 'Container', rules)
    checkNames(type, secret_refs)
    const inside: { secret_id: string; name: string }[] = []
    for (const ref of secret_refs) {
      const secret_id = await ownSecret(ref, asker.project_id)
      if (secret_id === null) throw new HttpFault(404, `Secret provided for '${ref.name ?? ''}' doesn't exist.`)
      inside.push({ secret_id, name: ref.name ?? '' })
    }
    if (new Set(inside.map(({ secret_id }) => secret_id)).size < inside.length)
      throw invalid('Container', 'Duplicate secret ids are not allowed', 'secret_refs')
    const now = clock.now()
    const row: ContainerRow = {
      id: randomUUID(),
      project_id: asker.project_id,
      creator_id: asker.user_id,
      name: name ?? null,
      type,
      created_at_ms: now,
      updated_at_ms: now,
    }
    await db.transaction().execute((tx) => insertContainer(tx, row, inside))
    const container_ref = containerRef(baseUrl(request), row.id)
    return reply.code(201).header('location', container_ref).send({ container_ref })
  })

  app.get<{ Querystring: Query }>('/v1/containers', async (request) => {
    const asker = askerOf(request)
    allow(mayList(asker), 'Containers(s) retrieval')
    let wanted = db.selectFrom('embedded_secret_container').where('project_id', '=', asker.project_id)
    const [name, type] = [lastValueOf(request.query, 'name'), lastValueOf(request.query, 'type')]
    if (name) wanted = wanted.where('name', '=', name)
    if (type) wanted = wanted.where('type', '=', type as ContainerType)
    const page = pageOf(request.query)
    const { total } = await wanted.select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow()
    const rows = await wanted.selectAll().orderBy('created_at_ms').orderBy('id').limit(page.limit).offset(page.offset).execute()
    return listAnswer(baseUrl(request), 'containers', await shown(request, rows), Number(total), page)
  })

  app.get<WithId>('/v1/containers/:id', async (request) => {
    const container = await containerOf(secrets, request)
    allow(mayShow(askerOf(request), container), 'Container retrieval')
    const [answer] = await shown(request, [container])
    return answer
  })

  app.delete<WithId>('/v1/containers/:id', async (request, reply) => {
    const container = await containerOf(secrets, request)
    allow(mayChange(askerOf(request), container), 'Container deletion')
    await db.transaction().execute((tx) => deleteContainer(tx, container.id))
    return reply.code(204).send()
  })

  app.post<WithId>('/v1/containers/:id/secrets', async (request, reply) => {
    const { container, ref, secret_id } = await changeOf(request, 'Container Secret creation')
    if (container.type !== 'generic') throw new HttpFault(400, "Only 'generic' containers can be modified.")
    if (secret_id === null) throw new HttpFault(404, "Secret provided doesn't exist.")
    const name = ref.name ?? ''
    const inside = await listContainerSecrets(db, [container.id])
    if (inside.some((secret) => secret.secret_id === secret_id && secret.name === name))
      throw new HttpFault(
        409,
        'Conflict. A secret with that name and ID is already stored in this container. The same secret can exist in a container as long as the name is unique.',
      )
    await insertContainerSecret(db, { container_id: container.id, secret_id, name })
    const container_ref = containerRef(baseUrl(request), container.id)
    return reply.code(201).header('location', container_ref).send({ container_ref })
  })

  app.delete<WithId>('/v1/containers/:id/secrets', async (request, reply) => {
    const { container, ref, secret_id } = await changeOf(request, 'Container Secret deletion')
    if (secret_id === null) throw new HttpFault(404, `Secret '${ref.name ?? 'None'}' with reference '${ref.secret_ref}' doesn't exist.`)
    if (!(await deleteContainerSecret(db, { container_id: container.id, secret_id, name: ref.name ?? '' })))
      throw new HttpFault(404, 'Secret provided is not in the container')
    return reply.code(204).send()
  })

  async function changeOf(request: FastifyRequest<WithId>, operation: string) {
    const asker = askerOf(request)
    const container = await containerOf(secrets, request)
    allow(mayChange(asker, container), operation)
    const ref = bodyOf<SecretRef>(request, 'ContainerSecret', secretRefRules)
    return { container, ref, secret_id: await ownSecret(ref, asker.project_id) }
  }

  /** Its id, if it is one of the project's own. */
  async function ownSecret({ secret_ref }: SecretRef, project_id: string): Promise<string | null> {
    const reference = parseReference(secret_ref)
    if (reference === null || reference.kind === 'containers') return null
    const secret = await findSecret(db, reference.id, clock.now())
    return secret?.project_id === project_id ? secret.id : null
  }

  async function shown(request: FastifyRequest, rows: ContainerRow[]): Promise<object[]> {
    const ids = rows.map(({ id }) => id)
    const [inside, consumers] = [await listContainerSecrets(db, ids), await listConsumers(db, ids)]
    return rows.map((row) =>
      containerAnswer(
        row,
        inside.filter(({ container_id }) => container_id === row.id),
        consumers.filter(({ object_id }) => object_id === row.id),
        baseUrl(request),
      ),
    )
  }
}

/** Throws 400. */
function checkNames(type: ContainerType, refs: SecretRef[]): void {
  const names = refs.map(({ name }) => name ?? '')
  const refuse = (reason: string) => invalid('Container', reason, 'secret_refs')
  if (new Set(names).size < names.length) throw refuse('Duplicate reference names are not allowed')
  // An empty container may be of any type.
  if (type === 'generic' || refs.length === 0) return
  const { required, optional } = namesIn[type]
  if (names.some((name) => !required.includes(name) && !optional.includes(name))) throw refuse(wordsFor[type].unknown)
  if (required.some((name) => !names.includes(name))) throw refuse(wordsFor[type].missing)
}
