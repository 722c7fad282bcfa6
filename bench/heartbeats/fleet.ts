/** Load balancers in the database, each with one amphora that nothing but the benchmark's sender plays. */

import type { Db } from '../../src/db/connection.ts'
import { aListenerRow, aLoadBalancerRow, aMemberRow, anAmphoraRow, aPoolRow } from '../../test/support/builders.ts'

export const HEARTBEAT_KEY = 'the key of the benchmark'
export const MEMBERS = 4
/** Rows of one statement. */
const CHUNK = 200

/** The ids of what belongs to the amphora with that number. */
export function idsOf(number: number) {
  const id = (kind: number) => `${number.toString(16).padStart(8, '0')}-0000-4000-8000-00000000000${kind}`
  return {
    load_balancer: id(1),
    listener: id(2),
    pool: id(3),
    amphora: id(4),
    members: Array.from({ length: MEMBERS }, (_, member) => id(5 + member)),
  }
}

/** Number `from` and those after it. One listener, one pool and its members for each; all are as heartbeats will say, so that statuses do not change. */
export async function seedFleet(db: Db, size: number, from = 0): Promise<void> {
  const online = { operating_status: 'ONLINE', provisioning_status: 'ACTIVE' } as const
  for (let first = from; first < from + size; first += CHUNK) {
    const all = Array.from({ length: Math.min(CHUNK, from + size - first) }, (_, n) => idsOf(first + n))
    await db
      .insertInto('load_balancer')
      .values(all.map((ids) => aLoadBalancerRow({ id: ids.load_balancer, ...online })))
      .execute()
    await db
      .insertInto('pool')
      .values(all.map((ids) => aPoolRow({ id: ids.pool, load_balancer_id: ids.load_balancer, ...online })))
      .execute()
    await db
      .insertInto('listener')
      .values(
        all.map((ids) => aListenerRow({ id: ids.listener, load_balancer_id: ids.load_balancer, default_pool_id: ids.pool, ...online })),
      )
      .execute()
    await db
      .insertInto('member')
      .values(all.flatMap((ids) => ids.members.map((id, n) => aMemberRow({ id, pool_id: ids.pool, protocol_port: 8_000 + n, ...online }))))
      .execute()
    await db
      .insertInto('amphora')
      .values(all.map((ids) => anAmphoraRow({ id: ids.amphora, loadbalancer_id: ids.load_balancer, status: 'ALLOCATED' })))
      .execute()
  }
}

/** How many heartbeats the database knows of: each counts one connection. */
export async function appliedSoFar(db: Db): Promise<number> {
  const { applied } = await db
    .selectFrom('listener_statistics')
    .select(({ fn }) => fn.sum<number | null>('total_connections').as('applied'))
    .executeTakeFirstOrThrow()
  return Number(applied ?? 0)
}
