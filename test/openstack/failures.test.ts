/**
 * Each service of a real OpenStack fails at each of its calls in each operation, in each way. By default a few of the thousands of trials, by chance:
 * OTTAVIA_TEST_FAILURES=all tries all, a number so many that came to the request that was to fail; OTTAVIA_TEST_SEED chooses others;
 * OTTAVIA_TEST_OPERATION takes one operation only.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { noOpenStack } from '../support/openstack.ts'
import { operations } from '../support/openstack-operations.ts'
import { openStage, proxied, type Stage } from '../support/openstack-stage.ts'
import { seededRandom } from '../support/random.ts'
import { mishaps } from '../support/service-proxy.ts'
import { describeTrial, type Trial, Trials } from './trial.ts'

const PORT_BASE = 23_600
const { OTTAVIA_TEST_FAILURES = '24', OTTAVIA_TEST_SEED = '1', OTTAVIA_TEST_OPERATION } = process.env

/** Nothing is asked but for the operations, so that their calls can be counted; patience is short, so that its end is seen. A reservation outlives a slow request. */
const more = {
  health_manager: ['health_check_interval = 3600'],
  house_keeping: ['orphan_check_interval = 3600', 'reservation_expiry_age = 15', 'cleanup_interval = 1', 'revert_retry_interval = 2'],
  certificates: ['cert_manager = barbican_cert_manager', 'renewal_check_interval = 3600'],
  service_auth: ['timeout = 3'],
  compute: ['max_retries = 4', 'retry_interval = 1', 'retry_backoff = 0'],
  networking: ['max_retries = 4', 'retry_interval = 1', 'retry_backoff = 0'],
  // What agents do is not what fails here.
  controller_worker: ['amphora_driver = amphora_noop_driver', 'amp_active_wait_sec = 1'],
}

describe('a service of a real OpenStack fails', { skip: noOpenStack ?? false }, () => {
  let stage: Stage
  before(async () => {
    stage = await openStage({ portBase: PORT_BASE, more })
  })
  after(() => stage?.close())

  test('and every operation ends, says why, leaves nothing, and goes on when the service is back', async () => {
    const tried = await Trials.begin(stage)
    const drawn = shuffled(await allTrials(tried))
    const wanted = OTTAVIA_TEST_FAILURES === 'all' ? drawn.length : Number(OTTAVIA_TEST_FAILURES)
    const ends: Record<string, number> = {}
    const reached = () => Object.values(ends).reduce((sum, count) => sum + count, 0) - (ends['not reached'] ?? 0)
    const wrong: string[] = []
    for (const trial of drawn) {
      if (reached() === wanted) break
      const started = performance.now()
      const end = await tried.run(trial).catch((error: Error) => error)
      const told = end instanceof Error ? `WRONG: ${end.message}` : end
      console.error(`     ${describeTrial(trial)}: ${told} (${((performance.now() - started) / 1_000).toFixed(1)} s)`)
      if (end instanceof Error) wrong.push(`${describeTrial(trial)}: ${end.stack}\n${await stage.controller.ottavia('flow', 'list')}`)
      else ends[end] = (ends[end] ?? 0) + 1
      // What one has left would be taken for the next one's.
      if (end instanceof Error) {
        await tried.end().catch(() => {})
        break
      }
    }
    console.error(`     trials: ${JSON.stringify(ends)}`)
    assert.deepEqual(wrong, [])
    assert.ok(reached() > 0, 'no trial came to the request that was to fail')
    await tried.end()
  })
})

async function allTrials(tried: Trials): Promise<Trial[]> {
  const trials: Trial[] = []
  for (const operation of operations.filter(({ name }) => name === (OTTAVIA_TEST_OPERATION ?? name))) {
    const counts = await tried.countCalls(operation)
    console.error(`     ${operation.name}: ${JSON.stringify(counts)}`)
    for (const service of proxied) {
      for (let call = 0; call < counts[service]; call++) {
        for (const mishap of mishaps)
          for (const lasts of ['once', 'lasting'] as const)
            for (const then of ['waits', 'goes on'] as const) trials.push({ operation, service, call, mishap, lasts, then })
      }
    }
  }
  return trials
}

/** In an order that hangs on the seed alone. */
function shuffled(trials: Trial[]): Trial[] {
  const random = seededRandom(Number(OTTAVIA_TEST_SEED))
  return trials
    .map((trial) => ({ trial, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ trial }) => trial)
}
