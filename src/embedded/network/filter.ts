import { type RawBuilder, type SqlBool, sql } from 'kysely'

/** Columns and the values they may have; what is undefined does not narrow. Column names come from code, never from a client. */
export type Filter<Row> = { [K in keyof Row]?: Row[K] extends string | boolean | null ? Row[K] | Row[K][] : never }

export function matching<Row>(filter: Filter<Row>): RawBuilder<SqlBool> {
  const conditions: RawBuilder<SqlBool>[] = [sql`1 = 1`]
  for (const [column, wanted] of Object.entries(filter)) {
    if (wanted === undefined) continue
    const values: unknown[] = Array.isArray(wanted) ? wanted : [wanted]
    const known = values.filter((value) => value !== null)
    const ways: RawBuilder<SqlBool>[] = known.length > 0 ? [sql`${sql.ref(column)} in (${sql.join(known)})`] : []
    if (known.length < values.length) ways.push(sql`${sql.ref(column)} is null`)
    conditions.push(ways.length > 0 ? sql`(${sql.join(ways, sql` or `)})` : sql`1 = 0`)
  }
  return sql`${sql.join(conditions, sql` and `)}`
}
