import { join } from 'node:path'
import { sql } from 'kysely'
import { type Db, isPostgresql, openDatabase } from '../../src/db/connection.ts'
import { Controller } from '../../test/support/controller.ts'
import { startPostgres } from '../../test/support/sandbox.ts'
import type { Store, Target } from './target.ts'

const configuration = (connection: string | undefined) => `
[api_settings]
auth_strategy = noauth
[controller_worker]
compute_driver = compute_noop_driver
network_driver = network_noop_driver
amphora_driver = amphora_noop_driver
${connection === undefined ? '' : `[database]\nconnection = ${connection}\n`}`

/** `ottavia serve` on no-op drivers, as a user starts it. */
export async function startOttavia(database: 'sqlite' | 'postgresql'): Promise<Target> {
  const postgres = database === 'postgresql' ? await startPostgres() : undefined
  if (database === 'postgresql' && postgres === undefined) throw new Error('PostgreSQL is not installed')
  const controller = new Controller({ portBase: 21_200, config: configuration(postgres?.url) })
  await controller.start()
  const db = await openDatabase({
    connection: postgres?.url ?? `sqlite://${join(controller.stateDirectory, 'ottavia.db')}`,
    maxPoolSize: 1,
  })
  return {
    name: `Ottavia, ${database === 'sqlite' ? 'SQLite' : 'PostgreSQL'}`,
    url: controller.api,
    pids: [controller.pid],
    helperPids: postgres === undefined ? [] : [postgres.pid],
    works: true,
    store: storeOf(db),
    async stop() {
      await db.destroy()
      await controller.down()
      await postgres?.stop()
    },
  }
}

function storeOf(db: Db): Store {
  const onPostgresql = isPostgresql(db)
  return {
    async execute(statement) {
      await sql.raw(statement).execute(db)
    },
    async columnsOf(table) {
      const tables = await db.introspection.getTables()
      return tables.find(({ name }) => name === table)!.columns.map(({ name }) => name)
    },
    tables(id) {
      const inPool = `pool_id in (select id from pool where load_balancer_id = '${id}')`
      return [
        { table: 'load_balancer', where: `id = '${id}'` },
        { table: 'amphora', where: `loadbalancer_id = '${id}'` },
        { table: 'member', where: inPool },
        { table: 'health_monitor', where: inPool },
        { table: 'pool', where: `load_balancer_id = '${id}'` },
        { table: 'listener', where: `load_balancer_id = '${id}'` },
      ]
    },
    hexOfN: onPostgresql ? `lpad(to_hex(n), 8, '0')` : `printf('%08x', n)`,
    numbers: (first, last) =>
      onPostgresql
        ? `generate_series(${first}, ${last}) as numbers (n)`
        : `(with recursive numbers (n) as (select ${first} union all select n + 1 from numbers where n < ${last}) select n from numbers)`,
    concat: (...expressions) => `(${expressions.join(' || ')})`,
  }
}
