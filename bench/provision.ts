/**
 * How long a full load balancer takes from its POST to the first answer through its VIP, and its deletion until nothing is left;
 * the memory of an amphora and of the idle controller; beside them what the machine itself needs for the same namespaces and HAProxy.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { request } from 'node:http'
import { Controller } from '../test/support/controller.ts'
import { privateSubnetId } from '../test/support/private-subnet.ts'
import { bareHaproxy } from './bare-haproxy.ts'
import { milliseconds, printTable, quantile } from './table.ts'

const RUNS = Number(process.env.RUNS ?? 20)
const MEMBERS = 10
/** Amphorae that share what is read-only in memory, as on a host in use. */
const FLEET = 10
/** More often would take from what is measured: a request costs this machine a millisecond. */
const POLL_MS = 5
const RUN_TIMEOUT_MS = 30_000

/** Web servers on ports 8001 to 8010 of one lab host. */
const webServers = `for (let n = 1; n <= ${MEMBERS}; n++) require('node:http').createServer((q, r) => r.end(String(n))).listen(8000 + n, '0.0.0.0')`

interface Created {
  loadbalancer: { id: string; vip_address: string }
}

export async function run(): Promise<void> {
  const rows: string[][] = []
  const memory: string[][] = []
  for (const [index, topology] of (['SINGLE', 'ACTIVE_STANDBY'] as const).entries()) {
    const controller = new Controller({
      portBase: 21_000 + index * 100,
      config: `[controller_worker]\nloadbalancer_topology = ${topology}\n`,
    })
    await controller.start()
    try {
      const { created, deleted, amphoraMib, fleetMib, controllerMib } = await measure(controller, topology)
      rows.push([`full load balancer, ${topology}: POST to first 200`, milliseconds(created), topology === 'SINGLE' ? '400' : '800'])
      rows.push([`${topology}: DELETE to nothing left`, milliseconds(deleted), ''])
      if (topology === 'SINGLE') {
        memory.push(['idle controller, just started', controllerMib[0]!.toFixed(1), '120'])
        memory.push([`idle controller, after ${RUNS} load balancers`, controllerMib[1]!.toFixed(1), '120'])
        memory.push(['SINGLE amphora, the only one', quantile(amphoraMib, 0.5).toFixed(1), '25'])
        memory.push([`SINGLE amphora, one of ${FLEET}`, quantile(fleetMib, 0.5).toFixed(1), '25'])
      }
    } finally {
      await controller.down()
    }
  }
  for (const spares of [1, 2]) rows.push(await withSpares(spares))
  const bare: number[] = []
  for (let run = 0; run < RUNS; run++) bare.push(await bareHaproxy(run))
  rows.push(['the same namespaces and HAProxy by a bare script', milliseconds(bare), ''])

  console.log(`\nProvisioning, ${RUNS} runs each\n`)
  printTable(['', 'ms: median (p10-p90)', 'aim'], rows)
  console.log('')
  printTable(['PSS', 'MiB', 'aim'], memory)
}

/** The same where a spare amphora is taken for each that is needed; the pool is full again before the next. */
async function withSpares(spares: number): Promise<string[]> {
  const topology = spares === 1 ? 'SINGLE' : 'ACTIVE_STANDBY'
  const config = `[controller_worker]\nloadbalancer_topology = ${topology}\n[house_keeping]\nspare_amphora_pool_size = ${spares}\nspare_check_interval = 1\n`
  const controller = await new Controller({ portBase: 21_200 + spares * 100, config }).start()
  try {
    const address = await startWebServers(controller)
    const token = await controller.token()
    const subnet_id = await privateSubnetId(controller)
    const created: number[] = []
    for (let run = 0; run <= RUNS; run++) {
      await until(async () => (await countReady(controller, token)) === spares, `${spares} spare amphorae`)
      const started = performance.now()
      const { body } = await controller.request<Created>(
        'POST',
        '/v2/lbaas/loadbalancers',
        token,
        fullLoadBalancer(`bench-spare-${run}`, subnet_id, address),
      )
      const { id, vip_address } = body.loadbalancer
      await until(() => answers(vip_address), `${topology} ${id} to answer`)
      if (run > 0) created.push(performance.now() - started)
      await until(() => hasStatus(controller, token, id, 'ACTIVE'), `${id} to be ACTIVE`)
      await controller.request('DELETE', `/v2/lbaas/loadbalancers/${id}?cascade=true`, token)
      await until(async () => (await controller.request('GET', `/v2/lbaas/loadbalancers/${id}`, token)).status === 404, `${id} to be gone`)
    }
    return [`the same with spare amphorae, ${topology}`, milliseconds(created), '']
  } finally {
    await controller.down()
  }
}

async function countReady(controller: Controller, token: string): Promise<number> {
  const { body } = await controller.request<{ amphorae: unknown[] }>('GET', '/v2/octavia/amphorae?status=READY', token)
  return body.amphorae.length
}

