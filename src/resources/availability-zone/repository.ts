import { witnessedBy, witnessedByAbsence } from '../../db/commit-hooks.ts'
import { type Db, heldFor, type Tx } from '../../db/connection.ts'
import type { AvailabilityZoneProfileRow, AvailabilityZoneRow } from '../../db/tables.ts'

export async function findAvailabilityZone(db: Db, name: string): Promise<AvailabilityZoneRow | undefined> {
  return db.selectFrom('availability_zone').selectAll().where('name', '=', name).executeTakeFirst()
}

/** Nobody deletes it before the transaction has ended. */
export async function findAvailabilityZoneToUse(tx: Tx, name: string): Promise<AvailabilityZoneRow | undefined> {
  return heldFor(tx, 'share', tx.selectFrom('availability_zone').selectAll().where('name', '=', name)).executeTakeFirst()
}

/** Nobody begins to use it before the transaction has ended. */
export async function findAvailabilityZoneToChange(tx: Tx, name: string): Promise<AvailabilityZoneRow | undefined> {
  return heldFor(tx, 'update', tx.selectFrom('availability_zone').selectAll().where('name', '=', name)).executeTakeFirst()
}

/** The profile of the zone of that name. */
export async function findProfileOfAvailabilityZone(db: Db, name: string): Promise<AvailabilityZoneProfileRow | undefined> {
  return db
    .selectFrom('availability_zone')
    .innerJoin('availability_zone_profile', 'availability_zone_profile.id', 'availability_zone.availability_zone_profile_id')
    .selectAll('availability_zone_profile')
    .where('availability_zone.name', '=', name)
    .executeTakeFirst()
}

/** False: the name is another's. */
export async function insertAvailabilityZone(tx: Tx, row: AvailabilityZoneRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('availability_zone')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirstOrThrow()
  // Another's of the same name and profile, made in between, would be as good.
  const { name, availability_zone_profile_id } = row
  const same = tx.selectFrom('availability_zone').select('name').where('name', '=', name)
  await witnessedBy(tx, same.where('availability_zone_profile_id', '=', availability_zone_profile_id))
  return numInsertedOrUpdatedRows !== 0n
}

export async function updateAvailabilityZone(tx: Tx, name: string, changes: Partial<AvailabilityZoneRow>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('availability_zone').set(changes).where('name', '=', name).execute()
}

export async function deleteAvailabilityZone(tx: Tx, name: string): Promise<void> {
  await tx.deleteFrom('availability_zone').where('name', '=', name).execute()
  await witnessedByAbsence(tx, tx.selectFrom('availability_zone').select('name').where('name', '=', name))
}

/** Whether there is a load balancer in that zone; deleted ones, whose rows are kept for a while, have no say. */
export async function isAvailabilityZoneInUse(tx: Tx, name: string): Promise<boolean> {
  const user = await tx
    .selectFrom('load_balancer')
    .select('id')
    .where('availability_zone', '=', name)
    .where('provisioning_status', '!=', 'DELETED')
    .limit(1)
    .executeTakeFirst()
  return user !== undefined
}
