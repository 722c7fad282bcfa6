/**
 * `npm run bench -- failover`: what a client notices that opens a new connection every 5 ms, when what serves it dies, is cut off, or is replaced as
 * planned; and how long a pair is without its second amphora. The gap is the longest time in which nobody who came was answered without waiting.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sandboxNames } from '../src/embedded/compute/names.ts'
import { exec } from '../src/lib/exec.ts'
import { stateHash } from '../src/main/state.ts'
import { type Client, DataPlane, type Made } from '../test/netns/support/data-plane.ts'
import type { Knocked } from '../test/netns/support/knocker.ts'
import { delays, isPrompt, knockDuring, longestGap, refused, unanswered } from '../test/netns/support/knocks.ts'
import { eventually } from '../test/support/eventually.ts'
import { milliseconds, printTable } from './table.ts'

const WHOLE_WITHIN_MS = 30_000
/** So long nobody starts another controller after one is killed: a process that starts takes the CPU from those who are measured. */
const WITHOUT_CONTROLLER_MS = 1_000
/** The end of the knocking must be served, or the gap was longer than it looked. */
const SERVED_AT_THE_END_MS = 250
const PORT_BASE = 21_500
const EVERY_MS = 5
/** Clients that keep their connections through a planned rotation, and how long each of their requests takes. */
const KEPT = 20
const KEPT_PATH = '/?wait=20'

type Amphora = { id: string; status: string; compute_id: string; vrrp_port_id: string }
type HaproxyDeath = { gap: number; isTakenOver: boolean }

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

  const gaps = (deaths: HaproxyDeath[]) => deaths.map(({ gap }) => gap)
  console.log(`\nGap seen by a client that connects every ${EVERY_MS} ms, ${runs} runs each, milliseconds\n`)
  printTable(
    ['', 'median (p10-p90)', 'aim', "with Octavia's timing", 'Octavia (keepalived alone)'],
    [
      ['amphora killed', milliseconds(fast.killed), '400', milliseconds(compatible.killed), '3500'],
      ['HAProxy killed', milliseconds(gaps(fast.haproxy)), '100', milliseconds(gaps(compatible.haproxy)), '10000'],
      ['link cut', milliseconds(fast.cut), '400', milliseconds(compatible.cut), '3490'],
      ['controller killed', milliseconds(fast.controller), '0', '', ''],
      ['both rotated as planned', milliseconds(fast.rotations.map(longestGap)), '', '', ''],
    ],
  )
  const takenOver = (deaths: HaproxyDeath[]) => `${deaths.filter(({ isTakenOver }) => isTakenOver).length} of ${runs}`
  console.log(
    `\nThe least gap is the ${EVERY_MS} ms between two connections. When HAProxy was killed, with its master, the partner took over in`,
  )
  console.log(
    `${takenOver(fast.haproxy)} runs, with Octavia's timing in ${takenOver(compatible.haproxy)}; else the agent had started it again before.`,
  )
  console.log('The controller is started again only after the measurement.')
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
    return gapOf(knocked)
  }

  kill({ compute_id }: Amphora): Promise<unknown> {
    return this.#plane.controller.ottavia('lab', 'amphora', 'kill', compute_id)
  }

  /** The agent starts it again, before or after the VIP has moved. */
  async gapWhenHaproxyDies(): Promise<HaproxyDeath> {
    const { id } = this.#made
    const serving = await this.#whoServes()
    const pidFile = `/var/lib/octavia/${id}/${id}.pid`
    const knocked = await this.#knock(async () => {
      // A worker outlives its master by a moment, in which it may serve.
      const kill = `master=$(cat ${pidFile}); workers=$(cat /proc/$master/task/*/children); kill -9 $master; kill -9 $workers; echo $master`
      const master = await this.#exec(serving.compute_id, [], kill)
      await eventually(async () => {
        const now = await this.#exec(serving.compute_id, [], `cat ${pidFile} && kill -0 $(cat ${pidFile})`).catch(() => master)
        return now.trim() !== '' && now.trim() !== master.trim()
      }, WHOLE_WITHIN_MS)
      await this.#served()
    })
    return { gap: gapOf(knocked), isTakenOver: (await this.#whoServes()).id !== serving.id }
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
      await sleep(WITHOUT_CONTROLLER_MS)
    })
    await this.#plane.controller.start()
    return gapOf(knocked)
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
    return knockDuring(this.#client, { address: this.#made.vip, everyMs: EVERY_MS }, work)
  }

  async #servedByAnother(former: Amphora): Promise<void> {
    await eventually(async () => (await this.#holders()).some(({ id }) => id !== former.id), WHOLE_WITHIN_MS)
    await this.#served()
  }

  /** The client's requests are answered again. */
  async #served(): Promise<void> {
    await eventually(async () => {
      const [answer] = await this.#client.ask({ url: `http://${this.#made.vip}/`, timeoutMs: 200 })
      return answer!.status === 200
    }, WHOLE_WITHIN_MS)
  }

  async #whole(): Promise<void> {
    await eventually(async () => {
      const statuses = (await this.#amphorae()).map(({ status }) => status)
      return statuses.length === 2 && statuses.every((status) => status === 'ALLOCATED')
    }, WHOLE_WITHIN_MS)
    await this.#plane.settled(this.#made.id)
  }

  /** Where two have the VIP, as after a cut link is whole again, they have not agreed yet. */
  #whoServes(): Promise<Amphora> {
    return eventually(async () => {
      const holders = await this.#holders()
      return holders.length === 1 && holders[0]!
    }, WHOLE_WITHIN_MS)
  }

  /** Asked past the agents, which would take a process of ours each time. */
  async #holders(): Promise<Amphora[]> {
    const names = sandboxNames(stateHash(this.#plane.controller.stateDirectory))
    const holders: Amphora[] = []
    for (const amphora of await this.#amphorae()) {
      const script =
        'for pid in $(ip netns pids "$0"); do net=/proc/$pid/root/run/netns/amphora-haproxy; ' +
        '[ -e $net ] && exec nsenter --net=$net ip -brief address show eth1; done'
      const shown = await exec('sh', ['-c', script, names.ofServer(amphora.compute_id)]).catch(() => ({ stdout: '' }))
      if (shown.stdout.includes(`${this.#made.vip}/`)) holders.push(amphora)
    }
    return holders
  }

  async #amphorae(): Promise<Amphora[]> {
    return (await this.#plane.get<{ amphorae: Amphora[] }>(`/v2/octavia/amphorae?loadbalancer_id=${this.#made.id}`)).amphorae
  }

  #exec(compute_id: string, options: string[], script: string): Promise<string> {
    return this.#plane.controller.ottavia('lab', 'amphora', 'exec', compute_id, ...options, '--', 'sh', '-c', script)
  }
}

/** Throws where nobody was served any more at the end. */
function gapOf(knocked: Knocked): number {
  const ended = Math.max(...knocked.knocks.map(({ at }) => at))
  const served = knocked.knocks.filter(isPrompt).map(({ at }) => at)
  assert.ok(Math.max(...served) > ended - SERVED_AT_THE_END_MS, 'the client was not served again when it stopped')
  return longestGap(knocked)
}
