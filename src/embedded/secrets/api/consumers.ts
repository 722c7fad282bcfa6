/** Who uses a secret or a container: services say so themselves, so that their users think twice before they delete one. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { timestamp } from '../../../lib/clock.ts'
import { baseUrl, HttpFault, type Query } from '../../http.ts'
import { mayDecrypt } from '../access.ts'
import { deleteConsumer, insertConsumer, listConsumers, listContainerSecrets } from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import type { ConsumerRow } from '../tables.ts'
import { containerAnswer, containerConsumer, secretAnswer, secretConsumer } from './answers.ts'
import { listAnswer, pageOf } from './listing.ts'
import { allow, askerOf, bodyOf, containerOf, objects, secretOf, type WithId } from './request.ts'
import type { Rules } from './validate.ts'

const text = (maxLength?: number) => ({ kind: 'string', minLength: 1, maxLength }) as const

type Named = Pick<ConsumerRow, 'name' | 'resource_type' | 'resource'>

const kinds = {
  secrets: {
    schema: 'Secret Consumer',
    rules: {
      fields: { service: text(255), resource_type: text(255), resource_id: text() },
      required: ['service', 'resource_type', 'resource_id'],
    } satisfies Rules,
    operation: 'SecretConsumer',
    shown: secretConsumer,
    named: (body: Record<string, string>): Named => ({
      name: body.service!,
      resource_type: body.resource_type!,
      resource: body.resource_id!,
    }),
  },
  containers: {
    schema: 'Consumer',
    rules: { fields: { URL: text(255), name: text(36) }, required: ['name', 'URL'] } satisfies Rules,
    operation: 'ContainerConsumer',
    shown: containerConsumer,
    named: (body: Record<string, string>): Named => ({ name: body.name!, resource_type: '', resource: body.URL! }),
  },
}

export function consumerRoutes(app: FastifyInstance, secrets: EmbeddedSecrets): void {
  const { db, clock } = secrets

  for (const [plural, { schema, rules, operation, shown, named }] of Object.entries(kinds) as [
    keyof typeof kinds,
    (typeof kinds)['secrets'],
  ][]) {
    const path = `/v1/${plural}/:id/consumers`
    const find = objects[plural].of

    app.get<WithId & { Querystring: Query }>(path, async (request) => {
      const object = await find(secrets, request)
      allow(mayDecrypt(askerOf(request), object), `${operation}s(s) retrieval`)
      const all = await listConsumers(db, [object.id])
      const page = pageOf(request.query)
      const items = all.slice(page.offset, page.offset + page.limit).map((row) => {
        const created = timestamp(row.created_at_ms)
        return { created, updated: created, status: 'ACTIVE', ...shown(row) }
      })
      return listAnswer(baseUrl(request), `${plural}/${object.id}/consumers`, items, all.length, page)
    })

    app.post<WithId>(path, async (request, reply) => {
      const { object, asker, consumer } = await asked(request, 'creation')
      await insertConsumer(db, { ...consumer, object_id: object.id, project_id: asker.project_id, created_at_ms: clock.now() })
      reply.header('location', `${baseUrl(request)}/v1/consumers/${object.id}/consumers`)
      return objectAnswer(plural, request)
    })

    app.delete<WithId>(path, async (request) => {
      const { object, asker, consumer } = await asked(request, 'deletion')
      const { name, resource_type, resource } = consumer
      const found = (await listConsumers(db, [object.id])).find(
        (row) => row.name === name && row.resource_type === resource_type && row.resource === resource,
      )
      if (found === undefined) throw new HttpFault(404, 'Consumer not found.')
      if (found.project_id !== asker.project_id && object.project_id !== asker.project_id)
        throw new HttpFault(403, 'Not Allowed. Sorry, only the creator of a consumer can delete it.')
      await deleteConsumer(db, found)
      return objectAnswer(plural, request)
    })

    async function asked(request: FastifyRequest<WithId>, what: string) {
      const object = await find(secrets, request)
      const asker = askerOf(request)
      allow(mayDecrypt(asker, object), `${operation} ${what}`)
      return { object, asker, consumer: named(bodyOf(request, schema, rules)) }
    }
  }

  /** Whoever changes the consumers is answered with what they are of. */
  async function objectAnswer(plural: keyof typeof kinds, request: FastifyRequest<WithId>): Promise<object> {
    const base = baseUrl(request)
    const consumers = await listConsumers(db, [request.params.id])
    if (plural === 'containers') {
      const container = await containerOf(secrets, request)
      return containerAnswer(container, await listContainerSecrets(db, [container.id]), consumers, base)
    }
    const { content_types: _, ...answer } = secretAnswer(await secretOf(secrets, request), base)
    return { ...answer, consumers: consumers.map(secretConsumer) }
  }
}
