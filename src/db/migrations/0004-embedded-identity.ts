import { type Kysely, sql } from 'kysely'

/** Domains, projects, users and roles of the embedded identity service. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('embedded_domain')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('embedded_project')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('domain_id', 'text', (column) => column.notNull().references('embedded_domain.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull().defaultTo(sql`'[]'`))
    .addUniqueConstraint('embedded_project_name', ['domain_id', 'name'])
    .execute()
  await db.schema
    .createTable('embedded_user')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('domain_id', 'text', (column) => column.notNull().references('embedded_domain.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('email', 'text')
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .addColumn('default_project_id', 'text')
    .addColumn('password_hash', 'text')
    .addColumn('tokens_void_until_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('embedded_user_name', ['domain_id', 'name'])
    .execute()
  await db.schema
    .createTable('embedded_role')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('embedded_role_assignment')
    .addColumn('user_id', 'text', (column) => column.notNull().references('embedded_user.id'))
    .addColumn('target_type', 'text', (column) => column.notNull())
    .addColumn('target_id', 'text', (column) => column.notNull())
    .addColumn('role_id', 'text', (column) => column.notNull().references('embedded_role.id'))
    .addPrimaryKeyConstraint('embedded_role_assignment_key', ['user_id', 'target_type', 'target_id', 'role_id'])
    .execute()
  await db.schema
    .createTable('embedded_revoked_token')
    .addColumn('audit_id', 'text', (column) => column.primaryKey())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .execute()
}
