/**
 * How many heartbeats a second one health manager takes in, as its database shows it, and whether it falls apart when more are sent; and whether one
 * that stood still takes its own absence for the death of all amphorae. The amphorae are played by another process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Db, openDatabase } from '../src/db/connection.ts'
import { migrate } from '../src/db/migrate.ts'
import { startPostgres } from '../test/support/sandbox.ts'
import { cpuMs } from './api/processes.ts'
import { appliedSoFar, idsOf, seedFleet } from './heartbeats/fleet.ts'
import { canMeasureOctavia, measureOctavia } from './heartbeats/octavia.ts'
import { writePackets } from './heartbeats/packets.ts'
import { printTable } from './table.ts'

const usage = `usage: npm run bench -- heartbeats [OPTIONS]
  --only rate,stop,octavia  what is measured (default all): octavia is the real octavia-health-manager, where it is installed
  --database NAME,...       of sqlite, postgresql (default both)
  --rates N,...             heartbeats a second that are offered (default 8000,10000,40000 on SQLite, 4000,6000,20000 on PostgreSQL)
  --seconds N               for so long (default 15)
  --amphorae N              that send them (default 2000)
  --stop-seconds N          how long the manager stands still (default 90); heartbeat_timeout is two thirds of it, heartbeat_interval a ninth`

const DEFAULT_RATES = { sqlite: [8_000, 10_000, 40_000], postgresql: [4_000, 6_000, 20_000] }
/** Until the process has come to its speed, and heartbeats wait as long as they will, nothing is counted. */
const WARM_UP_MS = 3_000
const LOOK_MS = 100
/** Longer than heartbeats wait to be stored together. */
const DRAIN_MS = 5_000

/** Around its limit, which is near 245 (measured on a machine like this one). */
const OCTAVIA_RATES = [200, 500]
const OCTAVIA_SECONDS = 20

type Kind = keyof typeof DEFAULT_RATES

interface Store {
  kind: Kind
  connection: string
  helperPids: number[]
  stop(): Promise<void>
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: 'rate,stop,octavia' },
      database: { type: 'string', default: 'sqlite,postgresql' },
      rates: { type: 'string' },
      seconds: { type: 'string', default: '15' },
      amphorae: { type: 'string', default: '2000' },
      'stop-seconds': { type: 'string', default: '90' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const amphorae = Number(values.amphorae)
  for (const kind of values.database.split(',') as Kind[]) {
    const rates = values.rates?.split(',').map(Number) ?? DEFAULT_RATES[kind]
    if (values.only.includes('rate')) await measureRates(kind, { amphorae, rates, seconds: Number(values.seconds) })
    if (values.only.includes('stop')) await measureStop(kind, { amphorae, stopSeconds: Number(values['stop-seconds']) })
  }
  if (values.only.includes('octavia')) await compareOctavia()
}

async function measureRates(
  kind: Kind,
  { amphorae, rates, seconds }: { amphorae: number; rates: number[]; seconds: number },
): Promise<void> {
  const rows: string[][] = []
  for (const rate of rates) {
    const figures = await withFleet(kind, amphorae, { intervalSeconds: 10, timeoutSeconds: 60 }, async ({ db, manager, store }) => {
      const look = async () => ({
        ...{ at: performance.now(), applied: await appliedSoFar(db), cpu: cpuMs([manager.pid]), helper: cpuMs(store.helperPids) },
      })
      const sender = await startSender(manager.port, amphorae, rate, seconds)
      sender.go()
      const began = performance.now()
      let ended = Number.POSITIVE_INFINITY
      void sender.sent.then(() => {
        ended = performance.now()
      })
      // Until nothing more comes out of what was sent.
      const looks = [await look()]
      let last = looks[0]!
      while (performance.now() - last.at < DRAIN_MS) {
        await sleep(LOOK_MS)
        const now = await look()
        looks.push(now)
        if (now.applied !== last.applied) last = now
      }
      const counted = looks.filter(({ at }) => at >= began + WARM_UP_MS && at <= ended)
      const perSecond = (name: 'applied' | 'cpu' | 'helper') => slope(counted.map((each) => [each.at / 1_000, each[name]]))
      return {
        ...{ applied: perSecond('applied'), cpu: perSecond('cpu') / 10, helper: perSecond('helper') / 10 },
        longestPauseMs: longestPause(counted),
        ...{ sent: await sender.sent, total: last.applied },
      }
    })
    const { applied, longestPauseMs, cpu, helper, sent, total, rowsWritten } = figures
    rows.push([
      String(rate),
      applied.toFixed(0),
      ((rowsWritten / total) * applied).toFixed(0),
      longestPauseMs.toFixed(0),
      `${((1 - total / sent) * 100).toFixed(1)} %`,
      `${cpu.toFixed(0)} %`,
      helper === 0 ? '' : `${helper.toFixed(0)} %`,
    ])
  }
  console.log(`\nHeartbeats of ${amphorae} amphorae to one process, ${kind}, ${seconds} s each\n`)
  printTable(['offered/s', 'applied/s', 'rows written/s', 'longest pause, ms', 'lost', 'CPU', "database's CPU"], rows)
}

