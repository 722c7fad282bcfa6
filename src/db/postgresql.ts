/**
 * Kysely's dialect for PostgreSQL: values converted as on SQLite, and a server that restarts or is replaced costs retries where they do no harm.
 * A read outside a transaction is asked again. A transaction that is lost before its COMMIT was sent throws NothingCommitted, so that whoever began it can
 * begin again; one that is lost while it commits is looked up by its id, which every transaction asks for when it begins, in the same round trip, or by what
 * it has named as its witness (`commit-hooks.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import type pg from 'pg'
import { type AtCommit, messageOf } from './commit-hooks.ts'
import { isLost, Pool, type PoolConnections, type PoolOptions } from './postgresql-pool.ts'
import { DatabaseUnavailable, NothingCommitted, OutcomeUnknown, PATIENCE_MS } from './unavailable.ts'
import { converterOf, toParameter } from './values.ts'

/** Between two questions, of a database that is just coming back. */
const PAUSE_MS = 100
/** invalid_parameter_value: the server has never given out such a transaction id. */
const NO_SUCH_TRANSACTION = '22023'
/** object_not_in_prerequisite_state: no transaction ids on a standby. */
const ON_STANDBY = '55000'

/** What must hold as long as a transaction of somebody in particular is open. */
export interface Guard {
  /** One query without parameters. It answers a row if all is well, and locks it, so that it stays so until the end. */
  readonly query: string
  /** What is thrown if it answers none. */
  refusal(): Error
}

/** `connection` is a libpq URI. The pool is shared by the dialects that `guarded` makes, and ends with the first. */
export function postgresqlDialects(
  connection: string,
  options: PoolOptions,
): { dialect: Dialect; guarded(guard: Guard): Dialect; connections(): PoolConnections } {
  const pool = new Pool(connection, options)
  const dialect = (driver: () => Driver): Dialect => ({
    createAdapter: () => new PostgresAdapter(),
    createDriver: driver,
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  })
  return {
    dialect: dialect(() => new PostgresqlDriver(pool)),
    guarded: (guard) => dialect(() => new PostgresqlDriver(pool, guard)),
    connections: () => pool.connections(),
  }
}

class PostgresqlDriver implements Driver {
  readonly #pool: Pool
  readonly #guard: Guard | undefined

  constructor(pool: Pool, guard?: Guard) {
    this.#pool = pool
    this.#guard = guard
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new PostgresqlConnection(this.#pool, await this.#pool.connect(), this.#guard)
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    await (connection as PostgresqlConnection).begin(settings)
  }
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as PostgresqlConnection).commit()
  }
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as PostgresqlConnection).rollback()
  }
  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    ;(connection as PostgresqlConnection).release()
  }

  async destroy(): Promise<void> {
    if (this.#guard === undefined) await this.#pool.end()
  }
}

interface Transaction {
  readonly id: string
  /** When the server was started that gave out the id. */
  readonly server: string
  readonly told: AtCommit[]
}

/** What Kysely holds for the length of a statement or a transaction. */
class PostgresqlConnection implements DatabaseConnection {
  readonly #pool: Pool
  readonly #guard: Guard | undefined
  #client: pg.PoolClient | undefined
  #isLost = false
  #transaction: Transaction | undefined

