/** One resource of Neutron's API: what differs between networks, subnets, ports, security groups and their rules is in their own files. */
import type { FastifyInstance } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import type { Db } from '../../../db/connection.ts'
import type { Identity } from '../../../drivers/identity/driver.ts'
import { baseUrl, callerOf, type Query } from '../../http.ts'
import type { NeutronError } from '../errors.ts'
import { listPage, selectFields, type Wire } from './listing.ts'
import { allow, mayWrite } from './policy.ts'
import { deleteTags, loadTags, storeTags } from './tags.ts'

export interface Resource<Row extends { id: string }, Create extends TSchema, Update extends TSchema> {
  /** `security_group`; the path has hyphens: `/v2.0/security-groups`. */
  readonly singular: string
  readonly plural: string
  /** What it can be filtered and sorted by. */
  readonly attributes: ReadonlySet<string>
  /** Those that the caller may see; with an id, that one or none. */
  visible(caller: Identity, id?: string): Promise<Row[]>
  notFound(id: string): NeutronError
  answer(row: Row, caller: Identity): Omit<Wire, 'tags'>
  readonly createSchema: Create
  create(caller: Identity, wanted: Static<Create>): Promise<Row>
  /** Null: it cannot be changed. */
  readonly updateSchema: Update | null
  update(caller: Identity, row: Row, changes: Static<Update>): Promise<Row>
  delete(caller: Identity, row: Row): Promise<void>
}

type WithId = { Params: { id: string } }
type WithQuery = { Querystring: Query }

const Tags = Type.Object(
  { tags: Type.Array(Type.String({ minLength: 1, maxLength: 60 }), { maxItems: 64, uniqueItems: true }) },
  { additionalProperties: false },
)

/** GET (list and one), POST, PUT, DELETE, and the tags below an object. */
export function resourceRoutes<Row extends { id: string }, Create extends TSchema, Update extends TSchema>(
  app: FastifyInstance,
  db: Db,
  resource: Resource<Row, Create, Update>,
): void {
  const { singular, plural, attributes } = resource
  const path = `/v2.0/${plural.replaceAll('_', '-')}`

  app.get<WithQuery>(path, async (request) => {
    const caller = callerOf(request)
    const tags = await loadTags(db)
    const items = (await resource.visible(caller)).map((row) => wire(row, caller, tags.get(row.id)))
    return listPage(plural, items, attributes, request.query, new URL(request.url, baseUrl(request)))
  })

  app.get<WithId & WithQuery>(`${path}/:id`, async (request) => {
    const caller = callerOf(request)
    const row = await find(caller, request.params.id)
    return { [singular]: selectFields(await withTags(row, caller), request.query) }
  })

  app.post<{ Body: Record<string, Static<Create>> }>(path, bodySchema(singular, resource.createSchema), async (request, reply) => {
    const caller = callerOf(request)
    allow(mayWrite(caller), `create_${singular}`)
    const row = await resource.create(caller, request.body[singular]!)
    return reply.code(201).send({ [singular]: wire(row, caller, []) })
  })

  if (resource.updateSchema !== null) {
    app.put<WithId & { Body: Record<string, Static<Update>> }>(
      `${path}/:id`,
      bodySchema(singular, resource.updateSchema),
      async (request) => {
        const caller = callerOf(request)
        const row = await find(caller, request.params.id)
        allow(mayWrite(caller), `update_${singular}`)
        return { [singular]: await withTags(await resource.update(caller, row, request.body[singular]!), caller) }
      },
    )
  }

  app.delete<WithId>(`${path}/:id`, async (request, reply) => {
    const caller = callerOf(request)
    const row = await find(caller, request.params.id)
    allow(mayWrite(caller), `delete_${singular}`)
    await resource.delete(caller, row)
    await deleteTags(db, row.id)
    return reply.code(204).send()
  })

  app.get<WithId>(`${path}/:id/tags`, async (request) => {
    const row = await find(callerOf(request), request.params.id)
    return { tags: (await loadTags(db)).get(row.id) ?? [] }
  })

  app.put<WithId & { Body: Static<typeof Tags> }>(`${path}/:id/tags`, { schema: { body: Tags } }, async (request) => {
    const row = await findOwn(callerOf(request), request.params.id)
    await storeTags(db, row.id, request.body.tags)
    return { tags: request.body.tags }
  })

  app.delete<WithId>(`${path}/:id/tags`, async (request, reply) => {
    const row = await findOwn(callerOf(request), request.params.id)
    await deleteTags(db, row.id)
    return reply.code(204).send()
  })

  /** What the caller can't see does not exist for him. */
  async function find(caller: Identity, id: string): Promise<Row> {
    const [row] = await resource.visible(caller, id)
    if (row === undefined) throw resource.notFound(id)
    return row
  }

  async function findOwn(caller: Identity, id: string): Promise<Row> {
    const row = await find(caller, id)
    const { project_id } = resource.answer(row, caller)
    const own = caller.roles.includes('admin') || project_id === caller.project_id
    allow(mayWrite(caller) && own, `update_${singular}`)
    return row
  }

  async function withTags(row: Row, caller: Identity): Promise<Wire> {
    return wire(row, caller, (await loadTags(db)).get(row.id))
  }

  function wire(row: Row, caller: Identity, tags: string[] = []): Wire {
    // Assembled from a row and its tags, so it has what Wire asks for.
    return { ...resource.answer(row, caller), tags } as Wire
  }
}

const bodySchema = (singular: string, schema: TSchema) => ({
  schema: { body: Type.Object({ [singular]: schema }, { additionalProperties: false }) },
})
