import { witnessedBy, witnessedByAbsence } from '../../db/commit-hooks.ts'
import { type Db, heldFor, type Tx } from '../../db/connection.ts'
import type { AvailabilityZoneProfileRow } from '../../db/tables.ts'

export async function findAvailabilityZoneProfile(db: Db, id: string): Promise<AvailabilityZoneProfileRow | undefined> {
  return db.selectFrom('availability_zone_profile').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Nobody deletes it before the transaction has ended. */
export async function findAvailabilityZoneProfileToUse(tx: Tx, id: string): Promise<AvailabilityZoneProfileRow | undefined> {
  return heldFor(tx, 'share', tx.selectFrom('availability_zone_profile').selectAll().where('id', '=', id)).executeTakeFirst()
}

/** Nobody begins to use it before the transaction has ended. */
export async function findAvailabilityZoneProfileToChange(tx: Tx, id: string): Promise<AvailabilityZoneProfileRow | undefined> {
  return heldFor(tx, 'update', tx.selectFrom('availability_zone_profile').selectAll().where('id', '=', id)).executeTakeFirst()
}

export async function insertAvailabilityZoneProfile(tx: Tx, row: AvailabilityZoneProfileRow): Promise<void> {
  await tx.insertInto('availability_zone_profile').values(row).execute()
  await witnessedBy(tx, tx.selectFrom('availability_zone_profile').select('id').where('id', '=', row.id))
}

export async function updateAvailabilityZoneProfile(tx: Tx, id: string, changes: Partial<AvailabilityZoneProfileRow>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('availability_zone_profile').set(changes).where('id', '=', id).execute()
}

export async function deleteAvailabilityZoneProfile(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('availability_zone_profile').where('id', '=', id).execute()
  await witnessedByAbsence(tx, tx.selectFrom('availability_zone_profile').select('id').where('id', '=', id))
}

/** Whether there is an availability zone of that profile. */
export async function isAvailabilityZoneProfileInUse(db: Db, id: string): Promise<boolean> {
  const user = await db
    .selectFrom('availability_zone')
    .select('name')
    .where('availability_zone_profile_id', '=', id)
    .limit(1)
    .executeTakeFirst()
  return user !== undefined
}
