import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec } from '../../src/lib/exec.ts'
import { hasIpvs } from '../../src/lib/ipvs.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

/** HTTP on 80 and UDP on 53 with the server's name as the answer, and TLS on 443 that ends here, not at the load balancer. */
const server = (name: string, certificate: string) => `
const answer = (q, r) => r.end(${JSON.stringify(name)})
require('node:http').createServer(answer).listen(80, '0.0.0.0')
const udp = require('node:dgram').createSocket('udp4')
udp.on('message', (_, { port, address }) => udp.send(${JSON.stringify(name)}, port, address)).bind(53)
const pem = require('node:fs').readFileSync(${JSON.stringify(certificate)})
require('node:https').createServer({ key: pem, cert: pem }, answer).listen(443, '0.0.0.0')`

/** What answers a datagram. */
async function datagram(address: string, port: number): Promise<string> {
  const socket = createSocket('udp4')
  try {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(3_000) })
    socket.send('who?', port, address)
    return String((await answer)[0])
  } finally {
    socket.close()
  }
}

/** Several times the monitors' delay. */
const CHECKED_FOR_MS = 3_500
const LOOK_EVERY_MS = 100

interface Tree {
  loadbalancer: { id: string; vip_address: string; listeners: { name: string; id: string }[]; pools: { name: string; id: string }[] }
}

