import { witnessedBy, witnessedByAbsence } from '../../db/commit-hooks.ts'
import { type Db, heldFor, type Tx } from '../../db/connection.ts'
import type { FlavorProfileRow } from '../../db/tables.ts'

export async function findFlavorProfile(db: Db, id: string): Promise<FlavorProfileRow | undefined> {
  return db.selectFrom('flavor_profile').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Nobody deletes it before the transaction has ended. */
export async function findFlavorProfileToUse(tx: Tx, id: string): Promise<FlavorProfileRow | undefined> {
  return heldFor(tx, 'share', tx.selectFrom('flavor_profile').selectAll().where('id', '=', id)).executeTakeFirst()
}

/** Nobody begins to use it before the transaction has ended. */
export async function findFlavorProfileToChange(tx: Tx, id: string): Promise<FlavorProfileRow | undefined> {
  return heldFor(tx, 'update', tx.selectFrom('flavor_profile').selectAll().where('id', '=', id)).executeTakeFirst()
}

export async function insertFlavorProfile(tx: Tx, row: FlavorProfileRow): Promise<void> {
  await tx.insertInto('flavor_profile').values(row).execute()
  await witnessedBy(tx, tx.selectFrom('flavor_profile').select('id').where('id', '=', row.id))
}

export async function updateFlavorProfile(tx: Tx, id: string, changes: Partial<FlavorProfileRow>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('flavor_profile').set(changes).where('id', '=', id).execute()
}

export async function deleteFlavorProfile(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('flavor_profile').where('id', '=', id).execute()
  await witnessedByAbsence(tx, tx.selectFrom('flavor_profile').select('id').where('id', '=', id))
}

/** Whether there is a flavor of that profile. */
export async function isFlavorProfileInUse(db: Db, id: string): Promise<boolean> {
  const user = await db.selectFrom('flavor').select('id').where('flavor_profile_id', '=', id).limit(1).executeTakeFirst()
  return user !== undefined
}
