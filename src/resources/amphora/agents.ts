/** What each amphora's agent was given to know controllers by, and which should be given something else. */
import type { Db, Tx } from '../../db/connection.ts'
import type { AmphoraRow, AmphoraStatus } from '../../db/tables.ts'
import { timestamp } from '../../lib/clock.ts'
import type { AmphoraAgentRow } from '../../trust/tables.ts'
import type { Credentials } from '../../trust/trust.ts'

/** Those whose agent is expected to answer. */
const ANSWERING: AmphoraStatus[] = ['ALLOCATED', 'ERROR', 'FAILOVER_STOPPED', 'READY']

/** After a failure the first wait; each further one is twice as long, up to the longest. */
const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 600_000

export type Agent = AmphoraAgentRow &
  Pick<AmphoraRow, 'loadbalancer_id' | 'cert_expiration'> & { id: string; compute_id: string; lb_network_ip: string }

/** Known from when its machine's files are made. A second attempt to make them finds the machine of the first, so the first record stands. */
export async function recordNewAgent(db: Db, amphora_id: string, credentials: Credentials): Promise<void> {
  await db
    .insertInto('amphora_agent')
    .values({ amphora_id, ...credentials, takes_client_cas: true, failures: 0, retry_at_ms: 0, problem: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Those of which nothing was noted have these. */
export async function recordKnownAgents(db: Db, credentials: Credentials): Promise<void> {
  const rows = await db
    .selectFrom('amphora')
    .select('id')
    .where('server_certificate', 'is not', null)
    .where('id', 'not in', db.selectFrom('amphora_agent').select('amphora_id'))
    .execute()
  for (const { id } of rows) await recordNewAgent(db, id, credentials)
}

/** Undefined where nobody is to be expected to answer. */
export async function findAgent(db: Db, amphora_id: string): Promise<Agent | undefined> {
  const row = await answering(db)
    .selectAll('amphora_agent')
    .select(['amphora.id', 'amphora.loadbalancer_id', 'amphora.cert_expiration', 'amphora.compute_id', 'amphora.lb_network_ip'])
    .where('amphora.id', '=', amphora_id)
    .executeTakeFirst()
  if (row === undefined || row.compute_id === null || row.lb_network_ip === null) return undefined
  return { ...row, compute_id: row.compute_id, lb_network_ip: row.lb_network_ip }
}

/** Those whose certificate ends before that; the one that ends first is first. Nobody is at work on them, and none has to wait after a failure. */
export async function listExpiringAgents(db: Db, beforeMs: number, options: { nowMs: number; limit: number }): Promise<string[]> {
  const rows = await idle(db, options.nowMs)
    .where('amphora.cert_expiration', '<', timestamp(beforeMs))
    .orderBy('amphora.cert_expiration')
    .limit(options.limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Those that have other credentials than these, or failed to take new ones, and can be told. Nobody is at work on them, and none has to wait. */
export async function listOutdatedAgents(db: Db, wanted: Credentials, options: { nowMs: number; limit: number }): Promise<string[]> {
  const rows = await idle(db, options.nowMs)
    .where(({ or, and, eb }) =>
      or([
        eb('amphora_agent.failures', '>', 0),
        eb('amphora_agent.server_ca', '!=', wanted.server_ca),
        eb('amphora_agent.heartbeat_key', '!=', wanted.heartbeat_key),
        and([eb('amphora_agent.client_cas', '!=', wanted.client_cas), eb('amphora_agent.takes_client_cas', '=', true)]),
      ]),
    )
    .orderBy('amphora_agent.retry_at_ms')
    .limit(options.limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Whether some agent has others than these, or will have: a machine that is being made has what was wanted when it began. */
export async function isSomeoneWithout(db: Db, wanted: Credentials): Promise<boolean> {
  return (await without(db, wanted).select('amphora_agent.amphora_id').limit(1).execute()).length > 0
}

/** For operators: whose agent has others than these, and why. */
export async function listWithout(db: Db, wanted: Credentials, limit: number) {
  return without(db, wanted)
    .selectAll('amphora_agent')
    .select(['amphora.loadbalancer_id', 'amphora.status'])
    .orderBy('amphora_agent.amphora_id')
    .limit(limit)
    .execute()
}

const without = (db: Db, wanted: Credentials) =>
  db
    .selectFrom('amphora')
    .innerJoin('amphora_agent', 'amphora_agent.amphora_id', 'amphora.id')
    .where('amphora.status', '!=', 'DELETED')
    .where(({ or, eb }) =>
      or([
        eb('amphora_agent.server_ca', '!=', wanted.server_ca),
        eb('amphora_agent.client_cas', '!=', wanted.client_cas),
        eb('amphora_agent.heartbeat_key', '!=', wanted.heartbeat_key),
      ]),
    )

const answering = (db: Db) =>
  db
    .selectFrom('amphora')
    .innerJoin('amphora_agent', 'amphora_agent.amphora_id', 'amphora.id')
    .where('amphora.status', 'in', ANSWERING)
    .where('amphora.compute_id', 'is not', null)
    .where('amphora.lb_network_ip', 'is not', null)

const idle = (db: Db, nowMs: number) =>
  answering(db).select('amphora.id').where('amphora.cert_busy', '=', false).where('amphora_agent.retry_at_ms', '<=', nowMs)

/** Marks those that no other has marked, and answers them. */
export async function takeAgents(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .updateTable('amphora')
    .set({ cert_busy: true })
    .where('id', 'in', ids)
    .where('cert_busy', '=', false)
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

export async function releaseAgents(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length > 0)
    await db.updateTable('amphora').set({ cert_busy: false }).where('id', 'in', ids).where('cert_busy', '=', true).execute()
}

export async function noteGiven(db: Db, amphora_id: string, given: Partial<AmphoraAgentRow>): Promise<void> {
  await db.updateTable('amphora_agent').set(given).where('amphora_id', '=', amphora_id).execute()
}

export async function noteFailure(db: Db, { amphora_id, failures }: AmphoraAgentRow, problem: string, nowMs: number): Promise<void> {
  const waitMs = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS)
  await noteGiven(db, amphora_id, { failures: failures + 1, retry_at_ms: nowMs + waitMs, problem })
}
