/** Connections to PostgreSQL through pg: how they are made, noticed to be dead, and made again. */
import type { Socket } from 'node:net'
import pg from 'pg'
import { retry } from '../lib/retry.ts'
import { NothingCommitted, PATIENCE_MS } from './unavailable.ts'

const CONNECT_RETRY = { attempts: Number.POSITIVE_INFINITY, firstWaitMs: 50, longestWaitMs: 500 }
const CONNECT_TIMEOUT_MS = 5_000
/** An idle connection whose server vanished is noticed by the kernel's probes, which begin after this and take ten seconds. */
const KEEPALIVE_DELAY_MS = 5_000

/** Whoever waits longer for somebody's lock gives up (`busy.ts`). */
const LOCK_TIMEOUT_MS = 12_000
/** A controller that stops in the middle of a transaction loses it, and its locks, before its flows' leases end and others need them. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 4_000
/** A server that says nothing for so long while it is asked is not there any more; no statement of ours takes that long, migrations aside. */
const STALL_MS = 15_000

const INT8 = 20
const NUMERIC = 1700

/**
 * SQLSTATEs of a server that is starting, stopping, out of connections or no primary any more, and of a session that it has ended (a process that stood
 * still in a transaction): another connection may be better.
 */
const LOST_STATES = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '08000', '08001', '08003', '08006', '25P03', '25006'])
const LOST_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH'])
/** pg's own words, which have no code. */
const LOST_WORDS = /^Connection terminated|is not queryable$|^timeout exceeded when trying to connect$|^timeout expired$/

/** Whether an error of pg says that the connection, and not what was asked, is bad. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? LOST_STATES.has(code) || LOST_CODES.has(code) : LOST_WORDS.test(error.message)
}

export interface PoolOptions {
  maxPoolSize: number
  /** Infinity for migrations, which may take as long as they need. */
  stallMs?: number
}

export type PoolConnections = Record<'busy' | 'idle' | 'waiting', number>

export class Pool {
  readonly #pool: pg.Pool
  readonly #asked = new WeakSet<pg.PoolClient>()

  /** `connection` is a libpq URI. */
  constructor(connection: string, { maxPoolSize, stallMs = STALL_MS }: PoolOptions) {
    this.#pool = new pg.Pool({ ...clientConfig(connection), max: maxPoolSize })
    // An idle or busy client that loses its server tells so here too; the pool replaces it, the caller sees its query fail.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      client.on('error', () => {})
      if (Number.isFinite(stallMs)) this.#watch(client, stallMs)
    })
  }

  /** Throws NothingCommitted when the database does not come back within PATIENCE_MS. */
  async connect(): Promise<pg.PoolClient> {
    try {
      return await retry({ ...CONNECT_RETRY, withinMs: PATIENCE_MS, when: isLost }, () => this.#pool.connect())
    } catch (error) {
      throw isLost(error) ? new NothingCommitted('it cannot be connected to', error) : error
    }
  }

  /** A result for each statement in `text`. Throws what pg throws; `isLost` tells whether to connect anew. */
  async ask(client: pg.PoolClient, text: string, parameters: readonly unknown[] = []): Promise<pg.QueryResult[]> {
    this.#asked.add(client)
    try {
      return [await client.query(text, parameters as unknown[])].flat()
    } catch (error) {
      // pg's errors are made where the socket is read, which tells nobody which query it was.
      if (error instanceof Error) error.stack += `\n${new Error('asked').stack?.replace(/^.*\n/, '')}`
      throw error
    } finally {
      this.#asked.delete(client)
    }
  }

  /** `waiting`: callers for whom there is none. */
  connections(): PoolConnections {
    const { totalCount, idleCount, waitingCount } = this.#pool
    return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
  }

  end(): Promise<void> {
    return this.#pool.end()
  }

  /** A cut network says nothing: neither the kernel nor pg gives up a question that was sent for a quarter of an hour. */
  #watch(client: pg.PoolClient, stallMs: number): void {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
    stream.setTimeout(stallMs, () => {
      if (!this.#asked.has(client)) return
      stream.destroy(Object.assign(new Error(`no answer within ${stallMs} ms`), { code: 'ETIMEDOUT' }))
    })
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
