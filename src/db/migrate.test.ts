import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Kysely, sql } from 'kysely'
import { forEachDatabase } from '../../test/support/databases.ts'
import { livingControllers, registerController } from '../controllers/registry.ts'
import { enlistWorker } from '../flow/worker-identity.ts'
import { createLog } from '../lib/log.ts'
import { type Db, openDatabase } from './connection.ts'
import { migrate, schemaState } from './migrate.ts'
import { migrations, newestMigration, type OwnMigration } from './migrations/index.ts'

/** The first migration that ran beside processes of the version before. */
const FIRST_BESIDE_OLDER = '0025-controllers'

const addsTable: OwnMigration = {
  async up(db: Kysely<unknown>) {
    await db.schema.createTable('newer').addColumn('id', 'text').execute()
  },
}
const newer = { ...migrations, '9999-newer': addsTable }
const breaking = { ...migrations, '9999-newer': { ...addsTable, breaksOlderPrograms: true } }

/** What a newer program did stays in the schema, which tests share. */
async function undo(db: Db): Promise<void> {
  await db.schema.dropTable('newer').ifExists().execute()
  await sql`delete from kysely_migration where name = '9999-newer'`.execute(db)
  await db.deleteFrom('setting').where('key', '=', 'schema_needs_migration').execute()
}

forEachDatabase('a program starts on a database that a newer one has brought up to date, and leaves it so', async (open) => {
  const db = await open()
  try {
    await migrate(db, newer)
    await migrate(db)
    assert.deepEqual((await schemaState(db)).unknown, ['9999-newer'])
    await migrate(db, newer)
  } finally {
    await undo(db)
  }
})

forEachDatabase('a program that is too old for the database says so', async (open) => {
  const db = await open()
  try {
    await migrate(db, breaking)
    await assert.rejects(migrate(db), new RegExp(`knows 9999-newer; this one knows no more than ${newestMigration}`))
    await migrate(db, breaking)
    const other = { ...migrations, '9998-other': addsTable }
    await assert.rejects(migrate(db, other), /it has 9999-newer and lacks 9998-other/)
  } finally {
    await undo(db)
  }
})

forEachDatabase('what breaks older programs is not done while there are some', async (open) => {
  const db = await open()
  const registered = await registerController(
    { db, log: createLog('silent') },
    { id: enlistWorker(), serves: ['api'], program: newestMigration },
  )
  try {
    assert.equal((await livingControllers(db)).length, 1)
    await assert.rejects(migrate(db, breaking), new RegExp(`9999-newer breaks older programs.*process ${process.pid} on`))
    await registered.stop()
    await migrate(db, breaking)
  } finally {
    await undo(db)
  }
})

forEachDatabase('processes that bring it up to date at the same time wait for each other', async (open) => {
  const [one, other] = [await open(), await open()]
  try {
    await Promise.all([migrate(one, newer), migrate(other, newer)])
  } finally {
    await undo(one)
  }
})

test('after each migration programs of the version before go on', async () => {
  const db = await openDatabase({ connection: 'sqlite://' })
  const names = Object.keys(migrations)
  let before = new Map<string, { dataType: string; isNullable: boolean }>()
  for (const [index, name] of names.entries()) {
    await migrate(db, Object.fromEntries(names.slice(0, index + 1).map((each) => [each, migrations[each]!])))
    const tables = await db.introspection.getTables()
    const columns = tables.flatMap((table) => table.columns.map((column) => ({ ...column, name: `${table.name}.${column.name}` })))
    const after = new Map(columns.map((column) => [column.name, column]))
    if (name >= FIRST_BESIDE_OLDER && !migrations[name]!.breaksOlderPrograms) {
      for (const [column, { dataType, isNullable }] of before) {
        const now = after.get(column)
        assert.equal(now?.dataType, dataType, `${name}: ${column} is as it was`)
        if (isNullable) assert.ok(now?.isNullable || now?.hasDefaultValue, `${name}: ${column} is no stricter`)
      }
      const oldTables = new Set([...before.keys()].map((column) => column.split('.')[0]))
      for (const [column, { isNullable, hasDefaultValue }] of after) {
        if (before.has(column) || !oldTables.has(column.split('.')[0])) continue
        assert.ok(isNullable || hasDefaultValue, `${name}: older programs insert rows without ${column}`)
      }
    }
    before = after
  }
  await db.destroy()
})
