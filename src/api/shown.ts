import type { FastifyRequest } from 'fastify'
import type { Config } from '../config/config.ts'
import type { Fault } from '../db/tables.ts'
import { selectFields } from './listing.ts'
import type { Caller } from './policy.ts'
import type { Query } from './route.ts'

/** `status` is an amphora's. */
type Failable = ({ provisioning_status: string } | { status: string }) & { fault: Fault | null }

const failed: ReadonlySet<string> = new Set(['ERROR', 'FAILOVER_STOPPED'])

/**
 * What the client sees of an object: the fields he asks for of those that `shown` has, and, ours, of one in ERROR (or an amphora that is FAILOVER_STOPPED) also why it is. What
 * drivers said in detail is for admins.
 */
export function shownTo<O extends object>(
  { query, caller }: Pick<FastifyRequest, 'caller'> & { query: Query },
  config: Config,
  row: Failable,
  shown: O,
): Partial<O & { fault: Partial<Fault> }> {
  const status = 'status' in row ? row.status : row.provisioning_status
  if (!failed.has(status) || row.fault === null) return selectFields<object>(query, config, shown)
  return selectFields<O & { fault: Partial<Fault> }>(query, config, { ...shown, fault: faultFor(caller, row.fault) })
}

function faultFor(caller: Caller, { message, created_at, details }: Fault): Partial<Fault> {
  return caller.is_admin ? { message, created_at, details } : { message, created_at }
}
