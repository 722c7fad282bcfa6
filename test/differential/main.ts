/**
 * `npm run test:differential -- [--cases N] [--seed N]`: random sequences of requests to the real octavia-api and to ours. Shrinks what it
 * finds, prints each kind of difference once, and ends with `N passed, N failed`, where a case is one compared request.
 */
import { parseArgs } from 'node:util'
import { insideSandbox } from '../support/sandbox.ts'
import { whyNoOracle } from './oracle.ts'
import { shownDifference } from './report.ts'
import { openSession, playSequences } from './run.ts'
import { shrink, signature } from './shrink.ts'

const { values } = parseArgs({ options: { cases: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } } })
const cases = Number(values.cases)
const seed = Number(values.seed)
const reason = whyNoOracle()
if (reason !== undefined) {
  console.error(`there is no oracle to compare with: ${reason}`)
  process.exit(1)
}
await insideSandbox(import.meta.filename)

const MAX_SHRUNK = 40
const session = await openSession()
const seen = new Map<string, number>()
const listed = new Map<string, number>()
const statuses = new Map<string, number>()
let compared = 0
let failed = 0
let reported = 0
console.log(`seed ${seed}, ${cases} cases`)
for await (const { steps, seed: own, played } of playSequences(session, seed, cases)) {
  const before = Math.floor(compared / 1_000)
  compared += played.cases
  failed += played.differences.length
  for (const name of played.listed) listed.set(name, (listed.get(name) ?? 0) + 1)
  for (const [status, count] of played.statuses) statuses.set(status, (statuses.get(status) ?? 0) + count)
  for (const difference of played.differences) {
    const kind = signature(difference)
    const times = seen.get(kind) ?? 0
    seen.set(kind, times + 1)
    if (times > 0 || seen.size > MAX_SHRUNK) continue
    const shrunk = await shrink(session.play, steps, difference)
    reported++
    console.log(`\n#${reported} ${shownDifference(own, shrunk.steps, shrunk.difference)}`)
  }
  if (Math.floor(compared / 1_000) > before) console.log(`${compared} compared, ${failed} different`)
}
await session.stop()
for (const [kind, times] of [...seen].sort(([, a], [, b]) => b - a)) console.log(`${String(times).padStart(6)}  ${kind}`)
console.log(`answers by status: ${sorted(statuses)}`)
console.log(`listed differences met (docs/differences.md): ${sorted(listed)}`)
console.log(`${compared - failed} passed, ${failed} failed`)
process.exit(failed === 0 && compared > 0 ? 0 : 1)

function sorted(counts: Map<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
