/**
 * `npm run bench -- dataplane`: what traffic costs that goes through a load balancer, beside a hand-written HAProxy in the same place and beside
 * none, and how soon a change is felt. All of it in one run, in turns, so that what else the machine does falls on all of them.
 */
import { parseArgs } from 'node:util'
import { DataPlane } from '../test/netns/support/data-plane.ts'
import { fastWeb } from '../test/netns/support/fast-web.ts'
import { measureChanges } from './dataplane/changes.ts'
import { handWrittenHaproxy } from './dataplane/hand-written-haproxy.ts'
import { measureThroughput } from './dataplane/throughput.ts'
import { printTable } from './table.ts'

const WEB_PORT = 8001

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
    const client = await plane.client('client')
    const made = await plane.loadBalancer({
      listeners: [
        {
          name: 'http',
          protocol: 'HTTP',
          protocol_port: 80,
          default_pool: {
            name: 'web',
            protocol: 'HTTP',
            lb_algorithm: 'ROUND_ROBIN',
            members: [{ address: web, protocol_port: WEB_PORT }],
          },
        },
      ],
    })
    const bare = await handWrittenHaproxy(plane, `${web}:${WEB_PORT}`)
    const urls = { amphora: `http://${made.vip}/`, 'hand-written': `http://${bare}/`, direct: `http://${web}:${WEB_PORT}/` }
    const throughput = await measureThroughput(client, urls, { pairs, seconds, connections })
    console.log(`\nTraffic: ${pairs} rounds of ${seconds} s each, ${connections} connections; medians (quartiles)\n`)
    printTable(['', 'amphora', 'hand-written', 'direct', 'amphora / hand-written', 'aim'], throughput)
    console.log(`\nChanges: ${runs} runs each, milliseconds\n`)
    printTable(['', 'median (p10-p90)', 'aim'], await measureChanges(plane, { address: web, runs }))
  } finally {
    await plane.stop()
  }
}
