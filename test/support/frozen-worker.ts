/**
 * A worker in a process of its own, to be frozen: `frozen-worker.ts CONNECTION RECORDER`. Its flow asks a driver many times within one step, and writes rows; the
 * driver tells the recorder, an HTTP server of the test, the flow's generation with each call.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { flowKit } from '../../src/flow/define.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createLog, type Log } from '../../src/lib/log.ts'
import { createMetrics, type Metrics } from '../../src/monitoring/metrics.ts'
import { startWorker } from '../../src/worker/worker.ts'

interface Driver {
  call(flow: string, generation: number): Promise<void>
}

interface World {
  db: Db
  clock: Clock
  log: Log
  metrics: Metrics
  driver: Driver
}

const { flow, task } = flowKit<World>()
const CALLS = 20
const PAUSE_MS = 100

export const callOften = flow<{ name: string }>('call-often', {
  async steps(run, { name }) {
    await run(callAndWrite, { name })
  },
})

const callAndWrite = task('call-and-write', {
  async execute({ db, driver, flow_id, generation }, { name }: { name: string }) {
    for (let call = 0; call < CALLS; call++) {
      await driver.call(flow_id, generation)
      const value = String(generation)
      await db.transaction().execute(async (tx) => {
        await tx
          .insertInto('setting')
          .values({ key: name, value })
          .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
          .execute()
      })
      await sleep(PAUSE_MS)
    }
  },
})

if (import.meta.main) {
  const [connection, recorder] = process.argv.slice(2) as [string, string]
  const db = await openDatabase({ connection })
  const driver: Driver = {
    async call(flow_id, generation) {
      await fetch(recorder, { method: 'POST', body: JSON.stringify({ flow_id, generation }) })
    },
  }
  const context = { db, clock: systemClock, log: createLog('silent'), metrics: createMetrics(), driver }
  startWorker({ context, flows: [callOften], drivers: ['driver'], leaseMs: 2_000 })
  process.stdout.write('running\n')
}
