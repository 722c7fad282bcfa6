/** An amphora's machine and ports, taken away. */
import { type Context, task } from '../context.ts'
import type { Tx } from '../db/connection.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { settleReverts } from '../flow/history.ts'
import { timestamp } from '../lib/clock.ts'
import { legName, unfinishedLegs } from './legs.ts'
import { serverName } from './machine.ts'
import { vrrpPortName } from './vrrp-port.ts'

export type DoomedAmphora = {
  id: string
  compute_id: string | null
  leg_port_ids: string[]
  /** Null: another has it. Missing: it may have one that no row knows. */
  vrrp_port_id?: string | null
}

/** Amphorae with what `removeAmphora` must know of them. */
export async function withLegs(
  db: Context['db'],
  amphorae: Pick<AmphoraRow, 'id' | 'compute_id' | 'vrrp_port_id'>[],
): Promise<DoomedAmphora[]> {
  const ids = amphorae.map(({ id }) => id)
  const legs = ids.length === 0 ? [] : await db.selectFrom('amphora_member_port').selectAll().where('amphora_id', 'in', ids).execute()
  return amphorae.map(({ id, compute_id, vrrp_port_id }) => ({
    id,
    compute_id,
    leg_port_ids: legs.filter((leg) => leg.amphora_id === id).map(({ port_id }) => port_id),
    ...(vrrp_port_id === null ? {} : { vrrp_port_id }),
  }))
}

/** By name as well as by id, for an interrupted create may not have stored the id. So are legs found that are unfinished. */
export const removeAmphora = task('delete-amphora', {
  async execute({ db, compute, network }, { id, compute_id, leg_port_ids, vrrp_port_id }: DoomedAmphora) {
    const server = compute_id ?? (await compute.findServer(serverName(id)))
    if (server !== null) await compute.deleteServer(server)
    const unfinished = (await unfinishedLegs(db, [id])).map(({ subnet_id }) => legName({ amphora: { id }, subnet_id }))
    const names = [...(vrrp_port_id === undefined ? [vrrpPortName(id)] : []), ...unfinished]
    const named = await Promise.all(names.map((name) => network.findPort(name)))
    const port_ids = new Set([...leg_port_ids, ...(vrrp_port_id == null ? [] : [vrrp_port_id]), ...named.flatMap((port) => port?.id ?? [])])
    await Promise.all([...port_ids].map((port_id) => network.deletePort(port_id)))
  },
})

/** Nobody sees it any more, and nothing is expected of it. */
export async function forgetAmphora(tx: Tx, id: string, nowMs: number): Promise<void> {
  await tx.deleteFrom('amphora_health').where('amphora_id', '=', id).execute()
  await tx.deleteFrom('heartbeat_number').where('amphora_id', '=', id).execute()
  await tx.deleteFrom('amphora_member_port').where('amphora_id', '=', id).execute()
  await tx.deleteFrom('unfinished_leg').where('amphora_id', '=', id).execute()
  await tx
    .updateTable('amphora')
    .set({ status: 'DELETED', server_certificate: null, updated_at: timestamp(nowMs) })
    .where('id', '=', id)
    .execute()
  // Of a spare one; others' flows work on their load balancers.
  await settleReverts(tx, { subject: id }, 'The amphora was deleted since.')
}
