import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { sql } from 'kysely'
import { fault } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { noQuota } from '../api/quota.ts'
import { isBusy } from './busy.ts'
import { isPostgresql } from './connection.ts'

forEachDatabase('a lock that another transaction holds for too long is told from what is wrong', async (open, connection) => {
  const db = await open()
  await db.insertInto('quota').values(noQuota('p')).execute()
  const waiter = await open()
  await db.transaction().execute(async (tx) => {
    await tx.updateTable('quota').set({ in_use_pool: 1 }).execute()
    const waits = isPostgresql(db)
      ? waiter.transaction().execute(async (other) => {
          await sql`set local lock_timeout = '20ms'`.execute(other)
          await other.updateTable('quota').set({ in_use_pool: 2 }).execute()
        })
      : inAnotherProcess(connection.slice('sqlite://'.length))
    await assert.rejects(waits, isBusy)
  })
  await assert.rejects(db.insertInto('quota').values(noQuota('p')).execute(), (error) => !isBusy(error))
})

/** SQLite sees it so, for it is another connection, with no turns to wait for. */
async function inAnotherProcess(path: string): Promise<void> {
  const other = new DatabaseSync(path, { timeout: 20 })
  try {
    other.exec('begin immediate')
  } finally {
    other.close()
  }
}

test('who waits for a lock in vain is told to try again', async () => {
  const { cloud, api } = await aCloud({ worker: false }).empty()
  cloud.network.failNext('ensurePort', Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' }))
  await assert.rejects(api.createLoadBalancer(cloud.aBody()), fault(503, 'Project busy.  Unable to lock the project.  Please try again.'))
})
