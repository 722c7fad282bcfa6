/**
 * What a reference holds may change: a renewed certificate, a new revocation list. It is put in service by a flow like any other, so that the agent
 * swaps it while HAProxy runs. What can no longer be used is told, and what is in service stays.
 */
import type { Context } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { TlsCertificateRow } from '../db/tables.ts'
import { startFlow } from '../flow/start.ts'
import { refreshCertificates } from '../resources/load-balancer/refresh-certificates-flow.ts'
import { loadTree } from '../resources/load-balancer/tree.ts'
import { listTlsCertificates, recordTlsCertificates } from '../resources/tls-certificates.ts'
import { placesOf, servedPlacesOf } from '../resources/tls-places.ts'
import { type Fetched, fetchMaterials, isOf, isPassing, rowsAfter } from '../tasks/tls-materials.ts'
import { periodicJob } from './periodic-job.ts'

/** Each costs as many questions to the store as it has certificates. The next run takes the next ones, and begins anew after the last. */
const MAX_LOAD_BALANCERS = 100
/** A renewal that failed, as an amphora may refuse what OpenSSL here takes, is tried again so much later. */
const TRIED_AGAIN_AFTER_MS = 600_000

/** Where the last run ended. */
const endedAt = new WeakMap<Db, string>()

export const renewCertificates = periodicJob(
  'renew-certificates',
  async (context) => {
    const { db } = context
    const ids = await nextLoadBalancers(db, endedAt.get(db) ?? '')
    if (ids.length < MAX_LOAD_BALANCERS) endedAt.delete(db)
    else endedAt.set(db, ids.at(-1)!)
    const done = { renewals_begun: 0, unusable: 0 }
    for (const id of ids) {
      const { renewal, unusable } = await look(context, id)
      if (renewal) done.renewals_begun += 1
      done.unusable += unusable
    }
    return done
  },
  ({ certificates }) => certificates.renewal_check_interval,
)

/** Those that have certificates in service and are at rest; what a flow is at work on gets what is new by that. */
async function nextLoadBalancers(db: Db, after: string): Promise<string[]> {
  const rows = await db
    .selectFrom('load_balancer')
    .select('id')
    .where('provisioning_status', '=', 'ACTIVE')
    .where('id', 'in', db.selectFrom('tls_certificate').select('load_balancer_id').where('load_balancer_id', '>', after))
    .orderBy('id')
    .limit(MAX_LOAD_BALANCERS)
    .execute()
  return rows.map(({ id }) => id)
}

async function look(context: Context, load_balancer_id: string): Promise<{ renewal: boolean; unusable: number }> {
  const loadBalancer = await loadTree(context.db, load_balancer_id)
  if (loadBalancer === undefined) return { renewal: false, unusable: 0 }
  const before = await listTlsCertificates(context.db, load_balancer_id)
  const fetched = await fetchMaterials(context, servedPlacesOf(loadBalancer), before)

  const unusable = fetched.filter(({ problem }) => problem !== null && !isPassing(problem))
  const named = placesOf(loadBalancer)
  await recordTlsCertificates(context, load_balancer_id, {
    before,
    after: rowsAfter(load_balancer_id, unusable, new Set(), before),
    isNamed: (row) => named.some((place) => isOf(place)(row)),
    causes: new Map(unusable.map(({ place, cause }) => [place.object_id, `${place.field} ${place.reference}: ${cause}`])),
    unlessBusy: true,
  })

  const changed = fetched.filter((found) => isNew(found, before))
  const failedLately = before.some(({ renewal_failed_at_ms }) => renewal_failed_at_ms > context.clock.now() - TRIED_AGAIN_AFTER_MS)
  const renewal = changed.length > 0 && !failedLately && (await beginRenewal(context.db, load_balancer_id, changed.length))
  return { renewal, unusable: unusable.length }
}

/** Usable, and not what is in service. What never was in service waits for the flow of its user. */
function isNew({ place, digest, problem }: Fetched, rows: readonly TlsCertificateRow[]): boolean {
  const row = rows.find(isOf(place))
  return problem === null && row !== undefined && (row.digest !== digest || row.problem !== null)
}

/** False where a flow is at work by now: the next run will look again. */
function beginRenewal(db: Db, load_balancer_id: string, count: number): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('load_balancer')
      .set({ provisioning_status: 'PENDING_UPDATE' })
      .where('id', '=', load_balancer_id)
      .where('provisioning_status', '=', 'ACTIVE')
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return false
    await startFlow(tx, refreshCertificates, { load_balancer_id, count }, { subject: load_balancer_id })
    return true
  })
}
