import { type Kysely, sql } from 'kysely'

/** Flavors and availability zones, with the profiles that say what they mean. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, data] of [
    ['flavor_profile', 'flavor_data'],
    ['availability_zone_profile', 'availability_zone_data'],
  ] as const) {
    await db.schema
      .createTable(table)
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('provider_name', 'text', (column) => column.notNull())
      .addColumn(data, 'text', (column) => column.notNull())
      .execute()
  }
  await db.schema
    .createTable('flavor')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .addColumn('flavor_profile_id', 'text', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('availability_zone')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .addColumn('availability_zone_profile_id', 'text', (column) => column.notNull())
    .execute()
  for (const [table, column] of [
    ['flavor', 'flavor_profile_id'],
    ['availability_zone', 'availability_zone_profile_id'],
  ] as const) {
    await db.schema.createIndex(`${table}_${column}`).on(table).column(column).execute()
  }
  // Who uses a flavor or a zone is asked before it is deleted; most load balancers have none.
  for (const column of ['flavor_id', 'availability_zone'] as const) {
    await db.schema
      .createIndex(`load_balancer_${column}`)
      .on('load_balancer')
      .column(column)
      .where(sql.ref(column), 'is not', null)
      .execute()
  }
}
