import { notFound } from '../../api/faults.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { L7RuleRow } from '../../db/tables.ts'

export async function findL7Rule(db: Db, id: string): Promise<L7RuleRow | undefined> {
  return db.selectFrom('l7rule').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function countL7RulesOfPolicy(db: Db, l7policy_id: string): Promise<number> {
  const { count } = await db
    .selectFrom('l7rule')
    .select(({ fn }) => fn.countAll().as('count'))
    .where('l7policy_id', '=', l7policy_id)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** The ids of each policy's rules, oldest first. */
export async function listL7RuleIdsOfPolicies(db: Db, l7policy_ids: string[]): Promise<Map<string, string[]>> {
  const ruleIds = new Map<string, string[]>(l7policy_ids.map((id) => [id, []]))
  if (l7policy_ids.length === 0) return ruleIds
  const rules = await db
    .selectFrom('l7rule')
    .select(['id', 'l7policy_id'])
    .where('l7policy_id', 'in', l7policy_ids)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  for (const { id, l7policy_id } of rules) ruleIds.get(l7policy_id)?.push(id)
  return ruleIds
}

export async function insertL7Rule(tx: Tx, row: L7RuleRow): Promise<void> {
  await tx.insertInto('l7rule').values(row).execute()
}

/** Throws 404 when a flow has deleted it meanwhile. */
export async function updateL7Rule(tx: Tx, id: string, changes: Partial<L7RuleRow>): Promise<void> {
  const { numUpdatedRows } = await tx.updateTable('l7rule').set(changes).where('id', '=', id).executeTakeFirst()
  if (numUpdatedRows === 0n) throw notFound('L7 Rule', id)
}
