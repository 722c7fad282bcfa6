/**
 * A worker in a process of its own, to be killed: `doomed-worker.ts CONNECTION DIRECTORY`. Its flows make files in the directory; a file holds the id of
 * the flow that made it, so that what is left over or taken from another is seen.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { flowKit } from '../../src/flow/define.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createLog, type Log } from '../../src/lib/log.ts'
import { createMetrics, type Metrics } from '../../src/monitoring/metrics.ts'
import { startWorker } from '../../src/worker/worker.ts'

interface World {
  db: Db
  clock: Clock
  log: Log
  metrics: Metrics
  directory: string
}

const { flow, task } = flowKit<World>()

/** Steps take between nothing and this, so that a kill finds them at any point. */
const LONGEST_PAUSE_MS = 60

export const makeFiles = flow<{ name: string; files: number; failsAt: number | null }>('make-files', {
  async steps(run, { name, files, failsAt }) {
    await run(makeFile, { path: `${name}-first`, fails: failsAt === 0 })
    const numbers = Array.from({ length: files }, (_, i) => i + 1)
    await run.parallel(
      numbers,
      (number) => `${number}`,
      (branch, number) => branch(makeFile, { path: `${name}-${number}`, fails: failsAt === number }),
    )
    await run(makeFile, { path: `${name}-last`, fails: failsAt === files + 1 }, { key: 'last' })
  },
  async afterRevert({ directory, flow_id }, { name }) {
    writeFileSync(join(directory, `${name}-reverted`), flow_id)
  },
})

const makeFile = task('make-file', {
  async execute({ directory, flow_id }, { path, fails }: { path: string; fails: boolean }) {
    await sleep(Math.random() * LONGEST_PAUSE_MS)
    writeFileSync(join(directory, path), flow_id)
    await sleep(Math.random() * LONGEST_PAUSE_MS)
    if (fails) throw new Error(`${path} was to fail`)
    return path
  },
  async revert({ directory, flow_id }, { path }) {
    await sleep(Math.random() * LONGEST_PAUSE_MS)
    const file = join(directory, path)
    if (existsSync(file) && readFileSync(file, 'utf8') === flow_id) rmSync(file)
  },
})

if (import.meta.main) {
  const [connection, directory] = process.argv.slice(2) as [string, string]
  const db = await openDatabase({ connection })
  startWorker({
    context: { db, clock: systemClock, log: createLog('silent'), metrics: createMetrics(), directory },
    flows: [makeFiles],
    places: [{ names: [makeFiles.name], most: 2 }],
  })
  process.stdout.write('running\n')
}
