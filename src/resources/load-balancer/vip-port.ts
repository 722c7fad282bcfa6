/**
 * The VIP's port must exist before the client gets his answer, and a crash must not leave one that no row knows. So the request first
 * commits a reservation, then makes the port by the load balancer's name with no transaction open; the transaction that stores the rows
 * drops the reservation. What led to nothing is undone here, or later by a periodic job (design, decision 3).
 */
import assert from 'node:assert/strict'
import { validationFailure } from '../../api/faults.ts'
import type { ApiContext } from '../../api/route.ts'
import { witnessedBy } from '../../db/commit-hooks.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { LoadBalancerRow } from '../../db/tables.ts'
import { ServiceError } from '../../drivers/errors.ts'
import type { Port, WantedPort } from '../../drivers/network/driver.ts'
import { type VipPlace, vipPortName } from './vip.ts'

export type VipPort = Pick<LoadBalancerRow, 'vip_address' | 'vip_port_id' | 'vip_port_owned' | 'additional_vips'>

type NewLoadBalancer = { id: string; project_id: string }

/**
 * Calls `store` with the VIP's port, and answers what it answers. `store` must call `dropReservation` in its transaction. When it
 * throws, the port is taken away again, unless it was the user's own.
 */
export async function withVipPort<T>(
  context: ApiContext,
  { id, project_id }: NewLoadBalancer,
  place: VipPlace,
  store: (port: VipPort) => Promise<T>,
): Promise<T> {
  if (place.port !== null) {
    return store(vipOnPort(place, place.port, false))
  }
  const { db, network, clock, log } = context
  await db.transaction().execute(async (tx) => {
    await tx.insertInto('vip_reservation').values({ load_balancer_id: id, project_id, created_at_ms: clock.now() }).execute()
    await witnessedBy(tx, tx.selectFrom('vip_reservation').select('load_balancer_id').where('load_balancer_id', '=', id))
  })
  let mayStillBeMade = false
  try {
    const { network_id, qos_policy_id } = place
    const fixed_ips = [place, ...place.additional].map(({ subnet_id, address }) => ({
      subnet_id,
      ...(address === null ? {} : { ip_address: address }),
    }))
    const port = await network
      .ensurePort(wantedVipPort({ id, project_id, network_id, fixed_ips, qos_policy_id }))
      .catch((error: unknown) => {
        mayStillBeMade = error instanceof ServiceError && error.isFailure
        throw error
      })
    return await store(vipOnPort(place, port, true))
  } catch (error) {
    // A service that failed may still be at it: the reservation stays, and a periodic job undoes what came of it.
    if (mayStillBeMade) throw error
    // If this fails too, the reservation stays as well; the client is told the first reason.
    await undoReservation(context, id).catch((failure: unknown) => {
      log.warn({ load_balancer_id: id, err: failure }, 'the reservation of a VIP could not be undone now')
    })
    throw error
  }
}

type OfVip = NewLoadBalancer & Pick<WantedPort, 'network_id' | 'fixed_ips' | 'qos_policy_id'>

export function wantedVipPort({ id, ...given }: OfVip): WantedPort {
  return {
    name: vipPortName(id),
    never_renamed: true,
    device_owner: 'Octavia',
    device_id: `lb-${id}`,
    // Traffic goes to the amphorae's ports, which are allowed the VIP's address; this one only keeps it.
    admin_state_up: false,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: id,
    ...given,
  }
}

/** The addresses that the port has in each subnet. */
function vipOnPort(place: VipPlace, port: Port, vip_port_owned: boolean): VipPort {
  const addressOn = ({ subnet_id, address }: { subnet_id: string; address: string | null }): string => {
    const found = address ?? (port.fixed_ips.find((fixed) => fixed.subnet_id === subnet_id) ?? port.fixed_ips[0])?.ip_address
    if (found === undefined) throw validationFailure(`The VIP port ${port.id} has no address.`)
    return found
  }
  return {
    vip_address: addressOn(place),
    vip_port_id: port.id,
    vip_port_owned,
    additional_vips: place.additional.map((vip) => ({ subnet_id: vip.subnet_id, ip_address: addressOn(vip), port_id: port.id })),
  }
}

/** Throws when someone has begun to undo it, because the port is going away then. */
export async function dropReservation(tx: Tx, load_balancer_id: string, port: VipPort): Promise<void> {
  if (!port.vip_port_owned) return
  const { numDeletedRows } = await tx
    .deleteFrom('vip_reservation')
    .where('load_balancer_id', '=', load_balancer_id)
    .where('created_at_ms', '!=', BEING_UNDONE)
    .executeTakeFirst()
  assert.equal(numDeletedRows, 1n, `the VIP of load balancer ${load_balancer_id} took too long`)
}

/** In the place of its time: the reservation can no longer be used. */
const BEING_UNDONE = 0

/** Reservations older than that moment, and those whose undoing was interrupted. */
export async function listReservationsBefore(db: Db, beforeMs: number, limit: number): Promise<{ load_balancer_id: string }[]> {
  return db.selectFrom('vip_reservation').select('load_balancer_id').where('created_at_ms', '<', beforeMs).limit(limit).execute()
}

/** Takes away the port that a reservation led to, if any, then the reservation. */
export async function undoReservation({ db, network }: Pick<ApiContext, 'db' | 'network'>, load_balancer_id: string): Promise<void> {
  const reservation = await db
    .updateTable('vip_reservation')
    .set({ created_at_ms: BEING_UNDONE })
    .where('load_balancer_id', '=', load_balancer_id)
    .returning('project_id')
    .executeTakeFirst()
  // Without a reservation the load balancer was stored after all, and the port is its own.
  if (reservation === undefined) return
  const port = await network.findPort(vipPortName(load_balancer_id), reservation.project_id)
  if (port !== null) await network.deletePort(port.id, { made_by: load_balancer_id })
  await db.deleteFrom('vip_reservation').where('load_balancer_id', '=', load_balancer_id).execute()
}
