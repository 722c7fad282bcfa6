/**
 * `npm run bench -- failover`: what a client notices that opens a new connection every 5 ms, when what serves it dies, is cut off, or is replaced as
 * planned; and how long a pair is without its second amphora. The gap is the longest time in which nobody who came was answered without waiting.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Client, DataPlane, type Made } from '../test/netns/support/data-plane.ts'
import type { Knocked } from '../test/netns/support/knocker.ts'
import { delays, knockDuring, longestGap, refused, unanswered } from '../test/netns/support/knocks.ts'
import { eventually } from '../test/support/eventually.ts'
import { milliseconds, printTable } from './table.ts'

const WHOLE_WITHIN_MS = 30_000
/** Longer than any gap that a dead HAProxy makes. */
const HAPROXY_BACK_MS = 2_500
const PORT_BASE = 21_500
/** Clients that keep their connections through a planned rotation, and how long each of their requests takes. */
const KEPT = 20
const KEPT_PATH = '/?wait=20'

type Amphora = { id: string; status: string; compute_id: string; vrrp_port_id: string }

export async function run(options: string[]): Promise<void> {
  const { values } = parseArgs({ args: options, options: { runs: { type: 'string', default: '10' } } })
  const runs = Number(values.runs)
  const fast = await measured('', async (pair) => ({
    killed: await pair.repeat(runs, () => pair.gapWhen((serving) => pair.kill(serving), { replaced: true })),
    haproxy: await pair.repeat(runs, () => pair.gapWhenHaproxyDies()),
    cut: await pair.repeat(runs, () => pair.gapWhenCut()),
    controller: await pair.repeat(runs, () => pair.gapWhenControllerDies()),
    rotations: await pair.repeat(runs, () => pair.rotate()),
    replacements: await pair.replacementsMs(),
  }))
  const compatible = await measured('[keepalived_vrrp]\nvrrp_advert_int = 1\n', async (pair) => ({
    killed: await pair.repeat(runs, () => pair.gapWhen((serving) => pair.kill(serving), { replaced: true })),
    haproxy: await pair.repeat(runs, () => pair.gapWhenHaproxyDies()),
    cut: await pair.repeat(runs, () => pair.gapWhenCut()),
  }))

  console.log(`\nGap seen by a client that connects every 5 ms, ${runs} runs each, milliseconds\n`)
  printTable(
    ['', 'median (p10-p90)', 'aim', "with Octavia's timing", 'Octavia (keepalived alone)'],
    [
      ['amphora killed', milliseconds(fast.killed), '400', milliseconds(compatible.killed), '3500'],
      ['HAProxy killed', milliseconds(fast.haproxy), '100', milliseconds(compatible.haproxy), '10000'],
      ['link cut', milliseconds(fast.cut), '400', milliseconds(compatible.cut), '3490'],
      ['controller killed', milliseconds(fast.controller), '0', '', ''],
      ['both rotated as planned', milliseconds(fast.rotations.map(longestGap)), '', '', ''],
    ],
  )
  const all = fast.rotations
  const sum = (count: (one: Knocked) => number) => String(all.reduce((total, one) => total + count(one), 0))
  const late = all.flatMap(delays)
  console.log(`\nPlanned rotation of both amphorae of a pair, ${runs} runs; ${KEPT} clients with kept connections beside the new ones\n`)
  printTable(
    ['', 'sum', 'aim'],
    [
      ['new connections', sum(({ knocks }) => knocks.length), ''],
      ['of them failed', sum((one) => refused(one).length + unanswered(one).length), '0'],
      ['of them delayed by a SYN sent again', String(late.length), ''],
      ['their longest delay, ms', late.length === 0 ? '-' : Math.max(...late).toFixed(0), ''],
      ['requests on kept connections', sum(({ kept }) => kept.requests), ''],
      ['of them cut at the switch', sum(({ kept }) => kept.cut), ''],
      ['kept connections asked to close', sum(({ kept }) => kept.askedToClose), ''],
    ],
  )
  console.log('\nReplacement in service after the detection, milliseconds\n')
  printTable(['', 'median (p10-p90)', 'aim'], [['amphora replaced', milliseconds(fast.replacements), '5000']])
}

async function measured<T>(config: string, measure: (pair: Pair) => Promise<T>): Promise<T> {
  const text = `[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n[health_manager]\nfailovers_per_minute = 1000\n${config}`
  const plane = await DataPlane.start({ portBase: PORT_BASE, config: text })
  try {
    return await measure(await Pair.make(plane))
  } finally {
    await plane.stop()
  }
}

class Pair {
  readonly #plane: DataPlane
  readonly #client: Client
  readonly #made: Made

  private constructor(plane: DataPlane, client: Client, made: Made) {
    this.#plane = plane
    this.#client = client
    this.#made = made
  }

