/**
 * Which heartbeats of a batch count, by what the database knows of their amphorae: it also knows what came before this process started, and what went to
 * other health managers.
 */
import type { Db, Tx } from '../db/connection.ts'
import type { AmphoraRow, HeartbeatNumberRow } from '../db/tables.ts'
import { formatIp, parseIp } from '../lib/ip.ts'
import type { Heard } from './heard.ts'
import type { Refusal } from './packet.ts'

/** Controllers whose numbers are known of one amphora: of more, the one to which nothing has been sent for longest is forgotten. */
const MAX_CONTROLLERS = 16

export type KnownAmphora = Pick<AmphoraRow, 'id' | 'loadbalancer_id' | 'status' | 'lb_network_ip'>

export type LateRefusal = Extract<Refusal, 'repeat' | 'source' | 'common_key' | 'unknown'>

export interface Admission {
  admitted: Heard[]
  refused: { amphora_id: string; refusal: LateRefusal; packets: number }[]
  /** What the database is to know once the admitted are stored. */
  numbers: HeartbeatNumberRow[]
  forgotten: HeartbeatNumberRow[]
}

export async function admit(
  db: Db,
  batch: readonly Heard[],
  amphorae: ReadonlyMap<string, KnownAmphora>,
  checksSource: boolean,
): Promise<Admission> {
  const ids = [...amphorae.keys()]
  const rows = ids.length === 0 ? [] : await db.selectFrom('heartbeat_number').selectAll().where('amphora_id', 'in', ids).execute()
  const numbersOf = Map.groupBy(rows, ({ amphora_id }) => amphora_id)
  const admission: Admission = { admitted: [], refused: [], numbers: [], forgotten: [] }
  for (const heard of batch) {
    const { amphora_id } = heard.heartbeat
    const amphora = amphorae.get(amphora_id)
    const numbers = numbersOf.get(amphora_id) ?? []
    numbersOf.set(amphora_id, numbers)
    const refusal =
      amphora === undefined
        ? 'unknown'
        : heard.origin.format === 'upstream'
          ? refusalByAddress(heard.origin.address, amphora, numbers, checksSource)
          : refusalByNumber({ amphora_id, ...heard.origin }, numbers, admission)
    if (refusal === null) admission.admitted.push(heard)
    else admission.refused.push({ amphora_id, refusal, packets: heard.packets })
  }
  return admission
}

function refusalByAddress(
  address: string,
  { lb_network_ip }: KnownAmphora,
  numbers: readonly HeartbeatNumberRow[],
  checksSource: boolean,
): LateRefusal | null {
  // An agent that has a key of its own uses no other.
  if (numbers.length > 0) return 'common_key'
  return checksSource && !isSameAddress(address, lb_network_ip) ? 'source' : null
}

/** Notes the number where it is higher than those before. */
function refusalByNumber(
  { amphora_id, controller, firstSeq, lastSeq }: { amphora_id: string; controller: string; firstSeq: number; lastSeq: number },
  numbers: HeartbeatNumberRow[],
  { numbers: changed, forgotten }: Admission,
): LateRefusal | null {
  const known = numbers.find((row) => row.controller === controller)
  if (known !== undefined) {
    if (firstSeq <= known.seq) return 'repeat'
    known.seq = lastSeq
    if (!changed.includes(known)) changed.push(known)
    return null
  }
  if (numbers.length >= MAX_CONTROLLERS) {
    const oldest = numbers.reduce((a, b) => (a.seq < b.seq ? a : b))
    // What was forgotten before had a lower number than all that are left.
    if (firstSeq <= oldest.seq) return 'repeat'
    numbers.splice(numbers.indexOf(oldest), 1)
    if (!changed.includes(oldest)) forgotten.push(oldest)
    else changed.splice(changed.indexOf(oldest), 1)
  }
  const row = { amphora_id, controller, seq: lastSeq }
  numbers.push(row)
  changed.push(row)
  return null
}

function isSameAddress(a: string, b: string | null): boolean {
  if (b === null || a === b) return a === b
  const [left, right] = [parseIp(a), parseIp(b)]
  return left !== null && right !== null && formatIp(left) === formatIp(right)
}

/** Thrown when another health manager has stored a repetition meanwhile; the batch is to be judged again. */
export class Overtaken extends Error {}

export async function storeNumbers(tx: Tx, { numbers, forgotten }: Admission): Promise<void> {
  for (const { amphora_id, controller } of forgotten)
    await tx.deleteFrom('heartbeat_number').where('amphora_id', '=', amphora_id).where('controller', '=', controller).execute()
  if (numbers.length === 0) return
  const stored = await tx
    .insertInto('heartbeat_number')
    .values(numbers.toSorted((a, b) => (`${a.amphora_id} ${a.controller}` < `${b.amphora_id} ${b.controller}` ? -1 : 1)))
    .onConflict((conflict) =>
      conflict
        .columns(['amphora_id', 'controller'])
        .doUpdateSet((expression) => ({ seq: expression.ref('excluded.seq') }))
        .whereRef('excluded.seq', '>', 'heartbeat_number.seq'),
    )
    .returning('amphora_id')
    .execute()
  if (stored.length < numbers.length) throw new Overtaken()
}
