/** Real processes are killed at random moments while flows run: every flow still ends, with all its effects or with none. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { forEachDatabase } from '../../test/support/databases.ts'
import { makeFiles } from '../../test/support/doomed-worker.ts'
import { eventually } from '../../test/support/eventually.ts'
import { callOften } from '../../test/support/frozen-worker.ts'
import { seededRandom } from '../../test/support/random.ts'
import { isPostgresql } from '../db/connection.ts'
import { listFlows } from '../flow/history.ts'
import { startFlow } from '../flow/start.ts'

const FLOWS = 60
const KILLS = 12
const WORKERS = 2
const LONGEST_LIFE_MS = 250
/** After the last start; a lease is 5 s, but a dead process of one's own host is seen at once. */
const END_WITHIN_MS = 10_000
const SEED = Number(process.env.OTTAVIA_TEST_SEED ?? 20_261_122)

forEachDatabase(`flows survive that their workers are killed (OTTAVIA_TEST_SEED=${SEED})`, async (open, connection) => {
  const random = seededRandom(SEED)
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-killed-'))
  const db = await open()
  const workers: ChildProcess[] = []
  try {
    // Before the flows: else they could all be done before anybody is killed.
    for (let i = 0; i < WORKERS; i++) workers.push(await aWorker(connection, directory))
    const expected = new Map<string, string[]>()
    const idOf = new Map<string, string>()
    for (let i = 0; i < FLOWS; i++) {
      const files = 1 + Math.floor(random() * 4)
      const failsAt = random() < 0.4 ? Math.floor(random() * (files + 2)) : null
      const name = `flow${i}`
      idOf.set(name, await db.transaction().execute((tx) => startFlow(tx, makeFiles, { name, files, failsAt })))
      const made = ['first', ...Array.from({ length: files }, (_, n) => `${n + 1}`), 'last']
      expected.set(
        name,
        (failsAt === null ? made : ['reverted']).map((suffix) => `${name}-${suffix}`),
      )
    }
    const replace = async (victim: number) => {
      const dead = once(workers[victim]!, 'exit')
      workers[victim]!.kill('SIGKILL')
      await dead
      workers[victim] = await aWorker(connection, directory)
    }
    // However fast or slow the machine is, the first to die leave flows behind.
    await eventually(async () => assert.notEqual((await listFlows(db, { state: 'RUNNING', limit: 1 })).length, 0))
    for (let victim = 0; victim < WORKERS; victim++) await replace(victim)
    for (let kill = 0; kill < KILLS; kill++) {
      // Not a wait for something: the moment of death is what is drawn.
      await sleep(random() * LONGEST_LIFE_MS)
      await replace(Math.floor(random() * WORKERS))
    }
    await eventually(async () => {
      const unended = (await listFlows(db, { limit: FLOWS })).filter(({ ended_at_ms }) => ended_at_ms === null)
      assert.deepEqual(unended, [])
    }, END_WITHIN_MS)
    const flows = await listFlows(db, { limit: FLOWS })
    assert.ok(
      flows.some(({ generation }) => generation > 1),
      'some flow was taken over',
    )
    assert.deepEqual(readdirSync(directory).sort(), [...expected.values()].flat().sort())
    for (const [name, files] of expected) {
      const id = idOf.get(name)!
      assert.equal(flows.find((flow) => flow.id === id)?.state, files[0]!.endsWith('reverted') ? 'REVERTED' : 'DONE')
      for (const file of files) assert.equal(readFileSync(join(directory, file), 'utf8'), id)
    }
  } finally {
    for (const worker of workers) worker.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
})

function aWorker(connection: string, directory: string): Promise<ChildProcess> {
  return aProcess('doomed-worker.ts', connection, directory)
}

async function aProcess(name: string, ...args: string[]): Promise<ChildProcess> {
  const script = new URL(`../../test/support/${name}`, import.meta.url).pathname
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

forEachDatabase('a worker that is frozen for longer than its lease does nothing for its flows when it wakes', async (open, connection) => {
  const db = await open()
  // Several processes on one SQLite database are not a thing that is served (decision 111).
  if (!isPostgresql(db)) return
  const calls: { flow_id: string; generation: number }[] = []
  const recorder = createServer((request, response) => {
    text(request).then((body) => {
      calls.push(JSON.parse(body))
      response.end()
    })
  })
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(recorder.address() as { port: number }).port}/`
  const first = await aProcess('frozen-worker.ts', connection, url)
  let second: ChildProcess | undefined
  try {
    const flows = await Promise.all(['a', 'b', 'c'].map((name) => db.transaction().execute((tx) => startFlow(tx, callOften, { name }))))
    await eventually(() => flows.every((flow_id) => calls.some((call) => call.flow_id === flow_id)))
    first.kill('SIGSTOP')
    second = await aProcess('frozen-worker.ts', connection, url)
    await eventually(() => flows.every((id) => calls.some(({ flow_id, generation }) => flow_id === id && generation === 2)), 10_000)
    first.kill('SIGCONT')
    await eventually(async () => assert.equal((await listFlows(db, { state: 'DONE' })).length, flows.length), 10_000)
    for (const id of flows) {
      const generations = calls.filter(({ flow_id }) => flow_id === id).map(({ generation }) => generation)
      assert.deepEqual(generations, generations.toSorted(), 'nobody calls after his successor')
    }
    const written = await db.selectFrom('setting').select('value').where('key', 'in', ['a', 'b', 'c']).execute()
    assert.deepEqual(written, [{ value: '2' }, { value: '2' }, { value: '2' }])
  } finally {
    first.kill('SIGKILL')
    second?.kill('SIGKILL')
    await new Promise((resolve) => recorder.close(resolve))
  }
})
