import type { Fault } from '../db/tables.ts'
import type { Caller } from './policy.ts'

/** Ours: an object in ERROR also says why; what drivers said in detail is for admins. In other states nothing is added. */
export function shownFault(object: { provisioning_status: string; fault: Fault | null }, caller: Caller): { fault?: Partial<Fault> } {
  if (object.provisioning_status !== 'ERROR' || object.fault === null) return {}
  const { message, created_at, details } = object.fault
  const isAdmin = caller.is_admin || caller.roles.includes('admin')
  return { fault: isAdmin ? { message, created_at, details } : { message, created_at } }
}
