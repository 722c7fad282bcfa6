import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { forEachDatabase } from '../../test/support/databases.ts'
import { onCommit } from './commit-hooks.ts'
import { openDatabase } from './connection.ts'
import { migrate } from './migrate.ts'
import type { PoolRow } from './tables.ts'

const pool: PoolRow = {
  id: 'p1',
  project_id: 'project',
  name: 'pool',
  description: '',
  tags: ['a', "b'"],
  provisioning_status: 'ACTIVE',
  operating_status: 'ONLINE',
  admin_state_up: true,
  fault: null,
  created_at: '2026-11-22T17:19:15',
  updated_at: null,
  load_balancer_id: 'lb',
  protocol: 'HTTP',
  lb_algorithm: 'ROUND_ROBIN',
  session_persistence: { type: 'SOURCE_IP', cookie_name: null, persistence_timeout: null, persistence_granularity: null },
  tls_enabled: false,
  tls_container_ref: null,
  ca_tls_container_ref: null,
  crl_container_ref: null,
  tls_ciphers: null,
  tls_versions: [],
  alpn_protocols: [],
}

forEachDatabase('booleans, lists and objects come back as they went in', async (open) => {
  const db = await open()
  await db.insertInto('pool').values(pool).execute()
  assert.deepEqual(await db.selectFrom('pool').selectAll().where('admin_state_up', '=', true).executeTakeFirst(), pool)
  const { numUpdatedRows } = await db
    .updateTable('pool')
    .set({ tls_enabled: true, tags: ['c'] })
    .where('id', '=', 'p1')
    .executeTakeFirst()
  assert.equal(numUpdatedRows, 1n)
  assert.deepEqual(await db.selectFrom('pool').select(['tls_enabled', 'tags']).executeTakeFirst(), { tls_enabled: true, tags: ['c'] })
})

forEachDatabase('counts and sums are numbers', async (open) => {
  const db = await open()
  const row = {
    listener_id: 'l',
    load_balancer_id: 'lb',
    bytes_in: 2 ** 40,
    bytes_out: 1,
    active_connections: 0,
    total_connections: 0,
    request_errors: 0,
  }
  await db
    .insertInto('listener_statistics')
    .values([
      { ...row, amphora_id: 'a' },
      { ...row, amphora_id: 'b' },
    ])
    .execute()
  const found = await db
    .selectFrom('listener_statistics')
    .select(({ fn }) => [fn.countAll<number>().as('rows'), fn.sum<number>('bytes_in').as('bytes_in')])
    .executeTakeFirst()
  assert.deepEqual(found, { rows: 2, bytes_in: 2 ** 41 })
})

forEachDatabase('a transaction that throws leaves nothing and calls no hook', async (open) => {
  const db = await open()
  const called: string[] = []
  await assert.rejects(
    db.transaction().execute(async (tx) => {
      await tx.insertInto('pool').values(pool).execute()
      await onCommit(tx, () => called.push('rolled back'))
      throw new Error('no')
    }),
    /no/,
  )
  await db.transaction().execute(async (tx) => {
    await onCommit(tx, () => called.push('committed'))
    assert.deepEqual(called, [])
  })
  assert.deepEqual(called, ['committed'])
  assert.deepEqual(await db.selectFrom('pool').selectAll().execute(), [])
})

forEachDatabase('a read does not wait for an open transaction of another, nor see it', async (open) => {
  const db = await open()
  await db.transaction().execute(async (tx) => {
    await tx.insertInto('pool').values(pool).execute()
    assert.deepEqual(await db.selectFrom('pool').select('id').execute(), [])
  })
  assert.deepEqual(await db.selectFrom('pool').select('id').execute(), [{ id: 'p1' }])
})

forEachDatabase('transactions side by side lose no update', async (open) => {
  const db = await open()
  await db.insertInto('setting').values({ key: 'n', value: '0' }).execute()
  await Promise.all(
    Array.from({ length: 20 }, () =>
      db.transaction().execute(async (tx) => {
        await tx.updateTable('setting').set({ value: sql`cast(cast(value as integer) + 1 as text)` }).where('key', '=', 'n').execute()
      }),
    ),
  )
  assert.equal((await db.selectFrom('setting').select('value').executeTakeFirst())?.value, '20')
})

forEachDatabase('migrating again changes nothing', async (open) => {
  const db = await open()
  await migrate(db)
})

test('MySQL is refused, and the error says why', async () => {
  await assert.rejects(openDatabase({ connection: 'mysql+pymysql://octavia@10.0.0.1/octavia' }), /MySQL is not supported.*SKIP LOCKED/)
  await assert.rejects(openDatabase({ connection: 'mongodb://x' }), /is not known/)
})
