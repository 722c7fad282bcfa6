/** How bodies become rows, for all resources. */
import { randomUUID } from 'node:crypto'
import { childrenAlone } from '../api/faults.ts'
import type { Fault, OperatingStatus, ProvisioningStatus } from '../db/tables.ts'
import { type Clock, timestamp } from '../lib/clock.ts'

/** What the server sets of a new object that a flow is going to make. */
export function newlyCreated(clock: Clock) {
  return {
    id: randomUUID() as string,
    provisioning_status: 'PENDING_CREATE' as ProvisioningStatus,
    operating_status: 'OFFLINE' as OperatingStatus,
    fault: null as Fault | null,
    created_at: timestamp(clock.now()),
    updated_at: null as string | null,
  }
}

/** What the server sets of an object that an update is going to change. */
export function newlyUpdated(clock: Clock) {
  return { provisioning_status: 'PENDING_UPDATE' as ProvisioningStatus, updated_at: timestamp(clock.now()) }
}

/** Of a parent that is created on its own: its children are too. Throws 400 where some are given; null and none are nothing. */
export function refuseChildren(parent: string, children: Record<string, object | null>): void {
  const given = Object.entries(children).filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0))
  if (given.length > 0)
    throw childrenAlone(
      given.map(([name]) => name),
      parent,
    )
}

/** The fields of an update whose column takes no null. */
type NeverNull<U, R> = { [K in keyof U & keyof R as null extends R[K] ? never : K]-?: R[K] | undefined }

/**
 * What an update stores: what it leaves out stays, and null clears. For columns that take no null, `whenNull` says what null means:
 * a default, or undefined for "stays as it is".
 */
export function changedFields<U extends object, R>(update: U, whenNull: NeverNull<U, R>): Partial<R> {
  const stored: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(update)) {
    const resolved = value === null && name in whenNull ? (whenNull as Record<string, unknown>)[name] : value
    if (resolved !== undefined) stored[name] = resolved
  }
  return stored as Partial<R>
}
