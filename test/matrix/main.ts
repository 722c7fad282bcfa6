/**
 * The crash matrix: `npm run test:matrix [-- --flow NAME] [--database sqlite|postgresql] [--mishap KIND]`. Every flow, run once for every moment at which its
 * worker may die, every step that may fail, and every call to a driver that may fail, hang, find its agent dead or the database gone; and
 * every request to doubles of OpenStack's services that may fail. Prints what became of the runs; ends with status 1 where one ended badly. Needs root, as all tests that make a sandbox.
 */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { allFlows } from '../../src/resources/all-flows.ts'
import { mishaps, type Told } from '../support/flow-life.ts'
import { runFiles, type Totals } from '../support/reporter.ts'
import { insideSandbox, startPostgres } from '../support/sandbox.ts'

const databases = { sqlite: 'SQLite', postgresql: 'PostgreSQL' } as const
/** Of the tests of a flow, by the mishap. */
const titles = {
  worker: 'survives a crash',
  step: 'leaves nothing when a step fails',
  database: 'meets mishaps: database',
  agent: 'meets mishaps: agent',
  error: 'meets mishaps: error',
  hang: 'meets mishaps: hang',
  service: 'meets failing services',
} satisfies Record<(typeof mishaps)[number], string>
/** The longest test makes some thousand runs. */
const TIMEOUT_MS = 3_600_000

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const { flow, database, mishap } = readOptions()
await insideSandbox(fileURLToPath(import.meta.url))

const postgres = database === 'sqlite' ? undefined : await startPostgres()
const directory = mkdtempSync(join(tmpdir(), 'ottavia-matrix-'))
const results = join(directory, 'results')
writeFileSync(results, '')
Object.assign(process.env, { OTTAVIA_TEST_MATRIX: 'full', OTTAVIA_TEST_MATRIX_RESULTS: results })
if (postgres !== undefined) process.env.OTTAVIA_TEST_POSTGRES = postgres.url

const files = globSync('src/**/*.test.ts')
  .filter((file) => /^(| {2})(flowSurvives|openStackFails)\(/m.test(readFileSync(file, 'utf8')))
  .sort()
const kinds = mishap === undefined ? mishaps : [mishap]
const words = kinds.map((kind) => titles[kind]).join('|')
const where = database === undefined ? '' : `.*\\[${databases[database]}\\]`
const names = [new RegExp(`^${flow ?? '[-a-z0-9]+'} .*(${words})${where}`)]
const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
await runFiles(
  files.map((file) => [file, { names, timeoutMs: TIMEOUT_MS }]),
  cpus().length,
  totals,
)
await postgres?.stop()

const told = readResults(results)
rmSync(directory, { recursive: true })
printTable(told)
const defects = told.flatMap((one) => one.defects)
// Only some of them ask services for anything.
const wanted = mishap === 'service' ? [] : allFlows.filter(({ name }) => (flow ?? name) === name)
const missing = wanted.filter(({ name }) => !told.some((one) => one.flow === name))
for (const { name } of missing) console.log(`no run of ${name}`)
console.log(`${told.reduce((sum, { runs }) => sum + runs, 0)} runs, ${defects.length} ended badly`)
process.exit(told.length > 0 && totals.failed === 0 && defects.length === 0 && missing.length === 0 ? 0 : 1)

function readOptions() {
  const { values } = parseArgs({ options: { flow: { type: 'string' }, database: { type: 'string' }, mishap: { type: 'string' } } })
  return {
    flow: oneOf(
      'flow',
      values.flow,
      allFlows.map(({ name }) => name),
    ),
    database: oneOf('database', values.database, Object.keys(databases) as (keyof typeof databases)[]),
    mishap: oneOf('mishap', values.mishap, mishaps),
  }
}

function oneOf<T extends string>(option: string, value: string | undefined, known: readonly T[]): T | undefined {
  const found = known.find((one) => one === value)
  if (value === undefined || found !== undefined) return found
  console.error(`--${option} ${value}: give one of ${known.join(', ')}`)
  process.exit(2)
}

/** Several tests of one flow and mishap, such as with different topologies, are one line. */
function readResults(file: string): Told[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const all = lines.map((line) => JSON.parse(line) as Told)
  return [...Map.groupBy(all, (one) => `${one.flow} ${one.mishap} ${one.database}`).values()].map((ones) => ({
    ...ones[0]!,
    runs: ones.reduce((sum, { runs }) => sum + runs, 0),
    done: ones.reduce((sum, { done }) => sum + done, 0),
    reverted: ones.reduce((sum, { reverted }) => sum + reverted, 0),
    defects: ones.flatMap(({ defects }) => defects),
  }))
}

/** A flow that a crash or an outage only delayed has done its work (ACTIVE); a reverted one says why (ERROR). */
function printTable(told: Told[]): void {
  const order = (one: Told) => [allFlows.findIndex(({ name }) => name === one.flow), mishaps.indexOf(one.mishap)] as const
  console.log(
    `${'flow'.padEnd(26)}${'mishap'.padEnd(10)}${'database'.padEnd(12)}${'runs'.padStart(6)}${'ACTIVE'.padStart(8)}${'ERROR'.padStart(8)}${'defects'.padStart(9)}`,
  )
  for (const one of told.toSorted((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1])) {
    const counts = `${String(one.runs).padStart(6)}${String(one.done).padStart(8)}${String(one.reverted).padStart(8)}${String(one.defects.length).padStart(9)}`
    console.log(`${one.flow.padEnd(26)}${one.mishap.padEnd(10)}${one.database.padEnd(12)}${counts}`)
  }
}
