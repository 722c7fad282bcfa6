/** What the embedded secret store's API and the certificate driver share: the rows, the key, and who may read what. */
import type { Config } from '../../config/config.ts'
import type { Db } from '../../db/connection.ts'
import { readsEverything, type SecretReader } from '../../drivers/certificates/driver.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { SecretBox } from '../../lib/secret-box.ts'
import { openPayload, sealAnew } from './payloads.ts'
import {
  addReader,
  deleteConsumer,
  deleteSecret,
  findContainer,
  findSecret,
  type Guarded,
  insertConsumer,
  listConsumers,
  listContainerSecrets,
  listExpiredSecrets,
} from './repository.ts'

const MAX_EXPIRED_AT_ONCE = 1_000

export interface EmbeddedSecrets {
  db: Db
  clock: Clock
  box: SecretBox
  /** The user as whom the load balancing service reads; he stands in the lists of what he may read. */
  serviceUserId: string
}

type EmbeddedSecretsOptions = { db: Db; clock: Clock; config: Config; serviceUserId: string }

export function embeddedSecrets({ db, clock, config, serviceUserId }: EmbeddedSecretsOptions): EmbeddedSecrets {
  return { db, clock, box: new SecretBox('[certificates] store_key', config.certificates.store_key), serviceUserId }
}

/** The same, for the one that holds the store: seals anew what older keys have sealed, and forgets what has expired. */
export async function openEmbeddedSecrets(options: EmbeddedSecretsOptions & { log: Log }): Promise<EmbeddedSecrets> {
  const secrets = embeddedSecrets(options)
  const { db, clock, box } = secrets
  await sealAnew({ db, box, log: options.log })
  for (const id of await listExpiredSecrets(db, clock.now(), MAX_EXPIRED_AT_ONCE)) {
    await db.transaction().execute((tx) => deleteSecret(tx, id))
  }
  return secrets
}

/** Null when it is not there, has no payload, or is not for the reader. What a user or an admin is given, the service may read from then on. */
export async function readSecret(secrets: EmbeddedSecrets, id: string, reader: SecretReader): Promise<Buffer | null> {
  const { db, clock, box } = secrets
  const secret = await findSecret(db, id, clock.now())
  if (secret === undefined || !mayRead(secrets, secret, reader)) return null
  const payload = openPayload(box, secret)
  if (payload !== null) await letServiceRead(secrets, secret, reader)
  return payload
}

/**
 * What a container holds, by name. Null when it is not there or not for the reader; so too when one of its secrets is not: what may be read of a
 * container is said for it and for each secret.
 */
export async function readContainer(secrets: EmbeddedSecrets, id: string, reader: SecretReader): Promise<Map<string, Buffer> | null> {
  const { db } = secrets
  const container = await findContainer(db, id)
  if (container === undefined || !mayRead(secrets, container, reader)) return null
  const contents = new Map<string, Buffer>()
  for (const { name, secret_id } of await listContainerSecrets(db, [id])) {
    const payload = await readSecret(secrets, secret_id, reader)
    if (payload === null) return null
    contents.set(name, payload)
  }
  await letServiceRead(secrets, container, reader)
  return contents
}

/** What a load balancer is called in the lists of consumers; containers have no types in theirs. */
const USER = { name: 'load-balancer', resource_type: 'lbaas/loadbalancers' }
const USER_OF_CONTAINER = { name: 'Octavia', resource_type: '' }

export async function addConsumer({ db, clock }: EmbeddedSecrets, id: string, load_balancer_id: string): Promise<void> {
  const secret = await findSecret(db, id, clock.now())
  const object = secret ?? (await findContainer(db, id))
  if (object === undefined) return
  const user = secret === undefined ? { ...USER_OF_CONTAINER, resource: urlOf(load_balancer_id) } : { ...USER, resource: load_balancer_id }
  await insertConsumer(db, { ...user, object_id: id, project_id: object.project_id, created_at_ms: clock.now() })
}

export async function removeConsumer({ db }: EmbeddedSecrets, id: string, load_balancer_id: string): Promise<void> {
  for (const row of await listConsumers(db, [id])) {
    if ([load_balancer_id, urlOf(load_balancer_id)].includes(row.resource)) await deleteConsumer(db, row)
  }
}

const urlOf = (load_balancer_id: string) => `/v2/lbaas/loadbalancers/${load_balancer_id}`

function mayRead({ serviceUserId }: EmbeddedSecrets, object: Guarded<Owned>, reader: SecretReader): boolean {
  if (reader === null || readsEverything(reader)) return true
  const isOwn = reader.project_id === object.project_id
  const lists = (user_id: string | null) => user_id !== null && (object.acl?.users.includes(user_id) ?? false)
  // The service never asks for what its project's users could not name, so a project's own private secrets are open to it.
  if ('service' in reader) return isOwn || lists(serviceUserId)
  return lists(reader.user_id) || (isOwn && ((object.acl?.project_access ?? true) || reader.user_id === object.creator_id))
}

type Owned = { id: string; project_id: string; creator_id: string }

/** For its own project it may anyway; beyond that, what the reader may have it may have for him, and the owner sees it in the list. */
async function letServiceRead({ db, clock, serviceUserId }: EmbeddedSecrets, object: Guarded<Owned>, reader: SecretReader): Promise<void> {
  if (reader !== null && 'service' in reader) return
  // An admin's load balancer may be another project's.
  const isOwn = !readsEverything(reader) && reader?.project_id === object.project_id
  if (isOwn || object.acl?.users.includes(serviceUserId)) return
  await db.transaction().execute((tx) => addReader(tx, object.id, serviceUserId, clock.now()))
}
