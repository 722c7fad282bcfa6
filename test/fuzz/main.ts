/** `npm run test:fuzz -- [--cases N] [--seed N]`: on SQLite and, where it is installed, on PostgreSQL; in the tests' sandbox. */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { migrate, openDatabase } from '../../src/db/connection.ts'
import { enterSandbox, startPostgres } from '../support/sandbox.ts'
import { fuzz, summary } from './fuzz.ts'

if (process.env.OTTAVIA_SANDBOX !== '1') {
  if (process.getuid?.() !== 0) {
    console.error('the sandbox needs root')
    process.exit(1)
  }
  process.exit(await enterSandbox([process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)]))
}

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
