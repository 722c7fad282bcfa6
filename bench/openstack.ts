/**
 * How many requests each operation makes to each service of a real OpenStack and how long it waits for them, real agents included, each service behind a
 * proxy that counts. Beside it what Octavia's own flow makes for the same (`openstack/upstream.ts`).
 */
import { parseArgs } from 'node:util'
import { ensureOpenStack } from '../test/support/openstack.ts'
import { aLoadBalancer, type Operation, operations } from '../test/support/openstack-operations.ts'
import { openStage, type Proxied, proxied, type Stage } from '../test/support/openstack-stage.ts'
import type { ServiceCall } from '../test/support/service-proxy.ts'
import { upstreamCreate } from './openstack/upstream.ts'
import { printTable, quantile } from './table.ts'

const PORT_BASE = 23_900
const names: Record<Proxied, string> = {
  identity: 'Keystone',
  compute: 'Nova',
  network: 'Neutron',
  image: 'Glance',
  'key-manager': 'Barbican',
}

/** Nothing is asked but for the operations. */
const quiet = {
  health_manager: ['health_check_interval = 3600'],
  house_keeping: ['orphan_check_interval = 3600'],
  certificates: ['renewal_check_interval = 3600'],
}

interface Measured {
  tookMs: number
  calls: Record<Proxied, ServiceCall[]>
}

export async function run(options: string[]): Promise<void> {
  const { values } = parseArgs({ args: options, options: { runs: { type: 'string', default: '3' }, calls: { type: 'boolean' } } })
  Object.assign(process.env, await ensureOpenStack())
  for (const topology of ['SINGLE', 'ACTIVE_STANDBY'] as const) {
    const stage = await openStage({ portBase: PORT_BASE, topology, more: quiet })
    try {
      const measured: [Operation, Measured[]][] = []
      for (const operation of operations) {
        const runs: Measured[] = []
        for (let run = 0; run < Number(values.runs); run++) runs.push(await measure(stage, operation))
        measured.push([operation, runs])
      }
      print(topology, measured, values.calls === true)
    } finally {
      await stage.close()
    }
  }
}

/** The request and all that follows it, until the load balancer is ACTIVE or gone. The first one after the controller's start logs in as well. */
async function measure(stage: Stage, operation: Operation): Promise<Measured> {
  const existing = operation.kind === 'makes' ? null : await aLoadBalancer(stage)
  for (const proxy of Object.values(stage.proxies)) await proxy.reset()
  const started = performance.now()
  const { status, body } = await operation.act(stage, existing ?? '')
  if (status >= 300) throw new Error(`${operation.name}: ${status} ${JSON.stringify(body)}`)
  const id = existing ?? (body.loadbalancer as { id: string }).id
  const settled = await stage.settled(id)
  const tookMs = performance.now() - started
  const calls = Object.fromEntries(proxied.map((service) => [service, [...stage.proxies[service].calls]])) as Measured['calls']
  if (settled !== null && settled.provisioning_status !== 'ACTIVE') throw new Error(`${operation.name}: ${settled.provisioning_status}`)
  if (settled !== null) {
    await operations.find(({ kind }) => kind === 'ends')!.act(stage, id)
    await stage.settled(id)
  }
  return { tookMs, calls }
}

type Topology = keyof typeof upstreamCreate

function print(topology: Topology, measured: [Operation, Measured[]][], withCalls: boolean): void {
  const cell = (runs: Measured[], service: Proxied) => {
    const counts = runs.map(({ calls }) => calls[service].length)
    const waits = runs.map(({ calls }) => calls[service].reduce((sum, { tookMs }) => sum + tookMs, 0))
    return quantile(counts, 1) === 0 ? '' : `${quantile(counts, 0.5)} in ${quantile(waits, 0.5).toFixed(0)}`
  }
  const total = (runs: Measured[]) =>
    quantile(
      runs.map(({ calls }) => proxied.reduce((sum, service) => sum + calls[service].length, 0)),
      0.5,
    )
  console.log(`\n${topology}: requests to each service, and the milliseconds they took together (some at the same time); medians\n`)
  printTable(
    ['', ...proxied.map((service) => names[service]), 'requests', 'until it is done, ms'],
    measured.flatMap(([{ name }, runs]) => [
      [
        name,
        ...proxied.map((service) => cell(runs, service)),
        String(total(runs)),
        quantile(
          runs.map(({ tookMs }) => tookMs),
          0.5,
        ).toFixed(0),
      ],
      ...(name === 'create' ? [upstreamRow(topology)] : []),
    ]),
  )
  const extensions = upstreamCreate[topology].Neutron.filter((call) => call.includes('/extensions/')).length
  console.log(
    `\n(*) counted in its source (bench/openstack/upstream.ts), not measured; ${extensions} of those to Neutron ask for its extensions`,
  )
  if (withCalls) for (const [{ name }, runs] of measured) console.log(`\n${name}\n${listed(runs.at(-1)!)}`)
}

/** Row of the table. */
function upstreamRow(topology: Topology): string[] {
  const { Nova, Neutron, Glance } = upstreamCreate[topology]
  const counts: Partial<Record<Proxied, number>> = { compute: Nova.length, network: Neutron.length, image: Glance.length }
  const sum = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return ['create, Octavia 11.0 (*)', ...proxied.map((service) => String(counts[service] ?? '')), String(sum), '']
}

/** Every request of one run, ids left out. */
function listed({ calls }: Measured): string {
  return proxied
    .flatMap((service) =>
      calls[service].map(
        ({ method, path, status, tookMs }) => `  ${names[service]} ${method} ${withoutIds(path)} ${status} (${tookMs.toFixed(0)} ms)`,
      ),
    )
    .join('\n')
}

const withoutIds = (path: string) => path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')
