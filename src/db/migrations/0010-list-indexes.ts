import type { Kysely } from 'kysely'

const named = ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy']

/** Children are listed by their parent, in the order of lists. */
const children = [
  ['listener', 'load_balancer_id'],
  ['pool', 'load_balancer_id'],
  ['member', 'pool_id'],
  ['l7policy', 'listener_id'],
  ['l7rule', 'l7policy_id'],
  ['amphora', 'loadbalancer_id'],
] as const

/** What the new indexes begin with, too. */
const replaced = ['pool_load_balancer_id', 'l7rule_l7policy_id', 'amphora_loadbalancer_id']

/** Clients look for names, sort by them, and list the children of one parent; none of it may read a whole table. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of named) {
    await index(db, table, ['name', 'created_at', 'id'])
    await index(db, table, ['project_id', 'name', 'created_at', 'id'])
  }
  for (const [table, parent] of children) await index(db, table, [parent, 'created_at', 'id'])
  for (const name of replaced) await db.schema.dropIndex(name).execute()
}

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_${columns.join('_')}`)
    .on(table)
    .columns(columns)
    .execute()
}
