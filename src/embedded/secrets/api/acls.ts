/** Who may read a secret or a container beside, or instead of, its project. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { baseUrl } from '../../http.ts'
import { mayChange } from '../access.ts'
import { type Acl, deleteAcl, storeAcl } from '../repository.ts'
import type { EmbeddedSecrets } from '../service.ts'
import { aclAnswer } from './answers.ts'
import { allow, askerOf, bodyOf, objects, type WithId } from './request.ts'
import type { Rules } from './validate.ts'

const rules: Rules = {
  fields: {
    read: {
      kind: 'object',
      fields: {
        fields: {
          users: { kind: 'array', items: { kind: 'string', maxLength: 255 } },
          'project-access': { kind: 'boolean' },
        },
        closed: true,
      },
    },
  },
  closed: true,
}

type Body = { read?: { users?: string[]; 'project-access'?: boolean } }

export function aclRoutes(app: FastifyInstance, secrets: EmbeddedSecrets): void {
  const { db, clock } = secrets

  for (const plural of ['secrets', 'containers'] as const) {
    const path = `/v1/${plural}/:id/acl`
    const { of: find, operation } = objects[plural]

    app.get<WithId>(path, async (request) => aclAnswer((await changeable(request, 'retrieval')).acl))

    /** What is not said is as at the beginning; without `read` there is no list. */
    app.put<WithId>(path, async (request) => {
      const object = await changeable(request, 'Update')
      const { read } = bodyOf<Body>(request, 'ACL', rules)
      await db
        .transaction()
        .execute((tx) =>
          read === undefined || Object.keys(read).length === 0
            ? deleteAcl(tx, object.id)
            : storeAcl(tx, changed(object, { users: read.users ?? [], project_access: read['project-access'] ?? true })),
        )
      return answer(request)
    })

    /** What is not said stays. */
    app.patch<WithId>(path, async (request) => {
      const object = await changeable(request, 'Update')
      const { read = {} } = bodyOf<Body>(request, 'ACL', rules)
      const { users = object.acl?.users ?? [], 'project-access': project_access = object.acl?.project_access ?? true } = read
      if (Object.keys(read).length > 0) await db.transaction().execute((tx) => storeAcl(tx, changed(object, { users, project_access })))
      return answer(request)
    })

    app.delete<WithId>(path, async (request) => {
      const object = await changeable(request, 'deletion')
      await db.transaction().execute((tx) => deleteAcl(tx, object.id))
      return null
    })

    async function changeable(request: FastifyRequest<WithId>, what: string) {
      const object = await find(secrets, request)
      allow(mayChange(askerOf(request), object), `${operation}ACL(s) ${what}`)
      return object
    }

    const answer = (request: FastifyRequest<WithId>) => ({ acl_ref: `${baseUrl(request)}/v1/${plural}/${request.params.id}/acl` })
  }

  function changed({ id, acl }: { id: string; acl: Acl | null }, to: { users: string[]; project_access: boolean }): Acl {
    const now = clock.now()
    return { object_id: id, created_at_ms: acl?.created_at_ms ?? now, updated_at_ms: now, ...to }
  }
}
