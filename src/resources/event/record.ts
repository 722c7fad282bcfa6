/**
 * How events come about. What the API accepted is an event from the transaction that stores its flow on, and ends in the transaction that ends
 * the flow, so that no crash loses or doubles one. A change of an operating status is an event of the transaction that changes it.
 */
import { randomUUID } from 'node:crypto'
import type { Context } from '../../context.ts'
import type { Tx } from '../../db/connection.ts'
import type { EventName, EventObject, EventRow, MomentaryEvent, OperatingStatus, TlsCertificateRow } from '../../db/tables.ts'
import type { Flow } from '../../flow/define.ts'
import { timestamp } from '../../lib/clock.ts'
import { derivedId } from '../../lib/derived-id.ts'
import type { Json } from '../../lib/json.ts'
import { type Failure, failure, told } from '../failures.ts'
import { endEvent, insertEvent, insertOrCountEvents } from './repository.ts'

const objectTypes = {
  load_balancer: 'loadbalancer',
  listener: 'listener',
  pool: 'pool',
  member: 'member',
  health_monitor: 'healthmonitor',
  l7policy: 'l7policy',
  l7rule: 'l7rule',
} as const satisfies Record<string, EventObject>

type EventTable = keyof typeof objectTypes

/**
 * To be spread into a flow: what it does, to which object. Its one event has the flow's id, so that an operator finds the one by the other. In:
 * `countOf`, where it works on several at once.
 */
export function recorded<P extends { load_balancer_id: string } & { [key: string]: Json }>(
  event: Exclude<EventName, MomentaryEvent>,
  table: EventTable,
  idOf: (params: P) => string,
  countOf: (params: P) => number = () => 1,
): Pick<Flow<Context, P>, 'onStart' | 'onEnd'> {
  return {
    async onStart(tx, { flow_id, params, started_at_ms }) {
      const object_id = idOf(params)
      await insertEvent(tx, {
        id: flow_id,
        load_balancer_id: params.load_balancer_id,
        event,
        object_type: objectTypes[table],
        object_id,
        object_name: await nameOf(tx, table, object_id),
        operating_status: null,
        count: countOf(params),
        started_at_ms,
        duration_ms: null,
        outcome: 'in_progress',
        message: null,
        details: null,
      })
    },
    async onEnd(tx, { flow_id, outcome, reason, duration_ms }) {
      const why = reason === null ? { message: null, details: null } : told(reason)
      await endEvent(tx, flow_id, { outcome: outcome === 'DONE' ? 'success' : 'failure', duration_ms, ...why })
    },
  }
}

/** Now, since a deleted object's is gone when its flow ends. L7rules have none. */
async function nameOf(tx: Tx, table: EventTable, id: string): Promise<string> {
  if (table === 'l7rule') return ''
  const row = await tx
    .selectFrom(table as 'member')
    .select('name')
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.name ?? ''
}

/** Of what takes no time. */
const momentary = { operating_status: null, count: 1, duration_ms: 0 } as const

/** An object whose operating status was changed. */
export interface ChangedStatus {
  table: 'load_balancer' | 'listener' | 'pool' | 'member'
  id: string
  name: string
  load_balancer_id: string
  /** Of a member. */
  pool_id?: string
  operating_status: OperatingStatus
}

/** An object that goes to and fro has one event for each status in so long a time, which counts how often. */
const SAME_EVENT_MS = 300_000
/** Of more members of a pool with the same new status there is one event, about the pool. */
const MAX_MEMBER_EVENTS = 20

export async function recordStatusChanges(tx: Tx, changes: readonly ChangedStatus[], nowMs: number): Promise<void> {
  const rows: EventRow[] = []
  const add = (changed: Omit<ChangedStatus, 'pool_id'>, event: EventName, count: number) => {
    const { table, id, name, load_balancer_id, operating_status } = changed
    rows.push({
      ...momentary,
      id: derivedId('event', event, id, operating_status, String(Math.floor(nowMs / SAME_EVENT_MS))),
      load_balancer_id,
      event,
      object_type: objectTypes[table],
      object_id: id,
      object_name: name,
      operating_status,
      count,
      started_at_ms: nowMs,
      outcome: 'success',
      message: null,
      details: null,
    })
  }
  const crowds = Map.groupBy(changes, ({ pool_id, operating_status }) => `${pool_id} ${operating_status}`)
  for (const [, crowd] of crowds) {
    const { pool_id } = crowd[0]!
    if (pool_id === undefined || crowd.length <= MAX_MEMBER_EVENTS) {
      for (const changed of crowd) add(changed, 'operating_status', 1)
    } else {
      const name = await nameOf(tx, 'pool', pool_id)
      add({ ...crowd[0]!, table: 'pool', id: pool_id, name }, 'members_operating_status', crowd.length)
    }
  }
  await insertOrCountEvents(tx, rows)
}

