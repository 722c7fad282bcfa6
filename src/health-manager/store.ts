/** Heartbeats into the database, many at a time: who was heard, what changed its status, how counters grew. */
import { sql } from 'kysely'
import type { Db, Tx } from '../db/connection.ts'
import type { ListenerStatisticsRow, MemberStatisticsRow } from '../db/tables.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import { type ChangedStatus, recordStatusChanges } from '../resources/event/record.ts'
import { lockLoadBalancers } from '../resources/load-balancer/repository.ts'
import { type Admission, admit, type KnownAmphora, Overtaken, storeNumbers } from './admission.ts'
import { type Heard, join } from './heard.ts'
import type { CounterReport } from './packet.ts'
import { isAsConfigured, type ObservedLoadBalancer, observe, type StatusChange } from './statuses.ts'

export interface StoreOptions {
  nowMs: number
  heartbeatTimeoutMs: number
  /** Heartbeats of upstream's agents must come from their amphora's lb_network_ip. */
  checksSource: boolean
}

export interface Stored {
  changes: StatusChange[]
  /** Amphorae whose listeners are not those of their load balancer. */
  misconfigured: string[]
  refused: Admission['refused']
  /** Packets whose contents are in the database now. */
  applied: number
  /** Written, by table. */
  rows: Record<string, number>
}

/** Another health manager gets in between when somebody sends a heartbeat to both at once. */
const ATTEMPTS = 3

/** All or nothing, so that a batch that failed can be given again. */
export async function storeHeartbeats(db: Db, batch: readonly Heard[], options: StoreOptions): Promise<Stored> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await storeOnce(db, batch, options)
    } catch (error) {
      if (!(error instanceof Overtaken) || attempt === ATTEMPTS) throw error
    }
  }
}

async function storeOnce(db: Db, batch: readonly Heard[], options: StoreOptions): Promise<Stored> {
  const amphorae = await findAmphorae(db, [...new Set(batch.map(({ heartbeat }) => heartbeat.amphora_id))])
  const admission = await admit(db, batch, amphorae, options.checksSource)
  const admitted = Map.groupBy(admission.admitted, ({ heartbeat }) => heartbeat.amphora_id)
  const loadBalancers = await observed(
    db,
    [...new Set([...admitted.keys()].map((id) => amphorae.get(id)!.loadbalancer_id))].filter((id) => id !== null),
  )
  const silentOf = await countSilent(db, [...loadBalancers.keys()], options, new Set(admitted.keys()))

  const stored: Stored = { changes: [], misconfigured: [], refused: admission.refused, applied: 0, rows: {} }
  const alive: { amphora_id: string; last_update_ms: number }[] = []
  const counted: { row: ListenerStatisticsRow; deltas: boolean }[] = []
  const countedMembers: MemberStatisticsRow[] = []
  for (const [amphora_id, ofAmphora] of admitted) {
    const { heartbeat, receivedAtMs } = ofAmphora.reduce((a, b) => (b.receivedAtMs >= a.receivedAtMs ? b : a))
    const packets = ofAmphora.reduce((sum, heard) => sum + heard.packets, 0)
    const { loadbalancer_id, status } = amphorae.get(amphora_id)!
    const loadBalancer = loadBalancers.get(loadbalancer_id ?? '')
    if (loadBalancer === undefined) {
      // A spare one has nothing to tell but that it is there.
      if (loadbalancer_id === null && status === 'READY') {
        alive.push({ amphora_id, last_update_ms: receivedAtMs })
        stored.applied += packets
      } else stored.refused.push({ amphora_id, refusal: 'unknown', packets })
      continue
    }
    stored.applied += packets
    if (isAsConfigured(loadBalancer, heartbeat)) alive.push({ amphora_id, last_update_ms: receivedAtMs })
    else stored.misconfigured.push(amphora_id)
    for (const change of observe(loadBalancer, heartbeat, silentOf.get(loadBalancer.id) ?? 0)) {
      stored.changes.push(change)
      applyTo(loadBalancer, change)
    }
    // Of several controllers' addresses, or of an agent that was exchanged: a row may stand in a statement once.
    for (const [deltas, alike] of Map.groupBy(ofAmphora, ({ heartbeat }) => heartbeat.deltas)) {
      const { counters, members } = alike.reduce(join)
      for (const { id } of loadBalancer.listeners) {
        const report = counters.get(id)
        if (report !== undefined) counted.push({ row: statistics(id, amphora_id, loadBalancer.id, report), deltas })
      }
      for (const { id } of loadBalancer.pools.flatMap((pool) => pool.members)) {
        const report = members.get(id)
        if (report !== undefined) countedMembers.push({ member_id: id, amphora_id, load_balancer_id: loadBalancer.id, ...report })
      }
    }
  }
  stored.rows = {
    amphora_health: alive.length,
    heartbeat_number: admission.numbers.length,
    listener_statistics: counted.length,
    member_statistics: countedMembers.length,
    status: stored.changes.length,
  }
  if (Object.values(stored.rows).every((count) => count === 0)) return stored
  await db.transaction().execute(async (tx) => {
    await changeStatuses(tx, stored.changes, options.nowMs)
    await storeNumbers(tx, admission)
    await touch(tx, alive)
    await count(tx, counted)
    await countMembers(tx, countedMembers)
  })
  return stored
}

