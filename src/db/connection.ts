import { Kysely, PostgresAdapter, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import { retry } from '../lib/retry.ts'
import { isBusy } from './busy.ts'
import { migrations } from './migrations/index.ts'
import { postgresqlDialect } from './postgresql.ts'
import { sqliteDialects } from './sqlite.ts'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>

const DEFAULT_POOL_SIZE = 10
const MIGRATE_RETRY = { attempts: 30, firstWaitMs: 100, longestWaitMs: 1_000 }

const postgresqlConnections = new WeakMap<Db, string>()
const unhurriedDatabases = new WeakMap<Db, Db>()

/**
 * Opens the database that `[database] connection` names: `sqlite:///absolute/path`, `sqlite://` (in memory) or `postgresql://...`.
 * Booleans, objects and arrays may be given as parameters; results are converted by column name (`tables.ts`). Throws on any other URL.
 */
export async function openDatabase(options: { connection: string; maxPoolSize?: number }): Promise<Db> {
  const { connection } = options
  const scheme = connection.slice(0, connection.indexOf('://') + 3)
  if (scheme === 'sqlite://') {
    const { waiting, unhurried } = sqliteDialects(sqlitePath(connection))
    const db = new Kysely<Tables>({ dialect: waiting })
    unhurriedDatabases.set(db, new Kysely<Tables>({ dialect: unhurried }))
    return db
  }
  if (/^postgres(ql)?(\+\w+)?:\/\/$/.test(scheme)) {
    // SQLAlchemy's URLs name a Python driver (postgresql+psycopg2); which library speaks is ours to say.
    const uri = `postgresql://${connection.slice(scheme.length)}`
    const db = new Kysely<Tables>({ dialect: postgresqlDialect(uri, options.maxPoolSize ?? DEFAULT_POOL_SIZE) })
    postgresqlConnections.set(db, uri)
    return db
  }
  if (scheme.startsWith('mysql') || scheme.startsWith('mariadb')) {
    throw new Error(
      '[database] connection: MySQL is not supported: flows start in the transaction that stores their rows and are shared out with ' +
        'SKIP LOCKED and NOTIFY, which are tested on PostgreSQL (postgresql://...) and SQLite (sqlite:///PATH) only',
    )
  }
  throw new Error(`[database] connection: '${scheme || 'the value'}' is not known; give sqlite:///PATH or postgresql://...`)
}

function sqlitePath(connection: string): string {
  const path = connection.slice('sqlite://'.length)
  if (path === '' || path === '/' || path === '/:memory:') return ':memory:'
  // SQLAlchemy writes an absolute path with four slashes, and our own documents with three.
  return path.replace(/^\/\//, '/')
}

/** Brings the schema up to date; several processes may call it at once. Throws what the failed migration threw. */
export async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  // Whoever comes second waits for the first one's lock, which takes its time over a large table.
  await retry({ ...MIGRATE_RETRY, when: isBusy }, async () => {
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
  })
}

/** For the few statements that differ. */
export function isPostgresql(db: Db): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}

/**
 * The rows stay as they are until the transaction ends, for readers that store something because of them (`share`) and for whoever is
 * about to change them (`update`). SQLite has one writer at a time and needs no such words.
 */
export function heldFor<Q extends { forShare(): Q; forUpdate(): Q }>(tx: Tx, use: 'share' | 'update', query: Q): Q {
  if (!isPostgresql(tx)) return query
  return use === 'share' ? query.forShare() : query.forUpdate()
}

/** The URI of a PostgreSQL database, for a connection beside the pool; undefined on SQLite. */
export function connectionOf(db: Db): string | undefined {
  return postgresqlConnections.get(db)
}

/**
 * The same database for whoever writes what need not be on the disk yet, because something that he commits later, and waits for, says that it
 * was done. On PostgreSQL it waits like any other. Ends with the database itself.
 */
export function unhurried(db: Db): Db {
  return unhurriedDatabases.get(db) ?? db
}