/** What a reference has now cannot be used. Of the same problem of the same reference there is one event in so long a time. */
export async function recordCertificateProblem(tx: Tx, row: TlsCertificateRow, nowMs: number): Promise<void> {
  const { object_id, field, reference, problem } = row
  const id = derivedId('event', 'certificate_unusable', object_id, field, reference, problem!, String(Math.floor(nowMs / SAME_EVENT_MS)))
  const { message } = failure(problem!, { id: object_id })
  await insertOrCountEvents(tx, [
    {
      ...(await ofCertificate(tx, row, nowMs)),
      id,
      event: 'certificate_unusable',
      outcome: 'failure',
      message,
      details: `${field} ${reference}`,
    },
  ])
}

/** What is in service is about to end, or has ended. The caller sees to it that each is told once. */
export async function recordCertificateEnd(tx: Tx, row: TlsCertificateRow & { not_after: string }, nowMs: number): Promise<void> {
  const { field, reference, not_after } = row
  const isOver = not_after <= timestamp(nowMs)
  const isList = field === 'client_crl_container_ref' || field === 'crl_container_ref'
  const happens = isList ? `a newer list ${isOver ? 'was' : 'is'} due` : `it ${isOver ? 'expired' : 'expires'}`
  const message = `${field} ${reference}: ${happens} at ${not_after}.`
  await insertEvent(tx, {
    ...(await ofCertificate(tx, row, nowMs)),
    id: randomUUID(),
    event: 'certificate_expires',
    outcome: 'success',
    message,
    details: null,
  })
}

async function ofCertificate(tx: Tx, { load_balancer_id, object_type, object_id }: TlsCertificateRow, nowMs: number) {
  return {
    ...momentary,
    load_balancer_id,
    object_type,
    object_id,
    object_name: await nameOf(tx, object_type, object_id),
    started_at_ms: nowMs,
  }
}

/** Amphorae of these load balancers are not replaced yet. Of the same reason there is one event for each load balancer in a `period`. */
export async function recordFailoversHeldBack(
  tx: Tx,
  waiting: readonly { amphora_id: string; load_balancer_id: string }[],
  why: { failure: Failure; details(amphora_id: string): string; nowMs: number; period: string },
): Promise<void> {
  const ids = waiting.map(({ load_balancer_id }) => load_balancer_id)
  const named = await tx.selectFrom('load_balancer').select(['id', 'name']).where('id', 'in', ids).execute()
  const names = new Map(named.map(({ id, name }) => [id, name]))
  const rows = waiting.map(
    ({ amphora_id, load_balancer_id: id }): EventRow => ({
      ...ofLoadBalancer(id, names.get(id) ?? '', why.nowMs),
      id: derivedId('event', 'failover_held_back', id, why.failure, why.period),
      event: 'failover_held_back',
      outcome: 'failure',
      message: failure(why.failure).message,
      details: why.details(amphora_id),
    }),
  )
  await insertOrCountEvents(tx, rows)
}

/** The certificate of an amphora's agent is about to end and was not replaced. Of one certificate there is one event, which counts the attempts. */
export async function recordAgentCertificateEnd(
  tx: Tx,
  { id: amphora_id, loadbalancer_id, cert_expiration }: { id: string; loadbalancer_id: string; cert_expiration: string },
  { problem, nowMs }: { problem: string; nowMs: number },
): Promise<void> {
  await insertOrCountEvents(tx, [
    {
      ...ofLoadBalancer(loadbalancer_id, await nameOf(tx, 'load_balancer', loadbalancer_id), nowMs),
      id: derivedId('event', 'amphora_certificate_not_renewed', amphora_id, cert_expiration),
      event: 'amphora_certificate_not_renewed',
      outcome: 'failure',
      message: failure('amphora_certificate_ends').message,
      details: `amphora ${amphora_id}, until ${cert_expiration}: ${problem}`,
    },
  ])
}

function ofLoadBalancer(load_balancer_id: string, object_name: string, nowMs: number) {
  return {
    ...momentary,
    load_balancer_id,
    object_type: 'loadbalancer' as const,
    object_id: load_balancer_id,
    object_name,
    started_at_ms: nowMs,
  }
}
