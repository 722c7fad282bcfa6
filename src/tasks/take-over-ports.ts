/**
 * An amphora's ports in its VIP's and its members' networks go from its machine into its replacement's. Between the two lies the fence: the old
 * machine has no such port any more, by the word of network and compute and not by its own, so that it may hang, be cut off or come back to life.
 */
import { type Context, task } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { ifThere } from '../drivers/errors.ts'
import type { NetworkDriver } from '../drivers/network/driver.ts'
import type { StepContext } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'
import { sideBySide } from '../lib/side-by-side.ts'
import { failure } from '../resources/failures.ts'
import { requireLoadBalancer } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { untilInService } from './in-service.ts'
import { legName } from './legs.ts'
import { type VrrpPort, vrrpPortName } from './vrrp-port.ts'

/** Of one amphora, at the services. */
const PORTS_AT_ONCE = 4

/** An amphora that is being replaced, and those of its ports that still exist. An unfinished leg goes with it. */
export type Former = {
  id: string
  compute_id: string | null
  /** Its address, which its replacement is to have, also where the port has gone. */
  vrrp_ip?: string | null
  /** Null where it has gone, or never was. */
  vrrp_port: VrrpPort | null
  legs: { port_id: string; subnet_id: string }[]
}

export async function portsOf(
  db: Db,
  network: NetworkDriver,
  { id, vrrp_ip, vrrp_port_id }: Pick<AmphoraRow, 'id' | 'vrrp_ip' | 'vrrp_port_id'>,
): Promise<Pick<Former, 'vrrp_ip' | 'vrrp_port' | 'legs'>> {
  const port = vrrp_port_id === null ? null : await ifThere(network.getPort(vrrp_port_id))
  const vrrp_port = port === null || vrrp_ip === null ? null : { port_id: port.id, mac_address: port.mac_address, vrrp_ip }
  const plugged = await db
    .selectFrom('amphora_member_port')
    .select(['port_id', 'subnet_id'])
    .where('amphora_id', '=', id)
    .orderBy('port_id')
    .execute()
  const legs: Former['legs'] = []
  for (const leg of plugged) if ((await ifThere(network.getPort(leg.port_id))) !== null) legs.push(leg)
  return { vrrp_ip, vrrp_port, legs }
}

/**
 * True when the former machine has lost its ports for certain. They are out of service first, which the network does by itself, also where the host of
 * the machine is silent. False when it does not let go of one: then nobody else may have them. VisibleError when nobody knows.
 */
export const fenceFormer = untilInService(
  task('fence-former', {
    async execute(context, { former }: { amphora_id: string; former: Former }) {
      const { network, ...step } = context
      const ports = movedPorts(former)
      await sideBySide(ports, PORTS_AT_ONCE, ({ port_id }) => network.updatePort(port_id, { admin_state_up: false }, fenceOf(step)))
      const { compute_id } = former
      if (compute_id === null) return true
      const out = await sideBySide(ports, PORTS_AT_ONCE, ({ port_id }) => takeOut(context, compute_id, port_id))
      return out.every((isOut) => isOut)
    },
    // Where the new machine had them, they have been taken out of it again.
    async revert({ network, compute, ...step }, { former }) {
      const isAlive = former.compute_id !== null && (await compute.getServer(former.compute_id)).status !== 'GONE'
      for (const { port_id } of movedPorts(former)) {
        if ((await ifThere(network.getPort(port_id))) === null) continue
        if (isAlive) await compute.attachPort(former.compute_id!, port_id, fenceOf(step))
        await network.updatePort(port_id, { admin_state_up: true }, fenceOf(step))
      }
    },
  }),
  ({ amphora_id }) => amphora_id,
)

/** A machine that is gone has no port, whoever else can be asked. */
async function takeOut(context: Context & StepContext, compute_id: string, port_id: string): Promise<boolean> {
  const { compute, network } = context
  const isGone = async () => (await compute.getServer(compute_id)).status === 'GONE'
  try {
    // It is deleted in the end anyway, and often its host is dead.
    if (!(await compute.detachPort(compute_id, port_id, { soon: true }))) return false
  } catch (error) {
    if (!(await isGone())) throw failure('amphora_not_fenced', { details: `server ${compute_id} keeps port ${port_id}: ${String(error)}` })
  }
  const { device_id } = await network.getPort(port_id)
  if (device_id !== compute_id) return true
  if (!(await isGone())) throw failure('amphora_not_fenced', { details: `port ${port_id} is still in server ${compute_id}` })
  // Who took the machine away did not get to say so of the port, and no other takes it as it is.
  await network.updatePort(port_id, { device_id: '', device_owner: '' }, fenceOf(context))
  return true
}

