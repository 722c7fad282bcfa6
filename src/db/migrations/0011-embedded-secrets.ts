import type { Kysely } from 'kysely'

/** The embedded secret store. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('embedded_secret')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('project_id', 'text', (column) => column.notNull())
    .addColumn('creator_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text')
    .addColumn('secret_type', 'text', (column) => column.notNull())
    .addColumn('algorithm', 'text')
    .addColumn('bit_length', 'integer')
    .addColumn('mode', 'text')
    .addColumn('expires_at_ms', 'bigint')
    .addColumn('content_type', 'text')
    .addColumn('payload', 'text')
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('embedded_secret_container')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('project_id', 'text', (column) => column.notNull())
    .addColumn('creator_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text')
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  for (const table of ['embedded_secret', 'embedded_secret_container']) {
    await db.schema.createIndex(`${table}_project_id_created_at_ms_id`).on(table).columns(['project_id', 'created_at_ms', 'id']).execute()
  }
  await db.schema
    .createTable('embedded_container_secret')
    .addColumn('container_id', 'text', (column) => column.notNull().references('embedded_secret_container.id'))
    .addColumn('secret_id', 'text', (column) => column.notNull().references('embedded_secret.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('embedded_container_secret_key', ['container_id', 'secret_id', 'name'])
    .execute()
  await db.schema.createIndex('embedded_container_secret_secret_id').on('embedded_container_secret').columns(['secret_id']).execute()
  await db.schema
    .createTable('embedded_secret_acl')
    .addColumn('object_id', 'text', (column) => column.primaryKey())
    .addColumn('project_access', 'boolean', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('embedded_secret_acl_user')
    .addColumn('object_id', 'text', (column) => column.notNull().references('embedded_secret_acl.object_id'))
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('embedded_secret_acl_user_key', ['object_id', 'user_id'])
    .execute()
  await db.schema.createIndex('embedded_secret_acl_user_user_id').on('embedded_secret_acl_user').columns(['user_id']).execute()
  await db.schema
    .createTable('embedded_secret_consumer')
    .addColumn('object_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('resource_type', 'text', (column) => column.notNull())
    .addColumn('resource', 'text', (column) => column.notNull())
    .addColumn('project_id', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('embedded_secret_consumer_key', ['object_id', 'name', 'resource_type', 'resource'])
    .execute()
}
