/**
 * SQLite through node:sqlite. One connection writes, a second one reads, so that a read never waits for an open transaction (WAL).
 * Statements are synchronous: a transaction must not wait for anything but the database, because it holds up every other writer.
 * The disk is waited for elsewhere: SQLite writes a commit to its log, and a thread of the pool brings the log to the disk, for all commits
 * that came meanwhile at once; only then is a commit answered (`Disk`).
 */
import { type FileHandle, open } from 'node:fs/promises'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { messageOf } from './commit-hooks.ts'
import { converterOf, toParameter } from './values.ts'

/** How long another process may hold the database's lock before a statement fails. */
const BUSY_TIMEOUT_MS = 5_000
/** A writer that waits longer stands behind a transaction that waits for it: a bug that must be seen, not a hang. */
const WRITER_WAIT_MS = 15_000
/** Prepared statements kept per connection; the least recently used is dropped. */
const MAX_STATEMENTS = 500

/**
 * `path` is a file's absolute path or `:memory:`. With `unhurried` the same database can be opened a second time, for whoever need not wait for
 * the disk since a later commit of his will: what is committed later is never there without what was committed before.
 */
export function sqliteDialects(path: string): { waiting: Dialect; unhurried: Dialect } {
  const connections = new Connections(path)
  const dialect = (waitsForDisk: boolean): Dialect => ({
    createAdapter: () => new TransactionalSqliteAdapter(),
    createDriver: () => new SqliteDriver(connections, waitsForDisk),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  })
  return { waiting: dialect(true), unhurried: dialect(false) }
}

class TransactionalSqliteAdapter extends SqliteAdapter {
  /** SQLite rolls back CREATE and ALTER like anything else, so an interrupted migration leaves nothing. */
  override get supportsTransactionalDdl(): boolean {
    return true
  }
  /** The driver queues its writers itself, where it knows whether a statement writes. */
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

/** What all drivers of one database share. */
class Connections {
  readonly #path: string
  writer!: Database
  /** In memory there is one connection, so reads queue with the writers. */
  reader: Database | undefined
  readonly turns: Turns
  readonly disk: Disk | undefined
  #opened = false

  constructor(path: string) {
    this.#path = path
    this.turns = turnsOf(path)
    this.disk = path === ':memory:' ? undefined : new Disk(`${path}-wal`)
  }

