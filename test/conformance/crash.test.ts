import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'
import { seededRandom } from '../support/random.ts'

const SEED = 20261122
const ROUNDS = 6
/** A create takes less than this, so kills fall before, in and after it. */
const LONGEST_BEFORE_KILL_MS = 700
const SETTLED_WITHIN_MS = 10_000
const PROBE_EVERY_MS = 20

interface LoadBalancer {
  id: string
  name: string
  vip_address: string
  provisioning_status: string
}

const webServer = `require('node:http').createServer((q, r) => r.end('web')).listen(80, '0.0.0.0')`

test('a controller killed at any moment and started again ends everything ACTIVE or ERROR within 10 s, leaves nothing over and interrupts no traffic', async () => {
  const random = seededRandom(SEED)
  const controller = await new Controller({ portBase: 22_200 }).start()
  const web = (
    await controller.ottavia('lab', 'host', 'create', 'web', '--subnet', 'private-subnet', '--', process.execPath, '-e', webServer)
  ).trim()
  const subnet_id = await privateSubnetId(controller)
  const body = (name: string) => ({
    loadbalancer: {
      name,
      vip_subnet_id: subnet_id,
      listeners: [
        {
          protocol: 'HTTP',
          protocol_port: 80,
          default_pool: { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address: web, protocol_port: 80 }] },
        },
      ],
    },
  })
  const list = async () => {
    const { body: answer } = await controller.request<{ loadbalancers: LoadBalancer[] }>(
      'GET',
      '/v2/lbaas/loadbalancers',
      await controller.token(),
    )
    return answer.loadbalancers
  }
  const settled = () =>
    eventually(
      async () => (await list()).every(({ provisioning_status }) => ['ACTIVE', 'ERROR'].includes(provisioning_status)),
      SETTLED_WITHIN_MS,
    )
  try {
    await controller.request('POST', '/v2/lbaas/loadbalancers', await controller.token(), body('steady'))
    await settled()
    const steady = (await list())[0]!
    assert.equal(steady.provisioning_status, 'ACTIVE')
    await eventually(() => answers(steady.vip_address), 5_000)
    const baseline = readdirSync('/run/netns').length
    const probe = probing(steady.vip_address)

    for (let round = 0; round < ROUNDS; round++) {
      const token = await controller.token()
      const posted = controller.request('POST', '/v2/lbaas/loadbalancers', token, body(`round-${round}`)).catch(() => undefined)
      await sleep(random() * LONGEST_BEFORE_KILL_MS)
      await controller.kill()
      await posted
      await controller.start()
      await settled()
      for (const one of (await list()).filter(({ id }) => id !== steady.id)) {
        if (one.provisioning_status === 'ACTIVE') await eventually(() => answers(one.vip_address), 5_000)
        const deleted = controller
          .request('DELETE', `/v2/lbaas/loadbalancers/${one.id}?cascade=true`, await controller.token())
          .catch(() => undefined)
        if (random() < 0.5) {
          await sleep(random() * 100)
          await controller.kill()
          await deleted
          await controller.start()
          await settled()
          await controller.request('DELETE', `/v2/lbaas/loadbalancers/${one.id}?cascade=true`, await controller.token())
        }
        await deleted
      }
      await eventually(async () => (await list()).length === 1, SETTLED_WITHIN_MS)
      await eventually(() => readdirSync('/run/netns').length === baseline, SETTLED_WITHIN_MS)
    }
    const { asked, failed } = await probe.stop()
    assert.ok(asked > 100)
    assert.equal(failed, 0, `${failed} of ${asked} requests failed`)
  } finally {
    await controller.down()
  }
})

function answers(vip: string): Promise<boolean> {
  return fetch(`http://${vip}/`, { signal: AbortSignal.timeout(2_000), headers: { connection: 'close' } }).then(
    async (response) => (await response.text()) === 'web' && response.ok,
    () => false,
  )
}

/** One request after the other, until stopped. */
function probing(vip: string): { stop(): Promise<{ asked: number; failed: number }> } {
  let running = true
  const counts = { asked: 0, failed: 0 }
  const run = (async () => {
    while (running) {
      counts.asked++
      if (!(await answers(vip))) counts.failed++
      await sleep(PROBE_EVERY_MS)
    }
    return counts
  })()
  return {
    stop: () => {
      running = false
      return run
    },
  }
}