  static async make(plane: DataPlane): Promise<Pair> {
    const address = await plane.members('web', { http: [8001, 8002] })
    const client = await plane.client('client')
    const members = [8001, 8002].map((protocol_port) => ({ address, protocol_port }))
    const default_pool = { name: 'web', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members }
    const made = await plane.loadBalancer({ listeners: [{ name: 'web', protocol: 'HTTP', protocol_port: 80, default_pool }] })
    return new Pair(plane, client, made)
  }

  async repeat<T>(runs: number, one: () => Promise<T>): Promise<T[]> {
    const all: T[] = []
    for (let i = 0; i < runs; i++) all.push(await one())
    return all
  }

  /** With `replaced`, the next run waits for the amphora's replacement. */
  async gapWhen(event: (serving: Amphora) => Promise<unknown>, { replaced = false } = {}): Promise<number> {
    const serving = await this.#whoServes()
    const knocked = await this.#knock(async () => {
      await event(serving)
      await this.#servedByAnother(serving)
    })
    if (replaced) await eventually(async () => (await this.#amphorae()).every(({ id }) => id !== serving.id), WHOLE_WITHIN_MS)
    await this.#whole()
    return longestGap(knocked)
  }

  kill({ compute_id }: Amphora): Promise<unknown> {
    return this.#plane.controller.ottavia('lab', 'amphora', 'kill', compute_id)
  }

  /** The agent starts it again, before or after the VIP has moved. */
  async gapWhenHaproxyDies(): Promise<number> {
    const { id } = this.#made
    const { compute_id } = await this.#whoServes()
    const knocked = await this.#knock(async () => {
      await this.#exec(compute_id, [], `kill -9 $(cat /var/lib/octavia/${id}/${id}.pid)`)
      await sleep(HAPROXY_BACK_MS)
    })
    return longestGap(knocked)
  }

  async gapWhenCut(): Promise<number> {
    const setLink = (port: string, admin_state_up: boolean) => this.#plane.neutron('PUT', `ports/${port}`, { port: { admin_state_up } })
    let port = ''
    const gap = await this.gapWhen(({ vrrp_port_id }) => {
      port = vrrp_port_id
      return setLink(port, false)
    })
    await setLink(port, true)
    return gap
  }

  async gapWhenControllerDies(): Promise<number> {
    const knocked = await this.#knock(async () => {
      await this.#plane.controller.kill()
      await this.#plane.controller.start()
    })
    return longestGap(knocked)
  }

  async rotate(): Promise<Knocked> {
    await this.#whole()
    return knockDuring(this.#client, { address: this.#made.vip, kept: KEPT, keptPath: KEPT_PATH }, () =>
      this.#plane.change(this.#made, 'PUT', `/v2/lbaas/loadbalancers/${this.#made.id}/failover`),
    )
  }

  /** How long each replacement took that a death had begun. */
  async replacementsMs(): Promise<number[]> {
    type Event = { event: string; outcome: string; duration_ms: number }
    const { events } = await this.#plane.get<{ events: Event[] }>(`/v2/lbaas/loadbalancers/${this.#made.id}/events?limit=1000`)
    return events.flatMap(({ event, outcome, duration_ms }) => (event === 'replace_amphora' && outcome === 'success' ? [duration_ms] : []))
  }

  #knock(work: () => Promise<void>): Promise<Knocked> {
    return knockDuring(this.#client, { address: this.#made.vip }, work)
  }

  async #servedByAnother(former: Amphora): Promise<void> {
    await eventually(async () => (await this.#whoServes(former.id)).id !== former.id, WHOLE_WITHIN_MS)
  }

  async #whole(): Promise<void> {
    await eventually(async () => {
      const statuses = (await this.#amphorae()).map(({ status }) => status)
      return statuses.length === 2 && statuses.every((status) => status === 'ALLOCATED')
    }, WHOLE_WITHIN_MS)
    await this.#plane.settled(this.#made.id)
  }

  #whoServes(butNot?: string): Promise<Amphora> {
    return eventually(async () => {
      for (const amphora of await this.#amphorae()) {
        if (amphora.id === butNot) continue
        const shown = await this.#exec(amphora.compute_id, ['--inner'], 'ip -brief address show eth1').catch(() => '')
        if (shown.includes(`${this.#made.vip}/`)) return amphora
      }
      return false
    }, WHOLE_WITHIN_MS)
  }

  async #amphorae(): Promise<Amphora[]> {
    return (await this.#plane.get<{ amphorae: Amphora[] }>(`/v2/octavia/amphorae?loadbalancer_id=${this.#made.id}`)).amphorae
  }

  #exec(compute_id: string, options: string[], script: string): Promise<string> {
    return this.#plane.controller.ottavia('lab', 'amphora', 'exec', compute_id, ...options, '--', 'sh', '-c', script)
  }
}
