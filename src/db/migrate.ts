/**
 * The schema and the programs that use it. A program works with a schema that a newer one has brought up to date, unless a migration says that it breaks
 * older programs; so a new version can be started beside the old one. See docs/decisions/0112.
 */
import { Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { livingControllers } from '../controllers/registry.ts'
import { retry } from '../lib/retry.ts'
import { isBusy } from './busy.ts'
import { connectionOf, type Db } from './connection.ts'
import { type OwnMigration, migrations as ownMigrations } from './migrations/index.ts'
import { postgresqlDialects } from './postgresql.ts'
import type { Tables } from './tables.ts'

const MIGRATE_RETRY = { attempts: 30, firstWaitMs: 100, longestWaitMs: 1_000 }
/** In the table `setting`: the newest of the migrations that a program has to know. */
const NEEDED = 'schema_needs_migration'

type Migrations = Readonly<Record<string, OwnMigration>>

export interface SchemaState {
  done: string[]
  /** What this program would do. */
  missing: string[]
  /** Done by a newer program. */
  unknown: string[]
  /** Programs that do not know this migration cannot work with the schema; null: all can. */
  needed: string | null
}

export async function schemaState(db: Db, migrations: Migrations = ownMigrations): Promise<SchemaState> {
  const tables = new Set((await db.introspection.getTables({ withInternalKyselyTables: true })).map(({ name }) => name))
  // Also while another process does the first of them.
  const isEmpty = !tables.has('kysely_migration') || !tables.has('setting')
  const rows = isEmpty ? [] : (await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db)).rows
  const done = rows.map(({ name }) => name)
  const setting = isEmpty ? undefined : await db.selectFrom('setting').select('value').where('key', '=', NEEDED).executeTakeFirst()
  return {
    done,
    missing: Object.keys(migrations).filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !Object.hasOwn(migrations, name)),
    needed: setting?.value ?? null,
  }
}

/**
 * Brings the schema up to date, or finds that a newer program has; several processes may call it at once. Throws where this program is too old for
 * the schema, where older programs that are running are too old for what it would do, and what a failed migration threw.
 */
export async function migrate(db: Db, migrations: Migrations = ownMigrations): Promise<void> {
  const { missing, unknown, needed } = await schemaState(db, migrations)
  if (unknown.length > 0) return refuseIfTooOld(migrations, { missing, unknown, needed })
  if (missing.length === 0) return
  const breaking = missing.findLast((name) => migrations[name]!.breaksOlderPrograms)
  if (breaking !== undefined) await refuseBesideOlder(db, breaking)
  const uri = connectionOf(db)
  // Connections of its own, which a table that takes a minute to change does not make suspicious.
  const own =
    uri === undefined
      ? db
      : new Kysely<Tables>({ dialect: postgresqlDialects(uri, { maxPoolSize: 2, stallMs: Number.POSITIVE_INFINITY }).dialect })
  const migrator = new Migrator({ db: own, provider: { getMigrations: async () => noted(migrations) } })
  try {
    // Whoever comes second waits for the first one's lock.
    await retry({ ...MIGRATE_RETRY, when: isBusy }, async () => {
      const { error } = await migrator.migrateToLatest()
      if (error !== undefined) throw error
    })
  } finally {
    if (own !== db) await own.destroy()
  }
}

function refuseIfTooOld(migrations: Migrations, { missing, unknown, needed }: Omit<SchemaState, 'done'>): void {
  const newest = Object.keys(migrations).at(-1)!
  if (missing.length > 0) {
    throw new Error(`the database was brought up to date by another program: it has ${unknown.join(', ')} and lacks ${missing.join(', ')}`)
  }
  if (needed !== null && needed > newest) {
    throw new Error(`the database needs a newer version of this program, one that knows ${needed}; this one knows no more than ${newest}`)
  }
}

async function refuseBesideOlder(db: Db, breaking: string): Promise<void> {
  const tables = await db.introspection.getTables()
  if (!tables.some(({ name }) => name === 'controller')) return
  const older = (await livingControllers(db)).filter(({ program }) => program < breaking)
  if (older.length === 0) return
  const list = older.map(({ pid, host }) => `process ${pid} on ${host}`).join(', ')
  throw new Error(`the migration ${breaking} breaks older programs, and there are some: end them first (${list})`)
}

/** A migration that breaks older programs says so in the database, in its own transaction. */
function noted(migrations: Migrations): Record<string, Migration> {
  const note = (name: string): Migration => ({
    async up(db: Kysely<Tables>) {
      await migrations[name]!.up(db)
      if (!migrations[name]!.breaksOlderPrograms) return
      const value = { key: NEEDED, value: name }
      await db
        .insertInto('setting')
        .values(value)
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: name }))
        .execute()
    },
  })
  return Object.fromEntries(Object.keys(migrations).map((name) => [name, note(name)]))
}
