import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HARD_STOP_AFTER, measureLoss, NOTICED_WITHIN } from '../loss/loss.ts'
import { lostRequests, needlessReloads } from '../loss/report.ts'

/** `npm run test:loss` does a thousand, with any seed, under the full load. Here the machine may be busy with other things. */
const CHANGES = 30
const SEED = 20261126
const RATE = 1_200

test('no request is lost while members, policies, listeners and pools change at random, and nothing is reloaded without need', async () => {
  const report = await measureLoss({ changes: CHANGES, seed: SEED, rate: RATE, portBase: 24_200 })
  assert.equal(lostRequests(report), 0, report.lostDuring.join('\n'))
  assert.equal(needlessReloads(report), 0, 'HAProxy is told of members, weights and states while it runs')
  assert.ok(report.load.requests.fresh > 2_000 && report.load.requests.kept > 2_000, 'there was a load')
  assert.ok(report.oldWorkers.longestMs <= (HARD_STOP_AFTER + NOTICED_WITHIN) * 1_000, 'no old worker outlives its bound')
})
