import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

const HEARTBEAT_TIMEOUT_SECONDS = 3
/** The timeout, the interval of looking, and the batch in which it is written. */
const SHOWN_WITHIN_MS = (HEARTBEAT_TIMEOUT_SECONDS + 3) * 1_000
const DELETED_WITHIN_MS = 5_000

test('a pair with one dead amphora that nobody replaces is shown DEGRADED, with two ERROR, and is deleted within five seconds', async () => {
  const config = `[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY
[health_manager]\nheartbeat_timeout = ${HEARTBEAT_TIMEOUT_SECONDS}\nfailover_threshold = 1\n`
  const controller = await new Controller({ portBase: 22_600, config }).start()
  try {
    const token = await controller.token()
    const created = await controller.request<{ loadbalancer: { id: string } }>('POST', '/v2/lbaas/loadbalancers', token, {
      loadbalancer: { vip_subnet_id: await privateSubnetId(controller) },
    })
    const path = `/v2/lbaas/loadbalancers/${created.body.loadbalancer.id}`
    const showsEventually = (key: 'provisioning_status' | 'operating_status', wanted: string, withinMs: number) =>
      eventually(async () => {
        const { body } = await controller.request<{ loadbalancer: Record<typeof key, string> }>('GET', path, token)
        assert.equal(body.loadbalancer[key], wanted)
      }, withinMs)
    await showsEventually('provisioning_status', 'ACTIVE', 15_000)
    await showsEventually('operating_status', 'ONLINE', 5_000)

    // By keys of their own, which they have from their configuration.
    const db = new DatabaseSync(join(controller.stateDirectory, 'ottavia.db'), { readOnly: true })
    const speaking = db.prepare('select count(distinct amphora_id) as speaking from heartbeat_number')
    await eventually(async () => assert.equal(speaking.get()!.speaking, 2))
    db.close()

    const { body } = await controller.request<{ amphorae: { compute_id: string }[] }>('GET', '/v2/octavia/amphorae', token)
    const [first, second] = body.amphorae
    await controller.ottavia('lab', 'amphora', 'kill', first!.compute_id)
    await showsEventually('operating_status', 'DEGRADED', SHOWN_WITHIN_MS)
    await controller.ottavia('lab', 'amphora', 'kill', second!.compute_id)
    await showsEventually('operating_status', 'ERROR', SHOWN_WITHIN_MS)

    assert.equal((await controller.request('DELETE', path, token)).status, 204)
    await eventually(async () => (await controller.request('GET', path, token)).status === 404, DELETED_WITHIN_MS)
  } finally {
    await controller.down()
  }
})
