import assert from 'node:assert/strict'
import { aConfig, aPoolRow } from '../../test/support/builders.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { isFault } from '../../test/support/is-fault.ts'
import type { Db } from '../db/connection.ts'
import { type ListSpec, listPage } from './listing.ts'
import type { Query } from './route.ts'

const spec: ListSpec<'pool'> = {
  table: 'pool',
  columns: ['id', 'name', 'tags', 'project_id', 'admin_state_up', 'created_at', 'updated_at', 'tls_ciphers', 'load_balancer_id'],
  aliases: { loadbalancer_id: 'load_balancer_id' },
}
const config = aConfig()

async function page(db: Db, query: Query) {
  const search = Object.entries(query).map(([name, value]) => `${name}=${value}`)
  const request = { query, originalUrl: `/v2/lbaas/pools?${search.join('&')}`, protocol: 'http', host: 'lb.example:9876', headers: {} }
  const { rows, links } = await listPage(db, config, request, spec)
  return { names: rows.map(({ name }) => name).join(' '), links: links.map(({ rel, href }) => `${rel} ${href}`) }
}
const names = async (db: Db, query: Query) => (await page(db, query)).names

/** Five pools named a to e; the later half has the same second of creation. */
async function storePools(db: Db): Promise<void> {
  const seconds = [1, 2, 3, 3, 3]
  const tags = [['x'], ['x', 'y'], [], ['a,"x"'], ['X']]
  for (const [index, name] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    const row = aPoolRow({
      id: `id-${name}`,
      name,
      tags: tags[index]!,
      created_at: `2026-01-01T00:00:0${seconds[index]}`,
      project_id: index < 2 ? 'p1' : 'p2',
      load_balancer_id: 'lb',
      admin_state_up: index !== 0,
      // Half of them null: both databases must agree where null sorts.
      tls_ciphers: index % 2 === 0 ? null : `cipher-${name}`,
    })
    await db.insertInto('pool').values(row).execute()
  }
}

forEachDatabase('filters by attributes, under all their names', async (open) => {
  const db = await open()
  await storePools(db)
  assert.equal(await names(db, {}), 'a b c d e')
  assert.equal(await names(db, { name: 'c' }), 'c')
  assert.equal(await names(db, { project_id: 'p1' }), 'a b')
  assert.equal(await names(db, { tenant_id: 'p1', name: 'a' }), 'a')
  assert.equal(await names(db, { admin_state_up: 'False' }), 'a')
  assert.equal(await names(db, { admin_state_up: '1' }), 'b c d e')
  assert.equal(await names(db, { loadbalancer_id: 'lb' }), 'a b c d e')
  assert.equal(await names(db, { name: "x' or 1=1" }), '')
})

forEachDatabase('filters by tags', async (open) => {
  const db = await open()
  await storePools(db)
  assert.equal(await names(db, { tags: 'x' }), 'a b')
  assert.equal(await names(db, { tags: 'x,y' }), 'b')
  assert.equal(await names(db, { tags: ['x', 'y'] }), 'b')
  assert.equal(await names(db, { 'tags-any': 'y,X' }), 'b e')
  assert.equal(await names(db, { 'not-tags': 'x,y' }), 'a c d e')
  assert.equal(await names(db, { 'not-tags-any': 'x,y' }), 'c d e')
})

forEachDatabase('pages by key, forwards and backwards', async (open) => {
  const db = await open()
  await storePools(db)
  const base = 'http://lb.example:9876/v2/lbaas/pools'
  assert.deepEqual(await page(db, { limit: '2' }), { names: 'a b', links: [`next ${base}?limit=2&marker=id-b`] })
  assert.deepEqual(await page(db, { limit: '2', marker: 'id-b' }), {
    names: 'c d',
    links: [`previous ${base}?limit=2&marker=id-c&page_reverse=True`, `next ${base}?limit=2&marker=id-d`],
  })
  assert.deepEqual(await page(db, { limit: '2', marker: 'id-d' }), {
    names: 'e',
    links: [`previous ${base}?limit=2&marker=id-e&page_reverse=True`],
  })
  assert.deepEqual(await page(db, { limit: '2', marker: 'id-e' }), { names: '', links: [] })
  assert.equal(await names(db, { limit: '2', marker: 'id-e', page_reverse: 'True' }), 'c d')
  assert.equal(await names(db, { limit: '0' }), 'a b c d e')
  assert.equal(await names(db, { limit: '-1' }), 'a b c d e')
})

forEachDatabase('every order can be paged through', async (open) => {
  const db = await open()
  await storePools(db)
  for (const sort of ['name:desc', 'tls_ciphers', 'tls_ciphers:desc', 'admin_state_up:desc,name', 'project_id:desc,created_at']) {
    const all = (await names(db, { sort })).split(' ')
    const seen: string[] = []
    for (let marker = ''; ; marker = `id-${seen.at(-1)}`) {
      const some = await names(db, { sort, limit: '2', ...(marker === '' ? {} : { marker }) })
      if (some === '') break
      seen.push(...some.split(' '))
    }
    assert.deepEqual(seen, all, sort)
  }
  assert.equal(await names(db, { sort: 'tls_ciphers,name:desc' }), 'e c a b d')
  assert.equal(await names(db, { sort_key: 'project_id,name', sort_dir: 'desc' }), 'c d e a b')
})

forEachDatabase('what makes no sense is refused', async (open) => {
  const db = await open()
  const refused = (query: Query, text: string) => assert.rejects(page(db, query), isFault(text))
  await refused({ bogus: '1' }, 'One or more arguments are either duplicate or invalid')
  await refused({ name: ['a', 'b'] }, 'One or more arguments are either duplicate or invalid')
  await refused({ sort: 'zzz' }, "Supplied sort key 'zzz' is not valid.")
  await refused({ sort: 'name:up' }, "Supplied sort direction 'up' is not valid.")
  await refused({ limit: 'abc' }, "Supplied pagination limit 'abc' is not valid.")
  await refused({ marker: 'nobody' }, "Supplied pagination marker 'nobody' is not valid.")
})
