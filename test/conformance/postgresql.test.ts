/** A PostgreSQL server that restarts, stands still or is cut off costs retries, not errors. */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { onCommit } from '../../src/db/commit-hooks.ts'
import { type Db, guardedBy, openDatabase } from '../../src/db/connection.ts'
import { migrate } from '../../src/db/migrate.ts'
import { listen } from '../../src/db/notifications.ts'
import { DatabaseUnavailable, NothingCommitted, OutcomeUnknown, onceDatabaseIsBack } from '../../src/db/unavailable.ts'
import type { Shown } from '../support/api-client.ts'
import { aCloud } from '../support/cloud.ts'
import { eventually } from '../support/eventually.ts'
import { type PostgresServer, startPostgres } from '../support/sandbox.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const PORT = 54_330
const AWAY_MS = 1_000
/** Some forty creations of load balancers, on a machine that may be busy. */
const ALL_ACTIVE_WITHIN_MS = 60_000
const NO_POSTGRES = 'no PostgreSQL is installed'

let server: PostgresServer | undefined
before(async () => {
  server = await startPostgres(PORT)
  if (server === undefined) return
  const db = await openDatabase({ connection: server.url })
  await migrate(db)
  await db.destroy()
})
after(() => server?.stop())

/** With an empty database of the server, through a proxy. */
function onPostgresql(title: string, body: (given: { server: PostgresServer; db: Db; direct: Db; proxy: TcpProxy }) => Promise<void>) {
  test(title, async (t: TestContext) => {
    if (server === undefined) return t.skip(NO_POSTGRES)
    const proxy = await TcpProxy.start(PORT)
    const url = new URL(server.url)
    url.port = String(proxy.port)
    const [db, direct] = [await openDatabase({ connection: url.href, stallMs: 500 }), await openDatabase({ connection: server.url })]
    try {
      await direct.deleteFrom('setting').execute()
      await body({ server, db, direct, proxy })
    } finally {
      proxy.heal()
      await Promise.all([db.destroy(), direct.destroy()])
      await proxy.stop()
    }
  })
}

const store = (db: Db, key: string) =>
  db.transaction().execute(async (tx) => {
    await tx.insertInto('setting').values({ key, value: '' }).execute()
  })
const keys = async (db: Db) => (await db.selectFrom('setting').select('key').orderBy('key').execute()).map(({ key }) => key)

onPostgresql('reads and transactions wait for a server that comes back', async ({ server, direct }) => {
  await direct.selectFrom('setting').selectAll().execute()
  await server.crash()
  const work = Promise.all([keys(direct), ...['a', 'b', 'c'].map((key) => onceDatabaseIsBack(() => store(direct, key)))])
  await sleep(AWAY_MS)
  await server.startAgain()
  await work
  assert.deepEqual(await keys(direct), ['a', 'b', 'c'])
})

onPostgresql('a transaction that the server loses says that nothing was committed', async ({ server, direct }) => {
  let tries = 0
  const lose = () =>
    direct.transaction().execute(async (tx) => {
      await tx.insertInto('setting').values({ key: 'a', value: '' }).execute()
      if (tries++ > 0) return
      await server.crash()
      await server.startAgain()
      await tx.insertInto('setting').values({ key: 'b', value: '' }).execute()
    })
  await assert.rejects(lose(), NothingCommitted)
  assert.deepEqual(await keys(direct), [])
  tries = 0
  await onceDatabaseIsBack(lose)
  assert.equal(tries, 2)
  assert.deepEqual(await keys(direct), ['a'])
})

onPostgresql('a commit whose answer is lost counts, once, and its hooks are called', async ({ db, proxy }) => {
  let [tries, hooks] = [0, 0]
  await onceDatabaseIsBack(() =>
    db.transaction().execute(async (tx) => {
      tries++
      await tx.insertInto('setting').values({ key: 'a', value: '' }).execute()
      await onCommit(tx, () => hooks++)
      setTimeout(() => lost.endThem(), 200)
      const lost = proxy.lose('server')
    }),
  )
  assert.deepEqual([tries, hooks, await keys(db)], [1, 1, ['a']])
})

