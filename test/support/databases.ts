/** Runs a test on SQLite and, where OTTAVIA_TEST_POSTGRES has a server's URL, on PostgreSQL. */
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { migrate } from '../../src/db/migrate.ts'

/** Opens the test's database: empty at the first call; each further call gives another connection to the same. Closed after the test. */
export type Open = () => Promise<Db>

interface Kind {
  name: string
  skip?: string
  /** Answers the connection string of an empty database, and how to be rid of it. */
  empty(): Promise<{ connection: string; drop(): Promise<void> }>
}

/** `connection` opens the same database in another process. `kinds`: where the database hardly matters, and time does. */
export function forEachDatabase(
  title: string,
  body: (open: Open, connection: string) => Promise<void>,
  kinds: readonly Kind[] = [sqlite, postgresql],
): void {
  for (const kind of kinds) {
    const skip = kind.skip === undefined ? '' : ` (skipped: ${kind.skip})`
    test(`${title} [${kind.name}]${skip}`, { skip: kind.skip !== undefined }, async () => {
      const { connection, drop } = await kind.empty()
      const opened: Db[] = []
      try {
        await body(async () => {
          const db = await openDatabase({ connection })
          opened.push(db)
          return db
        }, connection)
      } finally {
        for (const db of opened) await db.destroy()
        await drop()
      }
    })
  }
}

/** A SQLite database for a test that is not about databases; close it with `destroy`. */
export async function aDatabase(): Promise<Db> {
  const db = await openDatabase({ connection: 'sqlite://' })
  await migrate(db)
  return db
}

export const sqlite: Kind = {
  name: 'SQLite',
  async empty() {
    directory ??= makeDirectory()
    template ??= makeTemplate(directory)
    const path = join(directory, `${++databases}.db`)
    copyFileSync(await template, path)
    return {
      connection: `sqlite://${path}`,
      async drop() {
        for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
      },
    }
  },
}

let directory: string | undefined
let template: Promise<string> | undefined
let databases = 0

/** In memory where there is such a place, since tests care for what is in a file, not for how safely it lies there. */
function makeDirectory(): string {
  const made = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ottavia-test-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Migrated once, copied for each test. */
async function makeTemplate(inside: string): Promise<string> {
  const path = join(inside, 'template.db')
  const db = await openDatabase({ connection: `sqlite://${path}` })
  await migrate(db)
  // Closing the last connection writes everything back from the log into the file.
  await db.destroy()
  return path
}

const server = process.env.OTTAVIA_TEST_POSTGRES

const postgresql: Kind = {
  name: 'PostgreSQL',
  skip: server === undefined ? 'OTTAVIA_TEST_POSTGRES is not set' : undefined,
  async empty() {
    own ??= makeDatabase()
    const { connection, clear } = await own
    await clear()
    return { connection, async drop() {} }
  },
}

interface OwnDatabase {
  connection: string
  clear(): Promise<void>
  drop(): Promise<void>
}

let own: Promise<OwnDatabase> | undefined
// Here and not where the database is made: there it would belong to the test that happens to be the first.
after(async () => (await own)?.drop())

/**
 * Each test process has its own database, so that they may run side by side; each test finds its tables empty. Not a schema of a shared
 * one: the migrator would find the tables of the others.
 */
async function makeDatabase(): Promise<OwnDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = await openDatabase({ connection: server!, maxPoolSize: 1 })
  await sql`create database ${sql.id(name)} template ${sql.id(await migratedDatabase(admin))}`.execute(admin)
  const url = urlOf(name)
  url.searchParams.set('options', '-c synchronous_commit=off')
  url.searchParams.set('application_name', name)
  const connection = url.href
  const db = await openDatabase({ connection, maxPoolSize: 1 })
  const tables = await sql<{ tablename: string }>`
    select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely%'`.execute(db)
  // As a truncation would, which makes new files for each of dozens of tables and their indexes and costs many times as much: whoever still writes is
  // waited for, and references are not looked at, since all rows go.
  const names = tables.rows.map(({ tablename }) => `"${tablename}"`)
  const clearing = sql.raw(
    [
      'set session_replication_role = replica',
      `lock table ${names.join(', ')} in access exclusive mode`,
      ...names.map((name) => `delete from ${name}`),
    ].join('; '),
  )
  return {
    connection,
    async clear() {
      await clearing.execute(db)
    },
    async drop() {
      await db.destroy()
      await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
      await admin.destroy()
    },
  }
}

function urlOf(database: string): URL {
  const url = new URL(server!)
  url.pathname = `/${database}`
  return url
}

/** Any number: who holds this lock makes the database that others copy. */
const COPIED_LOCK = 7_261_126

/** The name of a database with these migrations and no connection, which is migrated by the first test process that wants one. */
async function migratedDatabase(admin: Db): Promise<string> {
  const migrations = globSync(fileURLToPath(new URL('../../src/db/migrations/*.ts', import.meta.url))).sort()
  const hash = createHash('sha256')
  for (const file of migrations) hash.update(readFileSync(file))
  const name = `migrated_${hash.digest('hex').slice(0, 16)}`
  await sql`select pg_advisory_lock(${COPIED_LOCK})`.execute(admin)
  const { rows } = await sql`select from pg_database where datname = ${name}`.execute(admin)
  if (rows.length === 0) {
    // It has that name only when it is whole.
    const making = `migrating_${randomBytes(6).toString('hex')}`
    await sql`create database ${sql.id(making)} template template0`.execute(admin)
    const db = await openDatabase({ connection: urlOf(making).href, maxPoolSize: 1 })
    await migrate(db)
    await db.destroy()
    await sql`alter database ${sql.id(making)} rename to ${sql.id(name)}`.execute(admin)
  }
  await sql`select pg_advisory_unlock(${COPIED_LOCK})`.execute(admin)
  return name
}
