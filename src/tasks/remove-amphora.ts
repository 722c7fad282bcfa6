/** An amphora's machine and ports, taken away. */
import { type Context, task } from '../context.ts'
import type { Tx } from '../db/connection.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { serverName } from './machine.ts'
import { vrrpPortName } from './vrrp-port.ts'

export type DoomedAmphora = { id: string; compute_id: string | null; leg_port_ids: string[] }

/** Amphorae with what `removeAmphora` must know of them. */
export async function withLegs(db: Context['db'], amphorae: Pick<AmphoraRow, 'id' | 'compute_id'>[]): Promise<DoomedAmphora[]> {
  const ids = amphorae.map(({ id }) => id)
  const legs = ids.length === 0 ? [] : await db.selectFrom('amphora_member_port').selectAll().where('amphora_id', 'in', ids).execute()
  return amphorae.map(({ id, compute_id }) => ({
    id,
    compute_id,
    leg_port_ids: legs.filter((leg) => leg.amphora_id === id).map(({ port_id }) => port_id),
  }))
}

/** By name as well as by id, for an interrupted create may not have stored the id. */
export const removeAmphora = task('delete-amphora', {
  async execute({ compute, network }, { id, compute_id, leg_port_ids }: DoomedAmphora) {
    const server = compute_id ?? (await compute.findServer(serverName(id)))
    if (server !== null) await compute.deleteServer(server)
    const vrrpPort = await network.findPort(vrrpPortName(id))
    await Promise.all([...leg_port_ids, ...(vrrpPort === null ? [] : [vrrpPort.id])].map((port_id) => network.deletePort(port_id)))
  },
})

/** Nobody sees it any more, and nothing is expected of it. */
export async function forgetAmphora(tx: Tx, id: string, nowMs: number): Promise<void> {
  await tx.deleteFrom('amphora_health').where('amphora_id', '=', id).execute()
  await tx.deleteFrom('heartbeat_number').where('amphora_id', '=', id).execute()
  await tx.deleteFrom('amphora_member_port').where('amphora_id', '=', id).execute()
  await tx
    .updateTable('amphora')
    .set({ status: 'DELETED', server_certificate: null, updated_at: timestamp(nowMs) })
    .where('id', '=', id)
    .execute()
}
