/** `npm run test:chaos -- [--minutes N] [--load-balancers N] [--controllers N] [--seed N]`: in the tests' sandbox. */
import { parseArgs } from 'node:util'
import { insideSandbox } from '../support/sandbox.ts'
import { chaos } from './chaos.ts'
import { isGood, printReport } from './report.ts'

await insideSandbox(import.meta.filename)

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    'load-balancers': { type: 'string', default: '50' },
    controllers: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
console.log(`${values.minutes} minutes, ${values['load-balancers']} load balancers, ${values.controllers} controllers, seed ${values.seed}`)
const started = performance.now()
const report = await chaos({
  seconds: Number(values.minutes) * 60,
  loadBalancers: Number(values['load-balancers']),
  controllers: Number(values.controllers),
  seed: Number(values.seed),
  portBase: 25_100,
  say: (line) => console.log(`${((performance.now() - started) / 1_000).toFixed(0).padStart(5)} s  ${line}`),
})
if (report === undefined) {
  console.error('chaos needs PostgreSQL (Debian: postgresql)')
  process.exit(1)
}
printReport(report)
process.exit(isGood(report) ? 0 : 1)
