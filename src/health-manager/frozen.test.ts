import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { eventually } from '../../test/support/eventually.ts'
import { ownPacket } from '../../test/support/heartbeats.ts'
import { openDatabase } from '../db/connection.ts'
import { migrate } from '../db/migrate.ts'

const AMPHORAE = 20
const TIMEOUT_SECONDS = 3
const HEARTBEAT_MS = 250

test('a health manager that was frozen for longer than the timeout replaces nobody, though it heard nobody meanwhile', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-frozen-'))
  const connection = `sqlite://${join(directory, 'ottavia.db')}`
  const db = await openDatabase({ connection })
  await migrate(db)
  const ids = Array.from({ length: AMPHORAE }, (_, i) => `a${i}`)
  await db
    .insertInto('load_balancer')
    .values(ids.map((id) => aLoadBalancerRow({ id: `lb-${id}` })))
    .execute()
  await db
    .insertInto('amphora')
    .values(ids.map((id) => anAmphoraRow({ id, loadbalancer_id: `lb-${id}` })))
    .execute()

  const script = new URL('../../test/support/health-manager-process.ts', import.meta.url).pathname
  const config = {
    health_manager: { heartbeat_timeout: TIMEOUT_SECONDS, health_check_interval: 1 },
    controller_worker: { compute_driver: 'compute_noop_driver' },
  }
  const manager = spawn(process.execPath, [script, connection, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const socket = createSocket('udp4')
  let speaking = true
  const mute = new Set<string>()
  let seq = Date.now()
  const [port] = await new Promise<number[]>((resolve, reject) => {
    manager.stdout.once('data', (line: Buffer) => resolve([Number(line.toString())]))
    manager.once('exit', (code) => reject(new Error(`it ended with ${code}`)))
  })
  const timer = setInterval(() => {
    seq += 1
    if (speaking)
      for (const id of ids)
        if (!mute.has(id)) socket.send(ownPacket({ id, seq, to: 'controller:5555' }, 'heartbeat key'), port!, '127.0.0.1')
  }, HEARTBEAT_MS)
  t.after(async () => {
    clearInterval(timer)
    manager.kill('SIGKILL')
    socket.close()
    await db.destroy()
    rmSync(directory, { recursive: true })
  })
  const failovers = async () => (await db.selectFrom('flow').select('subject').execute()).map(({ subject }) => subject)
  const heard = () => db.selectFrom('amphora_health').select('amphora_id').execute()
  await eventually(async () => assert.equal((await heard()).length, AMPHORAE), 10_000)
  // Until it judges.
  await sleep((TIMEOUT_SECONDS + 1) * 1_000)

  manager.kill('SIGSTOP')
  speaking = false
  await sleep((TIMEOUT_SECONDS + 2) * 1_000)
  manager.kill('SIGCONT')
  // Its first rounds find everybody silent for longer than the timeout.
  await sleep(1_500)
  assert.deepEqual(await failovers(), [])
  speaking = true
  mute.add('a7')
  await eventually(async () => assert.deepEqual(await failovers(), ['lb-a7']), (TIMEOUT_SECONDS + 7) * 1_000)
})
