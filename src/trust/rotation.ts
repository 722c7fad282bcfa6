/**
 * How what controllers made themselves is exchanged, so that at no time anybody is not known to another:
 *   begin   what is new is made;
 *   spread  controllers and agents learn that it counts, and none uses it yet;
 *   use     controllers use it, and agents get what comes of it;
 *   leave   nobody uses what was before, but a heartbeat may be on its way;
 *   drop    what was before counts no more, and agents forget it.
 * Any controller takes the next step, and one of them does.
 */
import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { type Db, isPostgresql, type Tx } from '../db/connection.ts'
import { RefusedError } from '../drivers/errors.ts'
import {
  activeCa,
  boxOf,
  dropMaterial,
  insertMaterial,
  issueClientCertificate,
  makeCa,
  makeHeartbeatKey,
  moveMaterial,
  type Secret,
} from './materials.ts'
import { kindsOf } from './own.ts'
import type { MaterialKind, Rotatable, RotationRow, RotationStage } from './tables.ts'

/** Other controllers look every second; one that is slow has this long to learn what counts. */
const CONTROLLERS_LEARN_MS = 5_000

/** Throws RefusedError while another one goes on. */
export async function beginRotation(db: Db, what: Rotatable, nowMs: number): Promise<RotationRow> {
  const row: RotationRow = {
    id: randomUUID(),
    what,
    slot: 1,
    stage: 'begin',
    stage_since_ms: nowMs,
    started_at_ms: nowMs,
    ended_at_ms: null,
  }
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('rotation')
    .values(row)
    .onConflict((conflict) => conflict.column('slot').doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows === 0n) throw new RefusedError('Another rotation is not at its end yet.')
  return row
}

export function findRotation(db: Db): Promise<RotationRow | undefined> {
  return db.selectFrom('rotation').selectAll().where('slot', '=', 1).executeTakeFirst()
}

/** The last ones, the newest first. */
export function listRotations(db: Db, limit: number): Promise<RotationRow[]> {
  return db.selectFrom('rotation').selectAll().orderBy('started_at_ms', 'desc').limit(limit).execute()
}

/** Only as long as nobody uses what is new. Agents are told by and by that it does not count. Answers whether there was one. */
export function cancelRotation(db: Db, nowMs: number): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const rotation = await findRotation(tx)
    if (rotation === undefined) return false
    if (rotation.stage !== 'begin' && rotation.stage !== 'spread') throw new RefusedError('What is new is in use already.')
    if (!(await move(tx, rotation, 'drop', nowMs, { ended: true }))) throw new RefusedError('What is new has just come into use.')
    await tx.deleteFrom('trust_material').where('state', '=', 'trusted').execute()
    return true
  })
}

/** What there is to wait for before the next step. */
export interface Progress {
  nowMs: number
  /** All agents have what they should have now. */
  isEverywhere: boolean
}

/** Takes the next step if it is time. Answers the stage that was entered, or `end`; null where it is not time, or another controller did it. */
export async function advance(
  db: Db,
  config: Config,
  rotation: RotationRow,
  { nowMs, isEverywhere }: Progress,
): Promise<RotationStage | 'end' | null> {
  const kinds = kindsOf(config, rotation.what)
  const isSettled = nowMs - rotation.stage_since_ms >= settlingMs(db, config, rotation.what)
  const next = { begin: 'spread', spread: 'use', use: 'leave', leave: 'drop', drop: 'end' } as const
  if (rotation.stage !== 'begin' && !isSettled) return null
  if (rotation.stage !== 'begin' && rotation.stage !== 'leave' && !isEverywhere) return null
  const made = rotation.stage === 'begin' ? await make(db, config, kinds) : []
  return db.transaction().execute(async (tx) => {
    const stage = next[rotation.stage]
    const isOurs = await move(tx, rotation, stage === 'end' ? rotation.stage : stage, nowMs, { ended: stage === 'end' })
    if (!isOurs) return null
    for (const { kind, ...secret } of made) await insertMaterial(tx, boxOf(config), { kind, state: 'trusted', ...secret }, nowMs)
    if (stage === 'use') {
      await moveMaterial(tx, kinds, 'active', 'retired')
      await moveMaterial(tx, kinds, 'trusted', 'active')
    }
    if (stage === 'drop') await dropMaterial(tx, kinds, 'retired')
    return stage
  })
}

function settlingMs(db: Db, { health_manager }: Config, what: Rotatable): number {
  const controllers = isPostgresql(db) ? CONTROLLERS_LEARN_MS : 0
  return what === 'heartbeat-key' ? Math.max(controllers, health_manager.heartbeat_interval * 1_000) : controllers
}

/** False where another controller was quicker. */
async function move(tx: Tx, { id, stage }: RotationRow, to: RotationStage, nowMs: number, { ended }: { ended: boolean }): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('rotation')
    .set({ stage: to, stage_since_ms: nowMs, ...(ended ? { slot: null, ended_at_ms: nowMs } : {}) })
    .where('id', '=', id)
    .where('stage', '=', stage)
    .where('slot', '=', 1)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

async function make(db: Db, config: Config, kinds: readonly MaterialKind[]): Promise<(Secret & { kind: MaterialKind })[]> {
  const made: (Secret & { kind: MaterialKind })[] = []
  if (kinds.includes('server_ca')) made.push({ kind: 'server_ca', ...(await makeCa('Ottavia server CA')) })
  if (kinds.includes('heartbeat_key')) made.push({ kind: 'heartbeat_key', certificate: null, key: makeHeartbeatKey() })
  if (!kinds.includes('client_certificate')) return made
  const clientCa = kinds.includes('client_ca') ? await makeCa('Ottavia client CA') : await activeCa(db, boxOf(config), 'client_ca')
  if (kinds.includes('client_ca')) made.push({ kind: 'client_ca', ...clientCa })
  made.push({ kind: 'client_certificate', ...(await issueClientCertificate(clientCa)) })
  return made
}
