/** The same question to the real octavia-health-manager, by the generator of heartbeats that lies beside it (`OTTAVIA_SHARED`). */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'
import { LoadClient } from '../api/client.ts'
import { hasOctavia, heartbeatPort, startOctavia } from '../api/octavia.ts'
import { seed } from '../api/seed.ts'

const COPIES = 200
const PROJECT = 'bench'.padEnd(32, '0')
const LOAD_BALANCERS = '/v2/lbaas/loadbalancers'
/** Heartbeats that were sent are given so long to be stored. */
const SETTLE_SECONDS = 10
const TIMEOUT_MS = 180_000

const generator = join(process.env.OTTAVIA_SHARED ?? '/nonexistent', 'octavia/heartbeats.mjs')

export const canMeasureOctavia = (): boolean => hasOctavia() && existsSync(generator)

/** For each rate, how many heartbeats a second were stored. */
export async function measureOctavia(rates: readonly number[], seconds: number): Promise<number[]> {
  const target = await startOctavia()
  const client = new LoadClient(target.url)
  try {
    const members = [{ address: '203.0.113.10', protocol_port: 80 }]
    const default_pool = { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members }
    const listeners = [{ name: 'listener', protocol: 'HTTP', protocol_port: 80, default_pool }]
    const loadbalancer = { name: 'template', project_id: PROJECT, vip_subnet_id: '7e9d2b3c-1111-4a4a-9b9b-000000000001', listeners }
    const { id } = JSON.parse((await client.send('POST', LOAD_BALANCERS, { loadbalancer })).text).loadbalancer as { id: string }
    await client.until(async () => (await client.send('GET', `${LOAD_BALANCERS}/${id}`)).text.includes('"ACTIVE"'), 200)
    // Octavia 11 leaves the children of such a create as they are.
    for (const { table, where } of target.store.tables(id)) {
      if ((await target.store.columnsOf(table)).includes('provisioning_status'))
        await target.store.execute(`update ${table} set provisioning_status = 'ACTIVE' where ${where}`)
    }
    await seed(target.store, id, PROJECT, 1, COPIES)
    const ids = '/run/bench-heartbeats.json'
    await generate('--api', target.url, '--project', PROJECT, '--save', ids)
    const applied: number[] = []
    for (const rate of rates) {
      const text = await generate(
        ...['--ids', ids, '--port', String(heartbeatPort), '--rate', String(rate), '--seconds', String(seconds)],
        ...['--stats-api', target.url, '--settle', String(SETTLE_SECONDS)],
      )
      const { statistics_applied } = JSON.parse(text) as { statistics_applied: number }
      // What was stored in time counts at the rate at which it was sent; else the time after it counts, too.
      const isKept = statistics_applied >= 0.99 * rate * seconds
      applied.push(statistics_applied / (isKept ? seconds : seconds + SETTLE_SECONDS))
    }
    return applied
  } finally {
    client.close()
    await target.stop()
  }
}

async function generate(...args: string[]): Promise<string> {
  const { stdout } = await exec(process.execPath, [generator, ...args], { timeoutMs: TIMEOUT_MS })
  return stdout
}