describe('traffic through every kind of listener, monitor and policy that is served', () => {
  let controller: Controller
  let tree: Tree['loadbalancer']
  let token: string

  before(async () => {
    controller = await new Controller({ portBase: 22_800 }).start()
    const certificate = join(controller.stateDirectory, 'member.pem')
    const { stdout } = await exec('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=member',
      '-keyout',
      '-',
      '-days',
      '1',
    ])
    writeFileSync(certificate, stdout)
    const addresses = await Promise.all(
      ['one', 'two'].map(async (name) =>
        (
          await controller.ottavia(
            'lab',
            'host',
            'create',
            name,
            '--subnet',
            'private-subnet',
            '--',
            process.execPath,
            '-e',
            server(name, certificate),
          )
        ).trim(),
      ),
    )
    token = await controller.token()
    const members = (protocol_port: number) => addresses.map((address) => ({ address, protocol_port }))
    const monitor = { delay: 1, timeout: 1, max_retries: 1, max_retries_down: 1 }
    const pool = (name: string, protocol: string, port: number, more: object) => ({
      name,
      protocol,
      lb_algorithm: 'ROUND_ROBIN',
      members: members(port),
      ...more,
    })
    const policy = (path: string, action: string, more: object = {}) => ({
      action,
      rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: path }],
      ...more,
    })
    const { status, body } = await controller.request<Tree>('POST', '/v2/lbaas/loadbalancers', token, {
      loadbalancer: {
        vip_subnet_id: await privateSubnetId(controller),
        listeners: [
          {
            name: 'http',
            protocol: 'HTTP',
            protocol_port: 80,
            insert_headers: { 'X-Forwarded-For': 'true' },
            default_pool: pool('cookie', 'HTTP', 80, {
              session_persistence: { type: 'HTTP_COOKIE' },
              healthmonitor: { type: 'HTTP', url_path: '/', expected_codes: '200', ...monitor },
            }),
            l7policies: [
              policy('/no', 'REJECT'),
              policy('/away', 'REDIRECT_TO_URL', { redirect_url: 'https://example.test/there', redirect_http_code: 301 }),
              policy('/prefix', 'REDIRECT_PREFIX', { redirect_prefix: 'https://example.test' }),
            ],
          },
          {
            name: 'tcp',
            protocol: 'TCP',
            protocol_port: 81,
            default_pool: pool('tcp', 'TCP', 80, { healthmonitor: { type: 'TCP', ...monitor } }),
          },
          {
            name: 'https',
            protocol: 'HTTPS',
            protocol_port: 443,
            default_pool: pool('https', 'HTTPS', 443, { healthmonitor: { type: 'HTTPS', ...monitor } }),
          },
          {
            name: 'sticky',
            protocol: 'TCP',
            protocol_port: 82,
            default_pool: pool('sticky', 'TCP', 80, {
              session_persistence: { type: 'SOURCE_IP' },
              healthmonitor: { type: 'PING', ...monitor },
            }),
          },
          {
            name: 'udp',
            protocol: 'UDP',
            protocol_port: 53,
            default_pool: pool('udp', 'UDP', 53, { healthmonitor: { type: 'UDP-CONNECT', ...monitor, delay: 3 } }),
          },
        ],
      },
    })
    assert.equal(status, 201, JSON.stringify(body))
    tree = body.loadbalancer
    await eventually(async () => {
      const { body: shown } = await controller.request<{ loadbalancer: { provisioning_status: string } }>(
        'GET',
        `/v2/lbaas/loadbalancers/${tree.id}`,
        token,
      )
      assert.equal(shown.loadbalancer.provisioning_status, 'ACTIVE', JSON.stringify(shown))
    }, 15_000)
  })
  after(() => controller.down())

  const curl = async (url: string, ...options: string[]) =>
    (await exec('curl', ['--silent', '--max-time', '3', ...options, url.replace('VIP', tree.vip_address)])).stdout

  describe('monitors', { concurrency: true }, () => {
    for (const name of ['cookie', 'tcp', 'https', 'sticky', 'udp']) {
      test(`the monitor of pool ${name} finds both members alive, and goes on finding them`, async () => {
        const pool = tree.pools.find((one) => one.name === name)!
        const statuses = async () => {
          const { body } = await controller.request<{ members: { operating_status: string }[] }>(
            'GET',
            `/v2/lbaas/pools/${pool.id}/members`,
            token,
          )
          return body.members.map(({ operating_status }) => operating_status)
        }
        await eventually(async () => assert.deepEqual(await statuses(), ['ONLINE', 'ONLINE']), 10_000)
        // HAProxy begins with all servers up: only later looks say what the checks found.
        const until = performance.now() + CHECKED_FOR_MS
        while (performance.now() < until) {
          assert.deepEqual(await statuses(), ['ONLINE', 'ONLINE'])
          await sleep(LOOK_EVERY_MS)
        }
      })
    }
  })

  test('TCP and HTTPS pass-through take turns among the members', async () => {
    for (const url of ['http://VIP:81/', 'https://VIP/']) {
      const answers = [await curl(url, '--insecure'), await curl(url, '--insecure')]
      assert.deepEqual(answers.sort(), ['one', 'two'], url)
    }
  })

  test('UDP takes turns among the members, and is counted', async () => {
    const answers = [await datagram(tree.vip_address, 53), await datagram(tree.vip_address, 53)]
    assert.deepEqual(answers.sort(), ['one', 'two'])
    const listener = tree.listeners.find(({ name }) => name === 'udp')!
    await eventually(async () => {
      const { body } = await controller.request<{ stats: { total_connections: number } }>(
        'GET',
        `/v2/lbaas/listeners/${listener.id}/stats`,
        token,
      )
      assert.equal(body.stats.total_connections, 2)
    })
  })

  test('SCTP is refused, and told why, where the kernel cannot', { skip: hasIpvs() }, async () => {
    const listener = { protocol: 'SCTP', protocol_port: 3868, loadbalancer_id: tree.id }
    const { status, body } = await controller.request<{ faultstring: string }>('POST', '/v2/lbaas/listeners', token, { listener })
    assert.equal(status, 501)
    assert.match(body.faultstring, /does not support SCTP protocol.* IPVS of the kernel/)
  })

  test('a cookie keeps a client at its member', async () => {
    const headers = await curl('http://VIP/', '--include')
    const cookie = /^set-cookie: (SRV=[^;\r]+)/im.exec(headers)?.[1]
    assert.ok(cookie !== undefined, headers)
    const name = headers.trim().split('\n').at(-1)
    for (let request = 0; request < 4; request++) assert.equal(await curl('http://VIP/', '--cookie', cookie), name)
  })

  test('SOURCE_IP keeps an address at its member', async () => {
    const name = await curl('http://VIP:82/')
    for (let request = 0; request < 4; request++) assert.equal(await curl('http://VIP:82/'), name)
  })

  test('policies refuse and redirect', async () => {
    const head = (path: string) => curl(`http://VIP${path}`, '--output', '/dev/null', '--write-out', '%{http_code} %{redirect_url}')
    assert.equal((await head('/no')).trim(), '403')
    assert.equal(await head('/away'), '301 https://example.test/there')
    assert.equal(await head('/prefix'), '302 https://example.test/prefix')
  })
})
