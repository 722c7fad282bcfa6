/** Certificates that are renewed, exchanged and lost, under load. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { HaproxyWatch } from '../loss/haproxy-watch.ts'
import { lostOf, startLoad } from '../loss/load.ts'
import { eventually } from '../support/eventually.ts'
import { OpenstackClient } from '../support/openstack-client.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'
import { TestCa } from './support/tls-material.ts'

const CONFIG = '[certificates]\nrenewal_check_interval = 1\n'
const NOTICED_WITHIN_MS = 15_000
const HANDSHAKES_PER_SECOND = 60

describe('certificates that change', () => {
  let plane: DataPlane
  let client: Client
  let made: Made
  let ca: TestCa
  let first: string
  let second: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_700, config: CONFIG })
    ca = await TestCa.create(join(plane.controller.stateDirectory, 'test'), 'Test CA')
    for (const name of ['first', 'renewed', 'second', 'exchanged']) await ca.issue(name)
    const address = await plane.members('web', { http: [8001] })
    client = await plane.client('client')
    // As the README says it.
    const openstack = new OpenstackClient(plane.controller)
    const payload = ['--payload-content-type', 'application/octet-stream', '--payload-content-encoding', 'base64', '--payload']
    const stored = await openstack.show('secret', 'store', '--name', 'first', ...payload, (await ca.bundle('first')).toString('base64'))
    first = String(stored['Secret href'])
    second = await plane.storeSecret('second', await ca.bundle('second'))
    const pool = { name: 'web', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address, protocol_port: 8001 }] }
    const listener = (name: string, protocol_port: number, fields: object) => ({
      name,
      protocol: 'TERMINATED_HTTPS',
      protocol_port,
      default_pool: { name: 'web' },
      ...fields,
    })
    made = await plane.loadBalancer({
      pools: [pool],
      listeners: [
        listener('first', 443, { default_tls_container_ref: first }),
        listener('second', 444, { default_tls_container_ref: second, sni_container_refs: [first] }),
      ],
    })
  })
  after(() => plane?.stop())

  const shown = async (port: number, servername?: string) =>
    (await client.ask({ url: `https://${made.vip}:${port}/`, servername }))[0]!.server
  /** What the change costs the clients of both listeners: new handshakes and kept connections. */
  async function underLoad(change: () => Promise<void>): Promise<void> {
    const watch = await HaproxyWatch.of(made.id)
    const targets = [443, 444].map((port) => ({
      host: made.vip,
      port,
      tls: true,
      path: '/',
      fresh: HANDSHAKES_PER_SECOND,
      kept: HANDSHAKES_PER_SECOND,
    }))
    const reloads = await watch.reloads()
    const load = startLoad(client, targets)
    try {
      await load.more(HANDSHAKES_PER_SECOND)
      await change()
      await load.more(2 * HANDSHAKES_PER_SECOND)
      const report = await load.stop()
      assert.equal(lostOf(report), 0, JSON.stringify(report.examples.slice(0, 3)))
      assert.equal((await watch.reloads()) - reloads, 0, 'nothing was reloaded')
    } finally {
      load.abort()
      await watch.stop()
    }
  }

  test('a renewed secret is swapped in wherever it is named, without a failed handshake or a reload', async () => {
    assert.deepEqual([await shown(443), await shown(444), await shown(444, 'first')], ['first', 'second', 'first'])
    const renewed = await ca.bundle('renewed')
    await underLoad(async () => {
      await plane.secrets('PUT', `${new URL(first).pathname}/payload`, renewed, 'application/octet-stream')
      await eventually(async () => assert.equal(await shown(443), 'renewed'), NOTICED_WITHIN_MS)
    })
    assert.deepEqual([await shown(444), await shown(444, 'renewed')], ['second', 'renewed'])
  })

  test('another secret for a listener is swapped in, too', async () => {
    const exchanged = await plane.storeSecret('exchanged', await ca.bundle('exchanged'))
    await underLoad(async () => {
      await plane.change(made, 'PUT', `/v2/lbaas/listeners/${made.listeners.second}`, {
        listener: { default_tls_container_ref: exchanged },
      })
      assert.equal(await shown(444), 'exchanged')
    })
    second = exchanged
  })

  test('the loss of a secret takes no listener down, whatever else changes, and neither does a broken renewal', async () => {
    await plane.secrets('DELETE', new URL(second).pathname)
    await plane.secrets('PUT', `${new URL(first).pathname}/payload`, Buffer.from('no bundle'), 'application/octet-stream')
    const listener = { loadbalancer_id: made.id, protocol: 'HTTP', protocol_port: 80, default_pool_id: made.pools.web }
    await plane.change(made, 'POST', '/v2/lbaas/listeners', { listener })
    const [http, tls] = await client.ask({ url: `http://${made.vip}/` }, { url: `https://${made.vip}:443/` })
    assert.deepEqual([http!.status, tls!.status, tls!.server], [200, 200, 'renewed'])
    assert.equal(await shown(444), 'exchanged')
  })
})
