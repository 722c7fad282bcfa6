/**
 * The same requests to Ottavia and to the real Octavia, one after the other, both on no-op drivers: how many a second, how long each takes, what it
 * costs the server's processor; and how that grows with the number of load balancers in the database. Octavia is the one that Debian
 * packages where it is installed (`octaviaPackages`), else its API alone.
 */
import { parseArgs } from 'node:util'
import { LoadClient } from './api/client.ts'
import { hasOctavia, octaviaPackages, startOctavia } from './api/octavia.ts'
import { hasOracle, startOracle } from './api/oracle.ts'
import { startOttavia } from './api/ottavia.ts'
import { cpuMs } from './api/processes.ts'
import { idOfCopy, seed } from './api/seed.ts'
import type { Target } from './api/target.ts'
import { printTable, quantile } from './table.ts'

const usage = `usage: npm run bench -- api [OPTIONS]
  --database sqlite|postgresql   what Ottavia runs on (default sqlite)
  --against auto|octavia|oracle|none   who else is measured (default auto: octavia where installed, else oracle)
  --only NAME,...                of get, list-10, list-100, list-1000, post, full, member, delete, growth
  --count N                      operations of each write measurement (default 30)
  --seconds N                    length of each read measurement (default 4)
  --most N                       load balancers in the database at the end of the growth (default 10000)
  --poll N                       milliseconds between two looks at an object that is not ACTIVE yet (default 20)`

/** Connections while requests per second are counted. */
const CONNECTIONS = 8
const WARM_UP_REQUESTS = 200
const WARM_UP_MS = 1_500
const WARM_UP_WRITES = 10
const SUBNET = '7e9d2b3c-1111-4a4a-9b9b-000000000001'
const LOAD_BALANCERS = '/v2/lbaas/loadbalancers'
/** The projects of 10, 100 and 1000 load balancers, and of those that only fill the database. */
const project = (size: number | 'rest') => `bench${String(size).padStart(27, '0')}`

interface Options {
  only: ReadonlySet<string>
  count: number
  seconds: number
  most: number
  pollMs: number
}

interface Figures {
  perSecond: number
  p50: number
  p99: number
  cpuMs: number
  /** Of the database and the broker, where they are processes of their own. */
  helperCpuMs: number
}

interface Measured {
  target: Target
  rows: Map<string, Figures>
  /** By operation, then by the number of load balancers in the database. */
  growth: Map<string, Map<number, Figures>>
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      database: { type: 'string', default: 'sqlite' },
      against: { type: 'string', default: 'auto' },
      only: { type: 'string' },
      count: { type: 'string', default: '30' },
      seconds: { type: 'string', default: '4' },
      most: { type: 'string', default: '10000' },
      poll: { type: 'string', default: '20' },
      help: { type: 'boolean', default: false },
    },
  })
  const { database, against } = values
  if (values.help || (database !== 'sqlite' && database !== 'postgresql')) {
    console.log(usage)
    return
  }
  const options: Options = {
    only: new Set(values.only?.split(',') ?? [...operations.keys(), 'growth']),
    count: Number(values.count),
    seconds: Number(values.seconds),
    most: Number(values.most),
    pollMs: Number(values.poll),
  }
  const other = otherServer(against)
  const ours = await measureTarget(await startOttavia(database), options)
  const theirs = other === undefined ? undefined : await measureTarget(await other(), options)
  print(ours, theirs, options)
}

function otherServer(against: string): (() => Promise<Target>) | undefined {
  if (against === 'octavia' || (against === 'auto' && hasOctavia())) return startOctavia
  if (against === 'oracle' || (against === 'auto' && hasOracle())) return startOracle
  if (against === 'auto') console.log(`no Octavia to compare with; apt-get install --no-install-recommends ${octaviaPackages.join(' ')}`)
  return undefined
}

type Operation = (bench: Bench) => Promise<Figures>

