/** Requests and handshakes a second and their times, as wrk sees them from a client's namespace; answers to datagrams a second. */
import { fileURLToPath } from 'node:url'
import type { Client } from '../../test/netns/support/data-plane.ts'
import { quantile } from '../table.ts'

export type Places = Record<'amphora' | 'hand-written' | 'direct', string>
type Place = keyof Places
const places: Place[] = ['amphora', 'hand-written', 'direct']

export interface ThroughputOptions {
  /** How often each place has its turn. */
  pairs: number
  seconds: number
  connections: number
}

/** Of all that is not about kept connections there are fewer rounds: no aim depends on it. */
const PART_OF_OTHERS = 0.25
const AIM = 0.98

interface Run {
  requestsPerSecond: number
  p50: number
  p99: number
}

/** Rows of a table; prints nothing. Throws where a request failed. */
export async function measureThroughput(client: Client, urls: Places, options: ThroughputOptions): Promise<string[][]> {
  const rows: string[][] = []
  for (const connection of ['keep-alive', 'close'] as const) {
    const rounds = connection === 'keep-alive' ? options.pairs : fewer(options)
    const runs: Record<Place, Run[]> = { amphora: [], 'hand-written': [], direct: [] }
    for (let round = 0; round < rounds; round++) {
      // The order turns round, so that nobody always comes after the same neighbour.
      const order = round % 2 === 0 ? places : places.toReversed()
      for (const place of order) runs[place].push(await wrk(client, urls[place], connection, options))
    }
    const ratios = runs.amphora.map(({ requestsPerSecond }, index) => requestsPerSecond / runs['hand-written'][index]!.requestsPerSecond)
    const name = connection === 'keep-alive' ? 'kept connections' : 'a connection per request'
    const figures = (of: (run: Run) => number, digits: number) => places.map((place) => quartiles(runs[place].map(of), digits))
    const ratio = quartiles(ratios, 3)
    rows.push([
      `requests/s, ${name}`,
      ...figures(({ requestsPerSecond }) => requestsPerSecond, 0),
      ratio,
      connection === 'close' ? '' : String(AIM),
    ])
    rows.push([`p50 in ms, ${name}`, ...figures(({ p50 }) => p50, 2), '', ''])
    rows.push([`p99 in ms, ${name}`, ...figures(({ p99 }) => p99, 2), '', ''])
  }
  return rows
}

/** A row: each request on a connection, and so a handshake, of its own. */
export async function measureHandshakes(client: Client, urls: Omit<Places, 'direct'>, options: ThroughputOptions): Promise<string[]> {
  const rates: Record<'amphora' | 'hand-written', number[]> = { amphora: [], 'hand-written': [] }
  for (let round = 0; round < fewer(options); round++) {
    for (const place of ['amphora', 'hand-written'] as const)
      rates[place].push((await wrk(client, urls[place], 'close', options)).requestsPerSecond)
  }
  const ratios = rates.amphora.map((rate, index) => rate / rates['hand-written'][index]!)
  return ['TLS handshakes/s', quartiles(rates.amphora, 0), quartiles(rates['hand-written'], 0), '', quartiles(ratios, 3), '']
}

const udpFlows = fileURLToPath(new URL('udp-flows.ts', import.meta.url))
const FLOWS = 64

/** A row. Places are `address:port`. */
export async function measureDatagrams(
  client: Client,
  places: { amphora: string; direct: string },
  options: ThroughputOptions,
): Promise<string[]> {
  const rates: Record<'amphora' | 'direct', number[]> = { amphora: [], direct: [] }
  for (let round = 0; round < fewer(options); round++) {
    for (const place of ['amphora', 'direct'] as const) {
      const args = [udpFlows, ...places[place].split(':'), String(FLOWS), String(options.seconds)]
      rates[place].push(Number(await client.exec(process.execPath, args, { timeoutMs: options.seconds * 1_000 + 20_000 })))
    }
  }
  return [`UDP answers/s, ${FLOWS} flows`, quartiles(rates.amphora, 0), '', quartiles(rates.direct, 0), '', '']
}

const fewer = ({ pairs }: ThroughputOptions) => Math.max(1, Math.round(pairs * PART_OF_OTHERS))

async function wrk(client: Client, url: string, connection: string, { seconds, connections }: ThroughputOptions): Promise<Run> {
  const args = ['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`, '--latency']
  const output = await client.exec('wrk', [...args, '--header', `Connection: ${connection}`, url], { timeoutMs: seconds * 1_000 + 20_000 })
  if (/Non-2xx/.test(output)) throw new Error(`${url}: ${output}`)
  const latency = (percentile: number) => milliseconds(new RegExp(`\\s${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(output))
  return { requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)![1]), p50: latency(50), p99: latency(99) }
}

function milliseconds(match: RegExpExecArray | null): number {
  const [, value, unit] = match!
  return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[unit as 'us' | 'ms' | 's']
}

/** `median (lower-upper quartile)` */
function quartiles(sample: number[], digits: number): string {
  const [lower, median, upper] = [0.25, 0.5, 0.75].map((part) => quantile(sample, part).toFixed(digits))
  return `${median} (${lower}-${upper})`
}
