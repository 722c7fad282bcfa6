/**
 * How a flow leaves the provisioning statuses behind. The flow owns its load balancer, so whatever is PENDING below it is the flow's to settle:
 * the object it worked on and the parents that the API moved with it.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Tx } from '../db/connection.ts'
import type { Reason } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import { faultOf } from '../resources/failures.ts'
import { lockLoadBalancers } from '../resources/load-balancer/repository.ts'
import { hasProblem } from '../resources/tls-certificates.ts'

/** Which rows of each table belong to a load balancer. */
const scopes = {
  load_balancer: (id: string) => sql`id = ${id}`,
  listener: (id: string) => sql`load_balancer_id = ${id}`,
  pool: (id: string) => sql`load_balancer_id = ${id}`,
  member: (id: string) => sql`pool_id in (select id from pool where load_balancer_id = ${id})`,
  health_monitor: (id: string) => sql`pool_id in (select id from pool where load_balancer_id = ${id})`,
  l7policy: (id: string) => sql`listener_id in (select id from listener where load_balancer_id = ${id})`,
  l7rule: (id: string) =>
    sql`l7policy_id in (select id from l7policy where listener_id in (select id from listener where load_balancer_id = ${id}))`,
} satisfies Record<string, (load_balancer_id: string) => RawBuilder<unknown>>

export type StatusTable = keyof typeof scopes
const tables = Object.keys(scopes) as StatusTable[]

/** The flow succeeded: what was being created or changed is ACTIVE, and an earlier fault is past. */
export async function markActive(tx: Tx, load_balancer_id: string, nowMs: number): Promise<void> {
  for (const table of tables) {
    await sql`
      update ${sql.table(table)} set provisioning_status = 'ACTIVE', fault = null, updated_at = ${timestamp(nowMs)}
      where provisioning_status in ('PENDING_CREATE', 'PENDING_UPDATE') and ${scopes[table](load_balancer_id)}`.execute(tx)
  }
}

/** All of it was made anew: also what was in ERROR serves, but for want of a secret. What is being deleted is not touched. */
export async function markAllActive(tx: Tx, load_balancer_id: string, nowMs: number): Promise<void> {
  for (const table of tables) {
    await sql`
      update ${sql.table(table)} set provisioning_status = 'ACTIVE', fault = null, updated_at = ${timestamp(nowMs)}
      where provisioning_status = 'ERROR' and ${scopes[table](load_balancer_id)} and not ${lacksSecret(table)}`.execute(tx)
  }
}

function lacksSecret(table: StatusTable): RawBuilder<boolean> {
  return table === 'listener' || table === 'pool' ? hasProblem(table) : sql<boolean>`(1 = 0)`
}

/** Which objects a flow worked on, and of which load balancer. */
export type Failed = { load_balancer_id: string; table: Exclude<StatusTable, 'load_balancer'>; ids: string[] }

/** Keeps a statement below SQLite's 32 766 parameters. */
const SET_AT_ONCE = 10_000

/** A flow on children failed: they are in ERROR and say why; their parents and the load balancer serve on. */
export function endInError(context: Context, failed: Failed, reason: Reason): Promise<void> {
  return context.db.transaction().execute(async (tx) => {
    const now = context.clock.now()
    await lockLoadBalancers(tx, [failed.load_balancer_id])
    for (let start = 0; start < failed.ids.length; start += SET_AT_ONCE) {
      const ids = failed.ids.slice(start, start + SET_AT_ONCE)
      await sql`
        update ${sql.table(failed.table)} set provisioning_status = 'ERROR', fault = ${faultText(reason, now)}, updated_at = ${timestamp(now)}
        where id in (${sql.join(ids)})`.execute(tx)
    }
    for (const table of tables) {
      const isPending = sql`provisioning_status like 'PENDING_%' and ${scopes[table](failed.load_balancer_id)}`
      // What was in ERROR for want of a secret is so again, and still has its fault.
      await sql`update ${sql.table(table)} set provisioning_status = 'ERROR' where ${isPending} and ${lacksSecret(table)}`.execute(tx)
      await sql`update ${sql.table(table)} set provisioning_status = 'ACTIVE', fault = null where ${isPending}`.execute(tx)
    }
  })
}

/** An update or delete of the load balancer itself failed: it and whatever was PENDING with it are in ERROR. */
export function endLoadBalancerInError(context: Context, load_balancer_id: string, reason: Reason): Promise<void> {
  return setInError(context, load_balancer_id, reason, (table) =>
    table === 'load_balancer' ? sql`provisioning_status <> 'DELETED'` : sql`provisioning_status like 'PENDING_%'`,
  )
}

/** A create of the load balancer failed: nothing serves it, nor any child that was made with it. */
export function endPopulatedInError(context: Context, load_balancer_id: string, reason: Reason): Promise<void> {
  return setInError(context, load_balancer_id, reason, () => sql`1 = 1`)
}

/** Amphorae of it that were to go and are still there: they can be deleted then, or replaced, and are not taken for what somebody removes. */
export async function endDoomedAmphoraeInError({ db, clock }: Context, load_balancer_id: string, reason: Reason): Promise<void> {
  const now = clock.now()
  await db
    .updateTable('amphora')
    .set({ status: 'ERROR', fault: faultOf(reason, now), updated_at: timestamp(now) })
    .where('loadbalancer_id', '=', load_balancer_id)
    .where('status', '=', 'PENDING_DELETE')
    .execute()
}

function setInError(
  { db, clock }: Context,
  load_balancer_id: string,
  reason: Reason,
  which: (table: StatusTable) => RawBuilder<unknown>,
): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const now = clock.now()
    for (const table of tables) {
      await sql`
        update ${sql.table(table)} set provisioning_status = 'ERROR', fault = ${faultText(reason, now)}, updated_at = ${timestamp(now)}
        where ${scopes[table](load_balancer_id)} and ${which(table)}`.execute(tx)
    }
  })
}

function faultText(reason: Reason, nowMs: number): string {
  return JSON.stringify(faultOf(reason, nowMs))
}
