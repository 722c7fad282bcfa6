import { witnessedBy, witnessedByAbsence } from '../../db/commit-hooks.ts'
import { type Db, heldFor, type Tx } from '../../db/connection.ts'
import type { FlavorProfileRow, FlavorRow } from '../../db/tables.ts'

export async function findFlavor(db: Db, id: string): Promise<FlavorRow | undefined> {
  return db.selectFrom('flavor').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Nobody deletes it before the transaction has ended. */
export async function findFlavorToUse(tx: Tx, id: string): Promise<FlavorRow | undefined> {
  return heldFor(tx, 'share', tx.selectFrom('flavor').selectAll().where('id', '=', id)).executeTakeFirst()
}

/** Nobody begins to use it before the transaction has ended. */
export async function findFlavorToChange(tx: Tx, id: string): Promise<FlavorRow | undefined> {
  return heldFor(tx, 'update', tx.selectFrom('flavor').selectAll().where('id', '=', id)).executeTakeFirst()
}

/** The profile of the flavor of that id. */
export async function findProfileOfFlavor(db: Db, flavor_id: string): Promise<FlavorProfileRow | undefined> {
  return db
    .selectFrom('flavor')
    .innerJoin('flavor_profile', 'flavor_profile.id', 'flavor.flavor_profile_id')
    .selectAll('flavor_profile')
    .where('flavor.id', '=', flavor_id)
    .executeTakeFirst()
}

/** False: the name is another's. */
export async function insertFlavor(tx: Tx, row: FlavorRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('flavor')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirstOrThrow()
  await witnessedBy(tx, tx.selectFrom('flavor').select('id').where('id', '=', row.id))
  return numInsertedOrUpdatedRows !== 0n
}

export async function isFlavorNameTaken(tx: Tx, name: string, by_other_than: string): Promise<boolean> {
  const other = await tx.selectFrom('flavor').select('id').where('name', '=', name).where('id', '!=', by_other_than).executeTakeFirst()
  return other !== undefined
}

export async function updateFlavor(tx: Tx, id: string, changes: Partial<FlavorRow>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('flavor').set(changes).where('id', '=', id).execute()
}

export async function deleteFlavor(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('flavor').where('id', '=', id).execute()
  await witnessedByAbsence(tx, tx.selectFrom('flavor').select('id').where('id', '=', id))
}

/** Whether there is a load balancer of that flavor; deleted ones, whose rows are kept for a while, have no say. */
export async function isFlavorInUse(tx: Tx, id: string): Promise<boolean> {
  const user = await tx
    .selectFrom('load_balancer')
    .select('id')
    .where('flavor_id', '=', id)
    .where('provisioning_status', '!=', 'DELETED')
    .limit(1)
    .executeTakeFirst()
  return user !== undefined
}
