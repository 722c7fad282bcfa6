import { sql } from 'kysely'
import type { RotationStage } from '../trust/tables.ts'
import { type Check, lasting } from './trouble.ts'

/** A stage waits for agents that are silent or refuse; those that are well take a few seconds. */
const STUCK_MS = 10 * 60_000

const waitsFor: Readonly<Record<RotationStage, string>> = {
  begin: 'a controller with the role housekeeping',
  spread: 'agents that have not got what is new',
  use: 'other controllers',
  leave: 'agents that still use what is old',
  drop: 'agents that still use what is old',
}

/** A rotation that does not get on. */
export const stuckRotations: Check = async ({ db, nowMs }) => {
  const rotation = await db.selectFrom('rotation').selectAll().where('slot', '=', 1).executeTakeFirst()
  if (rotation === undefined || rotation.stage_since_ms > nowMs - STUCK_MS) return []
  const { what, stage, started_at_ms, stage_since_ms } = rotation
  const { count } = await db
    .selectFrom('amphora_agent')
    .innerJoin('amphora', 'amphora.id', 'amphora_agent.amphora_id')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('amphora.status', '!=', 'DELETED')
    .where('problem', 'is not', null)
    .executeTakeFirstOrThrow()
  const says =
    `The rotation (${what}) that was begun ${lasting(nowMs - started_at_ms)} ago has been in its stage ${stage} for ${lasting(nowMs - stage_since_ms)}, ` +
    `which waits for ${waitsFor[stage]}; ${count} agents could not be given something new. What was used before goes on to count until it ends.`
  return [{ level: 'warning', kind: 'rotation_stuck', about: rotation.id, says, type: 'ottavia rotate status' }]
}

/** `heartbeat_key 3 days old, ...; rotation (ca): spread since 5 s`: what the controllers made themselves; empty where that is an operator's. */
export async function trustSummary({ db, nowMs }: Pick<Parameters<Check>[0], 'db' | 'nowMs'>): Promise<string> {
  const made = await db
    .selectFrom('trust_material')
    .select(['kind', sql<number>`created_at_ms`.as('created_at_ms')])
    .where('state', '=', 'active')
    .orderBy('kind')
    .execute()
  const rotation = await db.selectFrom('rotation').selectAll().where('slot', '=', 1).executeTakeFirst()
  return [
    ...(made.length === 0 ? [] : [made.map(({ kind, created_at_ms }) => `${kind} ${lasting(nowMs - created_at_ms)} old`).join(', ')]),
    ...(rotation === undefined ? [] : [`rotation (${rotation.what}): ${rotation.stage} since ${lasting(nowMs - rotation.stage_since_ms)}`]),
  ].join('; ')
}
