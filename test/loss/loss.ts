/**
 * The load test: a constant load on the listeners of one load balancer, while its members, policies, listeners and pools change
 * at random. What is lost is counted as `outcomes.ts` says.
 */
import { join } from 'node:path'
import { DataPlane } from '../netns/support/data-plane.ts'
import { fastWeb } from '../netns/support/fast-web.ts'
import { TestCa } from '../netns/support/tls-material.ts'
import { seededRandom } from '../support/random.ts'
import { Changes, type LoadedPool } from './changes.ts'
import { HaproxyWatch } from './haproxy-watch.ts'
import { type Load, startLoad } from './load.ts'
import type { Target } from './load-generator.ts'
import type { LoadReport } from './outcomes.ts'

/** Seconds an old worker may finish its connections; longer than any request of the load. */
export const HARD_STOP_AFTER = 20
/** Seconds, on a machine that is busy, between an old worker's end and our seeing it. */
export const NOTICED_WITHIN = 3
/** Before the first change and after the last. */
const CALM_REQUESTS = 2_000
/** Between two changes, by what is answered meanwhile: on a small machine changes without a pause would take the processors away from the load. */
const PAUSE_SECONDS = 0.25
const CERTIFICATES = ['one.example', 'two.example', 'three.example']
const MEMBER_PORTS = Array.from({ length: 10 }, (_, n) => 8001 + n)

export interface LossReport {
  load: LoadReport
  /** Changes and reloads by kind of change. */
  kinds: Record<string, { changes: number; reloads: number; atRunTime: boolean; ms: number[] }>
  oldWorkers: { workers: number; longestMs: number; left: number }
  /** What was under way when each lost request was noticed. */
  lostDuring: string[]
}

export interface LossOptions {
  changes: number
  seed: number
  portBase: number
  /** Requests a second: three of ten on new connections, the others on kept ones. */
  rate?: number
  onProgress?: (line: string) => void
}

export async function measureLoss({ changes, seed, portBase, rate = 2_400, onProgress = () => {} }: LossOptions): Promise<LossReport> {
  const config = `[haproxy_amphora]\nhard_stop_after = ${HARD_STOP_AFTER}\n`
  const plane = await DataPlane.start({ portBase, config })
  let load: Load | undefined
  try {
    const address = await fastWeb(plane, 'web', MEMBER_PORTS)
    const client = await plane.client('client')
    // New connections by the hundred each second: with few ports the kernel looks for a free one longer and longer.
    await client.exec('sysctl', ['-qw', 'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1'])
    const ca = await TestCa.create(join(plane.controller.stateDirectory, 'test'), 'Test CA')
    const certificates: string[] = []
    for (const name of CERTIFICATES) {
      await ca.issue(name)
      certificates.push(await plane.storeSecret(name, await ca.bundle(name)))
    }
    const pool = (name: string, fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      members: MEMBER_PORTS.slice(0, 4).map((protocol_port) => ({ address, protocol_port, weight: 10 })),
      ...fields,
    })
    const made = await plane.loadBalancer({
      listeners: [
        { name: 'http', protocol: 'HTTP', protocol_port: 80, default_pool: pool('web') },
        {
          name: 'cookie',
          protocol: 'HTTP',
          protocol_port: 81,
          default_pool: pool('cookie', { session_persistence: { type: 'HTTP_COOKIE' } }),
        },
        {
          name: 'tls',
          protocol: 'TERMINATED_HTTPS',
          protocol_port: 443,
          default_pool: { name: 'web' },
          default_tls_container_ref: certificates[0],
        },
        { name: 'tcp', protocol: 'TCP', protocol_port: 82, default_pool: pool('tcp', { protocol: 'TCP', lb_algorithm: 'SOURCE_IP' }) },
      ],
    })
    const pools = await Promise.all(Object.entries(made.pools).map(([name, id]) => loadedPool(plane, name, id)))
    const random = seededRandom(seed)
    const source = new Changes({ plane, made, pools, address, memberPorts: MEMBER_PORTS, certificates, random })
    const target = (port: number, path: string, fresh: number, kept: number): Target => ({
      ...{ host: made.vip, port, tls: port === 443, path },
      fresh: (fresh * rate) / 100,
      kept: (kept * rate) / 100,
    })
    const targets = [
      target(80, '/', 12, 34),
      target(443, '/', 1, 4),
      target(80, '/p', 4, 8),
      target(81, '/', 6, 12),
      target(82, '/', 4, 10),
      // Long enough to be under way when its member goes; and connections that are idle for seconds.
      target(80, '/?wait=400', 1, 1),
      target(80, '/idle', 0, 0.5),
      target(82, '/?wait=400', 1, 0.5),
    ]
    const watch = await HaproxyWatch.of(made.id)
    load = startLoad(client, targets)
    await load.more(CALM_REQUESTS)

    const kinds: LossReport['kinds'] = {}
    const doings: { kind: string; began: number; ended: number }[] = []
    let reloads = await watch.reloads()
    for (let number = 1; number <= changes; number++) {
      const { kind, atRunTime, run } = source.next()
      const began = performance.now()
      const doing = { kind, began: Date.now(), ended: Number.POSITIVE_INFINITY }
      doings.push(doing)
      await run()
      await plane.settled(made.id)
      doing.ended = Date.now()
      const now = await watch.reloads()
      const counts = kinds[kind] ?? { changes: 0, reloads: 0, atRunTime, ms: [] }
      kinds[kind] = counts
      counts.changes++
      counts.reloads += now - reloads
      counts.ms.push(performance.now() - began)
      reloads = now
      await load.more(rate * PAUSE_SECONDS)
      if (number % 50 === 0) onProgress(`${number} of ${changes} changes, ${reloads} reloads`)
    }
    await load.more(CALM_REQUESTS)
    const report = await load.stop()
    const lostDuring = report.examples.map(({ at, target, loss, detail }) => {
      const last = doings.findLast(({ began }) => began <= at)
      const when = last === undefined ? 'before any change' : `${at - last.began} ms into "${last.kind}"`
      return `${loss} (${detail}) at ${target}, ${when}`
    })
    return { load: report, kinds, oldWorkers: await watch.stop(), lostDuring }
  } finally {
    load?.abort()
    await plane.stop()
  }
}

async function loadedPool(plane: DataPlane, name: string, id: string): Promise<LoadedPool> {
  const { members } = await plane.get<{ members: { id: string; protocol_port: number; weight: number }[] }>(`/v2/lbaas/pools/${id}/members`)
  const known = members.map((member) => ({ id: member.id, port: member.protocol_port, weight: member.weight, up: true }))
  return { name, id, hasCookies: name === 'cookie', members: known }
}