/** In the order of the table. */
const operations = new Map<string, { title: string; writes: boolean; measure: Operation }>([
  ['get', { title: 'GET one load balancer', writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}/${bench.one}`) }],
  ...[10, 100, 1000].map(
    (size) =>
      [
        `list-${size}`,
        {
          title: `GET list of ${size}`,
          writes: false,
          measure: (bench: Bench) => bench.reads(`${LOAD_BALANCERS}?project_id=${project(size)}`),
        },
      ] as const,
  ),
  ['post', { title: 'POST load balancer until ACTIVE', writes: true, measure: (bench) => bench.creations(plain) }],
  ['full', { title: 'POST fully populated until ACTIVE', writes: true, measure: (bench) => bench.creations(fullyPopulated) }],
  ['member', { title: 'POST member until ACTIVE', writes: true, measure: (bench) => bench.members() }],
  ['delete', { title: 'DELETE, cascade, until gone', writes: true, measure: (bench) => bench.deletions() }],
])

/** What is measured again at each size of the database. */
const growing = new Map<string, { writes: boolean; measure: Operation }>([
  ['GET one load balancer', { writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}/${bench.one}`) }],
  ['GET list of a project of 10', { writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}?project_id=${project(10)}`) }],
  ['GET list by name', { writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}?name=bench-5`) }],
  ['GET first 10 of all', { writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}?limit=10`) }],
  [
    'GET 10 of all, by name, after a marker',
    { writes: false, measure: (bench) => bench.reads(`${LOAD_BALANCERS}?limit=10&sort=name&marker=${bench.one}`) },
  ],
  ['POST load balancer until ACTIVE', { writes: true, measure: (bench) => bench.creations(plain) }],
])

async function measureTarget(target: Target, options: Options): Promise<Measured> {
  const bench = new Bench(target, options)
  const measured: Measured = { target, rows: new Map(), growth: new Map() }
  try {
    await bench.prepare()
    for (const size of [10, 100, 1000]) {
      await bench.fill(size, size)
      if (options.only.has('growth')) await measureGrowth(bench, measured)
    }
    for (const [name, { title, writes, measure }] of operations) {
      if (!options.only.has(name) || (writes && !target.works)) continue
      const figures = await measure(bench)
      measured.rows.set(title, figures)
      console.error(`${target.name}: ${title}: ${figures.cpuMs.toFixed(2)} CPU-ms`)
    }
    if (options.only.has('growth') && options.most > bench.filled) {
      await bench.fill('rest', options.most - bench.filled)
      await measureGrowth(bench, measured)
    }
    return measured
  } finally {
    bench.close()
    await target.stop()
  }
}

async function measureGrowth(bench: Bench, { target, growth }: Measured): Promise<void> {
  for (const [title, { writes, measure }] of growing) {
    if (writes && !target.works) continue
    const figures = await measure(bench)
    growth.set(title, (growth.get(title) ?? new Map()).set(bench.filled, figures))
    console.error(`${target.name}: ${bench.filled} in the database: ${title}: ${figures.cpuMs.toFixed(2)} CPU-ms`)
  }
}

const plain = (number: number) => ({ loadbalancer: { name: `new-${number}`, vip_subnet_id: SUBNET, project_id: project('rest') } })

function fullyPopulated(number: number) {
  const members = [10, 11].map((host) => ({ address: `203.0.113.${host}`, protocol_port: 80 }))
  const healthmonitor = { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3, url_path: '/' }
  const default_pool = { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members, healthmonitor }
  const listeners = [{ name: 'listener', protocol: 'HTTP', protocol_port: 80, default_pool }]
  return { loadbalancer: { ...plain(number).loadbalancer, listeners } }
}

class Bench {
  readonly #target: Target
  readonly #options: Options
  readonly #client: LoadClient
  #template = ''
  #made: string[] = []
  /** Seeded copies of the template; what write measurements make, they also delete. */
  filled = 0

  constructor(target: Target, options: Options) {
    this.#target = target
    this.#options = options
    this.#client = new LoadClient(target.url)
  }

  close(): void {
    this.#client.close()
  }

  /** A load balancer in the middle of those that are there from the start. */
  get one(): string {
    return idOfCopy(this.#template, 5)
  }

  /** Makes the load balancer of which all others are copies: a listener, a pool, two members and a monitor. */
  async prepare(): Promise<void> {
    const { store, works } = this.#target
    this.#template = await this.#create(fullyPopulated(0))
    if (works) await this.#untilActive(this.#template)
    // The API alone makes nothing ACTIVE, and Octavia 11 leaves the children of such a create as they are.
    for (const { table, where } of store.tables(this.#template)) {
      if ((await store.columnsOf(table)).includes('provisioning_status')) {
        await store.execute(`update ${table} set provisioning_status = 'ACTIVE' where ${where}`)
      }
    }
    if (!works) return
    for (const make of [plain, fullyPopulated]) {
      await this.#withdrawn(() => this.#inTurn(WARM_UP_WRITES, (number) => this.#active(make(number))))
    }
  }

  async fill(size: number | 'rest', count: number): Promise<void> {
    await seed(this.#target.store, this.#template, project(size), this.filled + 1, this.filled + count)
    this.filled += count
  }

  /** Half the time one request at a time, for how long each takes, half of it several at once, for how many there are. */
  async reads(path: string): Promise<Figures> {
    await this.#repeat(path, WARM_UP_MS, WARM_UP_REQUESTS)
    const half = (this.#options.seconds * 1_000) / 2
    const { before, after } = this.#cost()
    const times = await this.#repeat(path, half)
    const startedAt = performance.now()
    const several = await Promise.all(Array.from({ length: CONNECTIONS }, () => this.#repeat(path, half)))
    const seconds = (performance.now() - startedAt) / 1_000
    const count = several.reduce((sum, ofOne) => sum + ofOne.length, 0)
    return { ...spread(times), perSecond: count / seconds, ...after(before, times.length + count) }
  }

  /** Load balancers until ACTIVE, in turn and several at once; `delete` takes away what `full` has made. */
  async creations(make: (number: number) => object): Promise<Figures> {
    const work = () => this.#writes((number) => this.#active(make(number)))
    return make === fullyPopulated ? work() : this.#withdrawn(work)
  }

  async members(): Promise<Figures> {
    return this.#withdrawn(async () => {
      const pools: { load_balancer_id: string; pool_id: string }[] = []
      for (let number = 0; number < CONNECTIONS; number++) pools.push(await this.#poolOfNew(number))
      return this.#writes(async (number, worker) => {
        const { load_balancer_id, pool_id } = pools[worker]!
        const member = { address: `203.0.113.${number % 250}`, protocol_port: 1000 + number }
        // Octavia marks the load balancer ACTIVE a moment before the pool.
        const isTaken = async () =>
          (await this.#client.send('POST', `/v2/lbaas/pools/${pool_id}/members`, { member }, [201, 409])).status === 201
        await this.#client.until(isTaken, this.#options.pollMs)
        await this.#untilActive(load_balancer_id)
      })
    })
  }

  /** What the measurement before has made, else as many made for it. */
  async deletions(): Promise<Figures> {
    while (this.#made.length < 2 * this.#options.count) await this.#active(fullyPopulated(this.#made.length))
    const doomed = this.#made.splice(0)
    return this.#writes(() => this.#delete(doomed.pop()!))
  }

  /** Operations in turn, for how long each takes, then as many several at once, for how many there are. */
  async #writes(operation: (number: number, worker: number) => Promise<unknown>): Promise<Figures> {
    const { count } = this.#options
    const { before, after } = this.#cost()
    const times = await this.#inTurn(count, (number) => operation(number, 0))
    const startedAt = performance.now()
    let next = count
    const worker = async (_: unknown, index: number) => {
      while (next < 2 * count) await operation(next++, index)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, worker))
    return { ...spread(times), perSecond: count / ((performance.now() - startedAt) / 1_000), ...after(before, 2 * count) }
  }

  async #inTurn(count: number, operation: (number: number) => Promise<unknown>): Promise<number[]> {
    const times: number[] = []
    for (let number = 0; number < count; number++) {
      const startedAt = performance.now()
      await operation(number)
      times.push(performance.now() - startedAt)
    }
    return times
  }

  /** Deletes what was made by the work. */
  async #withdrawn<T>(work: () => Promise<T>): Promise<T> {
    const kept = this.#made
    this.#made = []
    try {
      return await work()
    } finally {
      for (const id of this.#made) await this.#delete(id)
      this.#made = kept
    }
  }

  async #repeat(path: string, ms: number, most = Number.POSITIVE_INFINITY): Promise<number[]> {
    const times: number[] = []
    const end = performance.now() + ms
    while (times.length < 2 || (performance.now() < end && times.length < most)) times.push((await this.#client.send('GET', path)).ms)
    return times
  }

  #cost() {
    const { pids, helperPids } = this.#target
    const now = () => ({ cpuMs: cpuMs(pids), helperCpuMs: cpuMs(helperPids) })
    const after = (before: ReturnType<typeof now>, count: number) => {
      const used = now()
      return { cpuMs: (used.cpuMs - before.cpuMs) / count, helperCpuMs: (used.helperCpuMs - before.helperCpuMs) / count }
    }
    return { before: now(), after }
  }

  async #create(body: object): Promise<string> {
    return (JSON.parse((await this.#client.send('POST', LOAD_BALANCERS, body)).text) as { loadbalancer: { id: string } }).loadbalancer.id
  }

  async #active(body: object): Promise<void> {
    const id = await this.#create(body)
    this.#made.push(id)
    await this.#untilActive(id)
  }

  async #untilActive(id: string): Promise<void> {
    await this.#client.until(async () => {
      const { text } = await this.#client.send('GET', `${LOAD_BALANCERS}/${id}`)
      const { provisioning_status } = (JSON.parse(text) as { loadbalancer: { provisioning_status: string } }).loadbalancer
      if (provisioning_status === 'ERROR') throw new Error(`load balancer ${id} is in ERROR`)
      return provisioning_status === 'ACTIVE'
    }, this.#options.pollMs)
  }

  async #delete(id: string): Promise<void> {
    await this.#client.send('DELETE', `${LOAD_BALANCERS}/${id}?cascade=true`)
    const isGone = async () => (await this.#client.send('GET', `${LOAD_BALANCERS}/${id}`, undefined, [200, 404])).status === 404
    await this.#client.until(isGone, this.#options.pollMs)
  }

  async #poolOfNew(number: number): Promise<{ load_balancer_id: string; pool_id: string }> {
    const load_balancer_id = await this.#create(plain(number))
    this.#made.push(load_balancer_id)
    await this.#untilActive(load_balancer_id)
    const pool = { loadbalancer_id: load_balancer_id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
    const { text } = await this.#client.send('POST', '/v2/lbaas/pools', { pool })
    await this.#untilActive(load_balancer_id)
    return { load_balancer_id, pool_id: (JSON.parse(text) as { pool: { id: string } }).pool.id }
  }
}

function spread(times: number[]): Pick<Figures, 'p50' | 'p99'> {
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

function print(ours: Measured, theirs: Measured | undefined, { count, seconds, pollMs }: Options): void {
  console.log(
    `\nReads for ${seconds} s each, writes ${count} in turn and ${count} on ${CONNECTIONS} connections, looked at every ${pollMs} ms. ` +
      'In parentheses: what database and broker cost besides, where they are processes of their own.\n',
  )
  const columns = ['req/s', 'p50 ms', 'p99 ms', 'CPU-ms']
  const table = [...ours.rows].map(([title, figures]) => {
    const other = theirs?.rows.get(title)
    return [title, ...cells(figures), ...(theirs === undefined ? [] : [...cells(other), ratio(figures, other)])]
  })
  const headings = (of: Measured) => columns.map((column, index) => (index === 0 ? `${of.target.name}: ${column}` : column))
  printTable(['', ...headings(ours), ...(theirs === undefined ? [] : [...headings(theirs), 'CPU ratio'])], table)
  if (ours.growth.size === 0) return
  const sizes = [...ours.growth.values().next().value!.keys()]
  console.log('\nCPU-ms by the number of load balancers in the database\n')
  printTable(
    [
      '',
      ...[ours, ...(theirs === undefined ? [] : [theirs])].flatMap(({ target }) =>
        sizes.map((size, i) => (i === 0 ? `${target.name}: ${size}` : `${size}`)),
      ),
    ],
    [...ours.growth].map(([title, bySize]) => [
      title,
      ...[bySize, ...(theirs === undefined ? [] : [theirs.growth.get(title)])].flatMap((of) => sizes.map((size) => cost(of?.get(size)))),
    ]),
  )
}

function cells(figures: Figures | undefined): string[] {
  if (figures === undefined) return ['-', '-', '-', '-']
  return [figures.perSecond.toPrecision(3), figures.p50.toPrecision(3), figures.p99.toPrecision(3), cost(figures)].map(plainNumber)
}

function cost(figures: Figures | undefined): string {
  if (figures === undefined) return '-'
  const helpers = figures.helperCpuMs > 0 ? ` (${plainNumber(figures.helperCpuMs.toPrecision(2))})` : ''
  return `${plainNumber(figures.cpuMs.toPrecision(3))}${helpers}`
}

/** `toPrecision` writes 1.2e+3 where there are more digits than asked for. */
const plainNumber = (text: string): string => (text.includes('e') ? String(Number(text)) : text)

function ratio(ours: Figures, theirs: Figures | undefined): string {
  return theirs === undefined ? '-' : `${Math.round(theirs.cpuMs / ours.cpuMs)}`
}
