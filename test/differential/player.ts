/**
 * Plays Octavia's worker in the database of an octavia-api that has none: what waits for it is as it would be when the worker had done
 * its part without a fault (`octavia/controller/worker/v2/flows/`).
 */
import type { DatabaseSync } from 'node:sqlite'

/** Children first. */
const tables = ['l7rule', 'l7policy', 'health_monitor', 'member', 'listener', 'pool'] as const

/** What goes with a row: the rows of `table` whose `column` is its id. */
const dependants: Record<(typeof tables)[number], { table: string; column: string }[]> = {
  l7rule: [],
  l7policy: [{ table: 'l7rule', column: 'l7policy_id' }],
  health_monitor: [],
  member: [],
  listener: [
    { table: 'l7policy', column: 'listener_id' },
    { table: 'sni', column: 'listener_id' },
    { table: 'listener_cidr', column: 'listener_id' },
    { table: 'listener_statistics', column: 'listener_id' },
  ],
  pool: [
    { table: 'health_monitor', column: 'pool_id' },
    { table: 'member', column: 'pool_id' },
    { table: 'session_persistence', column: 'pool_id' },
  ],
}

export function playWorker(db: DatabaseSync): void {
  db.exec('begin immediate')
  try {
    for (const { id } of rows(db, `select id from load_balancer where provisioning_status = 'PENDING_DELETE'`)) deleteLoadBalancer(db, id)
    for (const table of tables) {
      for (const { id } of rows(db, `select id from ${table} where provisioning_status = 'PENDING_DELETE'`)) deleteRow(db, table, id)
    }
    for (const table of [...tables, 'load_balancer']) {
      const now = `strftime('%Y-%m-%d %H:%M:%f000', 'now')`
      const waiting = `provisioning_status in ('PENDING_CREATE', 'PENDING_UPDATE')`
      db.exec(`update ${table} set provisioning_status = 'ACTIVE', updated_at = ${now} where ${waiting}`)
    }
    db.exec('commit')
  } catch (error) {
    db.exec('rollback')
    throw error
  }
}

type Row = { id: string; pool_id: string; listener_id: string }

/** A fully populated create leaves members of UDP pools with a monitor NO_MONITOR (docs/differences.md); as it is meant, they are OFFLINE. */
export function mendTree(db: DatabaseSync, load_balancer_id: string): void {
  db.prepare(
    `update member set operating_status = 'OFFLINE' where pool_id in
       (select pool_id from health_monitor where pool_id in (select id from pool where load_balancer_id = ?))`,
  ).run(load_balancer_id)
}

export function isPending(db: DatabaseSync): boolean {
  return [...tables, 'load_balancer'].some((table) => {
    return rows(db, `select id from ${table} where provisioning_status like 'PENDING_%' limit 1`).length > 0
  })
}

function rows(db: DatabaseSync, query: string, ...values: string[]): Row[] {
  return db.prepare(query).all(...values) as Row[]
}

/** Its row stays, hidden, until housekeeping takes it. */
function deleteLoadBalancer(db: DatabaseSync, id: string): void {
  for (const table of ['listener', 'pool'] as const) {
    for (const child of rows(db, `select id from ${table} where load_balancer_id = ?`, id)) deleteRow(db, table, child.id)
  }
  db.prepare(`update load_balancer set provisioning_status = 'DELETED' where id = ?`).run(id)
}

function deleteRow(db: DatabaseSync, table: (typeof tables)[number], id: string): void {
  const [row] = rows(db, `select * from ${table} where id = ?`, id)
  if (row === undefined) return
  for (const dependant of dependants[table]) {
    if (Object.hasOwn(dependants, dependant.table)) {
      const name = dependant.table as (typeof tables)[number]
      for (const child of rows(db, `select id from ${name} where ${dependant.column} = ?`, id)) deleteRow(db, name, child.id)
    } else {
      db.prepare(`delete from ${dependant.table} where ${dependant.column} = ?`).run(id)
    }
  }
  if (table === 'pool') db.prepare('update listener set default_pool_id = null where default_pool_id = ?').run(id)
  // Nobody watches the members any more.
  if (table === 'health_monitor') db.prepare(`update member set operating_status = 'NO_MONITOR' where pool_id = ?`).run(row.pool_id)
  db.prepare(`delete from ${table} where id = ?`).run(id)
  db.prepare('delete from tags where resource_id = ?').run(id)
  if (table === 'l7policy') renumberPolicies(db, row.listener_id)
}

/** Positions are 1 to n. */
function renumberPolicies(db: DatabaseSync, listener_id: string): void {
  const policies = rows(db, 'select id from l7policy where listener_id = ? order by position', listener_id)
  for (const [index, { id }] of policies.entries()) db.prepare('update l7policy set position = ? where id = ?').run(index + 1, id)
}