  open(): void {
    if (this.#opened) return
    this.#opened = true
    const inMemory = this.#path === ':memory:'
    this.writer = new Database(new DatabaseSync(this.#path, { timeout: BUSY_TIMEOUT_MS }))
    // NORMAL: SQLite orders its writes, and each commit is brought to the disk by us.
    if (!inMemory) this.writer.exec('pragma journal_mode = wal; pragma synchronous = normal')
    this.writer.exec('pragma temp_store = memory; pragma cache_size = -16000')
    if (!inMemory) this.reader = new Database(new DatabaseSync(this.#path, { timeout: BUSY_TIMEOUT_MS, readOnly: true }))
  }

  async close(): Promise<void> {
    // A transaction that is under way ends first.
    await this.turns.take()
    await this.disk?.close()
    this.reader?.close()
    this.writer.close()
    this.turns.give()
  }
}

class SqliteDriver implements Driver {
  readonly #connections: Connections
  readonly #waitsForDisk: boolean

  constructor(connections: Connections, waitsForDisk: boolean) {
    this.#connections = connections
    this.#waitsForDisk = waitsForDisk
  }

  async init(): Promise<void> {
    this.#connections.open()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return new SqliteConnection(this.#connections, this.#waitsForDisk)
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as SqliteConnection).begin()
  }
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as SqliteConnection).commit()
  }
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    ;(connection as SqliteConnection).rollback()
  }
  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint "${name}"`))
  }
  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to "${name}"`))
  }
  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release "${name}"`))
  }
  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.#connections.close()
  }
}

/** Brings SQLite's log to the disk. */
class Disk {
  readonly #path: string
  #file: Promise<FileHandle> | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Resolves when what is in the log now is on the disk. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#begin()
    // The one that is under way may miss what was written after its beginning; the next is for all who come until then.
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#next
  }

  async close(): Promise<void> {
    if (this.#file === undefined) return
    await this.sync()
    await (await this.#file).close()
  }

  #begin(): Promise<void> {
    this.#next = undefined
    // The log is there while a connection is; SQLite begins it anew in the same file.
    this.#file ??= open(this.#path, 'r')
    const running = this.#file
      .then((file) => file.datasync())
      .finally(() => {
        if (this.#running === running) this.#running = undefined
      })
    this.#running = running
    return running
  }
}

/** What Kysely holds for the length of a statement or a transaction; costs nothing until it writes. */
class SqliteConnection implements DatabaseConnection {
  readonly #writer: Database
  readonly #reader: Database | undefined
  readonly #turns: Turns
  /** Undefined where commits don't wait for it. */
  readonly #disk: Disk | undefined
  #hooks: (() => void)[] | undefined

  constructor({ writer, reader, turns, disk }: Connections, waitsForDisk: boolean) {
    this.#writer = writer
    this.#reader = reader
    this.#turns = turns
    this.#disk = waitsForDisk ? disk : undefined
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#hooks !== undefined) {
      const message = messageOf(query)
      if (message === undefined) return this.#writer.execute(query)
      if (message.hook !== undefined) this.#hooks.push(message.hook)
      return { rows: [] }
    }
    if (this.#reader !== undefined && query.query.kind === 'SelectQueryNode') return this.#reader.execute(query)
    await this.#turns.take()
    let result: QueryResult<R>
    try {
      result = this.#writer.execute(query)
    } finally {
      this.#turns.give()
    }
    await this.#disk?.sync()
    return result
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }

  async begin(): Promise<void> {
    await this.#turns.take()
    try {
      // IMMEDIATE: the lock is taken now, so that no statement in the middle finds it taken by another process.
      this.#writer.exec('begin immediate')
      this.#hooks = []
    } catch (error) {
      this.#turns.give()
      throw error
    }
  }

  async commit(): Promise<void> {
    // When COMMIT throws, Kysely rolls back; until then the turn stays ours.
    this.#writer.exec('commit')
    const hooks = this.#end()
    await this.#disk?.sync()
    for (const hook of hooks) hook()
  }

  rollback(): void {
    // Kysely also calls it when the disk failed: then the transaction that is open, if any, is another's.
    if (this.#hooks === undefined) return
    try {
      if (this.#writer.inTransaction()) this.#writer.exec('rollback')
    } finally {
      this.#end()
    }
  }

  #end(): (() => void)[] {
    const hooks = this.#hooks ?? []
    if (this.#hooks !== undefined) this.#turns.give()
    this.#hooks = undefined
    return hooks
  }
}

interface Prepared {
  statement: StatementSync
  /** Undefined for a statement that returns no rows. */
  columns: { name: string; convert: ((value: unknown) => unknown) | undefined }[] | undefined
  /** A row without its values: a copy of it costs half of what an object does that grows column by column. */
  blank: Readonly<Record<string, unknown>>
}

/** One connection and its prepared statements. */
class Database {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, Prepared>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  inTransaction(): boolean {
    return this.#database.isTransaction
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  execute<R>(query: CompiledQuery): QueryResult<R> {
    const { statement, columns, blank } = this.#prepare(query.sql)
    const parameters = query.parameters.map(toSqlite)
    if (columns === undefined) {
      const { changes, lastInsertRowid } = statement.run(...parameters)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    }
    const rows: Record<string, unknown>[] = []
    for (const values of statement.all(...parameters) as unknown as unknown[][]) {
      const row: Record<string, unknown> = { ...blank }
      for (let i = 0; i < columns.length; i++) {
        const { name, convert } = columns[i]!
        row[name] = convert === undefined ? values[i] : convert(values[i])
      }
      rows.push(row)
    }
    // The caller names the type of the rows, as with every SQL library.
    return { rows: rows as R[] }
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#statements.get(sql)
    if (prepared !== undefined) {
      this.#statements.delete(sql)
    } else {
      const statement = this.#database.prepare(sql)
      const columns = statement.columns().map(({ name }) => ({ name, convert: converterOf(name) }))
      if (columns.length > 0) statement.setReturnArrays(true)
      const blank = Object.fromEntries(columns.map(({ name }) => [name, null]))
      prepared = { statement, columns: columns.length > 0 ? columns : undefined, blank }
      // A change of the schema may change what a kept `select *` returns.
      if (/^\s*(create|alter|drop)/i.test(sql)) this.#statements.clear()
      else if (this.#statements.size >= MAX_STATEMENTS) this.#statements.delete(this.#statements.keys().next().value!)
    }
    this.#statements.set(sql, prepared)
    return prepared
  }
}

function toSqlite(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  return toParameter(value) as SQLInputValue
}

const turnsByPath = new Map<string, WeakRef<Turns>>()

/**
 * All connections of this process to one file share their turns: SQLite's own lock makes the second writer wait in a system call, in which the
 * first, being of the same thread, could never end.
 */
function turnsOf(path: string): Turns {
  const known = path === ':memory:' ? undefined : turnsByPath.get(path)?.deref()
  if (known !== undefined) return known
  const turns = new Turns()
  if (path !== ':memory:') turnsByPath.set(path, new WeakRef(turns))
  return turns
}

/** Whose turn it is to write: first come, first served. */
class Turns {
  #taken = false
  readonly #waiting: (() => void)[] = []

  async take(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true
      return
    }
    await new Promise<void>((resolve, reject) => {
      const proceed = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(proceed), 1)
        reject(
          new Error(
            `waited ${WRITER_WAIT_MS} ms to write: a transaction is held open, perhaps by code that uses db where it should use tx`,
          ),
        )
      }, WRITER_WAIT_MS)
      this.#waiting.push(proceed)
    })
  }

  /** Hands the turn to the next in line, so nobody can slip in between. */
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken = false
    else next()
  }
}