/**
 * For a machine that does not let go of its ports: it is ended, and they go with it. When its host comes back it may do what it was asked meanwhile, and take a port of theirs
 * out of whatever machine has it by then; so the new one gets others, with the same address on the VIP's network. VisibleError when the machine does not end.
 */
export const endFormer = task('end-former', {
  async execute({ db, compute, network }, { former }: { former: Former }) {
    const { compute_id } = former
    if (compute_id === null) return
    try {
      await compute.deleteServer(compute_id)
    } catch (error) {
      throw failure('amphora_not_fenced', { details: `server ${compute_id}: ${String(error)}` })
    }
    for (const { port_id } of movedPorts(former)) {
      await network.deletePort(port_id)
      await db.deleteFrom('amphora_member_port').where('port_id', '=', port_id).execute()
    }
  },
})

type TakeOver = { load_balancer_id: string; amphora_id: string; compute_id: string; former: Former; serves_at_once: boolean }

/**
 * Into the new machine. Ports are named after their amphora, hence get other names. With `serves_at_once` all of them are in service then; without it the
 * VIP's waits for `openVrrpPort`.
 */
export const takeOverPorts = untilInService(
  task('take-over-ports', {
    async execute(
      { db, network, compute, clock, ...step },
      { load_balancer_id, amphora_id, compute_id, former, serves_at_once }: TakeOver,
    ) {
      const fence = fenceOf(step)
      const ports = movedPorts(former)
      await sideBySide(ports, PORTS_AT_ONCE, ({ port_id, nameFor }) => {
        const isOpen = serves_at_once || port_id !== former.vrrp_port?.port_id
        return network.updatePort(port_id, { name: nameFor(amphora_id), ...(isOpen ? { admin_state_up: true } : {}) }, fence)
      })
      // Each change of a machine waits for the one before.
      for (const { port_id } of ports) await compute.attachPort(compute_id, port_id, fence)
      const { vip_address, vip_port_id } = await requireLoadBalancer(db, load_balancer_id)
      const moved = { ...former, ha_ip: vip_address, ha_port_id: vip_port_id }
      await moveInRows(db, { from: former.id, to: amphora_id, ...moved }, clock.now())
    },
    async revert({ db, network, compute, clock, ...step }, { load_balancer_id, amphora_id, compute_id, former }) {
      const fence = fenceOf(step)
      for (const { port_id, nameFor } of movedPorts(former)) {
        if ((await ifThere(network.getPort(port_id))) === null) continue
        await compute.detachPort(compute_id, port_id)
        await network.updatePort(port_id, { name: nameFor(former.id) }, fence)
      }
      const { vip_address, vip_port_id } = await requireLoadBalancer(db, load_balancer_id)
      const ports = { ...former, ha_ip: vip_address, ha_port_id: vip_port_id }
      await moveInRows(db, { from: amphora_id, to: former.id, ...ports }, clock.now())
    },
  }),
  ({ amphora_id }) => amphora_id,
)

/** Lets clients in where nobody served meanwhile: before HAProxy listens they would be refused, while now they have only waited. */
export const openVrrpPort = task('open-vrrp-port', {
  async execute({ network, ...step }, { port_id }: { port_id: string }) {
    await network.updatePort(port_id, { admin_state_up: true }, fenceOf(step))
  },
})

function movedPorts({ vrrp_port, legs }: Former): { port_id: string; nameFor(amphora_id: string): string }[] {
  return [
    ...(vrrp_port === null ? [] : [{ port_id: vrrp_port.port_id, nameFor: vrrpPortName }]),
    ...legs.map(({ port_id, subnet_id }) => ({ port_id, nameFor: (id: string) => legName({ amphora: { id }, subnet_id }) })),
  ]
}

type Move = Pick<Former, 'vrrp_port' | 'legs'> & { from: string; to: string; ha_ip: string; ha_port_id: string }

async function moveInRows(db: Db, { from, to, vrrp_port, legs, ha_ip, ha_port_id }: Move, nowMs: number): Promise<void> {
  const updated_at = timestamp(nowMs)
  await db.transaction().execute(async (tx) => {
    for (const { port_id } of legs)
      await tx.updateTable('amphora_member_port').set({ amphora_id: to }).where('port_id', '=', port_id).execute()
    if (vrrp_port === null) return
    const { port_id: vrrp_port_id, vrrp_ip } = vrrp_port
    await tx.updateTable('amphora').set({ vrrp_ip, vrrp_port_id, ha_ip, ha_port_id, updated_at }).where('id', '=', to).execute()
    const none = { vrrp_ip: null, vrrp_port_id: null, ha_ip: null, ha_port_id: null }
    await tx
      .updateTable('amphora')
      .set({ ...none, updated_at })
      .where('id', '=', from)
      .execute()
  })
}
