/** Runs a test on SQLite and, where OTTAVIA_TEST_POSTGRES has a server's URL, on PostgreSQL. */
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
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
    const { connection, truncate } = await own
    await truncate()
    return { connection, async drop() {} }
  },
}

interface OwnDatabase {
  connection: string
  truncate(): Promise<void>
  drop(): Promise<void>
}

let own: Promise<OwnDatabase> | undefined
// Here and not where the database is made: there it would belong to the test that happens to be the first.
after(async () => (await own)?.drop())

/**
 * Each test process has its own database, so that they may run side by side; each test finds its tables truncated. Not a schema of a shared
 * one: the migrator would find the tables of the others.
 */
async function makeDatabase(): Promise<OwnDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = await openDatabase({ connection: server!, maxPoolSize: 1 })
  await sql`create database ${sql.id(name)} template template0`.execute(admin)
  const url = new URL(server!)
  url.pathname = `/${name}`
  url.searchParams.set('options', '-c synchronous_commit=off')
  url.searchParams.set('application_name', name)
  const connection = url.href
  const db = await openDatabase({ connection, maxPoolSize: 1 })
  await migrate(db)
  const tables = await sql<{ tablename: string }>`
    select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely%'`.execute(db)
  return {
    connection,
    async truncate() {
      await sql`truncate ${sql.join(tables.rows.map(({ tablename }) => sql.id(tablename)))}`.execute(db)
    },
    async drop() {
      await db.destroy()
      await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
      await admin.destroy()
    },
  }
}