onPostgresql('a commit that never reached the server is done again', async ({ db, proxy }) => {
  let tries = 0
  await onceDatabaseIsBack(() =>
    db.transaction().execute(async (tx) => {
      await tx.insertInto('setting').values({ key: 'a', value: '' }).execute()
      if (tries++ > 0) return
      setTimeout(() => lost.endThem(), 200)
      const lost = proxy.lose('client')
    }),
  )
  assert.deepEqual([tries, await keys(db)], [2, ['a']])
})

onPostgresql('a network that says nothing is noticed', async ({ db, proxy }) => {
  await keys(db)
  proxy.cut()
  const healing = sleep(AWAY_MS).then(() => proxy.heal())
  // Asked on the connection that is silent, then on new ones.
  assert.deepEqual(await keys(db), [])
  await healing
  proxy.cut()
  const before = performance.now()
  await assert.rejects(sql`select 1`.execute(db), DatabaseUnavailable)
  assert.ok(performance.now() - before < 5_000)
})

onPostgresql('a guard that is no longer true lets nothing be written, and cannot become untrue meanwhile', async ({ db, direct }) => {
  await store(db, 'guard')
  const guarded = guardedBy(db, { query: `select 1 from setting where key = 'guard' for share`, refusal: () => new Error('refused') })
  await store(guarded, 'a')
  await guarded.insertInto('setting').values({ key: 'b', value: '' }).execute()
  let removed: Promise<unknown> | undefined
  let isRemoved = false
  await guarded.transaction().execute(async () => {
    removed = direct
      .deleteFrom('setting')
      .where('key', '=', 'guard')
      .execute()
      .then(() => {
        isRemoved = true
      })
    await sleep(100)
    assert.equal(isRemoved, false)
  })
  await removed
  await assert.rejects(store(guarded, 'c'), /refused/)
  await assert.rejects(guarded.insertInto('setting').values({ key: 'd', value: '' }).execute(), /refused/)
  assert.deepEqual(await keys(guarded), ['a', 'b'])
})

onPostgresql('who listens hears again after the server was away', async ({ server, direct }) => {
  let heard = 0
  const listener = listen(direct, 'ottavia_test', () => heard++)
  await eventually(() => heard > 0)
  await server.crash()
  await server.startAgain()
  await eventually(() => heard > 1)
  await listener.stop()
})

