/** What is known of the certificates in service, and what it means for the listeners and pools that name them. */
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Db, Tx } from '../db/connection.ts'
import type { TlsCertificateRow } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { recordCertificateProblem } from './event/record.ts'
import { failure, faultOf } from './failures.ts'
import { lockLoadBalancers } from './load-balancer/repository.ts'

/** In the order of objects and fields, so that two lists can be compared. */
export function listTlsCertificates(db: Db, load_balancer_id: string): Promise<TlsCertificateRow[]> {
  return db.selectFrom('tls_certificate').selectAll().where('load_balancer_id', '=', load_balancer_id).orderBy('object_id').execute()
}

export async function deleteTlsCertificates(tx: Tx, object_ids: string[]): Promise<void> {
  await tx.deleteFrom('tls_certificate').where('object_id', 'in', object_ids).execute()
}

/** For a condition: whether some secret of a row of `listener` or `pool` cannot be used. */
export function hasProblem(table: 'listener' | 'pool') {
  return sql<boolean>`exists (
    select 1 from tls_certificate where object_id = ${sql.ref(`${table}.id`)} and problem is not null
  )`
}

/**
 * Keeps the rows, and forgets those of places that are no more. A listener or pool whose secrets cannot all be used is in ERROR, with a fault, and an
 * event tells of it once; when they can, it is ACTIVE again. The caller's flow owns the load balancer, or none is at work. In: `current`, by key, of
 * what is named at all; causes for admins, by object.
 */
export async function recordTlsCertificates(
  context: Pick<Context, 'db' | 'clock'>,
  load_balancer_id: string,
  known: { before: readonly TlsCertificateRow[]; after: readonly TlsCertificateRow[]; isNamed(row: TlsCertificateRow): boolean },
  causes: ReadonlyMap<string, string>,
): Promise<void> {
  const { before, after, isNamed } = known
  const changed = after.filter((row) => !before.some((other) => isSame(row, other)))
  const forgotten = before.filter((row) => !isNamed(row))
  const troubled = [...Map.groupBy(after, ({ object_id }) => object_id).values()].filter((rows) => rows.some(({ problem }) => problem))
  if (changed.length + forgotten.length + troubled.length === 0) return
  const now = context.clock.now()
  await context.db.transaction().execute(async (tx) => {
    await lockLoadBalancers(tx, [load_balancer_id])
    // The flow's work on the other amphora may have been here in the meantime, with the same.
    const stored = await listTlsCertificates(tx, load_balancer_id)
    for (const row of forgotten) await remove(tx, row)
    for (const row of changed) {
      await put(tx, row)
      const former = stored.find((other) => keyOf(other) === keyOf(row))
      if (row.problem !== null && row.problem !== former?.problem) await recordCertificateProblem(tx, row, now)
    }
    for (const { object_type, object_id, problem } of troubled.map((rows) => rows.find((row) => row.problem !== null)!)) {
      const fault = faultOf(failure(problem!, { id: object_id, details: causes.get(object_id) }), now)
      await tx
        .updateTable(object_type)
        .set({ provisioning_status: 'ERROR', fault, updated_at: timestamp(now) })
        .where('id', '=', object_id)
        .where('provisioning_status', 'in', ['ACTIVE', 'PENDING_CREATE', 'PENDING_UPDATE'])
        .execute()
    }
    for (const object_type of ['listener', 'pool'] as const) {
      const recovered = stored.filter((row) => row.object_type === object_type && row.problem !== null).map(({ object_id }) => object_id)
      if (recovered.length === 0) continue
      await tx
        .updateTable(object_type)
        .set({ provisioning_status: 'ACTIVE', fault: null, updated_at: timestamp(now) })
        .where('id', 'in', recovered)
        .where('provisioning_status', '=', 'ERROR')
        .where(({ not }) => not(hasProblem(object_type)))
        .execute()
    }
  })
}

function keyOf({ object_id, field, reference }: TlsCertificateRow): string {
  return JSON.stringify([object_id, field, reference])
}

function isSame(a: TlsCertificateRow, b: TlsCertificateRow): boolean {
  return Object.keys(a).every((column) => a[column as keyof TlsCertificateRow] === b[column as keyof TlsCertificateRow])
}

async function put(tx: Tx, row: TlsCertificateRow): Promise<void> {
  await tx
    .insertInto('tls_certificate')
    .values(row)
    .onConflict((conflict) => conflict.columns(['object_id', 'field', 'reference']).doUpdateSet(row))
    .execute()
}

async function remove(tx: Tx, { object_id, field, reference }: TlsCertificateRow): Promise<void> {
  await tx
    .deleteFrom('tls_certificate')
    .where('object_id', '=', object_id)
    .where('field', '=', field)
    .where('reference', '=', reference)
    .execute()
}
