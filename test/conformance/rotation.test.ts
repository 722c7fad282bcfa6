import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgentClient } from '../../src/agent/client.ts'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { ownPacket } from '../support/heartbeats.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

const REQUEST_INTERVAL_MS = 20
const LOOK_INTERVAL_MS = 100
const HEARTBEAT_INTERVAL_MS = 1_000
/** So long a heartbeat may be on its way into the database of a busy machine; one that is lost would cost a whole interval more. */
const HEARTBEAT_SLACK_MS = 900

type Amphora = { id: string; lb_network_ip: string; cert_expiration: string; status: string }

test('while CAs, certificate and heartbeat key are rotated no request fails and no heartbeat is missing', async () => {
  const controller = await new Controller({ portBase: 23_900, config: '[house_keeping]\ncert_interval = 1\n' }).start()
  let db: Db | undefined
  const watching = new AbortController()
  try {
    const { vip, amphora, amphorae } = await aServingLoadBalancer(controller)
    const before = trustOf(controller)
    const former = agentClient(before)
    const ask = (client: typeof former) => client.send(amphora, { method: 'GET', path: '/1.0/info' })
    assert.equal((await ask(former)).status, 200)

    db = await openDatabase({ connection: `sqlite://${join(controller.stateDirectory, 'ottavia.db')}` })
    const traffic = keepAsking(vip, watching.signal)
    const heartbeats = keepListening(db, amphora.id, watching.signal)
    for (const what of ['heartbeat-key', 'client-certificate', 'ca']) {
      const told = await controller.ottavia('rotate', what, '--wait')
      assert.match(told, /^done$/m, told)
    }
    // At least one more of each, by what is new.
    await sleep(2 * HEARTBEAT_INTERVAL_MS)
    watching.abort()
    const { asked, failed } = await traffic
    assert.deepEqual(failed, [])
    assert.ok(asked > 100, `${asked} requests`)
    const longest = await heartbeats
    assert.ok(longest <= HEARTBEAT_INTERVAL_MS + HEARTBEAT_SLACK_MS, `${longest} ms without a heartbeat`)

    assert.deepEqual(
      (await amphorae()).map(({ id, status }) => [id, status]),
      [[amphora.id, 'ALLOCATED']],
    )
    const after = trustOf(controller)
    for (const name of Object.keys(before) as (keyof typeof before)[]) assert.notEqual(after[name], before[name], name)
    // Neither by the connection that it had, nor with the session, nor as another client.
    await assert.rejects(ask(former))
    await assert.rejects(ask(agentClient(before)))
    await assert.rejects(ask(agentClient({ ...after, client: before.client })))
    await assert.rejects(ask(agentClient({ ...before, client: after.client })), 'its certificate is of another CA')
    const newClient = agentClient(after)
    assert.equal((await ask(newClient)).status, 200)
    // How much real-time processing other sandboxes of this machine have left over is none of the rotation's doing.
    const complaints = () =>
      readFileSync(join(controller.stateDirectory, 'log', 'controller.log'), 'utf8')
        .split('\n')
        .filter((line) => /"level":[456]0/.test(line) && !line.includes('real-time processing'))
    assert.deepEqual(complaints(), [])
    await send(ownPacket({ id: amphora.id, seq: Date.now(), to: 'here' }, before.heartbeatKey), controller.portBase + 5)
    await eventually(() => complaints().some((line) => /"kind":"signature"/.test(line)))
    assert.match(await controller.ottavia('rotate', 'status'), /all amphorae have what they should have/)
  } finally {
    watching.abort()
    await db?.destroy()
    await controller.down()
  }
})

async function aServingLoadBalancer(controller: Controller) {
  const token = await controller.token()
  const subnet_id = await privateSubnetId(controller)
  const web = `require('node:http').createServer((q, r) => r.end('well')).listen(80, '0.0.0.0')`
  const host = controller.ottavia('lab', 'host', 'create', 'web', '--subnet', 'private-subnet', '--', process.execPath, '-e', web)
  const members = [{ address: (await host).trim(), protocol_port: 80, subnet_id }]
  const listener = {
    name: 'listener',
    protocol: 'HTTP',
    protocol_port: 80,
    default_pool: { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members },
  }
  const { status, body } = await controller.request<{ loadbalancer: { id: string; vip_address: string } }>(
    'POST',
    '/v2/lbaas/loadbalancers',
    token,
    {
      loadbalancer: { vip_subnet_id: subnet_id, listeners: [listener] },
    },
  )
  assert.equal(status, 201, JSON.stringify(body))
  const vip = body.loadbalancer.vip_address
  await eventually(async () => assert.equal(await get(vip), 'well'), 15_000)
  const amphorae = async () => (await controller.request<{ amphorae: Amphora[] }>('GET', '/v2/octavia/amphorae', token)).body.amphorae
  const [amphora] = await amphorae()
  return { vip, amphora: amphora!, amphorae }
}

async function send(packet: Buffer, port: number): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.send(packet, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()))
  })
  socket.close()
}

function trustOf({ stateDirectory }: Controller) {
  const read = (name: string) => readFileSync(join(stateDirectory, name), 'utf8')
  return {
    client: read('certs/client.pem'),
    serverCas: read('certs/server_ca.pem'),
    clientCas: read('certs/client_ca.pem'),
    heartbeatKey: read('heartbeat.key'),
  }
}

function agentClient({ client, serverCas }: { client: string; serverCas: string }) {
  const [certificate, key] = [client.slice(0, client.indexOf('-----BEGIN PRIVATE')), client.slice(client.indexOf('-----BEGIN PRIVATE'))]
  return createAgentClient({
    client: { certificate, key },
    serverCas,
    port: 9443,
    connectTimeoutMs: 5_000,
    readTimeoutMs: 5_000,
    linkLocalInterface: 'o-hm0',
  })
}

/** Until it is aborted. */
async function keepAsking(vip: string, signal: AbortSignal): Promise<{ asked: number; failed: string[] }> {
  const failed: string[] = []
  let asked = 0
  for (; !signal.aborted; asked++) {
    await get(vip).catch((error: Error) => failed.push(error.message))
    await sleep(REQUEST_INTERVAL_MS)
  }
  return { asked, failed }
}

/** On a connection of its own. */
function get(vip: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`http://${vip}/`, { agent: false, timeout: 3_000 }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => {
        body += text
      })
      incoming.on('end', () => (incoming.statusCode === 200 ? resolve(body) : reject(new Error(`status ${incoming.statusCode}`))))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Until it is aborted. Answers the longest time between two heartbeats, in milliseconds by the manager's clock. */
async function keepListening(db: Db, amphora_id: string, signal: AbortSignal): Promise<number> {
  let longest = 0
  let last: number | undefined
  while (!signal.aborted) {
    const row = await db.selectFrom('amphora_health').select('last_update_ms').where('amphora_id', '=', amphora_id).executeTakeFirst()
    if (row !== undefined) {
      longest = Math.max(longest, row.last_update_ms - (last ?? row.last_update_ms))
      last = row.last_update_ms
    }
    await sleep(LOOK_INTERVAL_MS)
  }
  return longest
}
