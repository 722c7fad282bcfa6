/** Pages while rows come and go between them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { aConfig, aHealthMonitorRow, aLoadBalancerRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { isFault } from '../../test/support/is-fault.ts'
import type { Db } from '../db/connection.ts'
import type { HealthMonitorRow } from '../db/tables.ts'
import { type ListSpec, listPage } from './listing.ts'
import type { Query } from './route.ts'

const config = aConfig()

/** Nullable keys of text and of numbers, duplicates, booleans. */
const spec: ListSpec<'health_monitor'> = {
  table: 'health_monitor',
  columns: ['id', 'name', 'created_at', 'updated_at', 'http_version', 'domain_name', 'delay', 'admin_state_up'],
}

const request = (query: Query) => ({ query, originalUrl: '/v2/lbaas/healthmonitors', protocol: 'http', host: 'lb.example', headers: {} })

async function pageAfter(db: Db, query: Query, marker: string | undefined, limit: number): Promise<string[]> {
  const { rows } = await listPage(
    db,
    config,
    request({ ...query, limit: String(limit), ...(marker === undefined ? {} : { marker }) }),
    spec,
  )
  return rows.map(({ id }) => id)
}

const rowArbitrary: fc.Arbitrary<Partial<HealthMonitorRow>> = fc.record({
  name: fc.constantFrom('', 'a', 'b', 'B', 'é'),
  created_at: fc.constantFrom('2026-01-01T00:00:01', '2026-01-01T00:00:02'),
  updated_at: fc.constantFrom(null, '2026-01-01T00:00:03', '2026-01-01T00:00:04'),
  http_version: fc.constantFrom(null, 1.0, 1.1),
  domain_name: fc.constantFrom(null, '', 'x.example'),
  delay: fc.constantFrom(0, 1, 5),
  admin_state_up: fc.boolean(),
})

const sortArbitrary = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...spec.columns), fc.constantFrom('asc', 'desc')), { selector: ([column]) => column, maxLength: 3 })
  .map((keys) => keys.map((key) => key.join(':')).join(','))

const aRow = (given: Partial<HealthMonitorRow>) => aHealthMonitorRow({ ...given, id: randomUUID() })

forEachDatabase('a walk over pages sees every row that is there all the time once and in order, forward and back', async (open) => {
  const db = await open()
  const property = fc.asyncProperty(
    fc.array(rowArbitrary, { minLength: 1, maxLength: 12 }),
    fc.array(fc.tuple(rowArbitrary, fc.nat({ max: 30 })), { maxLength: 8 }),
    sortArbitrary,
    fc.integer({ min: 1, max: 4 }),
    fc.boolean(),
    async (stayingRows, changes, sort, limit, isReversed) => {
      await db.deleteFrom('health_monitor').execute()
      const staying = stayingRows.map(aRow)
      for (const row of staying) await db.insertInto('health_monitor').values(row).execute()
      const query: Query = { ...(sort === '' ? {} : { sort }), ...(isReversed ? { page_reverse: 'True' } : {}) }
      const inOrder = (await listPage(db, config, request(sort === '' ? {} : { sort }), spec)).rows.map(({ id }) => id)
      // Backwards a walk begins behind the last row.
      const passing = changes.map(([row, when]) => ({ row: aRow(row), when }))
      const walked: string[] = isReversed ? [inOrder.at(-1)!] : []
      let marker = walked[0]
      for (let step = 0; ; step++) {
        const page = await pageAfter(db, query, marker, limit)
        if (page.length === 0) break
        walked.push(...(isReversed ? page.toReversed() : page))
        marker = isReversed ? page[0] : page.at(-1)
        // Some rows come, and those of the step before go, but for the one that marks the place.
        for (const { row, when } of passing) {
          if (when === step) await db.insertInto('health_monitor').values(row).execute()
          if (when === step - 1 && row.id !== marker) await db.deleteFrom('health_monitor').where('id', '=', row.id).execute()
        }
      }
      const stayed = new Set(staying.map(({ id }) => id))
      const seen = walked.filter((id) => stayed.has(id))
      assert.deepEqual(isReversed ? seen.toReversed() : seen, inOrder)
      assert.equal(new Set(walked).size, walked.length, 'a row was seen twice')
    },
  )
  await fc.assert(property, { numRuns: 60, seed: 20_261_125 })
})

forEachDatabase('a page that goes on where a row was that is gone is refused as with Octavia', async (open) => {
  const db = await open()
  const rows = [aRow({}), aRow({}), aRow({})]
  for (const row of rows) await db.insertInto('health_monitor').values(row).execute()
  const [marker] = await pageAfter(db, {}, undefined, 1)
  await db.deleteFrom('health_monitor').where('id', '=', marker!).execute()
  await assert.rejects(pageAfter(db, {}, marker, 1), isFault(`Supplied pagination marker '${marker}' is not valid.`))
})

forEachDatabase('ten thousand load balancers can be listed, filtered and paged', async (open) => {
  const db = await open()
  const count = 10_000
  for (let at = 0; at < count; at += 500) {
    const rows = Array.from({ length: 500 }, (_, n) =>
      aLoadBalancerRow({
        id: randomUUID(),
        name: `name-${at + n}`,
        project_id: `project-${(at + n) % 100}`,
        created_at: `2026-01-01T00:${String((at / 500) % 60).padStart(2, '0')}:00`,
      }),
    )
    await db.insertInto('load_balancer').values(rows).execute()
  }
  const { api } = await aCloud({ db, worker: false }).empty()
  const seen = new Set<string>()
  let path: string | undefined = '/v2/lbaas/loadbalancers?sort=name:desc&fields=name'
  while (path !== undefined) {
    type Answer = { loadbalancers: { name: string }[]; loadbalancers_links: { rel: string; href: string }[] }
    const { loadbalancers, loadbalancers_links }: Answer = await api.expect<Answer>(200, 'GET', path)
    for (const { name } of loadbalancers) seen.add(name)
    path = loadbalancers_links.find(({ rel }) => rel === 'next')?.href.replace(/^https?:\/\/[^/]+/, '')
  }
  assert.equal(seen.size, count)
  assert.equal((await api.list('/v2/lbaas/loadbalancers?project_id=project-7')).length, 100)
  assert.deepEqual(
    (await api.list('/v2/lbaas/loadbalancers?name=name-4711')).map(({ name }) => name),
    ['name-4711'],
  )
})
