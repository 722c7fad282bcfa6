/** `npm run test:loss -- [--changes N] [--seed N] [--rate N]`: the load test in full, in the tests' sandbox. */
import { parseArgs } from 'node:util'
import { insideSandbox } from '../support/sandbox.ts'
import { HARD_STOP_AFTER, measureLoss, NOTICED_WITHIN } from './loss.ts'
import { lostRequests, needlessReloads, printReport, usualRate } from './report.ts'

/** Where the machine does not carry this load, the run proves nothing. */
const LEAST_RATE = 2_000

await insideSandbox(import.meta.filename)

const { values } = parseArgs({
  options: {
    changes: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '2400' },
  },
})
const { changes, seed, rate } = values
console.log(`${changes} changes, seed ${seed}, ${rate} requests a second`)
const options = { changes: Number(changes), seed: Number(seed), rate: Number(rate), portBase: 24_900 }
const report = await measureLoss({ ...options, onProgress: console.log })
printReport(report)
const isBounded = report.oldWorkers.longestMs <= (HARD_STOP_AFTER + NOTICED_WITHIN) * 1_000
const isLoaded = usualRate(report) >= LEAST_RATE
if (!isLoaded) console.log(`less than ${LEAST_RATE} requests a second: this run proves nothing`)
process.exit(isLoaded && lostRequests(report) === 0 && needlessReloads(report) === 0 && isBounded ? 0 : 1)