async function startWebServers(controller: Controller): Promise<string> {
  const host = ['lab', 'host', 'create', 'bench-web', '--subnet', 'private-subnet', '--', process.execPath, '-e', webServers]
  return (await controller.ottavia(...host)).trim()
}

async function measure(controller: Controller, topology: string) {
  const address = await startWebServers(controller)
  const token = await controller.token()
  const subnet_id = await privateSubnetId(controller)
  const created: number[] = []
  const deleted: number[] = []
  const amphoraMib: number[] = []
  const controllerMib: number[] = [pssMib([controller.pid])]
  // The first one is not counted: it warms what every later one finds warm.
  for (let run = 0; run <= RUNS; run++) {
    const started = performance.now()
    const answer = await controller.request<Created>(
      'POST',
      '/v2/lbaas/loadbalancers',
      token,
      fullLoadBalancer(`bench-${run}`, subnet_id, address),
    )
    if (answer.status !== 201) throw new Error(`POST: ${answer.status} ${JSON.stringify(answer.body)}`)
    const { id, vip_address } = answer.body.loadbalancer
    await until(() => answers(vip_address), `${topology} ${id} to answer`)
    if (run > 0) created.push(performance.now() - started)
    await until(() => hasStatus(controller, token, id, 'ACTIVE'), `${id} to be ACTIVE`)
    if (topology === 'SINGLE') amphoraMib.push(amphoraPssMib(id))
    const deletion = performance.now()
    const { status } = await controller.request('DELETE', `/v2/lbaas/loadbalancers/${id}?cascade=true`, token)
    if (status !== 204) throw new Error(`DELETE: ${status}`)
    await until(async () => (await controller.request('GET', `/v2/lbaas/loadbalancers/${id}`, token)).status === 404, `${id} to be gone`)
    if (run > 0) deleted.push(performance.now() - deletion)
  }
  controllerMib.push(pssMib([controller.pid]))
  const fleetMib = topology === 'SINGLE' ? await measureFleet() : []
  return { created, deleted, amphoraMib, fleetMib, controllerMib }

  async function measureFleet(): Promise<number[]> {
    const ids: string[] = []
    for (let n = 0; n < FLEET; n++) {
      const wanted = fullLoadBalancer(`bench-fleet-${n}`, subnet_id, address)
      const { body } = await controller.request<Created>('POST', '/v2/lbaas/loadbalancers', token, wanted)
      ids.push(body.loadbalancer.id)
    }
    for (const id of ids) await until(() => hasStatus(controller, token, id, 'ACTIVE'), `${id} to be ACTIVE`)
    return ids.map(amphoraPssMib)
  }
}

function fullLoadBalancer(name: string, vip_subnet_id: string, address: string) {
  const members = Array.from({ length: MEMBERS }, (_, n) => ({ address, protocol_port: 8001 + n }))
  const healthmonitor = { type: 'HTTP', delay: 5, timeout: 2, max_retries: 1 }
  const default_pool = { name: 'web', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members, healthmonitor }
  return { loadbalancer: { name, vip_subnet_id, listeners: [{ name: 'http', protocol: 'HTTP', protocol_port: 80, default_pool }] } }
}

async function hasStatus(controller: Controller, token: string, id: string, wanted: string): Promise<boolean> {
  const { body } = await controller.request<{ loadbalancer: { provisioning_status: string } }>(
    'GET',
    `/v2/lbaas/loadbalancers/${id}`,
    token,
  )
  if (body.loadbalancer.provisioning_status === 'ERROR') throw new Error(`${id} is in ERROR: ${JSON.stringify(body)}`)
  return body.loadbalancer.provisioning_status === wanted
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + RUN_TIMEOUT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${RUN_TIMEOUT_MS} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** One try with a short patience: a SYN that got lost before the VIP was there would wait a second for its repetition. */
function answers(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request({ host, path: '/', agent: false, timeout: 50 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    attempt.on('timeout', () => attempt.destroy())
    attempt.on('error', () => resolve(false))
    attempt.end()
  })
}

function pssMib(pids: number[]): number {
  const kib = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0))
  return kib.reduce((sum, value) => sum + value, 0) / 1024
}

/** All processes of the amphora: those that share the process namespace of its HAProxy. */
function amphoraPssMib(load_balancer_id: string): number {
  const own = readlinkSync('/proc/self/ns/pid')
  const byNamespace = new Map<string, number[]>()
  let wanted: string | undefined
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const namespace = readlinkSync(`/proc/${entry}/ns/pid`)
      if (namespace === own) continue
      byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), Number(entry)])
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
      if (command.includes('haproxy') && command.includes(load_balancer_id)) wanted = namespace
    } catch {
      // It ended while it was looked at.
    }
  }
  if (wanted === undefined) throw new Error(`no HAProxy of ${load_balancer_id} is running`)
  return pssMib(byNamespace.get(wanted)!)
}
