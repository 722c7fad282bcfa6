/** Rows of the embedded secret store, as its API would have made them. */
import { randomUUID } from 'node:crypto'
import type { Db } from '../../src/db/connection.ts'
import { sealPayload } from '../../src/embedded/secrets/payloads.ts'
import { insertContainer, insertSecret, storeAcl } from '../../src/embedded/secrets/repository.ts'
import { type EmbeddedSecrets, openEmbeddedSecrets } from '../../src/embedded/secrets/service.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { aConfig } from './builders.ts'

export const serviceUserId = 'octavia-user'

export function anEmbeddedStore(db: Db, store_key = ['key']): Promise<EmbeddedSecrets> {
  return openEmbeddedSecrets({
    db,
    clock: systemClock,
    config: aConfig({ certificates: { store_key } }),
    log: createLog('silent'),
    serviceUserId,
  })
}

interface Owner {
  project_id?: string
  creator_id?: string
  /** Who may read it besides. */
  users?: string[]
  project_access?: boolean
}

/** Answers its reference. */
export async function storeSecret(
  { db, box }: EmbeddedSecrets,
  payload: Buffer | string,
  { expires_at_ms = null, ...owner }: Owner & { expires_at_ms?: number | null } = {},
): Promise<string> {
  const id = randomUUID()
  await insertSecret(db, {
    ...common(id, owner),
    name: null,
    secret_type: 'opaque',
    algorithm: null,
    bit_length: null,
    mode: null,
    expires_at_ms,
    content_type: typeof payload === 'string' ? 'text/plain' : 'application/octet-stream',
    payload: sealPayload(box, id, Buffer.from(payload)),
    metadata: {},
  })
  await restrict(db, id, owner)
  return `http://secrets.example:9311/v1/secrets/${id}`
}

/** Of secrets by their names in it. Answers its reference. */
export async function storeContainer({ db }: EmbeddedSecrets, secrets: Record<string, string>, owner: Owner = {}): Promise<string> {
  const id = randomUUID()
  const refs = Object.entries(secrets).map(([name, reference]) => ({ name, secret_id: reference.split('/').at(-1)! }))
  await insertContainer(db, { ...common(id, owner), name: null, type: 'certificate' }, refs)
  await restrict(db, id, owner)
  return `http://secrets.example:9311/v1/containers/${id}`
}

function common(id: string, { project_id = 'project-1', creator_id = 'user-1' }: Owner) {
  return { id, project_id, creator_id, created_at_ms: 1_000, updated_at_ms: 1_000 }
}

async function restrict(db: Db, object_id: string, { users, project_access = true }: Owner): Promise<void> {
  if (users === undefined && project_access) return
  const acl = { object_id, project_access, created_at_ms: 1_000, updated_at_ms: 1_000, users: users ?? [] }
  await db.transaction().execute((tx) => storeAcl(tx, acl))
}
