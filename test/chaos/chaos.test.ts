import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from './chaos.ts'
import { isGood, printReport } from './report.ts'

const SEED = 20261126

test('a little chaos leaves nothing stuck, leaked or wrong', async (t) => {
  const said: string[] = []
  const report = await chaos({
    seconds: 15,
    loadBalancers: 6,
    controllers: 2,
    seed: SEED,
    portBase: 25_300,
    say: (line) => said.push(line),
  })
  if (report === undefined) return t.skip('no PostgreSQL is installed')
  if (!isGood(report)) {
    console.log(said.join('\n'))
    printReport(report)
  }
  const { stuck, leaked, wrong } = report
  assert.deepEqual({ stuck, leaked, wrong, unexpected: report.counts.unexpected }, { stuck: [], leaked: [], wrong: [], unexpected: [] })
  assert.ok(report.struck.size > 0)
})
