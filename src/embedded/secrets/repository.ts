import type { Db, Tx } from '../../db/connection.ts'
import type { AclRow, ConsumerRow, ContainerRow, ContainerSecretRow, SecretRow } from './tables.ts'

type Reader = Db | Tx

/** What a row needs for the question who may read it. */
export type Guarded<Row> = Row & { acl: Acl | null }
export type Acl = AclRow & { users: string[] }

/** Not one that has expired. */
export async function findSecret(db: Reader, id: string, nowMs: number): Promise<Guarded<SecretRow> | undefined> {
  const row = await db.selectFrom('embedded_secret').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || (row.expires_at_ms !== null && row.expires_at_ms <= nowMs)) return undefined
  return { ...row, acl: await findAcl(db, id) }
}

export async function findContainer(db: Reader, id: string): Promise<Guarded<ContainerRow> | undefined> {
  const row = await db.selectFrom('embedded_secret_container').selectAll().where('id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : { ...row, acl: await findAcl(db, id) }
}

async function findAcl(db: Reader, object_id: string): Promise<Acl | null> {
  const acl = await db.selectFrom('embedded_secret_acl').selectAll().where('object_id', '=', object_id).executeTakeFirst()
  if (acl === undefined) return null
  const users = await db
    .selectFrom('embedded_secret_acl_user')
    .select('user_id')
    .where('object_id', '=', object_id)
    .orderBy('user_id')
    .execute()
  return { ...acl, users: users.map(({ user_id }) => user_id) }
}

export async function insertSecret(tx: Reader, row: SecretRow): Promise<void> {
  await tx.insertInto('embedded_secret').values(row).execute()
}

export async function updateSecret(tx: Reader, id: string, changes: Partial<SecretRow>): Promise<void> {
  await tx.updateTable('embedded_secret').set(changes).where('id', '=', id).execute()
}

/** With all that hangs on it; containers lose it. */
export async function deleteSecret(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('embedded_container_secret').where('secret_id', '=', id).execute()
  await deleteAcl(tx, id)
  await tx.deleteFrom('embedded_secret_consumer').where('object_id', '=', id).execute()
  await tx.deleteFrom('embedded_secret').where('id', '=', id).execute()
}

export async function listExpiredSecrets(db: Reader, nowMs: number, limit: number): Promise<string[]> {
  const rows = await db.selectFrom('embedded_secret').select('id').where('expires_at_ms', '<=', nowMs).limit(limit).execute()
  return rows.map(({ id }) => id)
}

/** After that id, with a payload that does not begin so. */
export function listSecretsNotSealedSo(
  db: Reader,
  { beginning, after, limit }: { beginning: string; after: string; limit: number },
): Promise<{ id: string; payload: string | null }[]> {
  return db
    .selectFrom('embedded_secret')
    .select(['id', 'payload'])
    .where('payload', 'is not', null)
    .where('payload', 'not like', `${beginning}%`)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
}

export async function insertContainer(tx: Reader, row: ContainerRow, secrets: Omit<ContainerSecretRow, 'container_id'>[]): Promise<void> {
  await tx.insertInto('embedded_secret_container').values(row).execute()
  for (const secret of secrets) await insertContainerSecret(tx, { ...secret, container_id: row.id })
}

export async function deleteContainer(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('embedded_container_secret').where('container_id', '=', id).execute()
  await deleteAcl(tx, id)
  await tx.deleteFrom('embedded_secret_consumer').where('object_id', '=', id).execute()
  await tx.deleteFrom('embedded_secret_container').where('id', '=', id).execute()
}

export function listContainerSecrets(db: Reader, container_ids: string[]): Promise<ContainerSecretRow[]> {
  if (container_ids.length === 0) return Promise.resolve([])
  return db.selectFrom('embedded_container_secret').selectAll().where('container_id', 'in', container_ids).orderBy('name').execute()
}

export async function insertContainerSecret(tx: Reader, row: ContainerSecretRow): Promise<void> {
  await tx.insertInto('embedded_container_secret').values(row).execute()
}

/** False: it was not in the container. */
export async function deleteContainerSecret(tx: Reader, { container_id, secret_id, name }: ContainerSecretRow): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('embedded_container_secret')
    .where('container_id', '=', container_id)
    .where('secret_id', '=', secret_id)
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Replaces the object's list of who may read it. */
export async function storeAcl(tx: Tx, acl: Acl): Promise<void> {
  const { users, ...row } = acl
  const { object_id, project_access, updated_at_ms } = row
  await tx
    .insertInto('embedded_secret_acl')
    .values(row)
    .onConflict((conflict) => conflict.column('object_id').doUpdateSet({ project_access, updated_at_ms }))
    .execute()
  await tx.deleteFrom('embedded_secret_acl_user').where('object_id', '=', object_id).execute()
  for (const user_id of new Set(users)) await tx.insertInto('embedded_secret_acl_user').values({ object_id, user_id }).execute()
}

export async function deleteAcl(tx: Tx, object_id: string): Promise<void> {
  await tx.deleteFrom('embedded_secret_acl_user').where('object_id', '=', object_id).execute()
  await tx.deleteFrom('embedded_secret_acl').where('object_id', '=', object_id).execute()
}

/** Lets the user read the object; a project that could read it still can. */
export async function addReader(tx: Tx, object_id: string, user_id: string, nowMs: number): Promise<void> {
  await tx
    .insertInto('embedded_secret_acl')
    .values({ object_id, project_access: true, created_at_ms: nowMs, updated_at_ms: nowMs })
    .onConflict((conflict) => conflict.column('object_id').doNothing())
    .execute()
  await tx
    .insertInto('embedded_secret_acl_user')
    .values({ object_id, user_id })
    .onConflict((conflict) => conflict.columns(['object_id', 'user_id']).doNothing())
    .execute()
}

export function listConsumers(db: Reader, object_ids: string[]): Promise<ConsumerRow[]> {
  if (object_ids.length === 0) return Promise.resolve([])
  return db
    .selectFrom('embedded_secret_consumer')
    .selectAll()
    .where('object_id', 'in', object_ids)
    .orderBy('created_at_ms')
    .orderBy('resource')
    .execute()
}

/** Content when it is there already. */
export async function insertConsumer(tx: Reader, row: ConsumerRow): Promise<void> {
  await tx
    .insertInto('embedded_secret_consumer')
    .values(row)
    .onConflict((conflict) => conflict.columns(['object_id', 'name', 'resource_type', 'resource']).doNothing())
    .execute()
}

export async function deleteConsumer(tx: Reader, { object_id, name, resource_type, resource }: ConsumerRow): Promise<void> {
  await tx
    .deleteFrom('embedded_secret_consumer')
    .where('object_id', '=', object_id)
    .where('name', '=', name)
    .where('resource_type', '=', resource_type)
    .where('resource', '=', resource)
    .execute()
}
