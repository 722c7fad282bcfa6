/**
 * `npm run bench -- dataplane`: what traffic costs that goes through a load balancer, beside a hand-written HAProxy in the same place and beside
 * none, and how soon a change is felt. All of it in one run, in turns, so that what else the machine does falls on all of them.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DataPlane } from '../test/netns/support/data-plane.ts'
import { fastWeb } from '../test/netns/support/fast-web.ts'
import { TestCa } from '../test/netns/support/tls-material.ts'
import { measureChanges } from './dataplane/changes.ts'
import { handWrittenHaproxy } from './dataplane/hand-written-haproxy.ts'
import { measureDatagrams, measureHandshakes, measureThroughput } from './dataplane/throughput.ts'
import { printTable } from './table.ts'

const WEB_PORT = 8001
const UDP_PORT = 9001

export async function run(options: string[]): Promise<void> {
  const { values } = parseArgs({
    args: options,
    options: {
      pairs: { type: 'string', default: '20' },
      seconds: { type: 'string', default: '5' },
      connections: { type: 'string', default: '32' },
      runs: { type: 'string', default: '20' },
    },
  })
  const [pairs, seconds, connections, runs] = [values.pairs, values.seconds, values.connections, values.runs].map(Number) as [
    number,
    number,
    number,
    number,
  ]
  const plane = await DataPlane.start({ portBase: 21_300 })
  try {
    const web = await fastWeb(plane, 'web', [WEB_PORT, WEB_PORT + 1])
    const udp = await plane.members('udp', { udp: [UDP_PORT] })
    const client = await plane.client('client')
    const ca = await TestCa.create(join(plane.controller.stateDirectory, 'bench'), 'Bench CA')
    const pem = await ca.issue('one.example')
    await ca.issue('other.example')
    const certificate = await plane.storeSecret('one', await ca.bundle('one.example'))
    const pool = (name: string, protocol: string, address: string, protocol_port: number) => ({
      ...{ name, protocol, lb_algorithm: 'ROUND_ROBIN' },
      members: [{ address, protocol_port }],
    })
    const made = await plane.loadBalancer({
      pools: [pool('web', 'HTTP', web, WEB_PORT)],
      listeners: [
        { name: 'http', protocol: 'HTTP', protocol_port: 80, default_pool: { name: 'web' } },
        {
          name: 'https',
          protocol: 'TERMINATED_HTTPS',
          protocol_port: 443,
          default_pool: { name: 'web' },
          default_tls_container_ref: certificate,
        },
      ],
    })
    // On a load balancer of its own: where the kernel follows connections, those of TCP cost more, too.
    const forwarding = await plane.loadBalancer({
      listeners: [{ name: 'udp', protocol: 'UDP', protocol_port: UDP_PORT, default_pool: pool('udp', 'UDP', udp, UDP_PORT) }],
    })
    const bare = await handWrittenHaproxy(plane, `${web}:${WEB_PORT}`, pem)
    const urls = { amphora: `http://${made.vip}/`, 'hand-written': `http://${bare}/`, direct: `http://${web}:${WEB_PORT}/` }
    const secure = { amphora: `https://${made.vip}/`, 'hand-written': `https://${bare}/` }
    const datagrams = { amphora: `${forwarding.vip}:${UDP_PORT}`, direct: `${udp}:${UDP_PORT}` }
    const rounds = { pairs, seconds, connections }
    const traffic = [
      ...(await measureThroughput(client, urls, rounds)),
      await measureHandshakes(client, secure, rounds),
      await measureDatagrams(client, datagrams, rounds),
    ]
    console.log(`\nTraffic: ${pairs} rounds of ${seconds} s each, ${connections} connections; medians (quartiles)\n`)
    printTable(['', 'amphora', 'hand-written', 'direct', 'amphora / hand-written', 'aim'], traffic)
    console.log(`\nChanges: ${runs} runs each, milliseconds\n`)
    printTable(['', 'median (p10-p90)', 'aim'], await measureChanges(plane, { address: web, runs, ca, client }))
  } finally {
    await plane.stop()
  }
}