/** How steeply the line rises that fits them best: what was stored grows by leaps. */
function slope(points: [x: number, y: number][]): number {
  const mean = (of: (point: [x: number, y: number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [meanX, meanY] = [mean(([x]) => x), mean(([, y]) => y)]
  return mean(([x, y]) => (x - meanX) * (y - meanY)) / mean(([x]) => (x - meanX) ** 2)
}

/** In ms, between two looks at which more was stored than before. */
function longestPause(looks: { at: number; applied: number }[]): number {
  const grown = looks.filter(({ applied }, n) => n === 0 || applied > looks[n - 1]!.applied)
  return Math.max(0, ...grown.slice(1).map(({ at }, n) => at - grown[n]!.at))
}

async function measureStop(kind: Kind, { amphorae, stopSeconds }: { amphorae: number; stopSeconds: number }): Promise<void> {
  const timing = { intervalSeconds: stopSeconds / 9, timeoutSeconds: stopSeconds / 1.5 }
  const around = timing.timeoutSeconds + 2 * timing.intervalSeconds
  const { falseFailovers, isDeadReplaced } = await withFleet(kind, amphorae, timing, async ({ db, manager }) => {
    // One that was heard once and never again: it shows that silence is judged at all.
    const dead = idsOf(amphorae)
    await seedFleet(db, 1, amphorae)
    await db.insertInto('amphora_health').values({ amphora_id: dead.amphora, last_update_ms: Date.now(), busy: false }).execute()
    const sender = await startSender(manager.port, amphorae, amphorae / timing.intervalSeconds, 2 * around + stopSeconds)
    sender.go()
    await sleep(around * 1_000)
    process.kill(manager.pid, 'SIGSTOP')
    await sleep(stopSeconds * 1_000)
    process.kill(manager.pid, 'SIGCONT')
    await sender.sent
    const failovers = await db.selectFrom('amphora_failover').select('amphora_id').execute()
    return {
      falseFailovers: failovers.filter(({ amphora_id }) => amphora_id !== dead.amphora).length,
      isDeadReplaced: failovers.some(({ amphora_id }) => amphora_id === dead.amphora),
    }
  })
  console.log(
    `\n${amphorae} amphorae, ${kind}, the manager stopped for ${stopSeconds} s (heartbeat_timeout ${timing.timeoutSeconds.toFixed(0)} s)\n`,
  )
  printTable(
    ['', ''],
    [
      ['false failovers', String(falseFailovers)],
      ['the one that is dead', isDeadReplaced ? 'is being replaced' : 'was not noticed'],
    ],
  )
}

async function compareOctavia(): Promise<void> {
  if (!canMeasureOctavia()) {
    console.log('\nThe real octavia-health-manager: not installed (MariaDB, RabbitMQ and Octavia of Debian are needed, and OTTAVIA_SHARED)')
    return
  }
  const applied = await measureOctavia(OCTAVIA_RATES, OCTAVIA_SECONDS)
  console.log('\nHeartbeats of 200 amphorae to the real octavia-health-manager, MariaDB\n')
  printTable(
    ['offered/s', 'applied/s'],
    OCTAVIA_RATES.map((rate, n) => [String(rate), applied[n]!.toFixed(0)]),
  )
}

interface Fleet {
  db: Db
  store: Store
  manager: { pid: number; port: number }
}

async function withFleet<T>(
  kind: Kind,
  amphorae: number,
  timing: { intervalSeconds: number; timeoutSeconds: number },
  body: (fleet: Fleet) => Promise<T>,
): Promise<T & { rowsWritten: number }> {
  const store = await startStore(kind)
  const db = await openDatabase({ connection: store.connection })
  try {
    await migrate(db)
    await seedFleet(db, amphorae)
    const manager = await startManager(store.connection, timing)
    try {
      const result = await body({ db, store, manager })
      return { ...result, rowsWritten: await manager.stop() }
    } finally {
      manager.kill()
    }
  } finally {
    await db.destroy()
    await store.stop()
  }
}

async function startStore(kind: Kind): Promise<Store> {
  if (kind === 'sqlite') {
    const directory = mkdtempSync(join(tmpdir(), 'ottavia-bench-'))
    return {
      kind,
      connection: `sqlite://${join(directory, 'heartbeats.db')}`,
      helperPids: [],
      stop: async () => rmSync(directory, { recursive: true }),
    }
  }
  const server = await startPostgres()
  if (server === undefined) throw new Error('PostgreSQL is not installed')
  return { kind, connection: server.url, helperPids: [server.pid], stop: server.stop }
}

async function startManager(connection: string, timing: { intervalSeconds: number; timeoutSeconds: number }) {
  const { child, line } = startProgram(process.execPath, [
    ...['--disable-warning=ExperimentalWarning', programFile('manager.ts')],
    ...[connection, timing.intervalSeconds, timing.timeoutSeconds],
  ])
  const port = Number(await line())
  return {
    pid: child.pid!,
    port,
    /** Answers how many rows it has written. */
    async stop(): Promise<number> {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const rows = Number(await line())
      await ended
      return rows
    },
    kill: () => child.kill('SIGKILL'),
  }
}

async function startSender(port: number, amphorae: number, perSecond: number, seconds: number) {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-bench-'))
  const packets = join(directory, 'packets')
  writePackets(packets, { count: Math.round(perSecond * seconds), amphorae, port })
  const { child, line } = startProgram('python3', [programFile('sender.py'), packets, port, perSecond])
  await line()
  rmSync(directory, { recursive: true })
  const sent = line().then(Number)
  return { sent, go: () => child.stdin!.write('\n') }
}

const programFile = (name: string) => fileURLToPath(new URL(`heartbeats/${name}`, import.meta.url))

function startProgram(program: string, args: (string | number)[]): { child: ChildProcess; line(): Promise<string> } {
  const child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return {
    child,
    async line() {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${program} ended`)
      return value
    },
  }
}