  constructor(pool: Pool, client: pg.PoolClient, guard: Guard | undefined) {
    this.#pool = pool
    this.#client = client
    this.#guard = guard
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const message = messageOf(query)
    if (message !== undefined) {
      this.#transaction?.told.push(message)
      return { rows: [] }
    }
    if (this.#transaction !== undefined) return this.#ask(query)
    if (query.query.kind === 'SelectQueryNode') return this.#read(query)
    if (!changing.has(query.query.kind)) return this.#ask(query)
    // A change alone is a transaction, too: whether it was committed can be asked, and the guard holds.
    await this.begin({})
    try {
      const result = await this.#ask<R>(query)
      await this.commit()
      return result
    } catch (error) {
      await this.rollback()
      throw error
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }

  async begin({ isolationLevel, accessMode }: TransactionSettings): Promise<void> {
    const words = ['begin', isolationLevel && `isolation level ${isolationLevel}`, accessMode].filter(Boolean).join(' ')
    const statements = [
      words,
      'select pg_current_xact_id()::text as id, pg_postmaster_start_time()::text as server',
      ...(this.#guard === undefined ? [] : [this.#guard.query]),
    ]
    let results: pg.QueryResult[]
    try {
      results = await this.#send(statements.join('; '))
    } catch (error) {
      // Pooled connections that the server has ended meanwhile are found out here. Nothing was asked of them yet.
      if (!isLost(error) && (error as { code?: unknown }).code !== ON_STANDBY) throw error
      this.#isLost = true
      throw new NothingCommitted('it went away before the transaction had begun', error)
    }
    this.#transaction = { ...(results[1]!.rows[0] as { id: string; server: string }), told: [] }
    if (this.#guard !== undefined && results[2]!.rows.length === 0) {
      await this.rollback()
      throw this.#guard.refusal()
    }
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction!
    try {
      const [committed] = await this.#send('commit')
      // PostgreSQL ends a transaction so in which a statement has failed.
      if (committed!.command === 'ROLLBACK') throw new Error('the transaction was rolled back, since a statement in it had failed')
    } catch (error) {
      if (!isLost(error)) throw error
      this.#isLost = true
      // Its place is needed for asking, perhaps by all who committed in that moment.
      this.release()
      if (!(await this.#wasCommitted(transaction, error)))
        throw new NothingCommitted('it went away before the transaction was committed', error)
    }
    this.#transaction = undefined
    for (const { hook } of transaction.told) hook?.()
  }

  /** A lost transaction the server has rolled back itself. */
  async rollback(): Promise<void> {
    if (this.#transaction === undefined) return
    this.#transaction = undefined
    if (this.#isLost) return
    try {
      await this.#send('rollback')
    } catch (error) {
      if (!isLost(error)) throw error
      this.#isLost = true
    }
  }

  release(): void {
    this.#client?.release(this.#isLost)
    this.#client = undefined
  }

  /** Asks once more on other connections, until the database is back. */
  async #read<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const giveUpAt = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        return await this.#ask(query)
      } catch (error) {
        if (!this.#isLost || performance.now() >= giveUpAt) throw error
      }
      this.release()
      await sleep(PAUSE_MS)
      this.#client = await this.#pool.connect()
      this.#isLost = false
    }
  }

  async #ask<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      const results = await this.#send(query.sql, query.parameters.map(toParameter))
      const { command, rowCount, rows } = results.at(-1)!
      convertRows(rows)
      return counting.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows }
    } catch (error) {
      if (!isLost(error)) throw error
      this.#isLost = true
      const why = 'it went away while it was asked'
      throw this.#transaction === undefined ? new DatabaseUnavailable(why, error) : new NothingCommitted(why, error)
    }
  }

  #send(text: string, parameters?: readonly unknown[]): Promise<pg.QueryResult[]> {
    return this.#pool.ask(this.#client!, text, parameters)
  }

  /** What became of a transaction whose COMMIT was not answered. Throws DatabaseUnavailable where the database cannot tell. */
  async #wasCommitted({ id, server, told }: Transaction, cause: unknown): Promise<boolean> {
    const witness = told.find((message) => message.witness !== undefined)?.witness
    const giveUpAt = performance.now() + PATIENCE_MS
    while (performance.now() < giveUpAt) {
      const client = await this.#pool.connect().catch(() => undefined)
      if (client === undefined) continue
      try {
        const committed = await this.#askWhether(client, { id, server }, witness)
        client.release()
        if (committed === 'unknown') throw new OutcomeUnknown('it was started anew while the transaction was committed', cause)
        if (committed !== 'under way') return committed === 'yes'
      } catch (error) {
        if (error instanceof OutcomeUnknown) throw error
        client.release(true)
        if (!isLost(error)) throw error
      }
      await sleep(PAUSE_MS)
    }
    throw new DatabaseUnavailable('it went away while the transaction was committed, and cannot be asked whether it was', cause)
  }

  async #askWhether(
    client: pg.PoolClient,
    { id, server }: { id: string; server: string },
    witness: CompiledQuery | undefined,
  ): Promise<'yes' | 'no' | 'under way' | 'unknown'> {
    let answer: pg.QueryResult | undefined
    try {
      const question = 'select pg_xact_status($1::xid8) as status, pg_postmaster_start_time()::text as server'
      ;[answer] = await this.#pool.ask(client, question, [id])
    } catch (error) {
      // Another server that took over, or was started anew, and has never heard of it.
      if ((error as { code?: unknown }).code === NO_SUCH_TRANSACTION) return 'no'
      throw error
    }
    const { status, server: now } = answer!.rows[0] as { status: string | null; server: string }
    if (status === 'aborted') return 'no'
    if (now === server && status === 'committed') return 'yes'
    if (now === server && status === 'in progress') return 'under way'
    // Of another server: it gives out again the ids of transactions that had not reached its disk, so a transaction of that id may be somebody else's.
    if (status === 'in progress') return 'no'
    // What is left: committed, perhaps by somebody else, or (null) too long ago to be known, which cannot be.
    if (witness === undefined) return 'unknown'
    const [found] = await this.#pool.ask(client, witness.sql, witness.parameters.map(toParameter))
    return found!.rows.length > 0 ? 'yes' : 'no'
  }
}

/** Commands of PostgreSQL that tell how many rows they changed. */
const counting: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])
/** Kysely's names of the same. */
const changing: ReadonlySet<string> = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'])

/** In place: the rows are ours alone. */
function convertRows(rows: unknown[]): void {
  const first = rows[0] as Record<string, unknown> | undefined
  if (first === undefined) return
  for (const name of Object.keys(first)) {
    const convert = converterOf(name)
    if (convert === undefined) continue
    for (const row of rows as Record<string, unknown>[]) row[name] = convert(row[name])
  }
}
