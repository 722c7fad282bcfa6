/** What is known of the certificates in service, and what it means for the listeners and pools that name them. */
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Db, Tx } from '../db/connection.ts'
import type { ListenerRow, PoolRow, TlsCertificateRow } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { recordCertificateProblem } from './event/record.ts'
import { failure, faultOf } from './failures.ts'
import type { ShownCertificate } from './fields.ts'
import { findLoadBalancer, lockLoadBalancers } from './load-balancer/repository.ts'
import { secretsOfListener, secretsOfPool } from './tls-places.ts'

export function listTlsCertificates(db: Db, load_balancer_id: string): Promise<TlsCertificateRow[]> {
  return db.selectFrom('tls_certificate').selectAll().where('load_balancer_id', '=', load_balancer_id).execute()
}

export type ShownCertificates = { tls_certificates?: ShownCertificate[] }

/** What answers show of each of these listeners or pools that has any. In: rows, of which those without references cost nothing. */
export async function showTlsCertificates(db: Db, objects: (ListenerRow | PoolRow)[]): Promise<(id: string) => ShownCertificates> {
  const ids = objects.filter(namesSecrets).map(({ id }) => id)
  if (ids.length === 0) return () => ({})
  const rows = await db
    .selectFrom('tls_certificate')
    .selectAll()
    .where('object_id', 'in', ids)
    .orderBy('field')
    .orderBy('reference')
    .execute()
  const byObject = Map.groupBy(rows, ({ object_id }) => object_id)
  return (id) => {
    const found = byObject.get(id)
    return found === undefined ? {} : { tls_certificates: found.map(showTlsCertificate) }
  }
}

function namesSecrets(object: ListenerRow | PoolRow): boolean {
  return ('tls_enabled' in object ? secretsOfPool(object) : secretsOfListener(object)).length > 0
}

function showTlsCertificate(row: TlsCertificateRow): ShownCertificate {
  const { field, reference, subject, issuer, not_before, not_after, fingerprint, problem, object_id } = row
  const why = problem === null ? null : failure(problem, { id: object_id }).message
  return { field, reference, subject, issuer, not_before, not_after, fingerprint, problem: why }
}

export async function deleteTlsCertificates(tx: Tx, object_ids: string[]): Promise<void> {
  await tx.deleteFrom('tls_certificate').where('object_id', 'in', object_ids).execute()
}

/** So that the next attempt is not at once. */
export async function noteRenewalFailed({ db, clock }: Pick<Context, 'db' | 'clock'>, load_balancer_id: string): Promise<void> {
  await db
    .updateTable('tls_certificate')
    .set({ renewal_failed_at_ms: clock.now() })
    .where('load_balancer_id', '=', load_balancer_id)
    .execute()
}

/** For a condition: whether some secret of a row of `listener` or `pool` cannot be used. */
export function hasProblem(table: 'listener' | 'pool') {
  return sql<boolean>`exists (
    select 1 from tls_certificate where object_id = ${sql.ref(`${table}.id`)} and problem is not null
  )`
}

export interface KnownCertificates {
  before: readonly TlsCertificateRow[]
  after: readonly TlsCertificateRow[]
  /** Whether a row's object still names its reference; if not, the row goes. */
  isNamed(row: TlsCertificateRow): boolean
  /** Of problems, by object: what the store said, for admins. */
  causes: ReadonlyMap<string, string>
  /** Where a flow is at work on the load balancer, it will know better. */
  unlessBusy?: boolean
}

/**
 * Keeps the rows `after`, and leaves those of other references as they are. A listener or pool whose secrets cannot all be used is in ERROR, with a
 * fault, and an event tells of it once; when they can, it is ACTIVE again.
 */
export async function recordTlsCertificates(
  context: Pick<Context, 'db' | 'clock'>,
  load_balancer_id: string,
  { before, after, isNamed, causes, unlessBusy = false }: KnownCertificates,
): Promise<void> {
  const changed = after.filter((row) => !before.some((other) => isSame(row, other)))
  const forgotten = before.filter((row) => !isNamed(row))
  const troubled = [...Map.groupBy(after, ({ object_id }) => object_id).values()].filter((rows) => rows.some(({ problem }) => problem))
  if (changed.length + forgotten.length + troubled.length === 0) return
  const now = context.clock.now()
  await context.db.transaction().execute(async (tx) => {
    await lockLoadBalancers(tx, [load_balancer_id])
    if (unlessBusy && (await isBusy(tx, load_balancer_id))) return
    // The flow's work on the other amphora may have been here in the meantime, with the same.
    const stored = await listTlsCertificates(tx, load_balancer_id)
    for (const row of forgotten) await remove(tx, row)
    for (const row of changed) {
      await put(tx, row)
      const former = stored.find((other) => keyOf(other) === keyOf(row))
      if (row.problem !== null && row.problem !== former?.problem) await recordCertificateProblem(tx, row, now)
    }
    for (const { object_type, object_id, problem } of troubled.map((rows) => rows.find((row) => row.problem !== null)!)) {
      // One that is in ERROR already keeps its fault, unless there is news.
      const isNews = changed.some((row) => row.object_id === object_id)
      const fault = faultOf(failure(problem!, { id: object_id, details: causes.get(object_id) }), now)
      await tx
        .updateTable(object_type)
        .set({ provisioning_status: 'ERROR', fault, updated_at: timestamp(now) })
        .where('id', '=', object_id)
        .where('provisioning_status', 'in', ['ACTIVE', 'PENDING_CREATE', 'PENDING_UPDATE', ...(isNews ? (['ERROR'] as const) : [])])
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

async function isBusy(tx: Tx, load_balancer_id: string): Promise<boolean> {
  const row = await findLoadBalancer(tx, load_balancer_id)
  return row?.provisioning_status !== 'ACTIVE'
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
