/** Health monitors of every kind that HAProxy has: what they ask, whom they take out of service, and when he comes back. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'
import type { Echo } from './support/member-host.ts'

/** Checks, heartbeats and the health manager between a member's change and its status. */
const NOTICED_WITHIN_MS = 10_000
const often = { delay: 1, timeout: 1, max_retries: 1, max_retries_down: 1 }
const http = [8001, 8002, 8003, 8004, 8005]
const tls = [8441, 8442]

describe('health monitors', () => {
  let plane: DataPlane
  let client: Client
  let made: Made
  let web: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_300 })
    const { stdout } = await exec('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=m',
      '-keyout',
      '-',
    ])
    const pem = join(plane.controller.stateDirectory, 'member.pem')
    writeFileSync(pem, stdout)
    web = await plane.members('web', { http, tls: tls.map((port) => ({ port, pem })) })
    client = await plane.client('client')
    const pool = (name: string, ports: number[], healthmonitor: object, fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      members: ports.map((protocol_port) => ({ address: web, protocol_port })),
      healthmonitor: { ...often, ...healthmonitor },
      ...fields,
    })
    const listener = (protocol_port: number, default_pool: object, protocol = 'HTTP') => ({
      name: `on ${protocol_port}`,
      protocol,
      protocol_port,
      default_pool,
    })
    const asked = {
      type: 'HTTP',
      http_method: 'HEAD',
      url_path: '/health/deep',
      expected_codes: '200,203',
      http_version: 1.1,
      domain_name: 'check.example',
    }
    const tcp = { protocol: 'TCP' }
    const nobody = { address: '203.0.113.1', protocol_port: 80 }
    made = await plane.loadBalancer({
      listeners: [
        listener(81, pool('http', [8001, 8002], asked)),
        listener(82, pool('https', tls, { type: 'HTTPS', url_path: '/health' }, { protocol: 'HTTPS' }), 'HTTPS'),
        listener(83, pool('tcp', [8001, 8999], { type: 'TCP' }, tcp), 'TCP'),
        listener(84, pool('ping', [8001], { type: 'PING' }, { ...tcp, members: [{ address: web, protocol_port: 8001 }, nobody] }), 'TCP'),
        // A port that takes connections and speaks no TLS.
        listener(85, pool('hello', [8441, 8001], { type: 'TLS-HELLO' }, tcp), 'TCP'),
        listener(
          86,
          pool(
            'elsewhere',
            [],
            { type: 'HTTP', url_path: '/health' },
            {
              members: [
                { address: web, protocol_port: 8003, monitor_port: 8005 },
                { address: web, protocol_port: 8004, monitor_address: '203.0.113.1' },
              ],
            },
          ),
        ),
      ],
    })
  })
  after(() => plane?.stop())

  async function statuses(pool: string): Promise<Record<string, string>> {
    const { members } = await plane.get<{ members: { address: string; protocol_port: number; operating_status: string }[] }>(
      `/v2/lbaas/pools/${made.pools[pool]}/members`,
    )
    return Object.fromEntries(members.map(({ protocol_port, operating_status }) => [protocol_port, operating_status]))
  }
  const eventuallyAre = (pool: string, wanted: Record<string, string>) =>
    eventually(async () => assert.deepEqual(await statuses(pool), wanted), NOTICED_WITHIN_MS)
  const behind = async (port: number) => new Set(await client.membersBehind(`http://${made.vip}:${port}/`, 4))
  const setHealth = (port: number, status: number) => client.ask({ url: `http://${web}:${port}/set-health?status=${status}` })
  /** Waits for one: until the first check a member is taken for ONLINE. */
  const lastCheckSeen = (url: string) =>
    eventually(async () => {
      const seen = JSON.parse((await client.ask({ url }))[0]!.body) as Echo[]
      assert.ok(seen.length > 0, 'there was a check')
      return seen.at(-1)!
    }, NOTICED_WITHIN_MS)

  test('HTTP asks by the method, path, version and host it was given, and takes the codes it was given', async () => {
    await eventuallyAre('http', { 8001: 'ONLINE', 8002: 'ONLINE' })
    const check = await lastCheckSeen(`http://${web}:8001/checks`)
    assert.deepEqual([check.method, check.url, check.version, check.headers.host], ['HEAD', '/health/deep', '1.1', ['check.example']])
    await setHealth(8002, 201)
    await eventuallyAre('http', { 8001: 'ONLINE', 8002: 'ERROR' })
    assert.deepEqual(await behind(81), new Set([8001]))
    await setHealth(8002, 203)
    await eventuallyAre('http', { 8001: 'ONLINE', 8002: 'ONLINE' })
    assert.deepEqual(await behind(81), new Set([8001, 8002]))
  })

  test('HTTPS asks over TLS', async () => {
    await eventuallyAre('https', { 8441: 'ONLINE', 8442: 'ONLINE' })
    const check = await lastCheckSeen(`https://${web}:8441/checks`)
    assert.equal(check.url, '/health')
    assert.notEqual(check.tls, null)
    await client.ask({ url: `https://${web}:8442/set-health?status=500` })
    await eventuallyAre('https', { 8441: 'ONLINE', 8442: 'ERROR' })
  })

  test('TCP wants a connection, PING an echo, TLS-HELLO a handshake', async () => {
    await eventuallyAre('tcp', { 8001: 'ONLINE', 8999: 'ERROR' })
    await eventuallyAre('ping', { 8001: 'ONLINE', 80: 'ERROR' })
    await eventuallyAre('hello', { 8441: 'ONLINE', 8001: 'ERROR' })
    assert.deepEqual(await behind(83), new Set([8001]))
  })

  test("monitor_port and monitor_address are asked instead of the member's own", async () => {
    await eventuallyAre('elsewhere', { 8003: 'ONLINE', 8004: 'ERROR' })
    assert.deepEqual(await behind(86), new Set([8003]))
    await setHealth(8005, 503)
    await eventuallyAre('elsewhere', { 8003: 'ERROR', 8004: 'ERROR' })
    assert.deepEqual(await behind(86), new Set([0]))
  })

  test('a monitor that is switched off takes nobody out of service, one that is deleted neither', async () => {
    const pool = await plane.get<{ pool: { healthmonitor_id: string } }>(`/v2/lbaas/pools/${made.pools.tcp}`)
    const path = `/v2/lbaas/healthmonitors/${pool.pool.healthmonitor_id}`
    await plane.change(made, 'PUT', path, { healthmonitor: { admin_state_up: false } })
    await eventuallyAre('tcp', { 8001: 'NO_MONITOR', 8999: 'NO_MONITOR' })
    await plane.change(made, 'PUT', path, { healthmonitor: { admin_state_up: true } })
    await eventuallyAre('tcp', { 8001: 'ONLINE', 8999: 'ERROR' })
    await plane.change(made, 'DELETE', path)
    await eventuallyAre('tcp', { 8001: 'NO_MONITOR', 8999: 'NO_MONITOR' })
  })
})