for (const [title, side] of [
  ['reached its disk', 'server'],
  ['never reached it', 'client'],
] as const) {
  onPostgresql(`a request is answered once though the server crashes in the middle of its commit, which ${title}`, async (given) => {
    const { server, db, direct, proxy } = given
    const { cloud, api, stop } = await aCloud({ db }).empty()
    const lost = proxy.loseAfter('insert into "flow" (', 'commit\0', side)
    const created = api.createLoadBalancer(cloud.aBody({ name: side }))
    await lost
    const names = async () => (await direct.selectFrom('load_balancer').select('name').where('name', '=', side).execute()).length
    if (side === 'server') await eventually(async () => assert.equal(await names(), 1))
    await server.crash()
    await server.startAgain()
    // Takes the ids that the server gives out again, so that the id of the lost one says nothing.
    for (let i = 0; i < 20; i++) await store(direct, `${i}`)
    const { id } = await created
    await api.waitFor(`/v2/lbaas/loadbalancers/${id}`)
    assert.equal(await names(), 1)
    await stop()
  })

  onPostgresql(`what starts no flow is answered once, too, when its commit, which ${title}, meets a crash`, async (given) => {
    const { server, db, direct, proxy } = given
    const { api, stop } = await aCloud({ db, worker: false }).empty()
    const name = `commit-${side}`
    const rowsOf = async (table: 'flavor_profile' | 'flavor' | 'availability_zone_profile' | 'availability_zone') =>
      (await direct.selectFrom(table).selectAll().where('name', '=', name).execute()).length
    /** While `ask` commits what it has said with `statement`; `isThere` once that has reached the disk. */
    const inCommit = async <T>(statement: string, ask: () => Promise<T>, isThere: () => Promise<boolean>): Promise<T> => {
      const lost = proxy.loseAfter(statement, 'commit\0', side)
      const answered = ask()
      await lost
      if (side === 'server') await eventually(isThere)
      await server.crash()
      await server.startAgain()
      for (let i = 0; i < 20; i++) await store(direct, `${statement} ${i}`)
      return answered
    }
    const made = (table: Parameters<typeof rowsOf>[0], ask: () => Promise<Shown>) =>
      inCommit(`insert into "${table}" (`, ask, async () => (await rowsOf(table)) === 1)
    const deleted = async (table: Parameters<typeof rowsOf>[0], path: string) => {
      const ask = () => api.request('DELETE', `/v2/lbaas/${path}`)
      const { status } = await inCommit(`delete from "${table}" where`, ask, async () => (await rowsOf(table)) === 0)
      assert.deepEqual([path, status, await rowsOf(table)], [path, 204, 0])
    }

    const flavorProfile = await made('flavor_profile', () => api.createFlavorProfile({ name, flavor_data: '{}' }))
    const flavor = await made('flavor', () => api.createFlavor(flavorProfile, { name }))
    const zoneProfile = await made('availability_zone_profile', () =>
      api.createAvailabilityZoneProfile({ name, availability_zone_data: '{}' }),
    )
    await made('availability_zone', () => api.createAvailabilityZone(zoneProfile, { name }))
    await deleted('availability_zone', `availabilityzones/${name}`)
    await deleted('availability_zone_profile', `availabilityzoneprofiles/${zoneProfile.id}`)
    await deleted('flavor', `flavors/${flavor.id}`)
    await deleted('flavor_profile', `flavorprofiles/${flavorProfile.id}`)

    const listenersOf = async () =>
      (await direct.selectFrom('quota').select('listener').where('project_id', '=', name).execute())[0]?.listener
    await api.request('PUT', `/v2/lbaas/quotas/${name}`, { quota: { listener: 7 } })
    assert.equal(await listenersOf(), 7)
    const reset = () => api.request('DELETE', `/v2/lbaas/quotas/${name}`)
    const { status } = await inCommit('update "quota" set', reset, async () => (await listenersOf()) === null)
    assert.deepEqual([status, await listenersOf()], [202, null])
    await stop()
  })
}

onPostgresql(
  'where an id given out again says nothing, and there is no witness, only what may be repeated is',
  async ({ server, db, direct, proxy }) => {
    for (const mayRepeat of [false, true]) {
      let tries = 0
      const lost = proxy.loseAfter('insert into "setting"', 'commit\0', 'server')
      const work = onceDatabaseIsBack(
        async () => {
          tries++
          await store(db, `${mayRepeat}${tries}`)
        },
        { mayRepeat },
      )
      const ended = mayRepeat ? work : assert.rejects(work, OutcomeUnknown)
      await lost
      await eventually(async () => assert.ok((await keys(direct)).includes(`${mayRepeat}1`)))
      await server.crash()
      await server.startAgain()
      await ended
      assert.equal(tries, mayRepeat ? 2 : 1)
    }
  },
)

onPostgresql('requests and flows go on while the server restarts', async ({ server, direct }) => {
  const { cloud, api, loadBalancer, stop } = await aCloud({ db: direct }).withLoadBalancer()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const asked: Promise<unknown>[] = []
  const ask = async () => {
    for (let i = 0; i < 40; i++) {
      asked.push(api.show(path), api.createLoadBalancer(cloud.aBody({ name: `lb${i}` })))
      await sleep(25)
    }
  }
  const asking = ask()
  await sleep(300)
  await server.crash()
  await sleep(AWAY_MS)
  await server.startAgain()
  await asking
  await Promise.all(asked)
  const all = await eventually(async () => {
    const rows = await direct.selectFrom('load_balancer').select(['provisioning_status', 'name']).execute()
    assert.deepEqual(
      rows.filter(({ provisioning_status }) => provisioning_status !== 'ACTIVE'),
      [],
    )
    return rows
  }, ALL_ACTIVE_WITHIN_MS)
  // Each once.
  const names = all.map(({ name }) => name).filter((name) => /^lb\d+$/.test(name))
  assert.deepEqual(names.sort(), Array.from({ length: 40 }, (_, i) => `lb${i}`).sort())
  await stop()
})
