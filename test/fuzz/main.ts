/** `npm run test:fuzz -- [--cases N] [--seed N]`: on SQLite and, where it is installed, on PostgreSQL; in the tests' sandbox. */
import { parseArgs } from 'node:util'
import { openDatabase } from '../../src/db/connection.ts'
import { migrate } from '../../src/db/migrate.ts'
import { insideSandbox, startPostgres } from '../support/sandbox.ts'
import { fuzz, summary } from './fuzz.ts'

await insideSandbox(import.meta.filename)

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '20000' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } },
})
const options = { cases: Number(values.cases), seed: Number(values.seed) }
const postgres = await startPostgres()
let found = 0
for (const connection of ['sqlite://', ...(postgres === undefined ? [] : [postgres.url])]) {
  const db = await openDatabase({ connection })
  await migrate(db)
  const result = await fuzz(db, options)
  for (const finding of result.findings) console.log(`${finding}\n`)
  console.log(`seed ${options.seed}: ${summary(db, result)}`)
  found += result.findings.length
  await db.destroy()
}
await postgres?.stop()
process.exit(found === 0 ? 0 : 1)
