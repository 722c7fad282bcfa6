import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aConfig } from '../../test/support/builders.ts'
import { aDatabase, forEachDatabase } from '../../test/support/databases.ts'
import type { Db } from '../db/connection.ts'
import { Fault } from './faults.ts'
import { type QuotaResource, releaseQuota, takeQuota } from './quota.ts'

const limited = aConfig({ api_settings: { auth_strategy: 'keystone' }, quotas: { default_member_quota: 3 } })

const take = (db: Db, resource: QuotaResource, count: number, config = limited) =>
  db.transaction().execute((tx) => takeQuota(tx, config, resource, 'p', count))
const inUse = async (db: Db) => (await db.selectFrom('quota').select('in_use_member').executeTakeFirst())?.in_use_member

const met = (error: unknown) =>
  error instanceof Fault && error.status === 403 && error.message === 'Quota has been met for resources: Member'

forEachDatabase('as many as the limit allows, and not one more', async (open) => {
  const db = await open()
  await take(db, 'member', 2)
  await assert.rejects(take(db, 'member', 2), met)
  await take(db, 'member', 1)
  assert.equal(await inUse(db), 3)
  await assert.rejects(take(db, 'member', 1), met)
  await db.transaction().execute((tx) => releaseQuota(tx, 'member', 'p', 2))
  await take(db, 'member', 2)
  // Other resources, without a limit, and other projects have their own counters.
  await take(db, 'pool', 1_000)
  await db.transaction().execute((tx) => takeQuota(tx, limited, 'member', 'other', 3))
})

forEachDatabase('requests that come at once do not share the last place', async (open) => {
  const connections = await Promise.all(Array.from({ length: 6 }, open))
  const results = await Promise.allSettled(connections.map((db) => take(db, 'member', 1)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  assert.equal(await inUse(connections[0]!), 3)
})

forEachDatabase('a limit of the project goes before the default', async (open) => {
  const db = await open()
  await take(db, 'member', 1)
  await db.updateTable('quota').set({ member: 1 }).execute()
  await assert.rejects(take(db, 'member', 1), met)
  await db.updateTable('quota').set({ member: -1 }).execute()
  await take(db, 'member', 100)
})

forEachDatabase('a counter never falls below zero, and a rollback takes nothing', async (open) => {
  const db = await open()
  await take(db, 'member', 1)
  await db.transaction().execute((tx) => releaseQuota(tx, 'member', 'p', 5))
  assert.equal(await inUse(db), 0)
  const failed = db.transaction().execute(async (tx) => {
    await takeQuota(tx, limited, 'member', 'p', 1)
    throw new Error('after all')
  })
  await assert.rejects(failed, /after all/)
  assert.equal(await inUse(db), 0)
})

test('without authentication there are no limits', async () => {
  const db = await aDatabase()
  await take(db, 'member', 10, aConfig({ quotas: { default_member_quota: 3 } }))
  assert.equal(await inUse(db), 10)
  await db.destroy()
})
