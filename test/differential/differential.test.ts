/** A slice of `npm run test:differential`: the same random requests to the real octavia-api and to ours get the same answers. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { rules } from './differences.ts'
import { whyNoOracle } from './oracle.ts'
import { shownDifference } from './report.ts'
import { openSession, playSequences } from './run.ts'

const CASES = 2_000
const SEED = 3
/** A busy machine compares fewer. */
const LONGEST_MS = 90_000

const reason = whyNoOracle()

test(`random requests are answered as by the real octavia-api${reason === undefined ? '' : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, async () => {
  const session = await openSession()
  const differences: string[] = []
  let compared = 0
  try {
    for await (const { steps, seed, played } of playSequences(session, SEED, CASES, performance.now() + LONGEST_MS)) {
      compared += played.cases
      for (const difference of played.differences) differences.push(shownDifference(seed, steps.slice(0, difference.index + 1), difference))
    }
  } finally {
    await session.stop()
  }
  assert.ok(compared > 100, `only ${compared} were compared`)
  assert.equal(differences.length, 0, differences.slice(0, 3).join('\n'))
})

test('every rule by which a difference is let pass is on the page of differences', () => {
  const page = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
  for (const { name } of rules) assert.ok(page.includes(`\`${name}\``), name)
})
