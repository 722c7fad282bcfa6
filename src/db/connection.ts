import { type Dialect, Kysely, type Logger, PostgresAdapter, type RawBuilder, sql, type Transaction } from 'kysely'
import { type Guard, postgresqlDialects } from './postgresql.ts'
import type { PoolConnections } from './postgresql-pool.ts'
import { sqliteDialects } from './sqlite.ts'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>

const DEFAULT_POOL_SIZE = 10

const postgresqlConnections = new WeakMap<Db, { uri: string; guarded(guard: Guard): Dialect; connections(): PoolConnections }>()
const unhurriedDatabases = new WeakMap<Db, Db>()

/**
 * Opens the database that `[database] connection` names: `sqlite:///absolute/path`, `sqlite://` (in memory) or `postgresql://...`.
 * Booleans, objects and arrays may be given as parameters; results are converted by column name (`tables.ts`). Throws on any other URL. PostgreSQL
 * counts as gone when it is asked and silent for `stallMs`. `onError` is told of each statement that failed, whatever becomes of it.
 */
export async function openDatabase(options: {
  connection: string
  maxPoolSize?: number
  stallMs?: number
  onError?(error: unknown): void
}): Promise<Db> {
  const { connection, onError } = options
  const log: Logger = ({ level, ...event }) => {
    if (level === 'error' && 'error' in event) onError?.(event.error)
  }
  const scheme = connection.slice(0, connection.indexOf('://') + 3)
  const file = sqliteFile(connection)
  if (file !== undefined) {
    const { waiting, unhurried } = sqliteDialects(file)
    const db = new Kysely<Tables>({ dialect: waiting, log })
    unhurriedDatabases.set(db, new Kysely<Tables>({ dialect: unhurried, log }))
    return db
  }
  if (/^postgres(ql)?(\+\w+)?:\/\/$/.test(scheme)) {
    // SQLAlchemy's URLs name a Python driver (postgresql+psycopg2); which library speaks is ours to say.
    const uri = `postgresql://${connection.slice(scheme.length)}`
    const { dialect, guarded, connections } = postgresqlDialects(uri, { ...options, maxPoolSize: options.maxPoolSize ?? DEFAULT_POOL_SIZE })
    const db = new Kysely<Tables>({ dialect, log })
    postgresqlConnections.set(db, { uri, guarded, connections })
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

/** The file that a connection string names, `:memory:`, or undefined where it is no SQLite's. */
export function sqliteFile(connection: string): string | undefined {
  return connection.startsWith('sqlite://') ? sqlitePath(connection) : undefined
}

function sqlitePath(connection: string): string {
  const path = connection.slice('sqlite://'.length)
  if (path === '' || path === '/' || path === '/:memory:') return ':memory:'
  // SQLAlchemy writes an absolute path with four slashes, and our own documents with three.
  return path.replace(/^\/\//, '/')
}

/** For the few statements that differ. */
export function isPostgresql(db: Db): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}

/** Milliseconds since 1970 by the one clock that all controllers share: PostgreSQL's; on SQLite all are on one host. */
export function databaseNow(db: Db): RawBuilder<number> {
  return isPostgresql(db) ? sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint` : sql<number>`${Date.now()}`
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
  return postgresqlConnections.get(db)?.uri
}

/** How many connections there are; undefined on SQLite. */
export function connectionsOf(db: Db): PoolConnections | undefined {
  return postgresqlConnections.get(db)?.connections()
}

/**
 * The same PostgreSQL database, each of whose transactions and single changes holds only while `guard` does: what that query has found cannot change
 * before they end. SQLite has one process, which knows itself what holds.
 */
export function guardedBy(db: Db, guard: Guard): Db {
  const connection = postgresqlConnections.get(db)
  return connection === undefined ? db : new Kysely<Tables>({ dialect: connection.guarded(guard) })
}

/**
 * The same database for whoever writes what need not be on the disk yet, because something that he commits later, and waits for, says that it
 * was done. On PostgreSQL it waits like any other. Ends with the database itself.
 */
export function unhurried(db: Db): Db {
  return unhurriedDatabases.get(db) ?? db
}
