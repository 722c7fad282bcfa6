/** Requests a second and their times, as wrk sees them from a client's namespace. */
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

/** Rounds with a connection per request, of which there are fewer: they are for the reader, the aim is about kept ones. */
const PART_WITH_NEW_CONNECTIONS = 0.25
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
    const rounds = connection === 'keep-alive' ? options.pairs : Math.max(1, Math.round(options.pairs * PART_WITH_NEW_CONNECTIONS))
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
