/** The database: whether it answers, what has been done to it, and whether it may be brought up to date. */
import { existsSync } from 'node:fs'
import { sql } from 'kysely'
import { isPostgresql, openDatabase, sqliteFile } from '../db/connection.ts'
import { schemaState } from '../db/migrate.ts'
import { databaseConnection } from '../main/installation.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'

export async function checkDatabase({ config }: Look): Promise<Said[]> {
  const connection = databaseConnection(config)
  const file = sqliteFile(connection)
  // Nothing is made here, not even an empty file.
  if (file !== undefined && file !== ':memory:' && !existsSync(file)) return [ok(`SQLite in ${file}, made at the first start`)]
  let db: Awaited<ReturnType<typeof openDatabase>>
  try {
    db = await openDatabase({ connection })
  } catch (failure) {
    return [error((failure as Error).message, '[database] connection = postgresql://octavia:PASSWORD@HOST/octavia')]
  }
  try {
    const said: Said[] = [ok(isPostgresql(db) ? 'PostgreSQL answers' : `SQLite in ${file}`)]
    const { done, missing, unknown, needed } = await schemaState(db)
    if (unknown.length > 0)
      said.push(
        warning(
          `a newer program has brought the schema up to date (${unknown.join(', ')}${needed === null ? '' : `; ${needed} is needed`})`,
        ),
      )
    if (missing.length > 0) {
      said.push(
        done.length === 0 ? ok('the schema is made at the first start') : ok(`the first process that starts does ${missing.join(', ')}`),
      )
      if (isPostgresql(db) && !(await mayChangeSchema(db))) {
        said.push(
          error(
            'the database’s user may not make tables',
            'ALTER DATABASE octavia OWNER TO octavia; or: GRANT CREATE ON SCHEMA public TO octavia',
          ),
        )
      }
    }
    return said
  } catch (failure) {
    return [error(`the database cannot be asked: ${(failure as Error).message}`, '[database] connection')]
  } finally {
    await db.destroy()
  }
}

async function mayChangeSchema(db: Parameters<typeof schemaState>[0]): Promise<boolean> {
  const { rows } = await sql<{ may: boolean }>`select has_schema_privilege(current_schema(), 'CREATE') as may`.execute(db)
  return rows[0]?.may === true
}
