/** PostgreSQL through pg: values converted as on SQLite, connections made again after the server was away. */

import type { DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely'
import { type CompiledQuery, type Dialect, PostgresDialect, PostgresDriver } from 'kysely'
import pg from 'pg'
import { retry } from '../lib/retry.ts'
import { hookOf } from './commit-hooks.ts'
import { converterOf, toParameter } from './values.ts'

/** A server that restarts is back well within this. */
const CONNECT_RETRY = { attempts: 6, firstWaitMs: 50, longestWaitMs: 1_000 }
const CONNECT_TIMEOUT_MS = 5_000
/** A connection whose server vanished is noticed by the kernel's probes. */
const KEEPALIVE_DELAY_MS = 5_000

/** Whoever waits longer for somebody's lock gives up (`busy.ts`). */
const LOCK_TIMEOUT_MS = 20_000
/** A controller that stops in the middle of a transaction loses it, and its locks, before others give up. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000

const INT8 = 20
const NUMERIC = 1700

/** SQLSTATEs of a server that is starting, stopping or out of connections; trying again may help. */
const TRANSIENT_STATES = new Set(['57P01', '57P02', '57P03', '53300', '08000', '08001', '08003', '08006'])
const TRANSIENT_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOENT'])

/** `connection` is a libpq URI. */
export function postgresqlDialect(connection: string, maxPoolSize: number): Dialect {
  const pool = () => {
    const made = new pg.Pool({ ...clientConfig(connection), max: maxPoolSize })
    // An idle or busy client that loses its server tells so here too; the pool replaces it, the caller sees its query fail.
    made.on('error', () => {})
    made.on('connect', (client) => client.on('error', () => {}))
    const connect = made.connect.bind(made) as () => Promise<pg.PoolClient>
    return {
      Client: undefined,
      options: made.options,
      end: () => made.end(),
      connect: () => retry({ ...CONNECT_RETRY, when: isTransient }, () => connect()),
    }
  }
  const config = { pool: async () => pool() as never }
  const dialect = new PostgresDialect(config)
  return {
    createAdapter: () => dialect.createAdapter(),
    createDriver: () => new ConvertingDriver(new PostgresDriver(config)),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  }
}

/** What a single client, such as a listener's, needs as well. */
export function clientConfig(connection: string): pg.ClientConfig {
  return {
    connectionString: connection,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    types: {
      // Sums and counts are within the safe integers; a string would spread into the API's answers.
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format)) as never,
    },
  }
}

function isTransient(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? ''
  return TRANSIENT_STATES.has(code) || TRANSIENT_CODES.has(code)
}

class ConvertingDriver implements Driver {
  // Kysely's interface, because its class asks for its own kind of connection where the interface takes any.
  readonly #driver: Required<Driver>
  readonly #connections = new WeakMap<DatabaseConnection, ConvertingConnection>()

  constructor(driver: Required<Driver>) {
    this.#driver = driver
  }

  init(): Promise<void> {
    return this.#driver.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const inner = await this.#driver.acquireConnection()
    let connection = this.#connections.get(inner)
    if (connection === undefined) {
      connection = new ConvertingConnection(inner)
      this.#connections.set(inner, connection)
    }
    return connection
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const { inner } = (connection as ConvertingConnection).forTransaction()
    await this.#driver.beginTransaction(inner, settings)
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const converting = connection as ConvertingConnection
    await this.#driver.commitTransaction(converting.inner)
    for (const hook of converting.takeHooks()) hook()
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const converting = connection as ConvertingConnection
    converting.takeHooks()
    await this.#driver.rollbackTransaction(converting.inner)
  }

  savepoint(connection: DatabaseConnection, ...rest: SavepointArguments): Promise<void> {
    return this.#driver.savepoint((connection as ConvertingConnection).inner, ...rest)
  }
  rollbackToSavepoint(connection: DatabaseConnection, ...rest: SavepointArguments): Promise<void> {
    return this.#driver.rollbackToSavepoint((connection as ConvertingConnection).inner, ...rest)
  }
  releaseSavepoint(connection: DatabaseConnection, ...rest: SavepointArguments): Promise<void> {
    return this.#driver.releaseSavepoint((connection as ConvertingConnection).inner, ...rest)
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#driver.releaseConnection((connection as ConvertingConnection).inner)
  }
  destroy(): Promise<void> {
    return this.#driver.destroy()
  }
}

type SavepointArguments = Parameters<Required<Driver>['savepoint']> extends [DatabaseConnection, ...infer R] ? R : never

class ConvertingConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  #hooks: (() => void)[] = []

  constructor(inner: DatabaseConnection) {
    this.inner = inner
  }

  forTransaction(): this {
    this.#hooks = []
    return this
  }

  takeHooks(): (() => void)[] {
    const hooks = this.#hooks
    this.#hooks = []
    return hooks
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const hook = hookOf(query)
    if (hook !== undefined) {
      this.#hooks.push(hook)
      return { rows: [] }
    }
    const result = await this.inner.executeQuery<R>({ ...query, parameters: query.parameters.map(toParameter) })
    convertRows(result.rows)
    return result
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }
}

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
