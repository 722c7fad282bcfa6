/**
 * What amphorae counted that are gone is part of the sums of their listeners and members, for these never fall. It is added up in one row of each, so that
 * the tables don't grow with every amphora that is replaced; connections that it had open are open no more.
 */
import type { Db, Tx } from '../db/connection.ts'
import type { StatisticsRow } from '../db/tables.ts'
import { periodicJob } from './periodic-job.ts'

/** The next run takes the next ones. */
const MAX_AMPHORAE = 50
const MAX_ROWS = 1_000
/** Stands for all amphorae that are gone. */
const GONE = '00000000-0000-0000-0000-000000000000'

const tables = { listener_statistics: 'listener_id', member_statistics: 'member_id' } as const
type Table = keyof typeof tables

export const rollUpStatistics = periodicJob('roll-up-statistics', async ({ db }) => {
  let rolled_up = 0
  for (const table of ['listener_statistics', 'member_statistics'] as const) {
    const gone = await goneAmphorae(db, table)
    for (const row of gone.length === 0 ? [] : await rowsOf(db, table, gone)) if (await rollUp(db, table, row)) rolled_up += 1
  }
  return { rolled_up }
})

async function goneAmphorae(db: Db, table: Table): Promise<string[]> {
  const rows = await db
    .selectFrom('amphora')
    .select('id')
    .where('status', '=', 'DELETED')
    .where(({ exists, selectFrom }) => exists(selectFrom(table).select('amphora_id').whereRef(`${table}.amphora_id`, '=', 'amphora.id')))
    .limit(MAX_AMPHORAE)
    .execute()
  return rows.map(({ id }) => id)
}

type Counted = StatisticsRow & { counted_id: string }

function rowsOf(db: Db, table: Table, amphora_ids: readonly string[]): Promise<Counted[]> {
  return db
    .selectFrom(table as 'listener_statistics')
    .selectAll()
    .select(`${tables[table] as 'listener_id'} as counted_id`)
    .where('amphora_id', 'in', amphora_ids)
    .limit(MAX_ROWS)
    .execute()
}

/**
 * Nothing is inserted, so that whoever deletes the listener or member meanwhile deletes this too. False where another controller was quicker.
 */
async function rollUp(db: Db, table: Table, row: Counted): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    if (await addToGone(tx, table, row)) {
      const { numDeletedRows } = await tx
        .deleteFrom(table as 'listener_statistics')
        .where(tables[table] as 'listener_id', '=', row.counted_id)
        .where('amphora_id', '=', row.amphora_id)
        .executeTakeFirst()
      if (numDeletedRows > 0n) return true
      await addToGone(tx, table, negated(row))
      return false
    }
    const { numUpdatedRows } = await tx
      .updateTable(table as 'listener_statistics')
      .set({ amphora_id: GONE, active_connections: 0 })
      .where(tables[table] as 'listener_id', '=', row.counted_id)
      .where('amphora_id', '=', row.amphora_id)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  })
}

/** False where there is no such row yet. */
async function addToGone(tx: Tx, table: Table, row: Counted): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable(table as 'listener_statistics')
    .set((expression) => ({
      bytes_in: expression('bytes_in', '+', row.bytes_in),
      bytes_out: expression('bytes_out', '+', row.bytes_out),
      total_connections: expression('total_connections', '+', row.total_connections),
      request_errors: expression('request_errors', '+', row.request_errors),
    }))
    .where(tables[table] as 'listener_id', '=', row.counted_id)
    .where('amphora_id', '=', GONE)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

function negated({ bytes_in, bytes_out, total_connections, request_errors, ...row }: Counted): Counted {
  return { ...row, bytes_in: -bytes_in, bytes_out: -bytes_out, total_connections: -total_connections, request_errors: -request_errors }
}