async function findAmphorae(db: Db, ids: string[]): Promise<Map<string, KnownAmphora>> {
  const rows = await db
    .selectFrom('amphora')
    .select(['id', 'loadbalancer_id', 'status', 'lb_network_ip'])
    .where('id', 'in', ids)
    .where('status', '!=', 'DELETED')
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

/** The rows that statuses depend on, of these load balancers. */
async function observed(db: Db, ids: string[]): Promise<Map<string, ObservedLoadBalancer>> {
  if (ids.length === 0) return new Map()
  const [loadBalancers, listeners, pools, members] = await Promise.all([
    db
      .selectFrom('load_balancer')
      .select(['id', 'operating_status', 'provisioning_status', 'topology', 'admin_state_up'])
      .where('id', 'in', ids)
      .where('provisioning_status', 'not in', ['DELETED', 'PENDING_DELETE'])
      .execute(),
    db
      .selectFrom('listener')
      .select(['id', 'load_balancer_id', 'operating_status', 'provisioning_status', 'admin_state_up'])
      .where('load_balancer_id', 'in', ids)
      .where('provisioning_status', '!=', 'PENDING_DELETE')
      .execute(),
    db
      .selectFrom('pool')
      .select(['id', 'load_balancer_id', 'operating_status'])
      .where('load_balancer_id', 'in', ids)
      .where('provisioning_status', '!=', 'PENDING_DELETE')
      .execute(),
    db
      .selectFrom('member')
      .innerJoin('pool', 'pool.id', 'member.pool_id')
      .select(['member.id', 'member.pool_id', 'member.operating_status'])
      .where('pool.load_balancer_id', 'in', ids)
      .where('member.provisioning_status', '!=', 'PENDING_DELETE')
      .execute(),
  ])
  const listenersOf = Map.groupBy(listeners, ({ load_balancer_id }) => load_balancer_id)
  const poolsOf = Map.groupBy(pools, ({ load_balancer_id }) => load_balancer_id)
  const membersOf = Map.groupBy(members, ({ pool_id }) => pool_id)
  return new Map(
    loadBalancers.map((row) => [
      row.id,
      {
        ...row,
        listeners: listenersOf.get(row.id) ?? [],
        pools: (poolsOf.get(row.id) ?? []).map((pool) => ({ ...pool, members: membersOf.get(pool.id) ?? [] })),
      },
    ]),
  )
}

/** How many amphorae of each load balancer have not been heard of for too long, those of this batch excepted. */
async function countSilent(db: Db, load_balancer_ids: string[], options: StoreOptions, heard: Set<string>): Promise<Map<string, number>> {
  const silent = new Map<string, number>()
  if (load_balancer_ids.length === 0) return silent
  const rows = await db
    .selectFrom('amphora')
    .innerJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .select(['amphora.id', 'amphora.loadbalancer_id'])
    .where('amphora.loadbalancer_id', 'in', load_balancer_ids)
    .where('amphora.status', 'in', [...servingStatuses, 'PENDING_DELETE'])
    .where('amphora_health.last_update_ms', '<', options.nowMs - options.heartbeatTimeoutMs)
    .execute()
  for (const { id, loadbalancer_id } of rows) {
    if (!heard.has(id)) silent.set(loadbalancer_id!, (silent.get(loadbalancer_id!) ?? 0) + 1)
  }
  return silent
}

/** The next heartbeat of the batch for the same load balancer starts from there. */
function applyTo(loadBalancer: ObservedLoadBalancer, { table, id, to }: StatusChange): void {
  const objects = {
    load_balancer: () => [loadBalancer],
    listener: () => loadBalancer.listeners,
    pool: () => loadBalancer.pools,
    member: () => loadBalancer.pools.flatMap(({ members }) => members),
  }[table]()
  for (const object of objects) if (object.id === id) object.operating_status = to
}

function statistics(listener_id: string, amphora_id: string, load_balancer_id: string, counters: CounterReport): ListenerStatisticsRow {
  const { bytes_in, bytes_out, active_connections, total_connections, request_errors } = counters
  return { listener_id, amphora_id, load_balancer_id, bytes_in, bytes_out, active_connections, total_connections, request_errors }
}

async function touch(tx: Tx, alive: { amphora_id: string; last_update_ms: number }[]): Promise<void> {
  if (alive.length === 0) return
  await tx
    .insertInto('amphora_health')
    .values(sorted(alive, ({ amphora_id }) => amphora_id).map((row) => ({ ...row, busy: false })))
    .onConflict((conflict) =>
      conflict
        .column('amphora_id')
        .doUpdateSet((expression) => ({ last_update_ms: expression.ref('excluded.last_update_ms') }))
        // Another health manager may have heard a later one.
        .whereRef('excluded.last_update_ms', '>', 'amphora_health.last_update_ms'),
    )
    .execute()
}

/** One statement for each kind of change. A row whose status is no longer what it was when it was read is left alone, and no event. */
export async function changeStatuses(tx: Tx, changes: readonly StatusChange[], nowMs: number): Promise<void> {
  if (changes.length === 0) return
  await lockLoadBalancers(tx, [...new Set(changes.map(({ load_balancer_id }) => load_balancer_id))])
  const changed: ChangedStatus[] = []
  // Always in the same order, so that two health managers do not wait for each other.
  const kinds = Map.groupBy(
    sorted(changes, ({ table, from, to, id }) => `${table} ${from} ${to} ${id}`),
    ({ table, from, to }) => `${table} ${from} ${to}`,
  )
  for (const ofKind of kinds.values()) {
    const { table, from, to } = ofKind[0]!
    const loadBalancerOf = new Map(ofKind.map(({ id, load_balancer_id }) => [id, load_balancer_id]))
    const rows = await tx
      .updateTable(table as 'member')
      .set({ operating_status: to })
      .where('id', 'in', [...loadBalancerOf.keys()])
      .where('operating_status', '=', from)
      .returning(['id', 'name', ...(table === 'member' ? (['pool_id'] as const) : [])])
      .execute()
    for (const row of rows) changed.push({ ...row, table, load_balancer_id: loadBalancerOf.get(row.id)!, operating_status: to })
  }
  await recordStatusChanges(tx, changed, nowMs)
}

async function count(tx: Tx, counted: { row: ListenerStatisticsRow; deltas: boolean }[]): Promise<void> {
  for (const deltas of [true, false]) {
    const rows = counted.filter((each) => each.deltas === deltas).map(({ row }) => row)
    if (rows.length === 0) continue
    // A counter that starts over, because HAProxy did, must not make the sum fall.
    const add = (column: string) =>
      deltas
        ? sql<number>`listener_statistics.${sql.ref(column)} + excluded.${sql.ref(column)}`
        : sql<number>`case when excluded.${sql.ref(column)} > listener_statistics.${sql.ref(column)} then excluded.${sql.ref(column)} else listener_statistics.${sql.ref(column)} end`
    await tx
      .insertInto('listener_statistics')
      .values(sorted(rows, ({ listener_id, amphora_id }) => `${listener_id} ${amphora_id}`))
      .onConflict((conflict) =>
        conflict.columns(['listener_id', 'amphora_id']).doUpdateSet((expression) => ({
          bytes_in: add('bytes_in'),
          bytes_out: add('bytes_out'),
          total_connections: add('total_connections'),
          request_errors: add('request_errors'),
          active_connections: expression.ref('excluded.active_connections'),
        })),
      )
      .execute()
  }
}

/** Keeps a statement below SQLite's 32 766 parameters. */
const COUNTED_AT_ONCE = 2_000

async function countMembers(tx: Tx, counted: readonly MemberStatisticsRow[]): Promise<void> {
  const rows = sorted(counted, ({ member_id, amphora_id }) => `${member_id} ${amphora_id}`)
  const add = (column: string) => sql<number>`member_statistics.${sql.ref(column)} + excluded.${sql.ref(column)}`
  for (let start = 0; start < rows.length; start += COUNTED_AT_ONCE) {
    await tx
      .insertInto('member_statistics')
      .values(rows.slice(start, start + COUNTED_AT_ONCE))
      .onConflict((conflict) =>
        conflict.columns(['member_id', 'amphora_id']).doUpdateSet((expression) => ({
          bytes_in: add('bytes_in'),
          bytes_out: add('bytes_out'),
          total_connections: add('total_connections'),
          request_errors: add('request_errors'),
          active_connections: expression.ref('excluded.active_connections'),
        })),
      )
      .execute()
  }
}

function sorted<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}
